"""The arithmetic of several metrics of one device together: integers, explicit loops, the same bits everywhere.

A reading has one value of each metric. It is strange if no earlier reading was like it in all of them at once, however
usual each value is by itself. Written as `kernel` is, and run in the same two ways. Every intermediate stays below
2^62 because values stay within ±10^17.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import Final, NamedTuple

from gridwitness.scoring.streaming.kernel import bucket_of, calibrate, log2_q8, tail_q8
from gridwitness.scoring.streaming.params import StreamParams
from gridwitness.scoring.streaming.state import BUCKETS, PEAK_BUCKETS, SEEN

MAX_METRICS: Final = 16
FARTHEST: Final = 64
"""Spreads beyond which a value counts as no farther away."""
ODD, USUAL = range(2)
FACTS: Final = 2


class JointState(NamedTuple):
    """All that is remembered of a device's metrics; lists for the Python reference, int64 arrays for the kernel.

    `numbers`    readings seen
    `recent`     ring of the last `shape_memory` readings, the values of a reading side by side
    `means`, `spreads`   of each metric: a slow mean, and the mean distance from it
    `gaps`       counts of distances to the nearest earlier reading by quarter octave, then their total
    `evidence`   ring of evidence; `evidences` its counts by eighth of a bit, `peaks` those of records
    """

    numbers: MutableSequence[int]
    recent: MutableSequence[int]
    means: MutableSequence[int]
    spreads: MutableSequence[int]
    gaps: MutableSequence[int]
    evidence: MutableSequence[int]
    evidences: MutableSequence[int]
    peaks: MutableSequence[int]

    @classmethod
    def empty(cls, params: StreamParams, metrics: int) -> JointState:
        """The state before the first reading, as lists."""
        return cls(*([0] * size for size in joint_sizes(params, metrics)))


def joint_sizes(params: StreamParams, metrics: int) -> tuple[int, ...]:
    """Length of each field of the state."""
    ring = params.shape_memory * metrics
    return (1, ring, metrics, metrics, BUCKETS + 1, params.record_max, PEAK_BUCKETS + 1, PEAK_BUCKETS)


def in_spreads(distance: int, spread: int) -> int:
    """A distance in 1/1,024 of a metric's spread, at most FARTHEST of them."""
    shift = 0
    while spread >> shift >= 1 << 40:
        shift += 1
    near, unit = distance >> shift, max(spread >> shift, 1)
    return FARTHEST * 1_024 if near // FARTHEST >= unit else near * 1_024 // unit


def nearest_together(state: JointState, values: Sequence[int], facts: MutableSequence[int]) -> int:
    """Distance to the nearest earlier reading, summed over all metrics; and which metric is the odd one.

    The odd one is the metric without which the reading is most like an earlier one, and `facts[USUAL]` what that one
    had in its place.
    """
    metrics = len(values)
    known = min(state.numbers[SEEN], len(state.recent) // metrics)
    best = FARTHEST * 1_024 * metrics
    odd = best + 1
    for reading in range(known):
        total, start = 0, reading * metrics
        for metric in range(metrics):
            total += in_spreads(abs(values[metric] - state.recent[start + metric]), state.spreads[metric])
        best = min(best, total)
        if total - FARTHEST * 1_024 >= odd:  # no single metric can make up for that much
            continue
        for metric in range(metrics):
            rest = total - in_spreads(abs(values[metric] - state.recent[start + metric]), state.spreads[metric])
            if rest < odd:
                odd = rest
                facts[ODD], facts[USUAL] = metric, state.recent[start + metric]
    return best


def remember(state: JointState, params: StreamParams, values: Sequence[int]) -> None:
    """Move means and spreads, and put the reading in the place of the oldest."""
    metrics, seen = len(values), state.numbers[SEEN]
    place = seen % (len(state.recent) // metrics) * metrics
    for metric in range(metrics):
        away = abs(values[metric] - state.means[metric])
        weight = min(seen + 1, params.slow_memory)
        if seen > 0:
            state.spreads[metric] += (away - state.spreads[metric]) // weight
        state.means[metric] += (values[metric] - state.means[metric]) // weight
        state.recent[place + metric] = values[metric]


def score_together(
    state: JointState, params: StreamParams, values: Sequence[int], facts: MutableSequence[int]
) -> tuple[int, int]:
    """Score of one reading in bps, and its surprise in 1/256 bit; calibrated as those of a single stream are."""
    seen = state.numbers[SEEN]
    score = surprise = 0
    distance = nearest_together(state, values, facts)
    if seen >= params.warmup:
        surprise = tail_q8(state.gaps, bucket_of(distance), params.memory, params.beyond_q8)
    if seen >= 2 * params.warmup:
        age = min(seen + 1, 2 * params.memory)
        evidence = max(surprise - (log2_q8(age) - 10 * 256) * params.age_percent // 100, 0)
        score = calibrate(state, params, evidence)
        state.evidence[seen % len(state.evidence)] = evidence
    remember(state, params, values)
    state.numbers[SEEN] = seen + 1
    return score, surprise


def score_all_together(
    state: JointState,
    params: StreamParams,
    rows: Sequence[Sequence[int]],
    scores: MutableSequence[int],
    surprises: MutableSequence[int],
    facts: Sequence[MutableSequence[int]],
) -> None:
    """Score readings in order of arrival into `scores`, `surprises` and `facts`, all of the same length."""
    for index in range(len(rows)):
        scores[index], surprises[index] = score_together(state, params, rows[index], facts[index])


JOINT_KERNEL: Final = (in_spreads, nearest_together, remember, score_together, score_all_together)
"""In the order in which they need each other, for the compiler."""
