"""Many streams at once are scored as if each had a scorer of its own: the same bits, however their readings mix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.errors import InputError
from gridwitness.scoring.streaming import FleetScorer, StreamScorer, StreamScores

from .streams import SLOTS_PER_DAY, START, household, troubled
from .test_kernel import SMALL

STREAMS = 3
BACKENDS = pytest.mark.parametrize("compiled", [False, True], ids=["python", "numba"])
READINGS = st.lists(
    st.tuples(st.integers(0, STREAMS - 1), st.integers(START, START + 30 * 86_400), st.integers(-20, 20)),
    min_size=1,
    max_size=120,
)


def outcome(scores: StreamScores) -> list[list[int]]:
    """Score, surprises and facts of each reading."""
    return np.column_stack([scores.score_bps, scores.surprises_q8, scores.facts]).tolist()


def columns(readings: list[tuple[int, int, int]]) -> np.ndarray:
    """Streams, times and values."""
    return np.array(readings, dtype=np.int64).reshape(-1, 3).T


def score_apart(readings: list[tuple[int, int, int]]) -> tuple[list[list[int]], list[bytes]]:
    """Outcome of each reading by the reference with a scorer for each stream, and their checkpoints."""
    scorers = [StreamScorer(SMALL, compiled=False) for _ in range(STREAMS)]
    outcomes = [outcome(scorers[stream].score([time], [value]))[0] for stream, time, value in readings]
    return outcomes, [scorer.checkpoint() for scorer in scorers]


# INV-O7
@BACKENDS
@given(readings=READINGS)
def test_score__streams_mixed_in_any_order__equals_a_scorer_for_each(
    compiled: bool, readings: list[tuple[int, int, int]]
) -> None:
    fleet = FleetScorer(STREAMS, SMALL, compiled=compiled)
    outcomes = outcome(fleet.score(*columns(readings)))
    assert (outcomes, [fleet.checkpoint(stream) for stream in range(STREAMS)]) == score_apart(readings)


# INV-O7
@BACKENDS
@given(readings=READINGS, data=st.data())
def test_restore__in_the_middle__equals_never_having_stopped(
    compiled: bool, readings: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(readings)))
    first = FleetScorer(STREAMS, SMALL, compiled=not compiled)
    before = outcome(first.score(*columns(readings[:cut])))
    second = FleetScorer.restore([first.checkpoint(stream) for stream in range(STREAMS)], SMALL, compiled=compiled)
    after = outcome(second.score(*columns(readings[cut:])))
    checkpoints = [second.checkpoint(stream) for stream in range(STREAMS)]
    assert (before + after, checkpoints) == score_apart(readings)


# INV-O7
def test_score__houses_slot_by_slot_with_default_parameters__equals_a_scorer_for_each() -> None:
    days = 21
    houses = [troubled(days), household(days, seed=2), household(days, seed=3)]
    fleet = FleetScorer(len(houses), compiled=True)
    together = []
    for first in range(0, days * SLOTS_PER_DAY, SLOTS_PER_DAY):
        day = slice(first, first + SLOTS_PER_DAY)
        streams = np.tile(np.arange(len(houses)), SLOTS_PER_DAY)
        times, values = (np.array([house[column][day] for house in houses]).T.ravel() for column in (0, 1))
        together += outcome(fleet.score(streams, times, values))
    for stream, house in enumerate(houses):
        scorer = StreamScorer(compiled=True)
        assert together[stream :: len(houses)] == outcome(scorer.score(*house))
        assert fleet.checkpoint(stream) == scorer.checkpoint()


def test_score__reading_of_a_mixed_call__is_told_with_its_reason() -> None:
    times, values = troubled()
    spike = 9 * SLOTS_PER_DAY + 5
    streams = [0] * len(times) + [1] * len(times)
    scores = FleetScorer(2).score(streams, times * 2, household(21, seed=2)[1] + values)
    assert scores.score(len(times) + spike).reason == "3000 is 2350.6 away from any value before"


def test_restore__checkpoints_of_single_streams__goes_on_from_them() -> None:
    times, values = household(3)
    scorer = StreamScorer(SMALL)
    scorer.score(times, values)
    fleet = FleetScorer.restore([StreamScorer(SMALL).checkpoint(), scorer.checkpoint()], SMALL)
    expected = StreamScorer.restore(scorer.checkpoint(), SMALL).score(times, values)
    assert outcome(fleet.score([1] * len(times), times, values)) == outcome(expected)


def test_model_hash__of_a_fleet__is_that_of_a_single_stream() -> None:
    assert FleetScorer(STREAMS, SMALL).model_hash == StreamScorer(SMALL).model_hash


@BACKENDS
@pytest.mark.parametrize(
    ("streams", "times", "values", "message"),
    [
        ([0, 3], [1, 1], [1, 1], "stream 3 is outside 0 to 2"),
        ([-1], [1], [1], "stream -1 is outside 0 to 2"),
        ([0.0], [1], [1], "streams are of type float64; the scorer computes in integers"),
        ([0], [1, 1], [1, 1], "1 streams for 2 values"),
        ([0, 1], [1], [1, 1], "1 times for 2 values"),
        ([0, 1], [1, 1], [1, 10**17 + 1], "value 100000000000000001 is outside"),
    ],
)
def test_score__wrong_input__raises_and_learns_nothing(
    compiled: bool, streams: list[int], times: list[int], values: list[int], message: str
) -> None:
    fleet = FleetScorer(STREAMS, SMALL, compiled=compiled)
    before = [fleet.checkpoint(stream) for stream in range(STREAMS)]
    with pytest.raises(InputError, match=message):
        fleet.score(streams, times, values)
    assert [fleet.checkpoint(stream) for stream in range(STREAMS)] == before


@pytest.mark.parametrize("stream", [-1, STREAMS])
def test_checkpoint__no_such_stream__raises(stream: int) -> None:
    with pytest.raises(InputError, match=f"stream {stream} is outside 0 to 2"):
        FleetScorer(STREAMS, SMALL).checkpoint(stream)


def test_make_fleet__no_streams__raises() -> None:
    with pytest.raises(InputError, match="0 streams; a fleet has one or more"):
        FleetScorer(0)
    with pytest.raises(InputError, match="0 streams; a fleet has one or more"):
        FleetScorer.restore([])
