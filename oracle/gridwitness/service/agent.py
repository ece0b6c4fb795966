"""A trading agent: from a meter's history to a day's schedule, signed if it has a key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_typing import Hash32

from gridwitness.domain.market import Schedule, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY, slots_of_day
from gridwitness.encoding.eip712 import market_domain, schedule_digest
from gridwitness.errors import ConfigError, InputError
from gridwitness.market.agents import Strategy
from gridwitness.market.battery import Battery, BatteryPlan, SlotPrices, plan_battery, tariff_prices
from gridwitness.market.forecast import Forecast, forecast_day, whole_days
from gridwitness.sources.community import load_community
from gridwitness.sources.community_data import date_of, time_text
from gridwitness.sources.prices import load_expected_prices

FORMAT = "gridwitness schedule 1"


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


def forecast_meter(history: Path, meter: str | None, day: int, history_days: int) -> Forecast:
    """Forecast a day from the days before it. Raises CommunityError or InputError if the history does not allow it."""
    community = load_community(history)
    if meter is None:
        if len(community.meters) > 1:
            raise InputError(
                f"{history} has {len(community.meters)} meters", hint=f"--meter is one of {', '.join(community.meters)}"
            )
        meter = community.meters[0]
    return forecast_day(whole_days(community.history_wh(meter, day, history_days)))


def plan_day(
    forecast: Forecast, battery: Battery | None, prices: Path | None, day: int, params: ZoneParams
) -> BatteryPlan | None:
    """A battery's plan for the median forecast; none without a battery.

    It is planned for the prices of the file, at which it both buys and sells, or else for the zone's own. Raises
    InputError if there are prices but no battery, which alone looks at them.
    """
    if battery is None:
        if prices is not None:
            raise InputError(f"prices {prices} are for a battery, and there is none")
        return None
    if prices is None:
        expected = tariff_prices(params, SLOTS_PER_DAY)
    else:
        known = load_expected_prices(prices, day)
        expected = SlotPrices(known, known)
    return plan_battery(forecast.median_wh(), battery, expected)


def seal(schedule: Schedule, key: LocalAccount, chain_id: int, market: str) -> Seal:
    """Sign a schedule as owner or delegate, or as the device itself where its id is the key's own address."""
    digest = schedule_digest(market_domain(chain_id, market), schedule)
    signature = bytes(key.unsafe_sign_hash(Hash32(digest)).signature)
    address = bytes.fromhex(key.address[2:])
    own = schedule.device_id == address.rjust(32, b"\0")
    return Seal(chain_id, market, digest, signature if own else address + signature)


def document(proposal: Proposal, sealed: Seal | None) -> dict[str, Any]:
    """What the schedule's file says; names and units are the contract's."""
    schedule = proposal.schedule
    slots = zip(slots_of_day(schedule.day), schedule.orders, strict=True)
    return {
        "format": FORMAT,
        "schedule": {
            "deviceId": "0x" + schedule.device_id.hex(),
            "account": schedule.account,
            "zone": schedule.zone,
            "day": schedule.day,
            "version": schedule.version,
            "orders": [
                {
                    "slotStart": time_text(slot),
                    "side": order.side.name.lower(),
                    "tick": order.tick,
                    "energyWh": order.energy_wh,
                }
                for slot, order in slots
            ],
        },
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
