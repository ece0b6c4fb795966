"""The arithmetic of the streaming scorer: integers, explicit loops, a table for logarithms; the same bits everywhere.

One source, run in two ways: as Python on lists, which is the reference, and compiled by numba on int64 arrays
(`backend.py`). So it keeps to what both understand and compute alike: + − × // >>, comparisons, loops, slices. Every
intermediate stays below 2^62 because values stay within ±10^17. Surprise is counted in 1/256 bits (`_q8`).
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import Final

from gridwitness.scoring.integers import log2_q8 as exact_log2_q8
from gridwitness.scoring.streaming.params import StreamParams
from gridwitness.scoring.streaming.state import (
    BUCKETS,
    DAY_HOURS,
    FAST,
    LONGEST,
    PATH_END,
    PEAK_BUCKETS,
    REPEATS,
    RUN,
    SEEN,
    SLOW,
    SPREAD,
    WEEK_HOURS,
    Calibrated,
    State,
    StateFields,
    States,
)

NOVELTY, RANK, SEASON, SHIFT, SHAPE, STUCK = range(6)
CHANNELS: Final = ("novelty", "rank", "season", "shift", "shape", "stuck")
PEAK: Final = 16
LOG2_TABLE: Final = tuple(exact_log2_q8(256 + index) - 8 * 256 for index in range(256))


def log2_q8(value: int) -> int:
    """Binary logarithm of 1 ≤ value < 2^62 in 1/256, from the 8 bits below the leading one."""
    exponent = 0
    for step in (32, 16, 8, 4, 2, 1):
        if value >> (exponent + step) > 0:
            exponent += step
    mantissa = value >> (exponent - 8) if exponent >= 8 else value << (8 - exponent)
    return exponent * 256 + LOG2_TABLE[mantissa - 256]


def isqrt(value: int) -> int:
    """Square root of value ≥ 0, rounded down, by Newton's method from above."""
    if value < 2:
        return value
    root = 1
    while root * root <= value:
        root *= 2
    better = (root + value // root) // 2
    while better < root:
        root = better
        better = (root + value // root) // 2
    return root


def position(ordered: Sequence[int], count: int, value: int) -> int:
    """Number of the first `count` ordered values that are below `value`."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


def tail_q8(counts: MutableSequence[int], bucket: int, memory: int, beyond_q8: int) -> int:
    """−log2 of the share of earlier values in this bucket or above, (k + ½) / (n + 1); then counts the value.

    Beyond the highest bucket so far, `beyond_q8` more for each, up to 32 bits: a power law's tail goes on like that.
    `counts` ends with its own total. At twice the memory all counts are halved: the old fades, the shape stays.
    """
    last = len(counts) - 1
    above = 0
    for index in range(bucket, last):
        above += counts[index]
    surprise = log2_q8(2 * counts[last] + 2) - log2_q8(2 * above + 1)
    if above == 0 and counts[last] > 0 and beyond_q8 > 0:
        top = bucket
        while counts[top] == 0:
            top -= 1
        surprise += min((bucket - top - 1) * beyond_q8, 32 * 256)
    counts[bucket] += 1
    counts[last] += 1
    if counts[last] >= 2 * memory:
        counts[last] = 0
        for index in range(last):
            counts[index] //= 2
            counts[last] += counts[index]
    return max(surprise, 0)


def bucket_of(distance: int) -> int:
    """Quarter octave of a distance."""
    return min(log2_q8(distance + 1) >> 6, BUCKETS - 1)


def nearest(
    state: State, params: StreamParams, value: int, row: MutableSequence[int], facts: MutableSequence[int]
) -> None:
    """Channels novelty and rank, against all remembered values in order of size; then remembers this one.

    Novelty: distance to the nearest earlier value. Rank: two-sided tail, (2 × the smaller side + ½) / (n + 1).
    """
    seen = state.numbers[SEEN]
    memory = len(state.recent)
    count = min(seen, memory)
    ordered = state.ordered
    below = position(ordered, count, value)
    not_above = position(ordered, count, value + 1)
    distance = 0
    if not_above == below and count > 0:
        distance = ordered[below] - value if below < count else value - ordered[below - 1]
        if 0 < below < count:
            distance = min(distance, value - ordered[below - 1])
    smaller_side = min(count - below, not_above)
    row[NOVELTY] = tail_q8(state.gaps, bucket_of(distance), memory, params.beyond_q8)
    row[RANK] = max(log2_q8(2 * count + 2) - log2_q8(4 * smaller_side + 1), 0)
    facts[NOVELTY] = distance
    facts[RANK] = count - below if count - below <= not_above else -not_above
    slot = seen % memory
    if seen < memory:
        replace(ordered, count, not_above, value)
    else:
        replace(ordered, position(ordered, count, state.recent[slot]), not_above, value)
    state.recent[slot] = value


def replace(ordered: MutableSequence[int], gap: int, place: int, value: int) -> None:
    """Close the gap left by a forgotten value, or the free place at the end, and put `value` before index `place`."""
    if gap >= place:
        for index in range(gap, place, -1):
            ordered[index] = ordered[index - 1]
        ordered[place] = value
    else:
        for index in range(gap, place - 1):
            ordered[index] = ordered[index + 1]
        ordered[place - 1] = value


def season(state: State, params: StreamParams, time: int, value: int) -> tuple[int, int]:
    """Surprise of the distance to what is usual at this hour of the week, or of the day in the first week; and it."""
    hour = time // 3_600
    week, day = hour % WEEK_HOURS, hour % DAY_HOURS
    usual = state.week_means[week] if state.week_seen[week] > 0 else state.day_means[day]
    known = state.day_seen[day] > 0
    surprise = (
        tail_q8(state.residuals, bucket_of(abs(value - usual)), len(state.recent), params.beyond_q8) if known else 0
    )
    state.week_seen[week] += 1
    state.day_seen[day] += 1
    state.week_means[week] += (value - state.week_means[week]) // min(state.week_seen[week], params.season_memory)
    state.day_means[day] += (value - state.day_means[day]) // min(state.day_seen[day], params.season_memory)
    return surprise, value - usual if known else 0


def shift(state: State, params: StreamParams, value: int) -> tuple[int, int]:
    """Surprise of the distance between a fast and a slow mean over the spread around the slow one; and the distance.

    Exponentially weighted means (S. W. Roberts, Technometrics 1(3), 1959); the quotient is taken between logarithms.
    """
    numbers = state.numbers
    age = numbers[SEEN] + 1
    numbers[FAST] += (value - numbers[FAST]) // min(age, params.fast_memory)
    moved = numbers[FAST] - numbers[SLOW]
    bits = log2_q8(abs(moved) + 1) - log2_q8(numbers[SPREAD] + 1) + 64 * 256
    surprise = (
        tail_q8(state.shifts, min(max(bits, 0) >> 6, 2 * BUCKETS - 1), len(state.recent), params.beyond_q8)
        if 2 * age > params.slow_memory
        else 0
    )
    away = abs(value - numbers[SLOW])
    numbers[SLOW] += (value - numbers[SLOW]) // min(age, params.slow_memory)
    numbers[SPREAD] += (away - numbers[SPREAD]) // min(age, params.slow_memory)
    return surprise, moved


def shape(state: State, params: StreamParams, value: int) -> tuple[int, int]:
    """Surprise of the distance of the last three values to the nearest three in a row before; and the distance.

    `path` holds between one and two times `shape_memory` values in a row, so that the search runs without a ring.
    """
    path, end = state.path, state.numbers[PATH_END]
    best = 1 << 61
    if end >= 5:
        one, two = path[end - 1], path[end - 2]
        for index in range(max(end - params.shape_memory, 0) + 2, end):
            distance = abs(value - path[index]) + abs(one - path[index - 1]) + abs(two - path[index - 2])
            best = min(best, distance)
    if end == len(path):
        for index in range(params.shape_memory):
            path[index] = path[index + params.shape_memory]
        end = params.shape_memory
    path[end] = value
    state.numbers[PATH_END] = end + 1
    if best == 1 << 61:
        return 0, 0
    return tail_q8(state.shapes, bucket_of(best), len(state.recent), params.beyond_q8), best


def stuck(state: State, params: StreamParams, value: int) -> tuple[int, int]:
    """Surprise of a run of identical values against the share of repeats so far, in whole doublings; and its length.

    Only runs longer than any before count, and those that began after the warm-up; a run's repeats are learned when it
    has ended. In doublings, so that a run speaks a few times, not at every reading.
    """
    numbers = state.numbers
    seen = numbers[SEEN]
    if seen == 0 or value != state.recent[(seen - 1) % len(state.recent)]:
        numbers[LONGEST] = max(numbers[LONGEST], numbers[RUN])
        numbers[REPEATS] += numbers[RUN]
        numbers[RUN] = 0
        return 0, 1
    numbers[RUN] += 1
    run = numbers[RUN]
    if run <= numbers[LONGEST] or seen - run < params.warmup:
        return 0, run + 1
    bits = run * (log2_q8(seen - run + 32) - log2_q8(numbers[REPEATS] + 1))
    step = 256
    while 2 * step <= min(bits, params.stuck_limit_q8):
        step *= 2
    return step, run + 1


def combine(state: State, params: StreamParams, row: Sequence[int]) -> int:
    """Root of the weighted squares of the channels' surprises, less what the series' age explains, at least 0."""
    squares = params.novelty_weight * row[NOVELTY] * row[NOVELTY]
    squares += params.rank_weight * row[RANK] * row[RANK]
    squares += params.season_weight * row[SEASON] * row[SEASON]
    squares += params.shift_weight * row[SHIFT] * row[SHIFT]
    squares += params.shape_weight * row[SHAPE] * row[SHAPE]
    squares += params.stuck_weight * row[STUCK] * row[STUCK]
    age = min(state.numbers[SEEN] + 1, 2 * len(state.recent))
    return max(isqrt(squares // 16) - (log2_q8(age) - 10 * 256) * params.age_percent // 100, 0)


def is_record(state: Calibrated, params: StreamParams, evidence: int) -> bool:
    """Whether the evidence exceeds all of the last twentieth of the series, within the limits of the parameters."""
    seen, size = state.numbers[SEEN], len(state.evidence)
    reach = min(max(seen // params.record_share, params.record_min), size)
    for index in range(max(seen - reach, 0), seen):  # noqa: SIM110 (numba compiles no generators)
        if state.evidence[index % size] >= evidence:
            return False
    return True


def calibrate(state: Calibrated, params: StreamParams, evidence: int) -> int:
    """Score in bps: the rank of the evidence among the series' own up to `rank_limit_bps`, above it only records.

    A record pays for every earlier record at least as strong: the budget, in which a record weighs half as much after
    each `memory` readings. What is left beyond `alert_from_q8` counts.
    """
    bucket = min(evidence >> 5, PEAK_BUCKETS - 1)
    above = 0
    for index in range(bucket, PEAK_BUCKETS):
        above += state.evidences[index]
    known = state.evidences[PEAK_BUCKETS]
    score = min(10_000 * (known - above) // (known + 1), params.rank_limit_bps)
    tail_q8(state.evidences, bucket, params.rank_memory, 0)
    if state.numbers[SEEN] % len(state.recent) == 0:
        for index in range(PEAK_BUCKETS):
            state.peaks[index] //= 2
    if not is_record(state, params, evidence):
        return score
    spent = 0
    for index in range(bucket, PEAK_BUCKETS):
        spent += state.peaks[index]
    state.peaks[bucket] += PEAK
    left = evidence - spent * params.budget_q8 // PEAK - params.alert_from_q8
    if left < 0:
        return score
    return min(params.rank_limit_bps + 1 + left // params.alert_step_q8, 10_000)


def score_one(
    state: State, params: StreamParams, time: int, value: int, row: MutableSequence[int], facts: MutableSequence[int]
) -> int:
    """Score of one reading in bps; writes the surprise of each channel into `row` and what it saw into `facts`."""
    row[SHAPE], facts[SHAPE] = shape(state, params, value)
    row[STUCK], facts[STUCK] = stuck(state, params, value)
    row[SHIFT], facts[SHIFT] = shift(state, params, value)
    row[SEASON], facts[SEASON] = season(state, params, time, value)
    nearest(state, params, value, row, facts)
    seen = state.numbers[SEEN]
    score = 0
    if seen >= params.warmup:
        evidence = combine(state, params, row)
        score = calibrate(state, params, evidence)
        state.evidence[seen % len(state.evidence)] = evidence
    state.numbers[SEEN] = seen + 1
    return score


def state_of(states: States, stream: int) -> State:
    """The state of one of many streams: what is changed in it is changed in theirs."""
    return StateFields(
        states.numbers[stream],
        states.recent[stream],
        states.ordered[stream],
        states.path[stream],
        states.gaps[stream],
        states.residuals[stream],
        states.shifts[stream],
        states.shapes[stream],
        states.week_means[stream],
        states.week_seen[stream],
        states.day_means[stream],
        states.day_seen[stream],
        states.evidence[stream],
        states.evidences[stream],
        states.peaks[stream],
    )


def score_many(
    states: States,
    params: StreamParams,
    order: Sequence[int],
    streams: Sequence[int],
    times: Sequence[int],
    values: Sequence[int],
    scores: MutableSequence[int],
    rows: Sequence[MutableSequence[int]],
    facts: Sequence[MutableSequence[int]],
) -> None:
    """Score readings of any streams into `scores`, `rows` and `facts`, all of the same length.

    `order` has each reading's index once; those of one stream in order of arrival.
    """
    for index in order:
        state = state_of(states, streams[index])
        scores[index] = score_one(state, params, times[index], values[index], rows[index], facts[index])


KERNEL: Final = (
    log2_q8, isqrt, position, tail_q8, bucket_of, replace, nearest, season, shift, shape, stuck,
    combine, is_record, calibrate, score_one, state_of, score_many,
)  # fmt: skip
"""In the order in which they need each other, for the compiler."""
