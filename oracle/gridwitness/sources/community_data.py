"""A community's checked meter data in memory, and the choice of days to trade."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.slots import SLOTS_PER_DAY, slot_start, slots_of_day
from gridwitness.errors import CommunityError

EPOCH = date(1970, 1, 1)


def time_text(slot: int) -> str:
    """A delivery slot's start as UTC text, such as 2016-08-11T12:15:00Z."""
    return datetime.fromtimestamp(slot_start(slot), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def date_of(day: int) -> date:
    """Calendar date of a delivery day (UTC, days since the epoch)."""
    return EPOCH + timedelta(days=day)


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive delivery slots: `slots` of them from `first_slot`."""

    first_slot: int
    slots: int

    def __contains__(self, slot: int) -> bool:
        """Whether it has that delivery slot."""
        return self.first_slot <= slot < self.first_slot + self.slots

    @property
    def days(self) -> range:
        """The complete delivery days (UTC) within."""
        first = -(-self.first_slot // SLOTS_PER_DAY)
        return range(first, max(first, (self.first_slot + self.slots) // SLOTS_PER_DAY))


@dataclass(frozen=True, slots=True)
class ChosenDays:
    """Consecutive delivery days: `history` to learn from, directly followed by the days to `trade`."""

    history: range
    trade: range


@dataclass(frozen=True)
class Community:
    """Net energy of every meter over the same slots.

    `meters` is sorted; `blocks` ascend in time; `energies_wh` has a row per meter and a column per slot, the blocks
    one after the other, in Wh, import positive.
    """

    name: str
    meters: tuple[str, ...]
    blocks: tuple[Block, ...]
    energies_wh: NDArray[np.int64] = field(repr=False)

    @property
    def days(self) -> tuple[int, ...]:
        """All complete delivery days (UTC, days since the epoch)."""
        return tuple(day for block in self.blocks for day in block.days)

    def net_wh(self, meter: str) -> NDArray[np.int64]:
        """Net energy of a meter in every slot of every block. Raises CommunityError if there is no such meter."""
        if meter not in self.meters:
            raise CommunityError(f"{self.name}: no meter {meter}; there are {', '.join(self.meters)}")
        net_wh: NDArray[np.int64] = self.energies_wh[self.meters.index(meter)]
        return net_wh

    def days_wh(self, meter: str, days: range) -> NDArray[np.int64]:
        """Net energy of a meter over consecutive complete days of one block: shape (days, 96).

        Raises CommunityError if a day is not there.
        """
        for day in days:
            if not any(day in block.days for block in self.blocks):
                raise CommunityError(f"{self.name}: no complete UTC day {date_of(day)}")
        columns = [self._column(slots_of_day(day).start) for day in days]
        energies_wh = self.net_wh(meter)
        rows = [energies_wh[column : column + SLOTS_PER_DAY] for column in columns]
        return np.stack(rows) if rows else np.empty((0, SLOTS_PER_DAY), dtype=np.int64)

    def history_wh(self, meter: str, day: int, days: int) -> NDArray[np.int64]:
        """Net energy of a meter in the slots known of the `days` days directly before `day`, from a day's start on.

        The last day may be incomplete. Raises CommunityError if nothing is known of the day before.
        """
        stop = slots_of_day(day).start
        block = next((block for block in self.blocks if stop - SLOTS_PER_DAY in block), None)
        if block is None:
            raise CommunityError(
                f"{self.name}: no slot {time_text(stop - SLOTS_PER_DAY)}, the start of the day before",
                hint="it has "
                + ", ".join(
                    f"{time_text(block.first_slot)} to {time_text(block.first_slot + block.slots)}"
                    for block in self.blocks
                ),
            )
        whole_from = -(-block.first_slot // SLOTS_PER_DAY) * SLOTS_PER_DAY
        first, last = max(whole_from, stop - days * SLOTS_PER_DAY), min(stop, block.first_slot + block.slots)
        column = self._column(first)
        return self.net_wh(meter)[column : column + last - first]

    def kind_of(self, meter: str) -> DeviceKind:
        """What the meter's data shows: PROSUMER if it both imports and exports, GENERATION if it only exports."""
        energies_wh = self.net_wh(meter)
        imports, exports = bool((energies_wh > 0).any()), bool((energies_wh < 0).any())
        if exports:
            return DeviceKind.PROSUMER if imports else DeviceKind.GENERATION
        return DeviceKind.CONSUMPTION

    def choose_days(self, days: int, history_days: int = 3, start: date | None = None) -> ChosenDays:
        """Choose `days` days to trade with up to `history_days`, at least one, directly before them.

        With `start` they begin on that date. Otherwise they are taken from the block with the greatest export: with as
        much history as asked for if the block has it, and where the meters have most to trade among themselves.
        Raises CommunityError if there is too little data.
        """
        if days < 1 or history_days < 1:
            raise CommunityError(f"{days} days with {history_days} days of history: each must be at least 1")
        if start is not None:
            return self._days_from((start - EPOCH).days, days, history_days)
        for block in sorted(self.blocks, key=self._exported_wh, reverse=True):
            history = min(history_days, len(block.days) - days)
            if history >= 1:
                first = max(
                    block.days[history : len(block.days) - days + 1], key=lambda day: self._shared_wh(day, days)
                )
                return ChosenDays(range(first - history, first), range(first, first + days))
        longest = max(len(block.days) for block in self.blocks)
        raise CommunityError(
            f"{self.name}: {days} days need {days + 1} complete UTC days in a row (one of history); the longest block "
            f"has {longest}",
            hint=f"ask for at most {longest - 1} days" if longest > 1 else "give data of at least two whole UTC days",
        )

    def _days_from(self, first: int, days: int, history_days: int) -> ChosenDays:
        block = next((block for block in self.blocks if first in block.days), None)
        hint = "complete UTC days are " + ", ".join(
            f"{date_of(block.days[0])} to {date_of(block.days[-1])}" for block in self.blocks if block.days
        )
        if block is None:
            raise CommunityError(
                f"{self.name}: start {date_of(first)} is not a complete UTC day of the data", hint=hint
            )
        if first == block.days.start:
            raise CommunityError(
                f"{self.name}: start {date_of(first)} has 0 days of history; it needs at least 1", hint=hint
            )
        if first + days > block.days.stop:
            raise CommunityError(
                f"{self.name}: {days} days from {date_of(first)} end after {date_of(block.days[-1])}, at most "
                f"{block.days.stop - first} are there",
                hint=hint,
            )
        return ChosenDays(range(max(block.days.start, first - history_days), first), range(first, first + days))

    def _column(self, slot: int) -> int:
        """Column of a slot that is in the data."""
        column = 0
        for block in self.blocks:
            if slot < block.first_slot + block.slots:
                return column + slot - block.first_slot
            column += block.slots
        raise CommunityError(f"{self.name}: no slot {time_text(slot)}")

    def _exported_wh(self, block: Block) -> int:
        first = self._column(block.first_slot)
        return -int(self.energies_wh[:, first : first + block.slots].clip(max=0).sum())

    def _shared_wh(self, first_day: int, days: int) -> int:
        """Energy over some days that some meters export while others import."""
        column = self._column(slots_of_day(first_day).start)
        energies_wh = self.energies_wh[:, column : column + days * SLOTS_PER_DAY]
        imports_wh, exports_wh = energies_wh.clip(min=0).sum(axis=0), -energies_wh.clip(max=0).sum(axis=0)
        return int(np.minimum(imports_wh, exports_wh).sum())
