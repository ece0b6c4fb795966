"""Cumulative registers, which only count up: what is scored is how much they grew.

A metric is a register if its OBIS code says so: value group D is 8, the time integral since the meter was made, such as
`1-0:1.8.0` (IEC 62056-61).

Rules:
- The first value of a register teaches where it stands and is not judged.
- Growth over several slots counts as its mean per slot, for the newest of them.
- A register that stands lower than before was reset or exchanged: it is told, never flagged, and counts from its new
  value on. No growth is made up for the slot.
- A late value fills nothing and changes nothing: the growth it is part of was counted already.
"""

from __future__ import annotations

from gridwitness.domain.readings import Score
from gridwitness.scoring.series import MISSING, Series

_TIME_INTEGRAL = "8"
_TOLD_BPS = 9_000


def is_register(metric: str) -> bool:
    """Whether a metric's OBIS code names a cumulative register."""
    _, colon, groups = metric.partition(":")
    return bool(colon) and groups.count(".") == 2 and groups.split(".")[1] == _TIME_INTEGRAL


def growth(series: Series, slot: int, value: int) -> int | None:
    """How much a register grew per slot since its newest value, and take the value over; None if that tells nothing."""
    before, since = series.register, series.register_slot
    series.register, series.register_slot = value, slot
    return None if before == MISSING or value < before else (value - before) // (slot - since)


def reset_score(before: int, value: int) -> Score:
    """Score of a register that stands lower than before."""
    return Score(_TOLD_BPS, "register", f"register went back from {before} to {value}: reset or exchanged")
