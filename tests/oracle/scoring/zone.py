"""A zone on real data: the bundled community's meters, a feeder that sees their truth plus losses, and faults."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from gridwitness.domain.devices import Device, DeviceKind, DeviceStatus, KeyType
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score
from gridwitness.domain.slots import SECONDS_PER_DAY, SLOTS_PER_DAY, slot_start
from gridwitness.scoring import FLAG_SCORE_BPS, Scorer, profile_score
from gridwitness.sources.community import load_community

DATA = Path(__file__).parents[3] / "data" / "simbench-rural1"
HISTORY_DAYS = 3
NOON = 48
FEEDER = b"\xff" * 32
ZONE = 1

Fault = Callable[[int, int], int | None]
"""From slot of the test day and true energy (Wh) to the reported one; None: no reading."""


def device_of(device_id: bytes, kind: DeviceKind = DeviceKind.PROSUMER, zone: int = ZONE) -> Device:
    """An active device of the zone."""
    return Device(device_id, "0x" + "00" * 20, DeviceStatus.ACTIVE, KeyType.P256, kind, zone, 0)


def energy_reading(device_id: bytes, slot: int, value: int) -> Reading:
    """A net energy reading whose counter is its slot."""
    return Reading(device_id, slot, slot_start(slot), NET_ENERGY_METRIC, value)


@cache
def _energies(season: str) -> tuple[int, tuple[str, ...], tuple[tuple[int, ...], ...]]:
    community = load_community(DATA / f"{season}.parquet")
    rows = tuple(tuple(int(value) for value in row) for row in community.energies_wh)
    return community.blocks[0].first_slot, community.meters, rows


def frozen_from(start: int, held: Sequence[int]) -> Fault:
    """Repeat the last value before slot `start` of the day; `held` are the meter's true values of the day."""
    return lambda slot, true_wh: held[start - 1] if slot >= start else true_wh


def reports_share(pct: int, start: int = NOON) -> Fault:
    """Report `pct` per cent of the import from slot `start` of the day on, and all of the export."""
    return lambda slot, true_wh: true_wh * pct // 100 if slot >= start and true_wh > 0 else true_wh


def silent_from(start: int) -> Fault:
    """Send nothing from slot `start` of the day on."""
    return lambda slot, true_wh: None if slot >= start else true_wh


@dataclass
class RuralZone:
    """The community's meters on test days (from index `day` in the week, `days` of them) after three honest days.

    Faults count their slots from the first test day's midnight.

    Losses are quadratic, 3 % at the week's greatest flow; the feeder's meter is within ±0.2 %.
    """

    season: str
    day: int
    faults: dict[str, Fault] = field(default_factory=dict)
    days: int = 1

    def __post_init__(self) -> None:
        self.first_slot, self.meters, self._rows = _energies(self.season)
        self.ids = {meter: bytes([index + 1]) * 32 for index, meter in enumerate(self.meters)}
        self.fleet = {device_id: device_of(device_id) for device_id in self.ids.values()}
        self.fleet[FEEDER] = device_of(FEEDER, DeviceKind.FEEDER)

    def true_day(self, meter: str) -> tuple[int, ...]:
        """True energies (Wh) of a meter on the first test day."""
        start = self.day * SLOTS_PER_DAY
        return self._rows[self.meters.index(meter)][start : start + SLOTS_PER_DAY]

    def batches(self) -> Iterator[list[Reading]]:
        """One batch a slot in canonical order: three days of history, then the test days with their faults."""
        totals = [sum(column) for column in zip(*self._rows, strict=True)]
        peak = max(abs(total) for total in totals)
        noise = random.Random(f"{self.season} {self.day}")
        start = self.day * SLOTS_PER_DAY
        for index in range(start - HISTORY_DAYS * SLOTS_PER_DAY, start + self.days * SLOTS_PER_DAY):
            slot, in_day = self.first_slot + index, index - start
            readings = []
            for meter, row in zip(self.meters, self._rows, strict=True):
                fault = self.faults.get(meter) if in_day >= 0 else None
                value = fault(in_day, row[index]) if fault else row[index]
                if value is not None:
                    readings.append(energy_reading(self.ids[meter], slot, value))
            total = totals[index]
            seen = (total + 3 * total * total // (100 * peak)) * noise.randint(99_800, 100_200) // 100_000
            yield [*readings, energy_reading(FEEDER, slot, seen)]

    def run(self) -> DayResult:
        """Score history and test day with one scorer."""
        scorer = Scorer()
        scored: list[tuple[Reading, Score]] = []
        for batch in self.batches():
            scored += zip(batch, scorer.score(batch, self.fleet), strict=True)
        return DayResult(self, scored)


@dataclass
class DayResult:
    """Scores of history and test days; `day` counts the test days from 0."""

    zone: RuralZone
    scored: list[tuple[Reading, Score]]

    def of(self, meter: str, day: int = 0) -> list[Score]:
        """A meter's scores on a test day, in order of arrival."""
        start = slot_start(self.zone.first_slot + (self.zone.day + day) * SLOTS_PER_DAY)
        times, mine = range(start, start + SECONDS_PER_DAY), self.zone.ids[meter]
        return [score for reading, score in self.scored if reading.device_id == mine and reading.time in times]

    def flagged(self, meter: str, day: int = 0) -> list[Score]:
        """The flagged ones among them."""
        return [score for score in self.of(meter, day) if score.score_bps > FLAG_SCORE_BPS]

    def is_held(self, meter: str, day: int = 0) -> bool:
        """Whether the meter's profile of the day is held."""
        return profile_score([score.score_bps for score in self.of(meter, day)]) > FLAG_SCORE_BPS

    def held(self, day: int = 0) -> set[str]:
        """All meters whose profile is held."""
        return {meter for meter in self.zone.meters if self.is_held(meter, day)}

    def flagged_pct(self, meters: Sequence[str]) -> float:
        """Share of the first test day's readings of these meters that are flagged, in per cent."""
        return 100 * sum(len(self.flagged(meter)) for meter in meters) / sum(len(self.of(meter)) for meter in meters)
