"""Readings that come after their slot was judged: no way around the feeder, and no disadvantage for the honest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from gridwitness.domain.readings import Reading, Score
from gridwitness.scoring import DEFAULT_PARAMS, Scorer

from .test_residual import TEST_DAY, channels_of, scaled, score_all
from .zone import SLOTS_PER_DAY, DayResult, RuralZone, reports_share

THIEVES = [("winter", 3, "bus-05"), ("spring", 4, "bus-03"), ("summer", 5, "bus-01"), ("autumn", 6, "bus-02")]


def delayed(zone: RuralZone, meters: Iterable[str], by: Callable[[int], int]) -> list[list[Reading]]:
    """The zone's batches, in which these meters' readings of the n-th slot come `by(n)` batches late."""
    late = {zone.ids[meter] for meter in meters}
    batches = list(zone.batches())
    sent: list[list[Reading]] = [[] for _ in range(len(batches) + max(map(by, range(len(batches)))))]
    for index, batch in enumerate(batches):
        for reading in batch:
            sent[index + (by(index) if reading.device_id in late else 0)].append(reading)
    return [sorted(batch, key=lambda reading: (reading.time, reading.device_id)) for batch in sent if batch]


def one_late(_: int) -> int:
    return 1


@pytest.mark.parametrize(("season", "day", "thief"), THIEVES)
def test_score__thief_always_a_batch_late__gets_the_scores_it_would_get_in_time(
    season: str, day: int, thief: str
) -> None:
    zone = RuralZone(season, day, {thief: reports_share(60)})
    late = score_all(zone, delayed(zone, [thief], one_late))
    assert late.held() == {thief}
    assert late.of(thief) == zone.run().of(thief)


@pytest.mark.parametrize("by", [10, SLOTS_PER_DAY], ids=["hours", "a day"])
def test_score__thief_later_still__is_held_alone_and_hears_why(by: int) -> None:
    zone = RuralZone("winter", 3, {"bus-05": reports_share(60)})
    late = score_all(zone, delayed(zone, ["bus-05"], lambda _: by))
    assert late.held() == {"bus-05"}
    assert len(late.flagged("bus-05")) == len(zone.run().flagged("bus-05"))
    assert late.flagged("bus-05")[-1].reason == "reports about 60 % of what the feeder sees it use"


def test_score__thief_out_of_order__is_held() -> None:
    zone = RuralZone("winter", 3, {"bus-05": reports_share(60)})
    late = score_all(zone, delayed(zone, ["bus-05"], lambda index: 2 * (index % 2)))
    assert late.held() == {"bus-05"}
    assert len(late.flagged("bus-05")) >= len(zone.run().flagged("bus-05")) - 2


def test_score__plant_that_claims_too_much_late__is_held() -> None:
    zone = RuralZone("summer", 4, {"bus-11": scaled(150)})
    assert score_all(zone, delayed(zone, ["bus-11"], one_late)).held() == {"bus-11"}


@pytest.mark.parametrize("by", [1, 10])
@pytest.mark.parametrize("season", ["winter", "summer"])
def test_score__honest_meters_late__are_not_held(season: str, by: int) -> None:
    zone = RuralZone(season, 5)
    meters = ["bus-01", "bus-05", "bus-08", "bus-11"]
    late = score_all(zone, delayed(zone, meters, lambda _: by))
    assert late.held() == set()
    assert late.flagged_pct(meters) <= zone.run().flagged_pct(meters) + 0.5


def test_score__honest_meter_late_beside_a_thief__is_not_blamed_and_hides_it_not() -> None:
    zone = RuralZone("summer", 4, {"bus-01": reports_share(60)})
    assert score_all(zone, delayed(zone, ["bus-07"], one_late)).held() == {"bus-01"}


def test_score__meters_late_from_the_first_slot_on__are_not_taken_for_losses() -> None:
    zone = RuralZone("spring", 4)
    late = score_all(zone, delayed(zone, ["bus-02", "bus-05", "bus-07", "bus-08", "bus-10", "bus-11"], one_late))
    assert late.held() == set()


def test_score__home_of_constant_power_late__is_let_off_by_the_feeder_as_in_time() -> None:
    zone = RuralZone("winter", 3)
    late = score_all(zone, delayed(zone, ["bus-12"], one_late))
    assert late.of("bus-12") == zone.run().of("bus-12")


@pytest.mark.parametrize(("by", "is_judged"), [(3 * SLOTS_PER_DAY // 2, True), (3 * SLOTS_PER_DAY // 2 + 1, False)])
def test_score__half_a_day_within_the_history__is_judged_by_the_feeder_and_later_not(by: int, is_judged: bool) -> None:
    zone = RuralZone("winter", 3, {"bus-05": reports_share(60)}, days=4)
    scorer = Scorer(replace(DEFAULT_PARAMS, history_days=2))
    scored = []
    for batch in delayed(zone, ["bus-05"], lambda index: by if index >= TEST_DAY else 0):
        scored += zip(batch, scorer.score(batch, zone.fleet), strict=True)
    assert ("residual" in channels_of(DayResult(zone, scored).of("bus-05"))) is is_judged


def test_score__second_reading_of_an_accused_meter_beside_a_late_one__is_judged_by_limits_alone() -> None:
    zone = RuralZone("winter", 4, {"bus-01": reports_share(60)})
    batches = delayed(zone, ["bus-07"], one_late)
    at = TEST_DAY + 80
    again = next(reading for reading in batches[at - 1] if reading.device_id == zone.ids["bus-01"])
    batches[at].insert(0, again)
    scorer = Scorer()
    for batch in batches[:at]:
        scorer.score(batch, zone.fleet)
    assert scorer.score(batches[at], zone.fleet)[0] == Score(0, "none", "nothing unusual")


# INV-O7
def test_restore__before_every_batch_with_late_readings__gives_the_same_scores_and_state() -> None:
    zone = RuralZone("summer", 5, {"bus-01": reports_share(60)})
    batches = delayed(zone, ["bus-01", "bus-11"], lambda index: index % 4)
    straight, restored = Scorer(), Scorer()
    for batch in batches:
        expected = straight.score(batch, zone.fleet)
        restored = Scorer.restore(restored.checkpoint())
        assert restored.score(batch, zone.fleet) == expected
    assert restored.checkpoint() == straight.checkpoint()


def test_checkpoint__meter_silent_for_days__awaits_it_for_three_days_and_a_half() -> None:
    zone = RuralZone("winter", 3, days=4)
    silent = zone.ids["bus-05"]
    scorer = Scorer()
    for index, batch in enumerate(zone.batches()):
        scorer.score([one for one in batch if index < 2 * SLOTS_PER_DAY or one.device_id != silent], zone.fleet)
    ((_, state),) = json.loads(scorer.checkpoint())["zones"]
    newest = state["newest_slot"]
    awaited = [row[0] for row in state["homes"][silent.hex()][-1]]
    assert awaited == list(range(newest - 7 * SLOTS_PER_DAY // 2 + 1, newest + 1))
    assert [row[0] for row in state["tallies"]] == awaited
    assert len(state["evidence"]) == 4 * SLOTS_PER_DAY


def test_score__wrong_guess_for_a_late_meter__accuses_nobody_once_its_values_are_there() -> None:
    zone = RuralZone("winter", 3)
    scorer = Scorer()
    accused = []
    for batch in delayed(zone, ["bus-05"], lambda _: 10):
        scorer.score(batch, zone.fleet)
        ((_, state),) = json.loads(scorer.checkpoint())["zones"]
        accused.append(len(state["accused"]))
    assert max(accused) > 0
    assert accused[-1] == 0
