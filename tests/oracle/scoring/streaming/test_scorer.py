"""What a committee relies on: the same bits everywhere, no look-ahead, checkpoints that lose nothing; and sense."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gridwitness.scoring.streaming
from gridwitness.errors import ConfigError, InputError
from gridwitness.scoring.streaming import (
    ALERT_SCORE_BPS,
    DEFAULT_STREAM_PARAMS,
    StreamParams,
    StreamScorer,
    StreamScores,
)
from gridwitness.scoring.streaming.backend import compiled_parts
from gridwitness.scoring.streaming.kernel import CHANNELS
from gridwitness.scoring.streaming.reasons import explain

from .hash_scores import PLAIN_CPU, hash_of
from .streams import SLOTS_PER_DAY, household, troubled
from .test_joint import GOLDEN_JOINT

GOLDEN_MODEL = "210a37ce9f2eb03a50d6f299c8d5580b7d98cf5be393012cf53d27dfa9b032b1"
GOLDEN_SCORES = "5e4319f30646f69368c9f2e80fa33499b16367656b9d2e8cb6232fab9c3d17e8"
BACKENDS = pytest.mark.parametrize("compiled", [False, True], ids=["python", "numba"])


@pytest.fixture(scope="module")
def whole() -> tuple[StreamScores, StreamScorer]:
    """The troubled stream, scored in one go."""
    scorer = StreamScorer(compiled=True)
    return scorer.score(*troubled()), scorer


def alerts(scores: StreamScores, first: int = 5 * SLOTS_PER_DAY) -> list[int]:
    return [index for index in range(first, len(scores.score_bps)) if scores.score_bps[index] >= ALERT_SCORE_BPS]


# INV-O7
@BACKENDS
def test_score__fixed_stream__gives_the_golden_hash(compiled: bool) -> None:
    scorer = StreamScorer(compiled=compiled)
    assert hash_of([scorer.score(*troubled())], scorer) == GOLDEN_SCORES


# INV-O7
def test_score__cpu_without_vector_instructions__gives_the_golden_hashes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.oracle.scoring.streaming.hash_scores"],
        cwd=Path(__file__).parents[4],
        env=os.environ | PLAIN_CPU,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{GOLDEN_SCORES} {GOLDEN_JOINT}", done.stderr


# INV-O7
@BACKENDS
@pytest.mark.parametrize("cut", [1, 60, 11 * SLOTS_PER_DAY + 7])
def test_restore__in_the_middle__gives_the_golden_hash(compiled: bool, cut: int) -> None:
    times, values = troubled()
    first = StreamScorer(compiled=not compiled)
    before = first.score(times[:cut], values[:cut])
    second = StreamScorer.restore(first.checkpoint(), compiled=compiled)
    assert second.checkpoint() == first.checkpoint()
    after = second.score(times[cut:], values[cut:])
    assert hash_of([before, after], second) == GOLDEN_SCORES


# INV-O7
def test_score__prefix_of_a_stream__gives_the_prefix_of_the_scores(whole: tuple[StreamScores, StreamScorer]) -> None:
    times, values = troubled()
    for end in (1, 50, 500, 9 * SLOTS_PER_DAY + 6, 20 * SLOTS_PER_DAY):
        prefix = StreamScorer(compiled=True).score(times[:end], values[:end])
        np.testing.assert_array_equal(prefix.score_bps, whole[0].score_bps[:end])
        np.testing.assert_array_equal(prefix.facts, whole[0].facts[:end])


def test_score__one_by_one__gives_the_same_scores(whole: tuple[StreamScores, StreamScorer]) -> None:
    scorer = StreamScorer(compiled=True)
    scores = [scorer.score([time], [value]).score_bps[0] for time, value in zip(*troubled(), strict=True)]
    assert scores == whole[0].score_bps.tolist()
    assert scorer.state_hash == whole[1].state_hash


@BACKENDS
def test_restore__after_the_memory_wrapped_around__goes_on_as_if_nothing_happened(compiled: bool) -> None:
    params = StreamParams(memory=300, shape_memory=40)
    times, values = troubled(12)
    one = StreamScorer(params, compiled=True)
    expected = one.score(times, values).score_bps.tolist()
    scorer, scores = StreamScorer(params, compiled=compiled), []
    for start in range(0, len(times), 111):
        scorer = StreamScorer.restore(scorer.checkpoint(), params, compiled=compiled)
        scores += scorer.score(times[start : start + 111], values[start : start + 111]).score_bps.tolist()
    assert scores == expected
    assert scorer.state_hash == one.state_hash


def test_model_hash__default_parameters__is_the_golden_hash() -> None:
    assert StreamScorer().model_hash.hex() == GOLDEN_MODEL


@pytest.mark.parametrize("name", StreamParams._fields)
def test_model_hash__any_other_parameter__is_another(name: str) -> None:
    other = DEFAULT_STREAM_PARAMS._replace(**{name: getattr(DEFAULT_STREAM_PARAMS, name) + 1})
    assert other.model_hash() != DEFAULT_STREAM_PARAMS.model_hash()


@pytest.mark.parametrize(
    ("day", "first", "last", "channel", "reason"),
    [
        (9, 5, 5, "novelty", "3000 is 2350.6 away from any value before"),
        (11, 6, 12, "stuck", "stuck at 224.1 for 9 slots"),
        (13, 0, 0, "novelty", "1110 is 460.15 away from any value before"),
    ],
)
def test_score__trouble__is_an_alert_with_its_reason(
    whole: tuple[StreamScores, StreamScorer], day: int, first: int, last: int, channel: str, reason: str
) -> None:
    start = day * SLOTS_PER_DAY
    found = [whole[0].score(index) for index in alerts(whole[0]) if start + first <= index <= start + last]
    assert found
    assert found[0].channel == channel
    assert reason in found[0].reason


def test_score__evening_that_does_not_come__is_less_than_usual() -> None:
    times, values = household(21)
    start = 15 * SLOTS_PER_DAY + 68
    values[start : start + 16] = values[start - 32 : start - 16]
    scores = StreamScorer().score(times, values)
    assert start in alerts(scores)
    assert scores.score(start).channel == "season"
    assert scores.score(start).reason == "about 389.6 less than is usual at this hour"


def test_score__ordinary_house__has_no_alert_in_sixteen_days() -> None:
    scores = StreamScorer().score(*household(21, seed=2))
    assert alerts(scores) == []


def test_score__ordinary_house__exceeds_9900_in_one_of_a_hundred() -> None:
    scores = StreamScorer().score(*household(120, seed=3)).score_bps[5 * SLOTS_PER_DAY :]
    assert 0.005 < np.mean(scores > 9_900) < 0.02
    assert 0.05 < np.mean(scores > 9_000) < 0.15


@pytest.mark.parametrize("value", [0, 45_000_000, -1])
def test_score__value_that_never_changes__is_no_alert(value: int) -> None:
    times, _ = household(10)
    assert max(StreamScorer().score(times, [value] * len(times)).score_bps) <= DEFAULT_STREAM_PARAMS.rank_limit_bps


def test_channels__of_a_reading__are_named_with_their_surprise(whole: tuple[StreamScores, StreamScorer]) -> None:
    channels = whole[0].channels(9 * SLOTS_PER_DAY + 5)
    assert list(channels) == ["novelty", "rank", "season", "shift", "shape", "stuck"]
    assert channels["novelty"] > 10 * 256 > channels["stuck"]


@pytest.mark.parametrize(
    ("channel", "fact", "reason"),
    [
        (0, 3_500_000, "7.25 is 3.5 away from any value before"),
        (1, 0, "no value before was as extreme as 7.25"),
        (1, 1, "only 1 value before as high as 7.25"),
        (1, -3, "only 3 values before as low as 7.25"),
        (2, 123_456_789, "about 123.4 more than is usual at this hour"),
        (3, -5, "the level has moved down by about 0.000005"),
        (4, 1, "the last three values are 0.000001 away from any three in a row before"),
        (5, 9, "stuck at 7.25 for 9 slots"),
    ],
)
def test_explain__channel_that_says_most__gives_its_reason(channel: int, fact: int, reason: str) -> None:
    row, facts = [256] * 6, [0] * 6
    row[channel], facts[channel] = 10_000, fact
    assert explain(row, facts, 7_250_000, DEFAULT_STREAM_PARAMS, 6)[1] == reason


def test_score__low__says_nothing_unusual(whole: tuple[StreamScores, StreamScorer]) -> None:
    index = int(np.flatnonzero(whole[0].score_bps <= 9_000)[-1])
    assert whole[0].score(index).channel == "none"


@BACKENDS
@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        ([1], [1, 2], "1 times for 2 values"),
        ([1], [10**17 + 1], "value 100000000000000001 is outside"),
        ([1], [10**30], "value"),
        ([-1], [1], "time -1 is outside 0 to"),
        ([1], [0.5], "values are of type float64; the scorer computes in integers"),
    ],
)
def test_score__wrong_input__raises_and_learns_nothing(
    compiled: bool, times: list[int], values: list[int], message: str
) -> None:
    scorer = StreamScorer(compiled=compiled)
    before = scorer.state_hash
    with pytest.raises(InputError, match=message):
        scorer.score(times, values)
    assert scorer.state_hash == before


@BACKENDS
def test_score__extreme_values__stay_within_64_bits(compiled: bool) -> None:
    params = StreamParams(memory=64, shape_memory=20)
    values = [10**17 * (-1) ** index for index in range(100)] + [0, 1, 10**17] * 20
    scores = StreamScorer(params, compiled=compiled).score(range(len(values)), values)
    reference = StreamScorer(params, compiled=False).score(range(len(values)), values)
    np.testing.assert_array_equal(scores.facts, reference.facts)
    np.testing.assert_array_equal(scores.surprises_q8, reference.surprises_q8)
    assert scores.surprises_q8.min() >= 0


@BACKENDS
def test_score__nothing__is_empty(compiled: bool) -> None:
    scores = StreamScorer(compiled=compiled).score([], [])
    assert len(scores.score_bps) == 0
    assert scores.surprises_q8.shape == scores.facts.shape == (0, len(CHANNELS))


@pytest.mark.parametrize("params", [StreamParams(memory=10), StreamParams(record_min=500)])
def test_scorer__memories_that_do_not_fit__raises(params: StreamParams) -> None:
    with pytest.raises(InputError, match="is outside"):
        StreamScorer(params)


def test_compiled_parts__without_numba__names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ConfigError, match="numba is not installed"):
        compiled_parts.__wrapped__()


def test_restore__checkpoint_of_another_model__raises(whole: tuple[StreamScores, StreamScorer]) -> None:
    with pytest.raises(InputError, match="made by model"):
        StreamScorer.restore(whole[1].checkpoint(), StreamParams(warmup=51))


def test_restore__altered_checkpoint__raises(whole: tuple[StreamScores, StreamScorer]) -> None:
    body = json.loads(whole[1].checkpoint())
    body["state"]["recent"][0] += 1
    with pytest.raises(InputError, match="it was altered"):
        StreamScorer.restore(json.dumps(body).encode())


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b'{"format":"other/9"}', b'{"hash":1}'])
def test_restore__malformed__raises(data: bytes) -> None:
    with pytest.raises(InputError, match="checkpoint"):
        StreamScorer.restore(data)


# INV-O7
def test_source__of_the_streaming_package__computes_in_integers_only() -> None:
    found = []
    for file in sorted(Path(gridwitness.scoring.streaming.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            is_float = isinstance(node, ast.Constant) and isinstance(node.value, float | complex)
            is_division = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
            is_name = isinstance(node, ast.Name) and node.id in {"float", "round", "hash", "random"}
            if is_float or is_division or is_name:
                found.append(f"{file.name}:{node.lineno}")
    assert found == []
