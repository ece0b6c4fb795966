"""Reference settlement of one schedule, equal to IMarketSettlement.settle to the unit.

Energies are import positive, money is signed from the account's side (received > 0). Per delivery slot, c is the
contracted energy, m the metered one and d = m − c:

* traded: −c at the clearing price.
* grid: a bid's c pays the network fee, an offer's |c| of a green device receives the green premium.
* imbalance: d > 0 is short and pays the short price, −d > 0 is long and receives the long price. Over the day the
  market balances short energy up to the contracted offers, and long energy up to the contracted bids, each plus the
  schedule's imbalance limit. The rest is residual: the supplier's, outside this market.
* penalty: of the contract, min(|d|, |c|) was not kept; beyond floor(|c| × tolerance) that is charged. Energy that was
  never contracted was promised to nobody and bears no penalty.

Wh × units per kWh are milli-units: each component is summed over the day in those and rounded once, toward −∞.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gridwitness.domain.market import Clearing, Order, Schedule, Settlement, Side, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.errors import InputError
from gridwitness.market.clearing import book_order, fill_wh, is_rounded

MILLI = 1000
BPS = 10_000
# Four components are rounded down once each, the reserve is rounded up once.
RESERVE_ROUNDING = 3
# Three components are rounded down, the dust up, and the exposure up once.
EXPOSURE_ROUNDING = 1


class CashSources(NamedTuple):
    """Who an account's cash comes from (> 0) or goes to (< 0), in token units; see IMarketSettlement.SettlementRun."""

    from_counterparties: int
    from_backstop: int


def contracted_wh(order: Order, clearing: Clearing | None, params: ZoneParams, *, green: bool) -> int:
    """Net energy (Wh, import positive) an order contracted. Raises InputError if it has energy and no clearing."""
    if order.energy_wh == 0:
        return 0
    if clearing is None:
        raise InputError(f"an order of {order.energy_wh} Wh stands in a slot that is not cleared")
    filled_wh = fill_wh(book_order(order, params, green=green), clearing)
    return filled_wh if order.side is Side.BID else -filled_wh


def contracts_wh(
    schedule: Schedule, clearings: Sequence[Clearing | None], params: ZoneParams, *, green: bool
) -> list[int]:
    """Net energies (Wh) a schedule contracted in its 96 slots. Raises InputError on a wrong number of clearings."""
    _demand_day("clearings", len(clearings))
    slots = zip(schedule.orders, clearings, strict=True)
    return [contracted_wh(order, clearing, params, green=green) for order, clearing in slots]


def settle(
    schedule: Schedule,
    clearings: Sequence[Clearing | None],
    metered_wh: Sequence[int],
    params: ZoneParams,
    *,
    green: bool,
) -> Settlement:
    """Settle on metered energy: 96 clearings and 96 net energies of the schedule's day.

    `green` says whether the device is of a green kind (`ZoneParams.is_green`). A slot without an order needs no
    clearing. Raises InputError on a wrong length.
    """
    _demand_day("metered energies", len(metered_wh))
    contracts = contracts_wh(schedule, clearings, params, green=green)
    deviations_wh = [meter_wh - contract_wh for meter_wh, contract_wh in zip(metered_wh, contracts, strict=True)]
    bought_wh, sold_wh = _by_sign(contracts)
    short_wh, long_wh = _by_sign(deviations_wh)
    settled_short_wh = min(short_wh, sold_wh + schedule.imbalance_limit_wh)
    settled_long_wh = min(long_wh, bought_wh + schedule.imbalance_limit_wh)
    premium_per_kwh = params.green_premium_per_kwh if green else 0
    traded_milli = sum(
        -contract_wh * clearing.price_per_kwh
        for contract_wh, clearing in zip(contracts, clearings, strict=True)
        if clearing is not None
    )
    grid_milli = sold_wh * premium_per_kwh - bought_wh * params.network_fee_per_kwh
    imbalance_milli = settled_long_wh * params.long_price_per_kwh - settled_short_wh * params.short_price_per_kwh
    penalty = sum(penalty_milli(*slot, params) for slot in zip(contracts, deviations_wh, strict=True))
    return Settlement(
        traded_cash=traded_milli // MILLI,
        grid_cash=grid_milli // MILLI,
        imbalance_cash=imbalance_milli // MILLI,
        penalty_cash=penalty // MILLI,
        contracted_wh=bought_wh - sold_wh,
        metered_wh=sum(metered_wh),
        residual_short_wh=short_wh - settled_short_wh,
        residual_long_wh=long_wh - settled_long_wh,
    )


