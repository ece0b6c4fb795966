"""What the scorer remembers of one device and metric: a few days of values and statistics of its own past."""

from __future__ import annotations

from dataclasses import dataclass, field

from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.scoring.integers import clamp
from gridwitness.scoring.params import ScorerParams

MISSING = -(1 << 62)
MAX_VALUE = 1 << 60
SIZES = 12
DEVIATIONS = 40


def size_of(value: int) -> int:
    """Order of magnitude of a value, 0 to 11: repeats are counted apart for idle and for busy hours."""
    return min((abs(value).bit_length() + 1) // 2, SIZES - 1)


@dataclass(slots=True)
class Series:
    """State of one (device, metric).

    `values[slot % len(values)]` is the value of a delivery slot or MISSING. `run` counts repeats of the latest value
    without a gap. Per order of magnitude: `busy` readings, `repeats` among them and the `longest` run of repeats.
    `deviations` is a histogram of seasonal deviations, `record` the largest of late. `level_q8` is the mean size
    of late in 1/256, `largest` the greatest size ever. `register` is the newest value of a cumulative register, whose
    growth stands in `values`, and `register_slot` its slot.
    """

    values: list[int]
    last_slot: int = -1
    seen: int = 0
    run: int = 0
    run_flagged: bool = False
    record: int = 0
    level_q8: int = 0
    largest: int = 0
    register: int = MISSING
    register_slot: int = -1
    busy: list[int] = field(default_factory=lambda: [0] * SIZES)
    repeats: list[int] = field(default_factory=lambda: [0] * SIZES)
    longest: list[int] = field(default_factory=lambda: [0] * SIZES)
    deviations: list[int] = field(default_factory=lambda: [0] * DEVIATIONS)

    @classmethod
    def empty(cls, params: ScorerParams) -> Series:
        """A series that has seen nothing."""
        return cls([MISSING] * params.history_slots)

    def value_at(self, slot: int) -> int:
        """Value of a delivery slot, or MISSING if it never came or is older than the history."""
        size = len(self.values)
        return self.values[slot % size] if self.last_slot - size < slot <= self.last_slot else MISSING

    def earlier_days(self, slot: int, before: int, reach: int) -> list[int]:
        """Values of the same slot, and up to `reach` slots beside it, on earlier days, of slots below `before`."""
        found = []
        for day_start in range(slot - SLOTS_PER_DAY, slot - len(self.values), -SLOTS_PER_DAY):
            for beside in range(day_start - reach, day_start + reach + 1):
                value = self.value_at(beside) if beside < before else MISSING
                if value != MISSING:
                    found.append(value)
        return found

    def put_late(self, slot: int, value: int) -> None:
        """Fill the hole of an earlier slot; the first value that came stays, and one too old is forgotten."""
        if slot > self.last_slot - len(self.values) and self.values[slot % len(self.values)] == MISSING:
            self.values[slot % len(self.values)] = clamp(value, -MAX_VALUE, MAX_VALUE)

    def put(self, slot: int, value: int) -> None:
        """Append the value of a slot after all earlier ones; slots passed over become holes."""
        size = len(self.values)
        for hole in range(max(self.last_slot + 1, slot - size + 1), slot):
            self.values[hole % size] = MISSING
        self.values[slot % size] = clamp(value, -MAX_VALUE, MAX_VALUE)
        self.last_slot = slot
        self.seen += 1
