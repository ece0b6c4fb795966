"""Orders, schedules, clearings and settlements. Energy in Wh, money in 1e-6 EUR, prices in 1e-6 EUR per kWh."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

TICKS = 128
MAX_ORDER_ENERGY_WH = (1 << 24) - 1
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
    """A device's 96 orders of one delivery day (UTC, days since the epoch), the unit of trade."""

    device_id: bytes
    account: str
    zone: int
    day: int
    version: int
    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class SignedSchedule:
    """A schedule with the signature of its device, owner or delegate."""

    schedule: Schedule
    signature: bytes


@dataclass(frozen=True, slots=True)
class ZoneParams:
    """Rules of a zone; fields and units as in IEnergyMarket.ZoneParams."""

    profile_stream: bytes
    floor_price_per_kwh: int
    tick_size_per_kwh: int
    short_price_per_kwh: int
    long_price_per_kwh: int
    penalty_per_kwh: int
    tolerance_bps: int
    hold_score_bps: int
    gate_lead_slots: int
    final_after_seconds: int

    def price_of(self, tick: int) -> int:
        """Price (1e-6 EUR per kWh) of a tick."""
        return self.floor_price_per_kwh + tick * self.tick_size_per_kwh


@dataclass(frozen=True, slots=True)
class Clearing:
    """Result of clearing one slot; see IEnergyMarket.Clearing."""

    tick: int
    price_per_kwh: int
    volume_wh: int
    marginal_bid_filled_wh: int
    marginal_bid_wh: int
    marginal_offer_filled_wh: int
    marginal_offer_wh: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """Money (account's side: received > 0) and energy (import > 0) of one settled schedule."""

    traded_cash: int
    imbalance_cash: int
    penalty_cash: int
    uncollected: int
    contracted_wh: int
    metered_wh: int
