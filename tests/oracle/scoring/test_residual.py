"""The feeder's residual on the bundled community: who hides energy, and who must not be blamed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain

import pytest

from gridwitness.domain.devices import DeviceKind, DeviceStatus
from gridwitness.domain.readings import Reading, Score
from gridwitness.scoring import FLAG_SCORE_BPS, Scorer

from .zone import (
    FEEDER,
    HISTORY_DAYS,
    NOON,
    SLOTS_PER_DAY,
    DayResult,
    Fault,
    RuralZone,
    device_of,
    energy_reading,
    frozen_from,
    reports_share,
    silent_from,
)

TEST_DAY = HISTORY_DAYS * SLOTS_PER_DAY


def score_all(zone: RuralZone, batches: Iterable[list[Reading]]) -> DayResult:
    scorer = Scorer()
    scored: list[tuple[Reading, Score]] = []
    for batch in batches:
        scored += zip(batch, scorer.score(batch, zone.fleet), strict=True)
    return DayResult(zone, scored)


def channels_of(scores: Iterable[Score]) -> set[str]:
    return {score.channel for score in scores}


@pytest.mark.parametrize(
    ("season", "day", "thief"),
    [("winter", 3, "bus-05"), ("spring", 4, "bus-03"), ("summer", 5, "bus-01"), ("autumn", 6, "bus-02")],
)
def test_score__meter_reports_60_percent__holds_it_alone_and_says_why(season: str, day: int, thief: str) -> None:
    result = RuralZone(season, day, {thief: reports_share(60)}).run()
    assert result.held() == {thief}
    flagged = [score for score in result.flagged(thief) if score.channel == "residual"]
    assert flagged[-1].reason == "reports about 60 % of what the feeder sees it use"


@pytest.mark.parametrize("pct", [40, 80])
def test_score__other_shares__are_estimated_to_a_few_percent(pct: int) -> None:
    result = RuralZone("summer", 4, {"bus-03": reports_share(pct)}).run()
    reason = result.flagged("bus-03")[-1].reason
    assert abs(int(reason.split()[2]) - pct) <= 2


@pytest.mark.parametrize("season", ["winter", "summer"])
def test_score__honest_day__holds_nobody(season: str) -> None:
    result = RuralZone(season, 5).run()
    assert result.held() == set()
    assert result.flagged_pct(result.zone.meters) <= 0.5


@pytest.mark.parametrize("thief", ["bus-01", "bus-05", "bus-07"])
def test_score__meters_on_one_load_profile__blames_the_one_that_dropped(thief: str) -> None:
    zone = RuralZone("winter", 4)
    night = slice(72, 96)
    ratios = {round(100 * a / b) for a, b in zip(zone.true_day("bus-01")[night], zone.true_day("bus-07")[night])}  # noqa: B905
    assert max(ratios) - min(ratios) <= 4, "the two must be near-collinear for this test to mean anything"
    assert RuralZone("winter", 4, {thief: reports_share(60)}).run().held() == {thief}


def test_score__frozen_meter__is_held_and_its_neighbours_are_not_blamed() -> None:
    zone = RuralZone("summer", 4)
    zone.faults["bus-05"] = frozen_from(60, zone.true_day("bus-05"))
    result = zone.run()
    assert result.held() == {"bus-05"}
    assert channels_of(result.flagged("bus-05")[3:]) == {"frozen"}


def test_score__thief_and_frozen_meter_together__holds_both_and_nobody_else() -> None:
    zone = RuralZone("summer", 4, {"bus-01": reports_share(60)})
    zone.faults["bus-13"] = frozen_from(56, zone.true_day("bus-13"))
    assert zone.run().held() == {"bus-01", "bus-13"}


@pytest.mark.parametrize("season", ["winter", "summer"])
def test_score__theft_that_goes_on__is_held_alone_every_day_though_history_turns_false(season: str) -> None:
    result = RuralZone(season, 3, {"bus-05": reports_share(60)}, days=4).run()
    assert [result.held(day) for day in range(4)] == [{"bus-05"}] * 4


def test_score__thief_turned_honest__is_cleared_the_next_day() -> None:
    def one_evening(slot: int, true_wh: int) -> int:
        return true_wh * 60 // 100 if NOON <= slot < SLOTS_PER_DAY and true_wh > 0 else true_wh

    result = RuralZone("winter", 4, {"bus-01": one_evening}, days=2).run()
    assert result.held(0) == {"bus-01"}
    assert result.held(1) == set()


def test_score__thief_beside_a_silent_meter__is_still_held() -> None:
    result = RuralZone("summer", 4, {"bus-01": reports_share(60), "bus-07": silent_from(NOON)}).run()
    assert result.held() == {"bus-01"}


def test_score__plant_stuck_at_rest__is_held_once_the_feeder_sees_its_sun() -> None:
    zone = RuralZone("summer", 4)
    true_day = zone.true_day("bus-06")
    dawn = next(slot for slot, true_wh in enumerate(true_day) if true_wh < -100)
    zone.faults["bus-06"] = frozen_from(4, true_day)
    result = zone.run()
    scores = result.of("bus-06")
    assert all(score.score_bps <= FLAG_SCORE_BPS for score in scores[:dawn])
    assert result.held() == {"bus-06"}
    assert channels_of(result.flagged("bus-06")) == {"residual"}


def test_score__home_of_constant_power__is_not_called_frozen_where_the_feeder_bears_it_out() -> None:
    zone = RuralZone("winter", 3)
    alone = score_all(zone, (batch[:-1] for batch in zone.batches()))
    told = [score for score in zone.run().of("bus-12") if score.reason.endswith("as the feeder confirms")]
    assert "frozen" in channels_of(alone.flagged("bus-12"))
    assert told and max(score.score_bps for score in told) == 9_000


def scaled(pct: int) -> Fault:
    return lambda slot, true_wh: true_wh * pct // 100 if slot >= NOON else true_wh


def test_score__scaled_plant__is_held_by_what_it_exports_too_little() -> None:
    result = RuralZone("summer", 4, {"bus-11": scaled(60)}).run()
    assert result.held() == {"bus-11"}
    at_noon = [score for score in result.of("bus-11")[NOON : NOON + 24] if score.score_bps > FLAG_SCORE_BPS]
    assert at_noon[-1].reason == "reports about 60 % of what the feeder sees it use"


def test_score__plant_that_claims_too_much__is_held() -> None:
    result = RuralZone("summer", 4, {"bus-11": scaled(150)}).run()
    assert result.held() == {"bus-11"}


def test_score__two_thieves__are_both_held_and_nobody_else() -> None:
    result = RuralZone("winter", 4, {"bus-02": reports_share(50), "bus-05": reports_share(60)}).run()
    assert result.held() == {"bus-02", "bus-05"}


def test_score__thief_in_a_zone_without_feeder__is_not_seen() -> None:
    zone = RuralZone("summer", 5, {"bus-01": reports_share(60)})
    result = score_all(zone, (batch[:-1] for batch in zone.batches()))
    assert "residual" not in channels_of(score for _, score in result.scored)


def test_score__feeder_missing_for_an_hour__flags_no_thief_in_it_and_goes_on_after() -> None:
    zone = RuralZone("winter", 4, {"bus-01": reports_share(60)})
    gap = range(TEST_DAY + 72, TEST_DAY + 76)
    batches = [batch[:-1] if index in gap else batch for index, batch in enumerate(zone.batches())]
    scores = score_all(zone, batches).of("bus-01")
    assert "residual" not in channels_of(scores[72:76])
    assert channels_of(scores[78:82]) == {"residual"}


def test_score__feeder_reading_late__judges_its_slot_but_changes_no_score_given() -> None:
    zone = RuralZone("winter", 4, {"bus-01": reports_share(60)})
    batches = list(zone.batches())
    at = TEST_DAY + 74
    held_back = batches[at].pop()
    batches[at + 1].insert(0, held_back)
    scores = score_all(zone, batches).of("bus-01")
    assert scores[74].channel != "residual"
    assert scores[75].channel == "residual"


def test_score__meter_reading_late__is_scored_and_moves_no_other_score() -> None:
    zone = RuralZone("winter", 4)
    batches = list(zone.batches())
    late = batches[TEST_DAY + 20].pop(0)
    batches[TEST_DAY + 60].insert(0, late)
    result = score_all(zone, batches)
    assert len(result.of("bus-01")) == SLOTS_PER_DAY
    assert result.held() == set()


def test_score__several_slots_in_one_batch__equals_one_batch_a_slot() -> None:
    zone = RuralZone("summer", 4, {"bus-01": reports_share(60)})
    batches = list(zone.batches())
    hours = [list(chain.from_iterable(batches[index : index + 4])) for index in range(0, len(batches), 4)]
    assert score_all(zone, hours).scored == score_all(zone, batches).scored


def test_score__two_feeder_meters__count_as_their_sum() -> None:
    zone = RuralZone("summer", 4, {"bus-01": reports_share(60)})
    expected = zone.run().of("bus-01")
    second = b"\xfe" * 32
    zone.fleet[second] = device_of(second, DeviceKind.FEEDER)
    batches = []
    for batch in zone.batches():
        *meters, feeder = batch
        halves = [replace(feeder, device_id=second, value=feeder.value // 3)]
        halves.append(replace(feeder, value=feeder.value - feeder.value // 3))
        batches.append([*meters, *halves])
    assert score_all(zone, batches).of("bus-01") == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda device: replace(device, zone=2),
        lambda device: replace(device, zone=0),
        lambda device: replace(device, status=DeviceStatus.RETIRED),
    ],
    ids=["other zone", "no zone", "retired"],
)
def test_score__feeder_not_of_the_zone__judges_nobody(change: Callable) -> None:
    zone = RuralZone("summer", 5, {"bus-01": reports_share(60)})
    zone.fleet[FEEDER] = change(zone.fleet[FEEDER])
    assert channels_of(zone.run().of("bus-01")).isdisjoint({"residual"})


def test_score__feeder_itself__tells_what_is_missing_but_is_never_flagged_for_it() -> None:
    zone = RuralZone("winter", 4, {"bus-01": reports_share(60)})
    result = zone.run()
    told = [s for reading, s in result.scored if reading.device_id == FEEDER and s.channel == "residual"]
    assert told[-1].reason.endswith("Wh that no meter reports")
    assert max(score.score_bps for score in told) == FLAG_SCORE_BPS


def test_score__zone_of_a_feeder_alone__tells_what_is_missing() -> None:
    fleet = {FEEDER: device_of(FEEDER, DeviceKind.FEEDER)}
    scorer, scores = Scorer(), list[Score]()
    for slot in range(110):
        # What never repeats is not called frozen.
        scores += scorer.score([energy_reading(FEEDER, slot, 0 if slot < 100 else 500 + slot)], fleet)
    assert scores[-1].reason == "sees 609 Wh that no meter reports"


@pytest.mark.parametrize("status", [DeviceStatus.RETIRED, DeviceStatus.SUSPENDED])
def test_score__only_meter_of_a_zone_gone__tells_what_is_missing(status: DeviceStatus) -> None:
    meter = b"\x01" * 32
    fleet = {FEEDER: device_of(FEEDER, DeviceKind.FEEDER), meter: device_of(meter)}
    scorer, scores = Scorer(), list[Score]()
    for slot in range(200):
        used_wh = 300 + slot % 7 * 20
        scorer.score([energy_reading(meter, slot, used_wh), energy_reading(FEEDER, slot, used_wh + 5)], fleet)
    fleet[meter] = replace(fleet[meter], status=status)
    for slot in range(200, 210):
        scores += scorer.score([energy_reading(FEEDER, slot, 600 + slot)], fleet)
    assert scores[-1].channel == "residual"
    assert scores[-1].reason.endswith("Wh that no meter reports")
