"""The same homes, flows and orders under four mechanisms: who pays what, and who gets the gain of trading.

* no trading: each home buys its imports at the short price and sells its exports at the long price.
* market: cleared and settled by the rules of this package, with network fee, green premium and feeder cap. What the
  market does not balance, the supplier bills at the same two prices, so every bill is complete.
* pay as bid: the same orders match the same energy, but each pays or gets its own limit price, fee and premium
  included; the operator keeps the difference. Nobody shades an order, as people would who know the rule: so it shows
  the rule, not an equilibrium.
* net metering: over the compared days as one billing period, a home's exports cancel its own imports.

Energy flows alike in all four, so what homes save is what somebody else does without. That other side (operator,
backstop and supplier as one) collects all bills and pays for what the feeder takes from the grid or gives to it, at
the same two prices. Savings and other side always add up to the energy shared at once × (short − long).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from gridwitness.domain.market import Clearing, Schedule, Settlement, Side, ZoneParams
from gridwitness.market.bills import grid_only_bill, market_bill, net_metering_bill, shared_wh
from gridwitness.market.day import trade_day
from gridwitness.market.settlement import BPS, MILLI, contracts_wh, settle


class Mechanism(Enum):
    """How energy among neighbours is paid."""

    NO_TRADING = "no trading"
    MARKET = "market"
    PAY_AS_BID = "pay as bid"
    NET_METERING = "net metering"


@dataclass
class HomeAccount:
    """A home under one mechanism: its bill (token units), and the energy bought and used, or sold and delivered, beside
    the grid's supply; under net metering that is what was cancelled."""

    bill: int = 0
    bought_wh: int = 0
    sold_wh: int = 0

    def add(self, settlement: Settlement, kept_wh: Sequence[int], params: ZoneParams) -> None:
        """Add a settled day and what flowed of its contracts, import positive."""
        self.bill += market_bill(settlement, params)
        self.bought_wh += sum(energy_wh for energy_wh in kept_wh if energy_wh > 0)
        self.sold_wh -= sum(energy_wh for energy_wh in kept_wh if energy_wh < 0)


@dataclass
class HomeComparison:
    """A home over all days."""

    imported_wh: int = 0
    exported_wh: int = 0
    accounts: dict[Mechanism, HomeAccount] = field(default_factory=lambda: {kind: HomeAccount() for kind in Mechanism})

    def saved(self, mechanism: Mechanism) -> int:
        """What it pays less (token units) than without trading."""
        return self.accounts[Mechanism.NO_TRADING].bill - self.accounts[mechanism].bill


@dataclass
class Comparison:
    """All homes by device id, and what only the community has."""

    homes: dict[bytes, HomeComparison]
    shared_wh: int = 0
    grid_cost: int = 0
    declared_surplus_milli: int = 0

    def bill(self, mechanism: Mechanism) -> int:
        """What all homes pay (token units)."""
        return sum(home.accounts[mechanism].bill for home in self.homes.values())

    def saved(self, mechanism: Mechanism) -> int:
        """What all homes pay less (token units) than without trading."""
        return sum(home.saved(mechanism) for home in self.homes.values())

    def other_side(self, mechanism: Mechanism) -> int:
        """What operator, backstop and supplier keep (token units) of the bills after the feeder's exchange."""
        return self.bill(mechanism) - self.grid_cost

    def welfare(self, mechanism: Mechanism) -> int:
        """What matched orders were worth by their own limits (token units): buyers' values less sellers' costs."""
        return self.declared_surplus_milli // MILLI if mechanism in (Mechanism.MARKET, Mechanism.PAY_AS_BID) else 0


def settle_as_bid(
    schedule: Schedule,
    clearings: Sequence[Clearing],
    metered_wh: Sequence[int],
    params: ZoneParams,
    *,
    green: bool,
) -> Settlement:
    """Settle a schedule as `settle` does, each order at its own limit price, fee and premium included."""
    on_top = {Side.BID: params.network_fee_per_kwh, Side.OFFER: params.green_premium_per_kwh if green else 0}
    own = [
        replace(clearing, price_per_kwh=params.price_of(order.tick) - on_top[order.side])
        for order, clearing in zip(schedule.orders, clearings, strict=True)
    ]
    return settle(schedule, own, metered_wh, params, green=green)


def compare(
    days: Iterable[tuple[Sequence[Schedule], Mapping[bytes, Sequence[int]]]],
    params: ZoneParams,
    *,
    green: Collection[bytes] = frozenset(),
) -> Comparison:
    """Compare over days of schedules, one per home, and metered energies. The homes must be the same every day.

    `green` are the ids of devices of a green kind.
    """
    result: Comparison | None = None
    net_wh: dict[bytes, int] = {}
    for schedules, metered_wh in days:
        result = result or Comparison({device: HomeComparison() for device in metered_wh})
        _add_day(result, schedules, metered_wh, params, green)
        for device, energies_wh in metered_wh.items():
            net_wh[device] = net_wh.get(device, 0) + sum(energies_wh)
    result = result or Comparison({})
    for device, home in result.homes.items():
        cancelled_wh = min(home.imported_wh, home.exported_wh)
        bill = net_metering_bill((net_wh[device],), params)
        home.accounts[Mechanism.NET_METERING] = HomeAccount(bill, cancelled_wh, cancelled_wh)
    return result


def _add_day(
    result: Comparison,
    schedules: Sequence[Schedule],
    metered_wh: Mapping[bytes, Sequence[int]],
    params: ZoneParams,
    green: Collection[bytes],
) -> None:
    traded = trade_day(schedules, metered_wh, params, green=green)
    result.shared_wh += shared_wh(metered_wh)
    result.grid_cost += grid_only_bill(map(sum, zip(*metered_wh.values(), strict=True)), params)
    for schedule in schedules:
        is_green = schedule.device_id in green
        energies_wh, home = metered_wh[schedule.device_id], result.homes[schedule.device_id]
        imported_wh = sum(energy_wh for energy_wh in energies_wh if energy_wh > 0)
        home.imported_wh += imported_wh
        home.exported_wh += imported_wh - sum(energies_wh)
        home.accounts[Mechanism.NO_TRADING].bill += grid_only_bill(energies_wh, params)
        as_bid = settle_as_bid(schedule, traded.clearings, energies_wh, params, green=is_green)
        contracts = contracts_wh(schedule, traded.clearings, params, green=is_green)
        kept_wh = [_kept(*slot) for slot in zip(contracts, energies_wh, strict=True)]
        home.accounts[Mechanism.MARKET].add(traded.settlements[schedule.device_id], kept_wh, params)
        home.accounts[Mechanism.PAY_AS_BID].add(as_bid, kept_wh, params)
        result.declared_surplus_milli += sum(
            contract_wh * params.price_of(order.tick)
            for contract_wh, order in zip(contracts, schedule.orders, strict=True)
        )


def _kept(contract_wh: int, metered_wh: int) -> int:
    """The part of a contract that really flowed, import positive."""
    if contract_wh > 0:
        return max(0, min(contract_wh, metered_wh))
    return min(0, max(contract_wh, metered_wh))


def share_bps(part_wh: int, whole_wh: int) -> int:
    """Basis points of a whole, rounded down; 0 of nothing."""
    return part_wh * BPS // whole_wh if whole_wh else 0
