"""Orders, schedules, clearings and settlements. Energy in Wh, money in 1e-6 EUR, prices in 1e-6 EUR per kWh."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

TICKS = 128
MAX_ORDER_ENERGY_WH = (1 << 24) - 1
MAX_TICK_SUM_WH = (1 << 24) - 1
EUR = 1_000_000


class Side(IntEnum):
    """Side of an order; the numbers are the packed bit."""

    BID = 0
    OFFER = 1


@dataclass(frozen=True, slots=True)
class Order:
    """An order for one delivery slot: buy (bid) or sell (offer) `energy_wh` at the price of `tick` or better."""

    side: Side
    tick: int
    energy_wh: int


NO_ORDER = Order(Side.BID, 0, 0)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A device's 96 orders of one delivery day (UTC, days since the epoch), the unit of trade.

    `deadline` is the last second (unix) at which its signature is taken, `imbalance_limit_wh` the most energy of the
    day, beyond what was contracted, that the market balances each way. See IMarketSettlement.Schedule.
    """

    device_id: bytes
    account: str
    zone: int
    day: int
    version: int
    deadline: int
    imbalance_limit_wh: int
    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class SignedSchedule:
    """A schedule with the signature of its device, owner or delegate."""

    schedule: Schedule
    signature: bytes


@dataclass(frozen=True, slots=True)
class ZoneParams:
    """Rules of a zone; fields and units as in IMarketZones.ZoneParams, in its order."""

    profile_stream: bytes
    floor_price_per_kwh: int
    tick_size_per_kwh: int
    short_price_per_kwh: int
    long_price_per_kwh: int
    penalty_per_kwh: int
    tolerance_bps: int
    hold_score_bps: int
    cap_tick: int
    network_fee_ticks: int
    green_premium_ticks: int
    green_kinds: int
    min_order_wh: int
    gate_lead_slots: int
    feeder_cap_wh: int
    provisional_after_seconds: int
    final_after_seconds: int
    dispute_seconds: int
    dispute_bond: int

    def price_of(self, tick: int) -> int:
        """Price (1e-6 EUR per kWh) of a tick."""
        return self.floor_price_per_kwh + tick * self.tick_size_per_kwh

    @property
    def network_fee_per_kwh(self) -> int:
        """What a buyer pays per kWh on top of the clearing price."""
        return self.network_fee_ticks * self.tick_size_per_kwh

    @property
    def green_premium_per_kwh(self) -> int:
        """What a green seller receives per kWh on top of the clearing price."""
        return self.green_premium_ticks * self.tick_size_per_kwh

    def is_green(self, kind: int) -> bool:
        """Whether offers of devices of this kind (IDeviceRegistry.Kind) receive the green premium."""
        return bool(self.green_kinds >> kind & 1)


@dataclass(frozen=True, slots=True)
class Clearing:
    """Result of clearing one slot; see IEnergyMarket.Clearing."""

    tick: int
    price_per_kwh: int
    volume_wh: int
    cap_wh: int
    bid_tick: int
    offer_tick: int
    marginal_bid_filled_wh: int
    marginal_bid_wh: int
    marginal_offer_filled_wh: int
    marginal_offer_wh: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """Money (account's side: received > 0) and energy (import > 0) of one run; see IMarketSettlement.Settlement."""

    traded_cash: int
    grid_cash: int
    imbalance_cash: int
    penalty_cash: int
    contracted_wh: int
    metered_wh: int
    residual_short_wh: int
    residual_long_wh: int


@dataclass(frozen=True, slots=True)
class SettlementRun:
    """A run that is not final; fields as in IMarketSettlement.SettlementRun, in its order."""

    device_id: bytes
    account: str
    zone: int
    day: int
    schedule_hash: bytes
    profile_seq: int
    ran_at: int
    reserve: int
    exposure: int
    from_counterparties: int
    from_backstop: int
    disputer: str
    disputed_at: int
