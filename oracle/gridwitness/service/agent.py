"""A trading agent: from a meter's history to a day's schedule, signed if it has a key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32

from gridwitness.domain.market import Order, Schedule, SignedSchedule, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY, slot_start, slots_of_day
from gridwitness.encoding.eip712 import market_domain, schedule_digest
from gridwitness.errors import ConfigError, GridwitnessError, InputError
from gridwitness.market.agents import Strategy, imbalance_limit_wh, make_orders
from gridwitness.market.battery import Battery, BatteryPlan, market_prices, plan_battery, tariff_prices
from gridwitness.market.forecast import Forecast, whole_days
from gridwitness.service.net_forecast import LEAST_DAYS, MOST_DAYS, forecast_net_day
from gridwitness.service.relay.messages import encode_row, to_message, to_row
from gridwitness.sources.community import load_community
from gridwitness.sources.community_data import date_of, time_text
from gridwitness.sources.prices import load_expected_prices

FORMAT = "gridwitness schedule 2"
_TIMEOUT_S = 30.0
_FEW_DAYS = 3


class _Problem(msgspec.Struct):
    detail: str
    hint: str = ""


class _Result(msgspec.Struct):
    status: str
    problem: _Problem | None


class _Answer(msgspec.Struct):
    """Results, of which there is one, or else the problem's detail."""

    results: list[_Result] = []
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A day's schedule and what it was made from; `plan` only with a battery."""

    schedule: Schedule
    forecast: Forecast
    strategy: Strategy
    plan: BatteryPlan | None


@dataclass(frozen=True, slots=True)
class Seal:
    """A signature over a schedule, and the market it is for."""

    chain_id: int
    market: str
    digest: bytes
    signature: bytes


def forecast_meter(history: Path, meter: str | None, day: int, history_days: int | None) -> Forecast:
    """Forecast a day from the `history_days` before it; with None from a year and more if there are LEAST_DAYS, or else
    from the last three. Raises CommunityError or InputError if the history does not allow it.
    """
    community = load_community(history)
    if meter is None:
        if len(community.meters) > 1:
            raise InputError(
                f"{history} has {len(community.meters)} meters", hint=f"--meter is one of {', '.join(community.meters)}"
            )
        meter = community.meters[0]
    known_wh = whole_days(community.history_wh(meter, day, history_days or MOST_DAYS))
    if history_days is None and len(known_wh) < LEAST_DAYS:
        known_wh = known_wh[-_FEW_DAYS:]
    return forecast_net_day(known_wh, day)


def plan_day(
    forecast: Forecast, battery: Battery | None, prices: Path | None, day: int, params: ZoneParams, *, green: bool
) -> BatteryPlan | None:
    """A battery's plan for the median forecast; none without a battery.

    It is planned for the clearing prices of the file, at which it buys with the network fee and sells with the green
    premium, or else for the zone's own. Raises InputError if there are prices but no battery to look at them.
    """
    if battery is None:
        if prices is not None:
            raise InputError(f"prices {prices} are for a battery, and there is none")
        return None
    if prices is None:
        return plan_battery(forecast.median_wh(), battery, tariff_prices(params, SLOTS_PER_DAY))
    expected = market_prices(load_expected_prices(prices, day), params, green=green)
    return plan_battery(forecast.median_wh(), battery, expected)


def propose(
    unfilled: Schedule,
    forecast: Forecast,
    params: ZoneParams,
    strategy: Strategy,
    plan: BatteryPlan | None,
    *,
    green: bool,
) -> Proposal:
    """Fill in orders, imbalance limit and deadline of a schedule by a strategy. Raises InputError as `make_orders`."""
    orders = make_orders(forecast, params, strategy, plan, green=green)
    deadline, limit_wh = _last_gate(unfilled.day, orders, params), imbalance_limit_wh(forecast, plan)
    schedule = replace(unfilled, orders=orders, deadline=deadline, imbalance_limit_wh=limit_wh)
    return Proposal(schedule, forecast, strategy, plan)


def _last_gate(day: int, orders: Sequence[Order], params: ZoneParams) -> int:
    """Last second (unix) before the gate closes of the last slot ordered in: what a schedule is worth signing for.

    A relay can hold a schedule back no longer than that, and until then a day's later slots can still be replaced.
    """
    ordered = [slot for slot, order in zip(slots_of_day(day), orders, strict=True) if order.energy_wh]
    return slot_start((ordered or slots_of_day(day))[-1] - params.gate_lead_slots) - 1


def seal(schedule: Schedule, key: LocalAccount, chain_id: int, market: str) -> Seal:
    """Sign a schedule as owner or delegate, or as the device itself where its id is the key's own address."""
    digest = schedule_digest(market_domain(chain_id, market), schedule)
    signature = bytes(key.unsafe_sign_hash(Hash32(digest)).signature)
    address = bytes.fromhex(key.address[2:])
    own = schedule.device_id == address.rjust(32, b"\0")
    return Seal(chain_id, market, digest, signature if own else address + signature)


def document(proposal: Proposal, sealed: Seal | None) -> dict[str, Any]:
    """What the schedule's file says; names and units are the contract's.

    `schedule` is the EIP-712 message, `orders` the same orders in words. A relay takes {"schedule": the message,
    "signature": that of the seal}.
    """
    schedule = proposal.schedule
    slots = zip(slots_of_day(schedule.day), schedule.orders, strict=True)
    return {
        "format": FORMAT,
        "schedule": msgspec.to_builtins(to_message(schedule)),
        "orders": [
            {
                "slotStart": time_text(slot),
                "side": order.side.name.lower(),
                "tick": order.tick,
                "energyWh": order.energy_wh,
            }
            for slot, order in slots
        ],
        "date": date_of(schedule.day).isoformat(),
        "strategy": proposal.strategy.value,
        "storedWh": None if proposal.plan is None else list(proposal.plan.stored_wh),
        "seal": sealed
        and {
            "chainId": sealed.chain_id,
            "market": sealed.market,
            "digest": "0x" + sealed.digest.hex(),
            "signature": "0x" + sealed.signature.hex(),
        },
    }


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a schedule's file. Raises ConfigError if it cannot be written."""
    try:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def send(url: str, schedule: Schedule, sealed: Seal) -> str:
    """Send a signed schedule to a relay. Returns accepted, or duplicate if the relay had it.

    Raises InputError for a schedule without orders, or with the relay's reason if it refuses the schedule,
    GridwitnessError if no relay answers.
    """
    if not any(order.energy_wh for order in schedule.orders):
        raise InputError("no order is worth making, so nothing is sent", hint="an empty schedule would cancel the day")
    body = encode_row(to_row(SignedSchedule(schedule, sealed.signature)))
    headers = {"content-type": "application/json"}
    try:
        response = httpx.post(url.rstrip("/") + "/v1/schedules", content=body, headers=headers, timeout=_TIMEOUT_S)
        answer = msgspec.json.decode(response.content, type=_Answer)
    except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError) as error:
        raise GridwitnessError(f"no relay answers at {url} ({error})", hint="run it again: it sends once") from error
    if len(answer.results) != 1:
        raise GridwitnessError(f"the relay at {url} answered {response.status_code}: {answer.detail or 'no result'}")
    (result,) = answer.results
    if result.problem is not None:
        raise InputError(f"the relay refuses the schedule: {result.problem.detail}", hint=result.problem.hint)
    return result.status
