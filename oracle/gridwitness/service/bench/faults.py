"""`gridwitness bench faults`: meters of a community misbehave, and the scorer is asked which ones.

A scene is a few honest days of the whole community, then an onset at a random hour. Every fault starts from the
scene's checkpoint there and lives for a day, one batch a slot, as an oracle scores it. The feeder sees the true flows
plus technical losses, quadratic, 3 % at the peak of the community's data, and its meter errs by up to 0.2 %.

A meter is found at its fourth flagged reading after the onset: so many hold a payment. A false hold is an untouched
meter's day with a profile score above the limit, in the honest days of the scenes after the first, in which the
scorer still learns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridwitness.domain.devices import Device, DeviceKind, DeviceStatus, KeyType
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score
from gridwitness.domain.slots import SLOTS_PER_DAY, slot_start
from gridwitness.encoding.hashing import keccak
from gridwitness.errors import CommunityError
from gridwitness.scoring import FLAG_SCORE_BPS, Scorer, profile_score
from gridwitness.service.bench.fault_kinds import FaultKind, Reported, inject
from gridwitness.sources.community import load_community
from gridwitness.sources.community_data import Community, date_of

HISTORY_DAYS = 5
FAULT_SLOTS = SLOTS_PER_DAY
WITHIN_SLOTS = 24
HELD_FLAGS = 4
PEAK_LOSS_SHARE = 0.03
FEEDER_ERROR_SHARE = 0.002
ZONE = 1
THIEVES = 2
FEEDER_ID = b"\xff" * 32


@dataclass(frozen=True, slots=True)
class FaultCase:
    """One meter's fault and what the scorer said in the day after its onset.

    `misreported_wh` counts the first six hours. `flags_after_slots` are the slots since the onset (1 is the first) of
    its flagged readings, `reason` that of the last of them. `wrong` are untouched meters with as many flags as hold.
    """

    scene: int
    kind: FaultKind
    meter: str
    detail: str
    misreported_wh: int
    flags_after_slots: tuple[int, ...]
    reason: str
    wrong: tuple[str, ...]

    @property
    def found_after_slots(self) -> int | None:
        """Slots from the onset to the reading that makes it a hold, or None."""
        return self.flags_after_slots[HELD_FLAGS - 1] if len(self.flags_after_slots) >= HELD_FLAGS else None


@dataclass(slots=True)
class HonestDays:
    """Meter-days without any fault in the community, the holds and the flagged readings among them."""

    meter_days: int = 0
    held: list[str] = field(default_factory=list)
    flags: int = 0


@dataclass(frozen=True)
class Street:
    """A community with what its feeder sees, as the registry would know it."""

    community: Community
    true_wh: NDArray[np.int64]
    feeder_wh: NDArray[np.int64]
    first_slot: int
    ids: Mapping[str, bytes]
    fleet: Mapping[bytes, Device]

    def batch(self, column: int, reported: Mapping[int, Reported], since: int) -> list[Reading]:
        """The readings of a column's slot in canonical order, faulty ones from column `since` on."""
        slot = self.first_slot + column
        readings = []
        for row, device_id in enumerate(self.ids.values()):
            value, fault = int(self.true_wh[row, column]), reported.get(row)
            if fault is not None:
                if not fault.present[column - since]:
                    continue
                value = int(fault.energy_wh[column - since])
            readings.append(_reading(device_id, slot, value))
        readings.append(_reading(FEEDER_ID, slot, int(self.feeder_wh[column])))
        return sorted(readings, key=lambda reading: reading.device_id)


def _reading(device_id: bytes, slot: int, value: int) -> Reading:
    return Reading(device_id, slot, slot_start(slot), NET_ENERGY_METRIC, value)


