"""The written rules on missing slots, register resets, daylight saving and late readings. Each test names its rule."""

from __future__ import annotations

import random

import pytest

from gridwitness.domain.readings import Reading, Score
from gridwitness.domain.slots import SLOTS_PER_DAY, slot_start
from gridwitness.scoring import FLAG_SCORE_BPS, Scorer
from gridwitness.scoring.registers import is_register

from .zone import energy_reading

METER = b"\x05" * 32
REGISTER = "1-0:1.8.0"
CHARGER_REGISTER = "01-00:B2.08.00*FF:mWh"
DAYS = 4
END = DAYS * SLOTS_PER_DAY


def home_wh(slot: int, utc_offset_slots: int = 0) -> int:
    """A home that lives by its local clock: little at night, more by day, most in the evening."""
    local = (slot + utc_offset_slots) % SLOTS_PER_DAY
    level = 900 if 72 <= local < 88 else 450 if 28 <= local < 72 else 120
    return level + random.Random(slot).randint(-level // 5, level // 5)


def one(scorer: Scorer, slot: int, value: int, metric: str | None = None) -> Score:
    reading = energy_reading(METER, slot, value)
    if metric:
        reading = Reading(METER, slot, slot_start(slot), metric, value)
    return scorer.score([reading], {})[0]


def lived(slots: int = END) -> Scorer:
    scorer = Scorer()
    for slot in range(slots):
        one(scorer, slot, home_wh(slot))
    return scorer


def flags(scores: list[Score]) -> int:
    return sum(score.score_bps > FLAG_SCORE_BPS for score in scores)


# Missing slots


def test_rule__missing_slots__are_holes_and_neither_zeros_nor_repeats() -> None:
    scorer = lived()
    after = [one(scorer, slot, home_wh(slot)) for slot in range(END + 40, END + SLOTS_PER_DAY)]
    assert flags(after) <= 1


def test_rule__a_gap_longer_than_the_history__starts_the_past_anew_and_flags_nothing() -> None:
    scorer, later = lived(), END + 30 * SLOTS_PER_DAY
    assert flags([one(scorer, slot, 3 * home_wh(slot)) for slot in range(later, later + 48)]) == 0


# Late readings


def test_rule__late_reading__fills_its_hole_once_and_moves_nothing_else() -> None:
    scorer, twin = lived(), lived()
    for slot in (END + 1, END + 2):
        one(scorer, slot, home_wh(slot))
        one(twin, slot, home_wh(slot))
    assert one(scorer, END, home_wh(END)) == Score(0, "none", "nothing unusual")
    filled = scorer.state_hash
    one(scorer, END, 77_777)
    assert scorer.state_hash == filled
    following = range(END + 3, END + 20)
    assert [one(scorer, slot, home_wh(slot)) for slot in following] == [one(twin, s, home_wh(s)) for s in following]


# Registers


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("1-0:1.8.0", True),
        ("1-0:2.8.1", True),
        ("1-0:1.8.0*255", True),
        ("1-b:1.8.0:mWh", True),
        ("01-00:98.08.00.FF:mWh", True),
        ("01-00:B2.08.00*FF:mWh", True),
        ("1-0:16.29.0", False),
        ("1-0:32.7.0", False),
        ("1-0:8.18.8", False),
        ("1-0:1.80.0", False),
        ("01-00:8C.07.00.FF:mWh", False),
        ("1-0:1.8.0.1.2", False),
        ("8.8.8", False),
    ],
)
def test_is_register__obis_code__is_one_if_group_d_is_8(metric: str, expected: bool) -> None:
    assert is_register(metric) is expected


def counted(scorer: Scorer, slots: range, start_at: int, value_of=home_wh) -> tuple[list[Score], int]:
    scores, stand = [], start_at
    for slot in slots:
        stand += value_of(slot)
        scores.append(one(scorer, slot, stand, REGISTER))
    return scores, stand


def test_rule__register__is_scored_by_its_growth() -> None:
    scorer, plain = Scorer(), Scorer()
    scores, _ = counted(scorer, range(END), 4_000_000)
    same = [one(plain, slot, home_wh(slot), "1-0:1.29.0") for slot in range(1, END)]
    assert scores[1:] == same


def test_rule__register_reset__is_told_not_flagged_and_counts_from_its_new_value() -> None:
    scorer = Scorer()
    _, stand = counted(scorer, range(END), 4_000_000)
    told = one(scorer, END, 12, REGISTER)
    assert told == Score(9_000, "register", f"register went back from {stand} to 12: reset or exchanged")
    after, _ = counted(scorer, range(END + 1, END + 40), 12)
    assert flags(after) == 0


def test_rule__register_of_a_charger__is_told_of_its_reset_in_its_unit() -> None:
    scorer = Scorer()
    one(scorer, 0, 4_151_649, CHARGER_REGISTER)
    told = one(scorer, 1, 12, CHARGER_REGISTER)
    assert told == Score(9_000, "register", "register went back from 4151.649 Wh to 0.012 Wh: reset or exchanged")


def test_rule__register_after_a_gap__grows_by_its_mean_per_slot() -> None:
    scorer = Scorer()
    _, stand = counted(scorer, range(END + 40), 0)
    missed = sum(home_wh(slot) for slot in range(END + 40, END + 52))
    assert one(scorer, END + 51, stand + missed, REGISTER).score_bps <= FLAG_SCORE_BPS


def test_rule__register_late__changes_nothing() -> None:
    scorer = Scorer()
    counted(scorer, range(END), 0)
    before = scorer.state_hash
    assert one(scorer, END - 5, 17, REGISTER).score_bps == 0
    assert scorer.state_hash == before


# Daylight saving


@pytest.mark.parametrize("change", [4, -4], ids=["in spring", "in autumn"])
def test_rule__daylight_saving__slots_are_utc_and_habits_an_hour_off_hold_nobody(change: int) -> None:
    scorer = lived()
    days = range(END, END + 3 * SLOTS_PER_DAY)
    scores = [one(scorer, slot, home_wh(slot, change)) for slot in days]
    for day in range(3):
        assert flags(scores[day * SLOTS_PER_DAY : (day + 1) * SLOTS_PER_DAY]) < 4