def _by_sign(energies_wh: Sequence[int]) -> tuple[int, int]:
    """Sum of the positive energies and sum of the negative ones, both counted as ≥ 0."""
    positive_wh = sum(energy_wh for energy_wh in energies_wh if energy_wh > 0)
    return positive_wh, positive_wh - sum(energies_wh)


def estimate(
    schedule: Schedule, clearings: Sequence[Clearing | None], params: ZoneParams, *, green: bool
) -> Settlement:
    """Settle provisionally without data: everybody took and gave what was contracted."""
    metered_wh = contracts_wh(schedule, clearings, params, green=green)
    return settle(schedule, clearings, metered_wh, params, green=green)


def settle_missing(
    schedule: Schedule, clearings: Sequence[Clearing | None], params: ZoneParams, *, green: bool
) -> Settlement:
    """Settle for good without data: buyers took what they bought, sellers delivered nothing."""
    contracts = contracts_wh(schedule, clearings, params, green=green)
    taken_wh = [max(0, contract_wh) for contract_wh in contracts]
    return settle(schedule, clearings, taken_wh, params, green=green)


def penalty_milli(contract_wh: int, deviation_wh: int, params: ZoneParams) -> int:
    """Penalty (milli-units, ≤ 0) on the part of a contract that was not kept, beyond the tolerance."""
    tolerated_wh = abs(contract_wh) * params.tolerance_bps // BPS
    broken_wh = min(abs(deviation_wh), abs(contract_wh))
    return -max(0, broken_wh - tolerated_wh) * params.penalty_per_kwh


def net_cash(settlement: Settlement) -> int:
    """What the account is due (> 0) or owes (< 0) in all, in token units."""
    return settlement.traded_cash + settlement.grid_cash + settlement.imbalance_cash + settlement.penalty_cash


def dust_cash(schedule: Schedule, clearings: Sequence[Clearing | None], params: ZoneParams) -> int:
    """What the backstop pays (token units ≥ 0) for bids that were rounded down at the margin: the price of a Wh each.

    Without it buyers together would pay for less energy than sellers are paid for.
    """
    milli = sum(
        clearing.price_per_kwh
        for order, clearing in zip(schedule.orders, clearings, strict=True)
        if clearing is not None
        and order.side is Side.BID
        and is_rounded(book_order(order, params, green=False), clearing)
    )
    return _up(milli)


def sources_of(settlement: Settlement, dust: int) -> CashSources:
    """Who a settlement's cash comes from: `dust` is `dust_cash` of its schedule."""
    from_counterparties = settlement.traded_cash - dust
    return CashSources(from_counterparties, net_cash(settlement) - from_counterparties)


def reserve(schedule: Schedule, params: ZoneParams) -> int:
    """Most (token units) that the account can come to owe for a schedule, whatever is metered.

    It is no less than `exposure`: whoever takes up a backstop locks as much.
    """
    milli = sum(order.energy_wh * _reserve_price(order, params) for order in schedule.orders)
    milli += schedule.imbalance_limit_wh * params.short_price_per_kwh
    milli += SLOTS_PER_DAY * params.price_of(params.cap_tick)
    return _up(milli) + RESERVE_ROUNDING if _has_energy(schedule) else 0


def _reserve_price(order: Order, params: ZoneParams) -> int:
    """A buyer owes its limit, and the penalty for not taking it; a seller what delivering nothing costs."""
    limit_price = params.price_of(order.tick)
    if order.side is Side.BID:
        return limit_price + params.penalty_per_kwh
    return max(params.green_premium_per_kwh, params.short_price_per_kwh + params.penalty_per_kwh - limit_price)


def exposure(schedule: Schedule, params: ZoneParams, *, green: bool) -> int:
    """Most (token units) that the backstop can come to pay to a schedule, whatever is metered."""
    bids_wh = sum(order.energy_wh for order in schedule.orders if order.side is Side.BID)
    offers_wh = sum(order.energy_wh for order in schedule.orders if order.side is Side.OFFER)
    milli = (bids_wh + schedule.imbalance_limit_wh) * params.long_price_per_kwh
    milli += offers_wh * params.green_premium_per_kwh if green else 0
    milli += SLOTS_PER_DAY * params.price_of(params.cap_tick)
    return _up(milli) + EXPOSURE_ROUNDING if _has_energy(schedule) else 0


def _has_energy(schedule: Schedule) -> bool:
    return any(order.energy_wh for order in schedule.orders)


def _up(milli: int) -> int:
    """Milli-units in token units, rounded up."""
    return -(-milli // MILLI)


def _demand_day(what: str, count: int) -> None:
    if count != SLOTS_PER_DAY:
        raise InputError(f"a day has {count} {what}; it must have {SLOTS_PER_DAY}")
