"""Channels that judge a meter by its own past, on meters without a zone."""

from __future__ import annotations

import random

import pytest

from gridwitness.domain.readings import Reading, Score
from gridwitness.domain.slots import SLOTS_PER_DAY, slot_start
from gridwitness.scoring import FLAG_SCORE_BPS, Scorer

from .zone import energy_reading

HOUSE = b"\x01" * 32
DAYS = 4
END = DAYS * SLOTS_PER_DAY


def house_wh(slot: int) -> int:
    """A household: 100 Wh at night, 500 Wh at day, give or take 60, never the same twice in a row."""
    return (500 if 28 <= slot % SLOTS_PER_DAY < 88 else 100) + slot * 37 % 121 - 60


def plant_wh(slot: int) -> int:
    """A plant: nothing at night, changing sun by day."""
    height = max(0, 24 - abs(slot % SLOTS_PER_DAY - 48))
    return -height * (100 + random.Random(slot).randint(0, 40))


def lived(value_of=house_wh, slots: int = END) -> Scorer:
    scorer = Scorer()
    for slot in range(slots):
        score_one(scorer, slot, value_of(slot))
    return scorer


def score_one(scorer: Scorer, slot: int, value: int) -> Score:
    return scorer.score([energy_reading(HOUSE, slot, value)], {})[0]


def test_score__meter_frozen_at_noon__is_flagged_from_the_fourth_equal_value_on() -> None:
    scorer = lived(slots=END + 48)
    scores = [score_one(scorer, END + 48 + repeat, 512) for repeat in range(12)]
    assert [score.score_bps > FLAG_SCORE_BPS for score in scores] == [False] * 3 + [True] * 9
    assert scores[8].channel == "frozen"
    assert scores[8].reason == "stuck at 512 Wh for 9 slots"


def test_score__plant_at_night__never_flags_its_zeros() -> None:
    scorer = Scorer()
    scores = [score_one(scorer, slot, plant_wh(slot)) for slot in range(8 * SLOTS_PER_DAY)]
    assert not [score for score in scores if score.channel == "frozen" and score.score_bps > FLAG_SCORE_BPS]


def test_score__plant_frozen_in_the_sun__is_flagged() -> None:
    scorer = lived(plant_wh, END + 50)
    scores = [score_one(scorer, END + 50 + repeat, -2_345) for repeat in range(8)]
    assert scores[-1].score_bps > FLAG_SCORE_BPS
    assert scores[-1].channel == "frozen"


def test_score__busy_house_dead_at_zero__is_flagged() -> None:
    scorer = lived()
    scores = [score_one(scorer, END + repeat, 0) for repeat in range(SLOTS_PER_DAY)]
    assert scores[-1].score_bps > FLAG_SCORE_BPS
    assert scores[-1].channel == "frozen"


def test_score__gap_in_a_run__starts_it_anew() -> None:
    scorer = lived(slots=END + 48)
    for repeat in range(3):
        score_one(scorer, END + 48 + repeat, 512)
    scores = [score_one(scorer, END + 52 + repeat, 512) for repeat in range(3)]
    assert all(score.score_bps <= FLAG_SCORE_BPS for score in scores)


def test_score__new_habit__is_flagged_once() -> None:
    scorer = lived()
    scores = [score_one(scorer, END + slot, house_wh(END + slot) + 2_700) for slot in range(12)]
    assert scores[0].score_bps > FLAG_SCORE_BPS
    assert scores[0].channel == "seasonal"
    assert scores[0].reason.endswith("Wh more than is usual at this time of day")
    assert all(score.score_bps <= FLAG_SCORE_BPS for score in scores[1:])


def test_score__normal_life__is_seldom_flagged() -> None:
    scorer = lived()
    scores = [score_one(scorer, slot, house_wh(slot)) for slot in range(END, END + 10 * SLOTS_PER_DAY)]
    assert sum(score.score_bps > FLAG_SCORE_BPS for score in scores) <= len(scores) // 100


def test_score__impossible_value__is_flagged_by_its_limit_and_does_not_become_the_norm() -> None:
    scorer = lived()
    first = score_one(scorer, END, 5_000_000)
    score_one(scorer, END + 1, house_wh(END + 1))
    second = score_one(scorer, END + 2, 5_000_000)
    for score in (first, second):
        assert score.score_bps > FLAG_SCORE_BPS
    assert second.reason == "5000000 Wh is beyond anything it reported before"


def test_score__late_reading__fills_the_hole_and_changes_no_run() -> None:
    hole, scorer = END + 10, lived(slots=END + 10)
    punctual = lived(slots=END + 11)
    score_one(scorer, hole + 1, 512)
    score_one(punctual, hole + 1, 512)
    late = score_one(scorer, hole, house_wh(hole))
    assert (late.score_bps, late.channel) == (0, "none")
    scores = [score_one(scorer, hole + 2 + repeat, 512) for repeat in range(4)]
    assert scores == [score_one(punctual, hole + 2 + repeat, 512) for repeat in range(4)]


def test_score__late_reading_of_any_age__is_scored() -> None:
    scorer = lived()
    ages = (1, SLOTS_PER_DAY, END - 1)
    assert [score_one(scorer, END - 1 - age, 7_000_000).channel for age in ages] == ["limit"] * len(ages)


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ("1-0:32.7.0", "stuck at 2311 for 10 slots"),
        ("hall:mCel", "stuck at 2.311 °C for 10 slots"),
    ],
)
def test_score__other_metric__is_judged_by_its_own_past_in_the_unit_its_name_says(metric: str, reason: str) -> None:
    scorer = Scorer()
    readings = [
        Reading(HOUSE, slot, slot_start(slot), metric, 2_300 + random.Random(slot).randint(-40, 40))
        for slot in range(END)
    ]
    frozen = [Reading(HOUSE, slot, slot_start(slot), metric, 2_311) for slot in range(END, END + 10)]
    scores = scorer.score(readings + frozen, {})
    assert scores[-1].score_bps > FLAG_SCORE_BPS
    assert scores[-1].reason == reason


def test_score__huge_value__is_scored_without_overflow() -> None:
    scorer = lived()
    assert score_one(scorer, END, (1 << 255) - 1).score_bps > FLAG_SCORE_BPS
    assert Scorer.restore(scorer.checkpoint()).state_hash == scorer.state_hash
