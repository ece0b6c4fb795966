"""Health of a device, 0 to 10,000: is it heard, does it skip, does it behave, is its clock right.

score = 10,000 × freshness × completeness × behaviour × clock, each a share in 1/10,000, rounded down after each factor.
So one bad part is enough, and the parts say which.

- freshness: full up to two intervals after the newest reading, then falls evenly to 0 at 26 intervals (6 h and a half
  for quarter hours)
- completeness: readings received of those due
- behaviour: full while at most 1 % of readings are flagged, as of normal ones are, then falls evenly to 0 at 26 %
- clock: full up to 30 s between the device's time and the oracle's, then falls evenly to 0 at a delivery slot, where
  energy counts for the wrong quarter hour

This is for people and fleet views and is not co-signed: ages depend on who looks.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.errors import InputError
from gridwitness.scoring.integers import clamp

WHOLE_BPS = 10_000
_FRESH_INTERVALS, _STALE_INTERVALS = 2, 26
_NORMAL_FLAGGED_BPS, _WORST_FLAGGED_BPS = 100, 2_600
_GOOD_CLOCK_S, _WORST_CLOCK_S = 30, SLOT_SECONDS


@dataclass(frozen=True, slots=True)
class Health:
    """A device's health and its parts, each 0 to 10,000."""

    score_bps: int
    freshness_bps: int
    completeness_bps: int
    behaviour_bps: int
    clock_bps: int

    @property
    def weakest(self) -> str:
        """Name of the part that costs most, or "none" if nothing does."""
        parts = {
            "freshness": self.freshness_bps,
            "completeness": self.completeness_bps,
            "behaviour": self.behaviour_bps,
            "clock": self.clock_bps,
        }
        name = min(parts, key=lambda part: parts[part])
        return name if parts[name] < WHOLE_BPS else "none"


def health_of(*, age_s: int, interval_s: int, due: int, received: int, flagged: int, clock_skew_s: int) -> Health:
    """Health by the formula above.

    `age_s` is the time since the newest reading's interval ended, `due`, `received` and `flagged` count readings of the
    same span, such as the last day; with none due or received those parts are full, since freshness tells.
    Raises InputError if a count or age is negative, the interval not positive, or more are flagged than received.
    """
    for name, value in (("age_s", age_s), ("due", due), ("received", received), ("flagged", flagged)):
        if value < 0:
            raise InputError(f"{name} is {value}; at least 0")
    if interval_s < 1:
        raise InputError(f"interval_s is {interval_s}; at least 1")
    if flagged > received:
        raise InputError(f"flagged is {flagged}; at most the {received} received")
    freshness = _falling(age_s, _FRESH_INTERVALS * interval_s, _STALE_INTERVALS * interval_s)
    completeness = clamp(WHOLE_BPS * received // due, 0, WHOLE_BPS) if due else WHOLE_BPS
    flagged_bps = WHOLE_BPS * flagged // received if received else 0
    behaviour = _falling(flagged_bps, _NORMAL_FLAGGED_BPS, _WORST_FLAGGED_BPS)
    clock = _falling(abs(clock_skew_s), _GOOD_CLOCK_S, _WORST_CLOCK_S)
    score = WHOLE_BPS
    for part in (freshness, completeness, behaviour, clock):
        score = score * part // WHOLE_BPS
    return Health(score, freshness, completeness, behaviour, clock)


def _falling(value: int, good: int, worst: int) -> int:
    """10,000 up to `good`, 0 from `worst` on, evenly between."""
    return clamp(WHOLE_BPS * (worst - value) // (worst - good), 0, WHOLE_BPS)