def streets_of(community: Community, seed: int, own_life: float = 0.0) -> list[Street]:
    """One street for every block of the community's data that has days enough.

    `own_life` is the standard deviation of each home's own deviation from its profile, in natural logarithms: imports
    are multiplied by a lognormal factor that wanders from slot to slot (half-life one hour). simbench gives many homes
    one and the same profile; with this no two live alike.
    """
    rng = np.random.default_rng(seed)
    peak = max(1, int(np.abs(community.energies_wh.sum(axis=0)).max()))
    ids = {meter: keccak(f"bench faults {meter}".encode()) for meter in community.meters}
    fleet = {device_id: _device(device_id, community.kind_of(meter)) for meter, device_id in ids.items()}
    fleet[FEEDER_ID] = _device(FEEDER_ID, DeviceKind.FEEDER)
    streets, column = [], 0
    for block in community.blocks:
        true = community.energies_wh[:, column : column + block.slots]
        column += block.slots
        if block.slots < (HISTORY_DAYS + 2) * SLOTS_PER_DAY:
            continue
        true = _with_own_life(true, own_life, rng) if own_life else true
        total = true.sum(axis=0)
        losses = PEAK_LOSS_SHARE * total.astype(float) ** 2 / peak
        error = rng.uniform(-FEEDER_ERROR_SHARE, FEEDER_ERROR_SHARE, total.shape) * (total + losses)
        feeder_wh = np.rint(total + losses + error).astype(np.int64)
        streets.append(Street(community, true, feeder_wh, block.first_slot, ids, fleet))
    if not streets:
        raise CommunityError(
            f"{community.name}: no {HISTORY_DAYS + 2} days in a row; a scene needs {HISTORY_DAYS} honest days, a day "
            "for the onset and one for the fault"
        )
    return streets


def _device(device_id: bytes, kind: DeviceKind) -> Device:
    return Device(device_id, "0x" + "00" * 20, DeviceStatus.ACTIVE, KeyType.P256, kind, ZONE, 0)


def _with_own_life(true_wh: NDArray[np.int64], spread: float, rng: np.random.Generator) -> NDArray[np.int64]:
    keep = 0.5 ** (1 / 4)
    steps = rng.normal(0, spread * (1 - keep**2) ** 0.5, true_wh.shape)
    steps[:, 0] /= (1 - keep**2) ** 0.5
    for column in range(1, true_wh.shape[1]):
        steps[:, column] += keep * steps[:, column - 1]
    return np.where(true_wh > 0, np.rint(true_wh * np.exp(steps - spread**2 / 2)).astype(np.int64), true_wh)


