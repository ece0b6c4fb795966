"""A whole delivery day off-chain: what the contracts do with these schedules and these meters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gridwitness.domain.market import Clearing, Schedule, Settlement, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.market.clearing import book_of, book_order, clear
from gridwitness.market.settlement import CashSources, dust_cash, settle, sources_of


@dataclass(frozen=True, slots=True)
class DayResult:
    """Clearings of the day's 96 slots and, in the order of the schedules, each device's settlement and its sources."""

    clearings: tuple[Clearing, ...]
    settlements: dict[bytes, Settlement]
    sources: dict[bytes, CashSources]

    @property
    def traded_wh(self) -> int:
        """Energy matched over the day."""
        return sum(clearing.volume_wh for clearing in self.clearings)

    @property
    def in_transit(self) -> int:
        """What buyers paid for traded energy (token units) less what sellers received: rounding, never below zero."""
        return -sum(source.from_counterparties for source in self.sources.values())

    @property
    def backstop_cash(self) -> int:
        """What the zone's backstop received (> 0) or paid (< 0) in token units, without what is in transit."""
        return -sum(source.from_backstop for source in self.sources.values())


def trade_day(
    schedules: Sequence[Schedule],
    metered_wh: Mapping[bytes, Sequence[int]],
    params: ZoneParams,
    *,
    green: Collection[bytes] = frozenset(),
) -> DayResult:
    """Clear and settle one day: `metered_wh` maps each schedule's device id to its 96 net energies.

    `green` are the ids of devices of a green kind.
    """
    books = (
        book_of(book_order(row.orders[index], params, green=row.device_id in green) for row in schedules)
        for index in range(SLOTS_PER_DAY)
    )
    clearings = tuple(clear(book, params) for book in books)
    settlements = {
        row.device_id: settle(row, clearings, metered_wh[row.device_id], params, green=row.device_id in green)
        for row in schedules
    }
    sources = {
        row.device_id: sources_of(settlements[row.device_id], dust_cash(row, clearings, params)) for row in schedules
    }
    return DayResult(clearings, settlements, sources)
