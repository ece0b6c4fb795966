"""The kernel's parts against plain definitions of what they compute."""

from __future__ import annotations

import math
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.scoring.integers import log2_q8 as exact_log2_q8
from gridwitness.scoring.streaming import kernel
from gridwitness.scoring.streaming.kernel import NOVELTY, RANK, SHAPE, STUCK
from gridwitness.scoring.streaming.params import StreamParams
from gridwitness.scoring.streaming.state import SEEN, State, empty_states

SMALL = StreamParams(memory=12, shape_memory=6, warmup=4, record_min=3, record_max=8)
VALUES = st.lists(st.integers(-20, 20), min_size=1, max_size=60)


def empty(params: StreamParams) -> State:
    """The state of a stream before its first reading."""
    return kernel.state_of(empty_states(params, 1), 0)


def scored(values: list[int], params: StreamParams = SMALL) -> tuple[list[int], list[list[int]], list[list[int]]]:
    count = len(values)
    scores, rows, facts = [0] * count, [[0] * 6 for _ in values], [[0] * 6 for _ in values]
    order, times = range(count), range(0, 900 * count, 900)
    kernel.score_many(empty_states(params, 1), params, order, [0] * count, times, values, scores, rows, facts)
    return scores, rows, facts


@given(st.integers(1, (1 << 62) - 1))
def test_log2_q8__any_positive__is_within_two_256ths_of_the_exact_one(value: int) -> None:
    assert exact_log2_q8(value) - 2 <= kernel.log2_q8(value) <= exact_log2_q8(value)


@given(st.integers(0, 61))
def test_log2_q8__power_of_two__is_exact(exponent: int) -> None:
    assert kernel.log2_q8(1 << exponent) == 256 * exponent


@given(st.integers(0, 1 << 60))
def test_isqrt__any__is_the_root_rounded_down(value: int) -> None:
    assert kernel.isqrt(value) == math.isqrt(value)


@given(VALUES, st.integers(-25, 25))
def test_position__ordered_values__is_where_bisect_puts_it(values: list[int], value: int) -> None:
    ordered = sorted(values)
    assert kernel.position(ordered, len(ordered), value) == bisect_left(ordered, value)


@given(VALUES)
def test_score_many__novelty__is_the_distance_to_the_nearest_remembered_value(values: list[int]) -> None:
    _, _, facts = scored(values)
    for index, value in enumerate(values):
        remembered = values[max(0, index - SMALL.memory) : index]
        assert facts[index][NOVELTY] == min((abs(value - other) for other in remembered), default=0)


@given(VALUES)
def test_score_many__rank__counts_the_smaller_side(values: list[int]) -> None:
    _, rows, facts = scored(values)
    for index, value in enumerate(values):
        remembered = values[max(0, index - SMALL.memory) : index]
        high = sum(other >= value for other in remembered)
        low = sum(other <= value for other in remembered)
        assert facts[index][RANK] == (high if high <= low else -low)
        tail = (2 * min(high, low) + 0.5) / (len(remembered) + 1)
        assert abs(rows[index][RANK] - max(0, -256 * math.log2(tail))) < 4


@given(VALUES)
def test_score_many__shape__is_the_distance_to_the_nearest_three_in_a_row(values: list[int]) -> None:
    _, _, facts = scored(values)
    for index in range(5, len(values)):
        first = max(index - SMALL.shape_memory, 0)
        earlier = [values[start : start + 3] for start in range(first, index - 2)]
        last = values[index - 2 : index + 1]
        nearest = min(sum(abs(one - other) for one, other in zip(last, three, strict=True)) for three in earlier)
        assert facts[index][SHAPE] == nearest


def test_tail_q8__value_beyond_all_before__says_more_the_farther_it_is() -> None:
    said = []
    for bucket in (10, 11, 12, 14, 18, 200):
        counts = [0] * 257
        for _ in range(99):
            kernel.tail_q8(counts, 10, 1_000, 512)
        said.append(kernel.tail_q8(counts, bucket, 1_000, 512))
    unseen = 256 * math.log2(100 / 0.5)
    assert said[0] < 4
    assert said[1:] == pytest.approx([unseen + more for more in (0, 512, 1_536, 3_584, 8_192)], abs=3)


def test_tail_q8__twice_the_memory__halves_the_counts() -> None:
    counts = [0] * 257
    for _ in range(20):
        kernel.tail_q8(counts, 3, 10, 0)
    assert (counts[3], counts[-1]) == (10, 10)


def test_score_many__run_of_repeats__speaks_in_doublings_up_to_the_limit() -> None:
    values = [(7 * index * index) % 101 for index in range(80)] + [500] * 40
    _, rows, facts = scored(values, StreamParams())
    said = [row[STUCK] for row in rows[80:]]
    assert said == sorted(said)
    assert sorted(set(said)) == [0, *(256 << power for power in range(3, 7))]
    assert facts[-1][STUCK] == 40


def test_score_many__longest_run_again__is_not_stuck() -> None:
    changing = [(7 * index * index) % 101 for index in range(80)]
    _, rows, _ = scored(changing + [500] * 20 + changing + [500] * 20, StreamParams())
    assert max(row[STUCK] for row in rows[160:]) == 0


def test_season__same_hour_of_the_week__is_what_is_usual() -> None:
    params = StreamParams()
    state = empty(params)
    for week in range(3):
        for hour in range(168):
            usual = 1_000 * hour
            _, residual = kernel.season(state, params, 3_600 * (168 * week + hour), usual)
            assert week == 0 or residual == 0
    assert state.day_seen == [21] * 24
    assert kernel.season(state, params, 3_600 * 168 * 3, 5_000)[1] == 5_000


def test_score_many__during_warm_up__is_zero() -> None:
    scores, _, _ = scored([index * index for index in range(60)], StreamParams())
    assert scores[:50] == [0] * 50
    assert max(scores[50:]) > 0


def test_is_record__evidence__must_exceed_all_within_reach() -> None:
    state, found = empty(SMALL), []
    for index, item in enumerate([5, 3, 9, 9, 8, 10]):
        state.numbers[SEEN] = index
        found.append(kernel.is_record(state, SMALL, item))
        state.evidence[index % len(state.evidence)] = item
    assert found == [True, False, True, False, False, True]
    assert kernel.is_record(state, SMALL._replace(record_min=1), 9)


def test_calibrate__equal_peaks_far_apart__cost_more_each_time() -> None:
    state, said = empty(SMALL), []
    for index in range(40):
        state.numbers[SEEN] = index + 1
        evidence = 3_000 if index % 10 == 9 else 100
        score = kernel.calibrate(state, SMALL, evidence)
        state.evidence[(index + 1) % len(state.evidence)] = evidence
        if index % 10 == 9:
            said.append(score)
    assert said == sorted(said, reverse=True)
    assert said[0] > said[-1] > SMALL.rank_limit_bps
