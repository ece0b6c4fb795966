"""Faults of meters, as `gridwitness bench faults` injects them: from what truly flows to what is reported."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from gridwitness.domain.slots import SLOT_SECONDS, SLOTS_PER_DAY

Energies = NDArray[np.int64]


class FaultKind(Enum):
    """What goes wrong, in the order of the report."""

    SCALE = "scale 0.3-0.7"
    SLIGHT_SCALE = "scale 0.75-0.95"
    FREEZE = "freeze"
    SHIFT = "shift"
    BYPASS = "bypass"
    NOISE = "noise"
    GAP = "gap"
    DRIFT = "clock drift"
    THIEVES = "two thieves"
    NONE = "nothing"


@dataclass(frozen=True, slots=True)
class Reported:
    """What a meter reports from a slot on (Wh, import positive); `present` is false where it reports nothing."""

    detail: str
    energy_wh: Energies
    present: NDArray[np.bool_]

    def misreported_wh(self, true_wh: Energies, slots: int) -> int:
        """Energy misreported or left out within the first slots (Wh), without regard to its sign."""
        shown_wh = np.where(self.present, self.energy_wh, 0)
        return int(np.abs(shown_wh[:slots] - true_wh[:slots]).sum())


def inject(kind: FaultKind, true_wh: Energies, onset: int, slots: int, rng: np.random.Generator) -> Reported:
    """A fault of the kind in the `slots` slots from index `onset`; a day of `true_wh` must come before it.

    - scale: a wrong transformer ratio; import and export are reported times a factor.
    - freeze: the last value before the onset repeats.
    - shift: the values of 1 to 12 hours ago, such as a wrong time zone.
    - bypass: part of the load never passes the meter: the import lacks 40 to 80 % of the mean import of the day
      before, in the same amount every slot, but is not below 0.
    - noise: every value times a normal factor of mean 1 and standard deviation 0.3 to 0.6.
    - gap: nothing for 1 to 12 hours.
    - clock drift: the clock gains 5 to 15 minutes an hour, so that intervals slide towards the past.
    - thieves: import is reported times a factor of 0.3 to 0.7, export as it is.
    """
    true = true_wh[onset : onset + slots]
    present = np.ones(slots, dtype=np.bool_)
    if kind in (FaultKind.SCALE, FaultKind.SLIGHT_SCALE, FaultKind.THIEVES):
        low, high = (0.75, 0.95) if kind is FaultKind.SLIGHT_SCALE else (0.3, 0.7)
        factor = rng.uniform(low, high)
        scaled = _whole(true * factor)
        value = np.where(true > 0, scaled, true) if kind is FaultKind.THIEVES else scaled
        return Reported(f"x {factor:.2f}", value, present)
    if kind is FaultKind.FREEZE:
        return Reported(f"at {true_wh[onset - 1]} Wh", np.full(slots, true_wh[onset - 1]), present)
    if kind is FaultKind.SHIFT:
        late = int(rng.choice([4, 8, 12, 24, 48]))
        return Reported(f"{late // 4} h late", true_wh[onset - late : onset - late + slots], present)
    if kind is FaultKind.BYPASS:
        day = true_wh[onset - SLOTS_PER_DAY : onset].clip(min=0)
        hidden = round(rng.uniform(0.4, 0.8) * float(day.mean()))
        return Reported(f"{hidden} Wh a slot", np.where(true > 0, (true - hidden).clip(min=0), true), present)
    if kind is FaultKind.NOISE:
        spread = rng.uniform(0.3, 0.6)
        return Reported(f"± {spread:.0%}", _whole(true * rng.normal(1, spread, slots)), present)
    if kind is FaultKind.GAP:
        silent = int(rng.integers(4, 49))
        present[:silent] = False
        return Reported(f"{silent} slots", true, present)
    if kind is FaultKind.DRIFT:
        minutes_an_hour = rng.uniform(5, 15)
        behind = np.arange(1, slots + 1) * minutes_an_hour * 60 / (3600 // SLOT_SECONDS) / SLOT_SECONDS
        at = onset + np.arange(slots) - behind
        return Reported(
            f"{minutes_an_hour:.0f} min an hour", _whole(np.interp(at, np.arange(len(true_wh)), true_wh)), present
        )
    return Reported("", true, present)


def _whole(values: NDArray[np.float64]) -> Energies:
    return np.rint(values).astype(np.int64)
