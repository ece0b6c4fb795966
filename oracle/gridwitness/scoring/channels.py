"""Channels that judge a reading by its own device's past: frozen, limit, seasonal.

Each returns a score and then learns from the reading. A reading of a slot at or before the newest one of its series is
late: it fills the hole in the history and is judged by the limit channel alone of these, because runs and deviations of
the readings after it are already co-signed.
"""

from __future__ import annotations

from gridwitness.domain.readings import NET_ENERGY_METRIC, Score
from gridwitness.scoring.integers import LOG_ONE, clamp, log2_q8, median_and_mad
from gridwitness.scoring.params import FLAG_SCORE_BPS, ScorerParams
from gridwitness.scoring.series import DEVIATIONS, MISSING, Series, size_of
from gridwitness.scoring.units import shown

BORNE_OUT_BPS = 9_000
"""Most that a channel says which another witness contradicts."""

NORMAL = Score(0, "none", "nothing unusual")


def flagged_bps(excess: int, limit: int) -> int:
    """Score above FLAG_SCORE_BPS that grows with how far a quantity exceeds its limit."""
    return FLAG_SCORE_BPS + clamp(100 * (excess - limit) // max(excess, 1), 1, 100)


def frozen_surprise_q8(series: Series, value: int) -> int:
    """How surprising the present run of repeats is, in 1/256 powers of two: run × log2(1 / share of repeats).

    The share is the series' own at this order of magnitude, with 1 of 32 assumed before anything was seen.
    """
    size = size_of(value)
    return series.run * (log2_q8(series.busy[size] + 32) - log2_q8(series.repeats[size] + 1))


def score_frozen(series: Series, params: ScorerParams, metric: str, slot: int, value: int) -> Score:
    """Score identical values in consecutive slots; a gap ends a run.

    A plant at night, an idle battery, a heat pump at constant power repeat themselves often: a run is flagged only if
    it is surprising against the share of repeats at its order of magnitude and well longer than the longest one there
    (half as long again; three times and 32 slots more for idle values, up to a sixteenth of the series' mean size or
    4, of which two days must have been seen).
    Flagged runs are not learned. A freeze at rest can therefore hardly be told from rest, and does no harm.
    """
    size = size_of(value)
    if slot != series.last_slot + 1 or value != series.value_at(slot - 1):
        _learn_run(series)
        series.run, series.run_flagged = 0, False
        series.busy[size] += 1
        return NORMAL
    series.run += 1
    surprise = frozen_surprise_q8(series, value)
    needed = params.frozen_bits * LOG_ONE
    warm = series.seen - series.run >= params.warmup_slots * (2 if _is_idle(series, value) else 1)
    series.run_flagged = warm and surprise >= needed and series.run > _run_limit(series, params, value)
    if not series.run_flagged:
        series.busy[size] += 1
        series.repeats[size] += 1
    bps = flagged_bps(surprise, needed - 1) if series.run_flagged else min(surprise * 9_000 // needed, 9_000)
    return Score(bps, "frozen", f"stuck at {shown(metric, value)} for {series.run + 1} slots")


def is_suspect(series: Series, params: ScorerParams) -> bool:
    """Whether the latest value may be a frozen one, long before that can be flagged: no evidence against neighbours."""
    if series.run_flagged or not series.run:
        return series.run_flagged
    value = series.value_at(series.last_slot)
    surprising = frozen_surprise_q8(series, value) >= params.suspect_bits * LOG_ONE
    return surprising and series.run > series.longest[size_of(value)] and not _is_idle(series, value)


def _is_idle(series: Series, value: int) -> bool:
    return 16 * LOG_ONE * abs(value) <= max(series.level_q8, 64 * LOG_ONE)


def _run_limit(series: Series, params: ScorerParams, value: int) -> int:
    longest = series.longest[size_of(value)]
    if _is_idle(series, value):
        return 3 * longest + 32
    return max(longest + max(2, longest // 2), params.frozen_repeats - 1)


def _learn_run(series: Series) -> None:
    if series.run and not series.run_flagged:
        size = size_of(series.value_at(series.last_slot))
        series.longest[size] = max(series.longest[size], series.run)


def score_limit(series: Series, params: ScorerParams, metric: str, value: int, *, late: bool = False) -> Score:
    """Score sizes far beyond any the series has shown; the record at most doubles per reading: a glitch is no norm.

    A late reading teaches nothing.
    """
    size = abs(value)
    limit = params.limit_factor * series.largest
    if metric == NET_ENERGY_METRIC:
        limit = max(limit, params.limit_floor_wh)
    warm = series.seen >= params.warmup_slots
    if not late:
        series.largest = max(series.largest, min(size, 2 * series.largest + 1) if warm else size)
    if not warm or size <= limit:
        return NORMAL
    return Score(flagged_bps(size, limit), "limit", f"{shown(metric, value)} is beyond anything it reported before")


def score_seasonal(series: Series, params: ScorerParams, metric: str, slot: int, value: int) -> Score:
    """Score the distance from both the same quarter hours of earlier days and the previous value.

    Deviation = the lesser of the two distances, over the spread (median absolute deviation of the days, plus a
    sixteenth of the series' mean size). Its rank among the series' own past deviations is the score, up to 9,900;
    above that only if it exceeds the record by `record_margin_pct`. So a new habit is noticed once, not punished.
    """
    days = series.earlier_days(slot, slot, 1)
    previous = series.value_at(slot - 1)
    if not days:
        return NORMAL
    usual, spread = median_and_mad(days)
    distance = abs(value - usual)
    if previous != MISSING:
        distance = min(distance, abs(value - previous))
    deviation = 64 * distance // (spread + (series.level_q8 >> 12) + 2)
    bps = _deviation_bps(series, params, deviation)
    more = "more" if value > usual else "less"
    return Score(bps, "seasonal", f"{shown(metric, abs(value - usual))} {more} than is usual at this time of day")


def _deviation_bps(series: Series, params: ScorerParams, deviation: int) -> int:
    bucket = min(log2_q8(deviation + 1) * 2 // LOG_ONE, DEVIATIONS - 1)
    known = sum(series.deviations)
    below = sum(series.deviations[:bucket])
    limit = series.record * params.record_margin_pct // 100
    series.deviations[bucket] += 1
    series.record = max(series.record - (series.record >> 10), deviation)
    if known < params.warmup_slots:
        return 0
    return flagged_bps(deviation, limit) if deviation > limit else FLAG_SCORE_BPS * below // known


def learn_level(series: Series, value: int) -> None:
    """Move the mean size by 1/64 towards a value's size, counting at most the greatest size accepted."""
    series.level_q8 += (min(abs(value), series.largest) * LOG_ONE - series.level_q8) // 64


def feeder_score(excess_wh: int, alarm: bool) -> Score:
    """Score of a feeder whose residual stands out: told, never flagged, since the feeder is the witness."""
    bps = FLAG_SCORE_BPS if alarm else 9_000
    if excess_wh < 0:
        return Score(bps, "residual", f"sees {-excess_wh} Wh less than the meters report")
    return Score(bps, "residual", f"sees {excess_wh} Wh that no meter reports")


def culprit_score(hidden_wh: int, sigma_wh: int, reported_pct: int) -> Score:
    """Score of a meter whose profile the excess follows."""
    reason = f"reports about {reported_pct} % of what the feeder sees it use"
    return Score(flagged_bps(abs(hidden_wh), sigma_wh), "residual", reason)
