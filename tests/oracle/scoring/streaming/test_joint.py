"""A device's metrics together: what no metric shows alone is found, with the same bits everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gridwitness.errors import InputError
from gridwitness.scoring.streaming import (
    ALERT_SCORE_BPS,
    JointScorer,
    JointScores,
    StreamParams,
    StreamScorer,
)
from gridwitness.scoring.streaming.joint import FARTHEST, JointState, in_spreads, nearest_together, remember

from .hash_scores import hash_of
from .streams import power_and_voltage

METRICS = ["power", "voltage"]
FAULT = 600
GOLDEN_JOINT = "e56f1403ba1d2b8133a11503da9a5c0abeb1f8fbf9e36ba20d4d1f9b39e93dfa"
GOLDEN_MODEL = "343d753324cdf3dc85e29567466fa448e94a02ec66b9116712bde171e24b0970"
BACKENDS = pytest.mark.parametrize("compiled", [False, True], ids=["python", "numba"])
SMALL = StreamParams(memory=40, shape_memory=20, warmup=5)


@pytest.fixture(scope="module")
def whole() -> JointScores:
    """The readings with the fault, scored in one go."""
    return JointScorer(METRICS, compiled=True).score(power_and_voltage())


def alerts(scores_bps: NDArray[np.int64], first: int = 300) -> list[int]:
    return [index for index in range(first, len(scores_bps)) if scores_bps[index] >= ALERT_SCORE_BPS]


# INV-O7
@BACKENDS
def test_score__fixed_readings_in_two_parts__give_the_golden_hash(compiled: bool) -> None:
    readings, cut = power_and_voltage(), 350
    first = JointScorer(METRICS, compiled=not compiled)
    before = first.score(readings[:cut])
    second = JointScorer.restore(first.checkpoint(), METRICS, compiled=compiled)
    assert second.checkpoint() == first.checkpoint()
    assert hash_of([before, second.score(readings[cut:])], second) == GOLDEN_JOINT


# INV-O7
def test_score__prefix_of_the_readings__gives_the_prefix_of_the_scores(whole: JointScores) -> None:
    for end in (1, 150, FAULT + 1):
        prefix = JointScorer(METRICS, compiled=True).score(power_and_voltage()[:end])
        np.testing.assert_array_equal(prefix.score_bps, whole.score_bps[:end])
        np.testing.assert_array_equal(prefix.facts, whole.facts[:end])


def test_model_hash__default_parameters__is_the_golden_hash() -> None:
    assert JointScorer(METRICS).model_hash.hex() == GOLDEN_MODEL


def test_score__fault_seen_only_jointly__is_an_alert_and_no_metric_alone_is(whole: JointScores) -> None:
    assert alerts(whole.score_bps)
    assert set(alerts(whole.score_bps)) <= set(range(FAULT, FAULT + 12))
    times = [900 * index for index in range(len(whole.values))]
    for metric in range(len(METRICS)):
        alone = StreamScorer().score(times, whole.values[:, metric]).score_bps
        assert not set(alerts(alone)) & set(range(FAULT, FAULT + 12))


def test_score__fault_seen_only_jointly__says_what_does_not_fit(whole: JointScores) -> None:
    score = whole.score(alerts(whole.score_bps)[0])
    reason = "voltage and power do not fit together: power is 1464, and was 160 when voltage was most like now"
    assert (score.channel, score.reason) == ("joint", reason)


@pytest.mark.parametrize("seed", [2, 3])
def test_score__honest_readings__has_no_alert_and_exceeds_9900_in_one_of_a_hundred(seed: int) -> None:
    scores = JointScorer(METRICS, compiled=True).score(power_and_voltage(2_000, 2_000, seed)).score_bps[300:]
    assert alerts(scores, 0) == []
    assert np.mean(scores > 9_900) < 0.02
    assert 0.05 < np.mean(scores > 9_000) < 0.15


def test_score__other_units__are_the_same_scores_almost_everywhere(whole: JointScores) -> None:
    scaled = [[power * 1_000, voltage] for power, voltage in power_and_voltage()]
    other = JointScorer(METRICS, compiled=True).score(scaled).score_bps
    assert np.mean(np.abs(other - whole.score_bps) > 100) < 0.02
    assert alerts(other) == alerts(whole.score_bps)


def test_score__three_metrics__names_the_one_that_does_not_fit() -> None:
    readings = [[power, power // 230, voltage] for power, voltage in power_and_voltage(fault=FAULT)]
    scores = JointScorer(["power", "current", "voltage"], compiled=True).score(readings)
    found = scores.score(alerts(scores.score_bps)[0])
    assert found.reason.startswith("power, current and voltage do not fit together: voltage is ")
    assert found.reason.endswith("when power and current were most like now")


@BACKENDS
def test_score__extreme_values__stay_within_64_bits(compiled: bool) -> None:
    readings = [[10**17 * (-1) ** index, index, 10**17 * (-1) ** (index // 3)] for index in range(90)]
    scores = JointScorer(["a", "b", "c"], SMALL, compiled=compiled).score(readings)
    reference = JointScorer(["a", "b", "c"], SMALL, compiled=False).score(readings)
    np.testing.assert_array_equal(scores.facts, reference.facts)
    np.testing.assert_array_equal(scores.surprises_q8, reference.surprises_q8)
    assert scores.surprises_q8.min() >= 0


@given(st.integers(0, 2 * 10**17), st.integers(0, 2 * 10**17))
def test_in_spreads__any__is_the_quotient_up_to_the_farthest(distance: int, spread: int) -> None:
    exact = min(distance * 1_024 / max(spread, 1), FARTHEST * 1_024)
    assert in_spreads(distance, spread) == pytest.approx(exact, rel=1e-6, abs=1)


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=40))
def test_nearest_together__any_readings__is_the_least_sum_of_distances(readings: list[tuple[int, int]]) -> None:
    state = JointState.empty(SMALL, 2)
    for seen, values in enumerate(readings[:-1]):
        remember(state, SMALL, values)
        state.numbers[0] = seen + 1
    facts = [0, 0]
    found = nearest_together(state, readings[-1], facts)
    sums = [
        [in_spreads(abs(a - b), spread) for a, b, spread in zip(readings[-1], other, state.spreads, strict=True)]
        for other in readings[max(0, len(readings) - 1 - SMALL.shape_memory) : -1]
    ]
    assert found == min(map(sum, sums))
    assert min(one[1 - facts[0]] for one in sums) == min(min(one) for one in sums)


@pytest.mark.parametrize(
    ("readings", "message"),
    [
        ([[1, 2], [3]], "a reading has another number of values than the 2 metrics"),
        ([[1, 10**17 + 1]], "value 100000000000000001 is outside"),
        ([[1, 0.5]], "the scorer computes in integers"),
    ],
)
def test_score__wrong_input__raises_and_learns_nothing(readings: list[list[int]], message: str) -> None:
    scorer = JointScorer(METRICS, compiled=False)
    before = scorer.state_hash
    with pytest.raises(InputError, match=message):
        scorer.score(readings)
    assert scorer.state_hash == before


@pytest.mark.parametrize("metrics", [["power"], ["power", "power"], [str(number) for number in range(17)]])
def test_scorer__metrics_that_make_no_pair__raises(metrics: list[str]) -> None:
    with pytest.raises(InputError, match="2 to 16 different ones"):
        JointScorer(metrics)


def test_restore__checkpoint_of_other_metrics_or_altered__raises() -> None:
    data = JointScorer(METRICS).checkpoint()
    with pytest.raises(InputError, match="made by model"):
        JointScorer.restore(data, ["power", "current"])
    with pytest.raises(InputError, match="it was altered"):
        JointScorer.restore(data.replace(b'"numbers":[0]', b'"numbers":[7]'), METRICS)


def test_score__nothing__is_empty() -> None:
    assert len(JointScorer(METRICS, compiled=False).score([]).score_bps) == 0
