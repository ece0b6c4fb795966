"""A whole delivery day off-chain: what the contracts do with these schedules and these meters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gridwitness.domain.market import Clearing, Schedule, Settlement, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.market.clearing import book_of, clear
from gridwitness.market.settlement import net_cash, settle


@dataclass(frozen=True, slots=True)
class DayResult:
    """Clearings of the day's 96 slots and, in the order of the schedules, each device's settlement."""

    clearings: tuple[Clearing, ...]
    settlements: dict[bytes, Settlement]

    @property
    def traded_wh(self) -> int:
        """Energy matched over the day."""
        return sum(clearing.volume_wh for clearing in self.clearings)

    @property
    def backstop_cash(self) -> int:
        """What the zone's backstop received (> 0) or paid (< 0): the other side of every account."""
        return -sum(net_cash(settlement) for settlement in self.settlements.values())


def trade_day(
    schedules: Sequence[Schedule], metered_wh: Mapping[bytes, Sequence[int]], params: ZoneParams
) -> DayResult:
    """Clear and settle one day: `metered_wh` maps each schedule's device id to its 96 net energies."""
    clearings = tuple(
        clear(book_of(schedule.orders[index] for schedule in schedules), params) for index in range(SLOTS_PER_DAY)
    )
    settlements = {
        schedule.device_id: settle(schedule, clearings, metered_wh[schedule.device_id], params)
        for schedule in schedules
    }
    return DayResult(clearings, settlements)
