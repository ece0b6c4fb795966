"""Reference settlement of one schedule, equal to IEnergyMarket.settle to the unit.

Energies are import positive, money is signed from the account's side (received > 0). With c the contracted energy of a
slot, m the metered one and d = m − c, the account gets −c at the clearing price; it pays d > 0 at the short price and
receives −d > 0 at the long price. Of the contract, min(|d|, |c|) was not kept: beyond floor(|c| × tolerance) that bears
the penalty; energy that was never contracted was promised to nobody and bears none. Wh × units per kWh are
milli-units: each component is summed over the day in those and rounded once, toward −∞, so the backstop, the
counterparty of everything, keeps the dust.
"""

from __future__ import annotations

from collections.abc import Sequence

from gridwitness.domain.market import Clearing, Order, Schedule, Settlement, Side, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.errors import InputError
from gridwitness.market.clearing import fill_wh

MILLI = 1000
BPS = 10_000


def contracted_wh(order: Order, clearing: Clearing | None) -> int:
    """Net energy (Wh, import positive) an order contracted; nothing in a slot without a result."""
    if clearing is None:
        return 0
    filled_wh = fill_wh(order, clearing)
    return filled_wh if order.side is Side.BID else -filled_wh


def settle(
    schedule: Schedule,
    clearings: Sequence[Clearing | None],
    metered_wh: Sequence[int],
    params: ZoneParams,
    *,
    available: int | None = None,
) -> Settlement:
    """Settle on metered energy: 96 clearings and 96 net energies of the schedule's day.

    `available` is the account's free money plus the schedule's reserve (token units): what it owes beyond is
    uncollected. Without it the account is taken to be good for everything. Raises InputError on a wrong length.
    """
    _demand_day("clearings", len(clearings))
    _demand_day("metered energies", len(metered_wh))
    traded = imbalance = penalty = total_contracted_wh = 0
    for order, clearing, energy_wh in zip(schedule.orders, clearings, metered_wh, strict=True):
        contract_wh = contracted_wh(order, clearing)
        if clearing is not None:
            traded -= contract_wh * clearing.price_per_kwh
        imbalance += imbalance_milli(energy_wh - contract_wh, params)
        penalty += penalty_milli(contract_wh, energy_wh - contract_wh, params)
        total_contracted_wh += contract_wh
    owed = -sum(milli // MILLI for milli in (traded, imbalance, penalty))
    return Settlement(
        traded_cash=traded // MILLI,
        imbalance_cash=imbalance // MILLI,
        penalty_cash=penalty // MILLI,
        uncollected=0 if available is None else max(0, owed - available),
        contracted_wh=total_contracted_wh,
        metered_wh=sum(metered_wh),
    )


def settle_missing(
    schedule: Schedule,
    clearings: Sequence[Clearing | None],
    params: ZoneParams,
    *,
    available: int | None = None,
) -> Settlement:
    """Settle a schedule whose data never came: buyers took what they bought, sellers delivered nothing."""
    _demand_day("clearings", len(clearings))
    contracts_wh = (contracted_wh(order, clearing) for order, clearing in zip(schedule.orders, clearings, strict=True))
    estimate_wh = [max(0, contract_wh) for contract_wh in contracts_wh]
    return settle(schedule, clearings, estimate_wh, params, available=available)


def imbalance_milli(deviation_wh: int, params: ZoneParams) -> int:
    """Cash (milli-units) of a deviation: short pays the short price, long receives the long price."""
    return -deviation_wh * (params.short_price_per_kwh if deviation_wh > 0 else params.long_price_per_kwh)


def penalty_milli(contract_wh: int, deviation_wh: int, params: ZoneParams) -> int:
    """Penalty (milli-units, ≤ 0) on the part of a deviation beyond the tolerance."""
    tolerated_wh = abs(contract_wh) * params.tolerance_bps // BPS
    broken_wh = min(abs(deviation_wh), abs(contract_wh))
    return -max(0, broken_wh - tolerated_wh) * params.penalty_per_kwh


def net_cash(settlement: Settlement) -> int:
    """What the account really received (> 0) or paid (< 0), in token units."""
    components = settlement.traded_cash + settlement.imbalance_cash + settlement.penalty_cash
    return components + settlement.uncollected


def reserve(schedule: Schedule, params: ZoneParams) -> int:
    """Money (token units) a schedule reserves: buyers their limit, sellers the cost of delivering nothing."""
    milli = sum(order.energy_wh * _reserve_price(order, params) for order in schedule.orders)
    return -(-milli // MILLI)


def _reserve_price(order: Order, params: ZoneParams) -> int:
    limit_price = params.price_of(order.tick)
    if order.side is Side.BID:
        return limit_price
    return max(0, params.short_price_per_kwh + params.penalty_per_kwh - limit_price)


def _demand_day(what: str, count: int) -> None:
    if count != SLOTS_PER_DAY:
        raise InputError(f"a day has {count} {what}; it must have {SLOTS_PER_DAY}")
