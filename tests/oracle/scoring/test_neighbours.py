"""A meter against its neighbours: plants under one sky, in zones with and without a feeder."""

from __future__ import annotations

import random

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.readings import Reading, Score
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.scoring import FLAG_SCORE_BPS, Scorer
from gridwitness.scoring.neighbours import OWN_PAST, Neighbourhood, choose
from gridwitness.scoring.params import DEFAULT_PARAMS
from gridwitness.scoring.series import Series

from .zone import FEEDER, device_of, energy_reading

DAYS = 4
START = DAYS * SLOTS_PER_DAY
PLANTS = [bytes([index]) * 32 for index in (1, 2, 3, 4)]
SIZES = dict(zip(PLANTS, (100, 70, 140, 90), strict=True))


def sun(slot: int) -> int:
    """Height of the sun behind one sky's clouds, 0 to 60, another every day."""
    height = max(0, 30 - abs(slot % SLOTS_PER_DAY - 48))
    return height * random.Random(f"cloud {slot // 6}").randint(80, 200) // 100


def plant_wh(plant: bytes, slot: int) -> int:
    return -sun(slot) * SIZES[plant] * random.Random(f"{plant!r} {slot}").randint(97, 103) // 100


def live(faulty, slots: int, feeder_sees=None, late: int = 0) -> list[Score]:
    """Scores of the first plant in the slots after the honest days; `faulty` changes its report from then on.

    It reports `late` slots after the others.
    """
    fleet = {plant: device_of(plant, DeviceKind.GENERATION) for plant in PLANTS}
    if feeder_sees:
        fleet[FEEDER] = device_of(FEEDER, DeviceKind.FEEDER)
    scorer, scores = Scorer(), []
    waiting: list[Reading] = []
    for slot in range(START + slots):
        values = {plant: plant_wh(plant, slot) for plant in PLANTS}
        reported = values | ({PLANTS[0]: faulty(slot, values[PLANTS[0]])} if slot >= START else {})
        batch = [energy_reading(plant, slot, value) for plant, value in reported.items()]
        if feeder_sees:
            batch.append(energy_reading(FEEDER, slot, feeder_sees(values, reported)))
        waiting.append(batch.pop(0))
        batch[:0] = [waiting.pop(0)] if len(waiting) > late else []
        given = scorer.score(batch, fleet)
        scores += given[:1] if slot >= START else []
    return scores


def flagged(scores: list[Score]) -> list[Score]:
    return [score for score in scores if score.score_bps > FLAG_SCORE_BPS and score.channel == "neighbours"]


def test_score__plant_at_sixty_percent_of_its_neighbours__is_flagged_and_told_why() -> None:
    found = flagged(live(lambda slot, true_wh: true_wh * 6 // 10, SLOTS_PER_DAY))
    assert len(found) >= 16
    assert found[0].reason.startswith("reports -")
    assert "neighbours' meters suggest -" in found[0].reason


def test_score__plant_at_sixty_percent_that_reports_late__is_flagged_as_in_time() -> None:
    scores = live(lambda slot, true_wh: true_wh * 6 // 10, SLOTS_PER_DAY)
    late = live(lambda slot, true_wh: true_wh * 6 // 10, SLOTS_PER_DAY + 1, late=1)[1:]
    assert [score.score_bps > FLAG_SCORE_BPS for score in late] == [
        score.score_bps > FLAG_SCORE_BPS for score in scores
    ]


def test_score__plant_shifted_by_three_hours__is_flagged() -> None:
    assert len(flagged(live(lambda slot, _: plant_wh(PLANTS[0], slot - 12), SLOTS_PER_DAY))) >= 4


def test_score__plants_under_another_cloud_every_day__are_not_flagged() -> None:
    assert flagged(live(lambda _, true_wh: true_wh, 2 * SLOTS_PER_DAY)) == []


def test_score__deviation_that_the_feeder_bears_out__is_not_flagged() -> None:
    def broken_panel(values: dict, reported: dict) -> int:
        return sum(reported.values())

    assert flagged(live(lambda _, true_wh: true_wh * 6 // 10, SLOTS_PER_DAY, broken_panel)) == []


def test_score__deviation_that_the_feeder_misses__is_flagged() -> None:
    def false_meter(values: dict, reported: dict) -> int:
        return sum(values.values())

    scores = live(lambda _, true_wh: true_wh * 6 // 10, SLOTS_PER_DAY, false_meter)
    assert sum(score.score_bps > FLAG_SCORE_BPS for score in scores) >= 16


def series_of(value_of) -> Series:
    series = Series.empty(DEFAULT_PARAMS)
    for slot in range(START):
        series.put(slot, value_of(slot))
    return series


def test_choose__plants_of_other_sizes__takes_them_before_its_own_yesterday() -> None:
    own, home = series_of(lambda slot: plant_wh(PLANTS[0], slot)), Neighbourhood()
    others = {plant: series_of(lambda slot, plant=plant: plant_wh(plant, slot)) for plant in PLANTS[1:]}
    choose(home, own, others, START - 1)
    assert {one.device_id for one in home.exports} == set(PLANTS[1:])
    assert home.imports == []
    second = next(one for one in home.exports if one.device_id == PLANTS[1])
    assert abs(second.ratio * 70 - (100 << 16)) < (1 << 16)


def test_choose__neighbour_without_likeness__leaves_its_own_past() -> None:
    own, home = series_of(lambda slot: 100 + slot % SLOTS_PER_DAY), Neighbourhood()
    other = series_of(lambda slot: random.Random(slot).randint(1, 900))
    choose(home, own, {PLANTS[1]: other}, START - 1)
    assert [one.device_id for one in home.imports] == [OWN_PAST]