class Scene:
    """Honest days of a street up to an onset, scored; every fault starts from there."""

    def __init__(self, number: int, street: Street, rng: np.random.Generator) -> None:
        self.number, self.street, self._rng = number, street, rng
        columns = street.true_wh.shape[1]
        last_day = columns // SLOTS_PER_DAY - HISTORY_DAYS - 2
        self.start = int(rng.integers(last_day + 1)) * SLOTS_PER_DAY
        self.onset = self.start + HISTORY_DAYS * SLOTS_PER_DAY + int(rng.integers(SLOTS_PER_DAY))
        self.checkpoint = Scorer().checkpoint()
        self.honest = HonestDays()

    @property
    def day(self) -> str:
        """Date of the onset's day."""
        return str(date_of((self.street.first_slot + self.onset) // SLOTS_PER_DAY))

    def live(self) -> None:
        """Score the honest days and keep the checkpoint at the onset."""
        street = self.street
        by_meter: dict[bytes, list[int]] = {device_id: [] for device_id in street.ids.values()}
        scorer = Scorer()
        for column in range(self.start, self.onset):
            batch = street.batch(column, {}, self.onset)
            for reading, score in zip(batch, scorer.score(batch, street.fleet), strict=True):
                if reading.device_id != FEEDER_ID:
                    by_meter[reading.device_id].append(score.score_bps)
        for meter, device_id in street.ids.items():
            for day in range(1, HISTORY_DAYS):
                scores = by_meter[device_id][day * SLOTS_PER_DAY : (day + 1) * SLOTS_PER_DAY]
                self.honest.meter_days += 1
                self.honest.flags += sum(score > FLAG_SCORE_BPS for score in scores)
                if profile_score(scores) > FLAG_SCORE_BPS:
                    self.honest.held.append(meter)
        self.checkpoint = scorer.checkpoint()

    def try_fault(self, kind: FaultKind) -> list[FaultCase]:
        """Draw victims among the meters whose reports the fault changes, and score a day of it."""
        victims = self._victims(kind)
        flags: dict[str, list[tuple[int, Score]]] = {meter: [] for meter in self.street.ids}
        meters = {device_id: meter for meter, device_id in self.street.ids.items()}
        scorer = Scorer.restore(self.checkpoint)
        for after in range(FAULT_SLOTS):
            batch = self.street.batch(self.onset + after, victims, self.onset)
            for reading, score in zip(batch, scorer.score(batch, self.street.fleet), strict=True):
                if score.score_bps > FLAG_SCORE_BPS and reading.device_id != FEEDER_ID:
                    flags[meters[reading.device_id]].append((after + 1, score))
        names = list(self.street.ids)
        guilty = {names[row] for row in victims}
        wrong = tuple(meter for meter, seen in flags.items() if meter not in guilty and len(seen) >= HELD_FLAGS)
        return [self._case(kind, row, reported, flags[names[row]], wrong) for row, reported in victims.items()]

    def _case(
        self,
        kind: FaultKind,
        row: int,
        reported: Reported,
        flagged: Sequence[tuple[int, Score]],
        wrong: tuple[str, ...],
    ) -> FaultCase:
        true_wh = self.street.true_wh[row, self.onset : self.onset + FAULT_SLOTS]
        after = tuple(slot for slot, _ in flagged)
        reason = flagged[-1][1].reason if flagged else ""
        meter, misreported_wh = list(self.street.ids)[row], reported.misreported_wh(true_wh, WITHIN_SLOTS)
        return FaultCase(self.number, kind, meter, reported.detail, misreported_wh, after, reason, wrong)

    def _victims(self, kind: FaultKind) -> dict[int, Reported]:
        wanted = THIEVES if kind is FaultKind.THIEVES else 1
        victims: dict[int, Reported] = {}
        for row in self._rng.permutation(len(self.street.ids)):
            true_wh = self.street.true_wh[int(row)]
            reported = inject(kind, true_wh, self.onset, FAULT_SLOTS, self._rng)
            if kind is FaultKind.NONE or reported.misreported_wh(true_wh[self.onset :], WITHIN_SLOTS):
                victims[int(row)] = reported
            if len(victims) == wanted:
                break
        return victims


@dataclass(frozen=True, slots=True)
class FaultBench:
    """All cases and the honest days of one run."""

    community: str
    meters: int
    cases: list[FaultCase]
    honest: HonestDays


def bench_faults(
    path: Path,
    seed: int,
    scenes: int,
    own_life: float = 0.0,
    kinds: Sequence[FaultKind] = tuple(FaultKind),
    told: Callable[[str], None] = lambda _: None,
) -> FaultBench:
    """Run every kind of fault once in each of `scenes` scenes; `told` hears of progress."""
    community = load_community(path)
    streets = streets_of(community, seed, own_life)
    honest, cases = HonestDays(), []
    for scene in _scenes(streets, seed, scenes):
        scene.live()
        honest.meter_days += scene.honest.meter_days
        honest.held += scene.honest.held
        honest.flags += scene.honest.flags
        for kind in kinds:
            cases += scene.try_fault(kind)
        told(f"scene {scene.number + 1} of {scenes}: {scene.day}")
    return FaultBench(community.name, len(community.meters), cases, honest)


def _scenes(streets: Sequence[Street], seed: int, scenes: int) -> Iterator[Scene]:
    for number in range(scenes):
        rng = np.random.default_rng([seed, number])
        yield Scene(number, streets[int(rng.integers(len(streets)))], rng)
