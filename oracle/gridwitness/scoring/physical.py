"""What a device of a kind cannot report, whatever its past.

- Behind any meter of a low-voltage network flow at most 250 kWh a quarter hour, which is 1 MW.
- A consumption meter has nothing that exports, and a plant that only generates takes no more than it needs to stand by:
  at most a sixteenth of its greatest export.
- No sun shines at night: a plant that only generates, and never did at this time of day, exports nothing while every
  other such plant of its zone exports nothing.

Ten Wh a quarter hour are let pass everywhere. Feeders and devices without a kind are not judged.
"""

from __future__ import annotations

from collections.abc import Sequence

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.readings import Score
from gridwitness.scoring.channels import NORMAL, flagged_bps
from gridwitness.scoring.params import ScorerParams
from gridwitness.scoring.series import MISSING, Series

MOST_WH = 250_000
REST_WH = 10
_STANDBY_SHARE = 16
_NIGHT_REACH = 2
_LEAST_NIGHTS, _LEAST_OTHERS = 2, 2


def score_physical(
    series: Series, params: ScorerParams, kind: DeviceKind, slot: int, value: int, plants: Sequence[Series]
) -> Score:
    """Score a net energy reading (Wh) by its device's kind; `series` has learned it, `plants` are the zone's others."""
    if kind in (DeviceKind.FEEDER, DeviceKind.UNSPECIFIED):
        return NORMAL
    if abs(value) > MOST_WH:
        reason = f"{value} Wh in a quarter hour, more than any connection carries"
        return Score(flagged_bps(abs(value), MOST_WH), "physical", reason)
    if kind == DeviceKind.CONSUMPTION and value < -REST_WH:
        return Score(flagged_bps(-value, REST_WH), "physical", f"exports {-value} Wh, but is registered as consumption")
    if kind != DeviceKind.GENERATION or series.seen <= params.warmup_slots:
        return NORMAL
    standby_wh = max(REST_WH, series.largest // _STANDBY_SHARE)
    if value > standby_wh:
        return Score(flagged_bps(value, standby_wh), "physical", f"imports {value} Wh, but is registered as generation")
    if value < -REST_WH and _is_night(series, slot, plants):
        return Score(flagged_bps(-value, REST_WH), "physical", f"exports {-value} Wh at night")
    return NORMAL


def _is_night(series: Series, slot: int, plants: Sequence[Series]) -> bool:
    """Whether nothing was ever exported around this time of day, and no other plant exports now."""
    earlier = series.earlier_days(slot, slot, _NIGHT_REACH)
    now = [plant.value_at(slot) for plant in plants]
    others = [value for value in now if value != MISSING]
    return (
        len(earlier) >= _LEAST_NIGHTS * (2 * _NIGHT_REACH + 1)
        and min(earlier) >= -REST_WH
        and len(others) >= _LEAST_OTHERS
        and min(others) >= -REST_WH
    )
