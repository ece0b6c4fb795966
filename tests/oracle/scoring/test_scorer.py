"""What a committee relies on: the same bits everywhere, no look-ahead, checkpoints that lose nothing."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import gridwitness.scoring
from gridwitness.domain.readings import MAX_SCORE_BPS, Score
from gridwitness.errors import InputError
from gridwitness.scoring import DEFAULT_PARAMS, FLAG_SCORE_BPS, Scorer, profile_score

from .hash_scores import golden_zone, scores_hash
from .streaming.hash_scores import PLAIN_CPU
from .zone import HISTORY_DAYS, SLOTS_PER_DAY, RuralZone, energy_reading

TEST_DAY = HISTORY_DAYS * SLOTS_PER_DAY
GOLDEN_SCORES = "36b7e1d3131330bb1f4a3518604b7377e0654f0d880929277f969982a0f4a855"
GOLDEN_STATE = "9c7b697af3aff084d05ba92f317a6d4bba795cb55e0284b3749117a846fc0478"
GOLDEN_MODEL = "a373d1505798f207c1bec3dbe57ec71b860d6d23c79fa491f4108fde3bde0968"


@pytest.fixture(scope="module")
def zone() -> RuralZone:
    return golden_zone()


@pytest.fixture(scope="module")
def scored(zone: RuralZone) -> tuple[list[Score], Scorer]:
    scorer = Scorer()
    return [score for batch in zone.batches() for score in scorer.score(batch, zone.fleet)], scorer


def test_score__fixed_slice__gives_the_golden_hashes(scored: tuple[list[Score], Scorer]) -> None:
    scores, scorer = scored
    assert scores_hash(scores) == GOLDEN_SCORES
    assert scorer.state_hash.hex() == GOLDEN_STATE


# INV-O7
def test_score__cpu_without_vector_instructions__gives_the_golden_hashes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.oracle.scoring.hash_scores"],
        cwd=Path(__file__).parents[3],
        env=os.environ | PLAIN_CPU,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{GOLDEN_SCORES} {GOLDEN_STATE}", done.stderr


def test_model_hash__default_parameters__is_the_golden_hash() -> None:
    assert Scorer().model_hash.hex() == GOLDEN_MODEL


def test_model_hash__any_other_parameter__is_another() -> None:
    assert Scorer(replace(DEFAULT_PARAMS, history_days=5)).model_hash != Scorer().model_hash


def test_score__all__are_between_0_and_10000_with_a_reason(scored: tuple[list[Score], Scorer]) -> None:
    assert all(0 <= score.score_bps <= MAX_SCORE_BPS and score.reason for score in scored[0])


# INV-O7
def test_score__prefix_of_the_readings__gives_the_prefix_of_the_scores(
    zone: RuralZone, scored: tuple[list[Score], Scorer]
) -> None:
    for end in (100, TEST_DAY, TEST_DAY + 60, TEST_DAY + 80):
        scorer = Scorer()
        prefix = [score for batch in list(zone.batches())[:end] for score in scorer.score(batch, zone.fleet)]
        assert prefix == scored[0][: len(prefix)]


# INV-O7
@pytest.mark.parametrize("cut", [1, 97, TEST_DAY + 70, TEST_DAY + 90])
def test_restore__at_any_cut__goes_on_as_if_nothing_happened(
    zone: RuralZone, scored: tuple[list[Score], Scorer], cut: int
) -> None:
    batches = list(zone.batches())
    first = Scorer()
    before = [score for batch in batches[:cut] for score in first.score(batch, zone.fleet)]
    second = Scorer.restore(first.checkpoint())
    assert second.checkpoint() == first.checkpoint()
    after = [score for batch in batches[cut:] for score in second.score(batch, zone.fleet)]
    assert before + after == scored[0]
    assert second.state_hash == scored[1].state_hash


# INV-O7
def test_restore__before_every_batch__gives_the_same_scores(
    zone: RuralZone, scored: tuple[list[Score], Scorer]
) -> None:
    scorer, scores = Scorer(), []
    for batch in zone.batches():
        scorer = Scorer.restore(scorer.checkpoint())
        scores += scorer.score(batch, zone.fleet)
    assert scores == scored[0]


def test_score__fleet_in_another_order__gives_the_same_state(
    zone: RuralZone, scored: tuple[list[Score], Scorer]
) -> None:
    fleet = dict(reversed(zone.fleet.items()))
    scorer = Scorer()
    scores = [score for batch in zone.batches() for score in scorer.score(batch, fleet)]
    assert (scores, scorer.state_hash) == (scored[0], scored[1].state_hash)


def test_checkpoint__fourteen_meters_in_alarm__stays_below_60_kilobytes(scored: tuple[list[Score], Scorer]) -> None:
    assert len(scored[1].checkpoint()) < 60_000


def test_restore__checkpoint_of_another_model__raises() -> None:
    checkpoint = Scorer(replace(DEFAULT_PARAMS, history_days=5)).checkpoint()
    with pytest.raises(InputError, match="checkpoint was made by model"):
        Scorer.restore(checkpoint)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b'{"format":"other/9"}'])
def test_restore__malformed__raises(data: bytes) -> None:
    with pytest.raises(InputError, match="checkpoint"):
        Scorer.restore(data)


@pytest.mark.parametrize("keep", [0.2, 0.9])
def test_restore__truncated__raises(scored: tuple[list[Score], Scorer], keep: float) -> None:
    data = scored[1].checkpoint()
    with pytest.raises(InputError, match="malformed"):
        Scorer.restore(data[: int(len(data) * keep)])


def test_score__readings_out_of_order__raises_and_learns_nothing() -> None:
    scorer = Scorer()
    before = scorer.state_hash
    with pytest.raises(InputError, match="ordered by time, device and counter"):
        scorer.score([energy_reading(b"\x01" * 32, 5, 1), energy_reading(b"\x01" * 32, 4, 1)], {})
    assert scorer.state_hash == before


def test_score__empty_batch__is_empty() -> None:
    assert Scorer().score([], {}) == []


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], 0),
        ([10_000] * 3, 0),
        ([10_000] * 3 + [0] * 93, 0),
        ([10_000] * 4 + [0] * 92, 10_000),
        ([9_950, 1, 9_960, 9_901, 9_970, 2], 9_901),
    ],
)
def test_profile_score__any_day__is_the_fourth_highest(scores: list[int], expected: int) -> None:
    assert profile_score(scores) == expected


def test_flag_score__of_a_profile__needs_an_hour() -> None:
    assert profile_score([FLAG_SCORE_BPS + 1] * 4 + [0] * 92) > FLAG_SCORE_BPS


# INV-O7
def test_source__of_the_scoring_package__computes_in_integers_only() -> None:
    found = []
    for file in sorted(Path(gridwitness.scoring.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            is_float = isinstance(node, ast.Constant) and isinstance(node.value, float | complex)
            is_division = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
            is_name = isinstance(node, ast.Name) and node.id in {"float", "round", "hash", "random"}
            if is_float or is_division or is_name:
                found.append(f"{file.name}:{node.lineno}")
    assert found == []
