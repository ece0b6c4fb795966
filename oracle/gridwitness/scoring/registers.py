"""Cumulative registers, which only count up: what is scored is how much they grew.

A metric is a register if its OBIS code, A-B:C.D.E*F, says so: value group D is 8, the time integral since the meter was
made, such as `1-0:1.8.0` (IEC 62056-61). Groups may have leading zeros and be hexadecimal, F may be missing or stand
after a dot, and a unit may follow a colon: chargers write `01-00:B2.08.00*FF` (OCMF 1.x), which comes here with `:mWh`.

Rules:
- The first value of a register teaches where it stands and is not judged.
- Growth over several slots counts as its mean per slot, for the newest of them.
- A register that stands lower than before was reset or exchanged: it is told, never flagged, and counts from its new
  value on. No growth is made up for the slot.
- A late value fills nothing and changes nothing: the growth it is part of was counted already.
"""

from __future__ import annotations

import re

from gridwitness.domain.readings import Score
from gridwitness.scoring.series import MISSING, Series
from gridwitness.scoring.units import shown

_GROUP = "[0-9A-Fa-f]{1,3}"
_TIME_INTEGRAL = re.compile(rf"(?:{_GROUP}-)?{_GROUP}:{_GROUP}\.0{{0,2}}8\.{_GROUP}(?:[.*&]{_GROUP})?(?::.*)?")
_TOLD_BPS = 9_000


def is_register(metric: str) -> bool:
    """Whether a metric's OBIS code names a cumulative register."""
    return _TIME_INTEGRAL.fullmatch(metric) is not None


def growth(series: Series, slot: int, value: int) -> int | None:
    """How much a register grew per slot since its newest value, and take the value over; None if that tells nothing."""
    before, since = series.register, series.register_slot
    series.register, series.register_slot = value, slot
    return None if before == MISSING or value < before else (value - before) // (slot - since)


def reset_score(metric: str, before: int, value: int) -> Score:
    """Score of a register that stands lower than before; both in the metric's unit."""
    stands = f"from {shown(metric, before)} to {shown(metric, value)}"
    return Score(_TOLD_BPS, "register", f"register went back {stands}: reset or exchanged")
