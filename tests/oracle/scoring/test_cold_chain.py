"""Mean kinetic temperature against the published formula, and what an excursion may be."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest

from gridwitness.domain.readings import Reading, Score
from gridwitness.domain.slots import SLOTS_PER_DAY, slot_start
from gridwitness.scoring import FLAG_SCORE_BPS, Scorer
from gridwitness.scoring.cold_chain import (
    COLD,
    ROOM,
    StorageProfile,
    exp_q60,
    kinetic_mean_mc,
    ln_q60,
    profile_of,
    weight_of,
)
from gridwitness.sources.senml import read_senml

FRIDGE, STORE_ROOM = "fridge-7.usp-cold:mCel", "usp-room:mCel"
SENSOR = b"\x07" * 32


def published_mc(temperatures_mc: list[int]) -> Decimal:
    """ΔH/R / −ln(mean exp(−ΔH/(R·T))) with ΔH = 83.144 kJ/mol and R = 8.3144 J/(mol·K), in 50 digits."""
    with localcontext() as context:
        context.prec = 50
        activation = Decimal("83144") / Decimal("8.3144")
        kelvin = [Decimal(one) / 1000 + Decimal("273.15") for one in temperatures_mc]
        mean = sum((-activation / one).exp() for one in kelvin) / len(kelvin)
        return (activation / -mean.ln() - Decimal("273.15")) * 1000


def kinetic(temperatures_mc: list[int]) -> int:
    return kinetic_mean_mc(sum(map(weight_of, temperatures_mc)), len(temperatures_mc))


@pytest.mark.parametrize(
    "temperatures_mc",
    [
        [25_000],
        [5_000] * 23 + [15_000],
        [20_000, 25_000, 30_000],
        [2_000, 8_000, 12_300, 4_100, -1_500],
        [22_000] * 29 + [39_900],
        [-20_000, -18_500, -80_000],
        [97, 41_003, 15_999],
    ],
)
def test_kinetic_mean__any_temperatures__is_the_published_formula_to_a_thousandth(temperatures_mc: list[int]) -> None:
    assert abs(kinetic(temperatures_mc) - published_mc(temperatures_mc)) <= 1


# What others publish with their numbers: an aggregate for PostgreSQL (github.com/zelti/mkt, README) and the worked
# example of a calculator by USP <1079> (tooljolt.com/tools/warehouse-mkt-calculator). Both are given to 0.01 °C.
@pytest.mark.parametrize(
    ("hours_by_mc", "given_mc"),
    [
        ({2_000: 2, 5_000: 1, 8_000: 4}, 6_250),
        ({23_000: 200, 28_000: 20, 30_000: 8, 21_000: 300}, 22_360),
    ],
)
def test_kinetic_mean__published_example__is_its_result(hours_by_mc: dict[int, int], given_mc: int) -> None:
    temperatures_mc = [one for one, hours in hours_by_mc.items() for _ in range(hours)]
    assert abs(kinetic(temperatures_mc) - given_mc) <= 5


def test_kinetic_mean__constant_temperature__is_that_temperature() -> None:
    assert [kinetic([one] * 7) for one in range(-40_000, 50_000, 1_111)] == list(range(-40_000, 50_000, 1_111))


def test_kinetic_mean__a_hot_hour__weighs_more_than_in_the_plain_mean() -> None:
    hours = [5_000] * 23 + [25_000]
    assert kinetic(hours) > sum(hours) // len(hours) + 500


@pytest.mark.parametrize("value", ["-12.5", "-0.1", "0", "0.693147", "7.25"])
def test_exp__and_ln__agree_with_50_digits(value: str) -> None:
    with localcontext() as context:
        context.prec = 50
        exact = Decimal(value).exp()
        found = exp_q60(int(Decimal(value) * (1 << 60)))
        assert abs(Decimal(found) / (1 << 60) - exact) < exact * Decimal("1e-11")
        assert abs(Decimal(ln_q60(found)) / (1 << 60) - Decimal(value)) < Decimal("1e-11")


def scored(values_mc: list[int], metric: str = FRIDGE, scorer: Scorer | None = None, start: int = 0) -> list[Score]:
    scorer = scorer or Scorer()
    readings = [
        Reading(SENSOR, start + index, slot_start(start + index), metric, value)
        for index, value in enumerate(values_mc)
    ]
    return [one for reading in readings for one in scorer.score([reading], {})]


def wobble(middle_mc: int, slots: int) -> list[int]:
    return [middle_mc + index * 389 % 301 - 150 for index in range(slots)]


@pytest.mark.parametrize(
    ("metric", "profile"),
    [
        ("usp-cold:mCel", COLD),
        ("fridge-7.usp-cold:mCel", COLD),
        ("hall/usp-room:mCel", ROOM),
        ("temperature.cold.mdegC", COLD),
        ("temperature.room.mdegC", ROOM),
        ("cargo:mCel", None),
        ("cold-room:mCel", None),
        ("usp-cold:mK", None),
        ("usp-cold", None),
        ("fridge-7.temperature.cold.mdegC", None),
    ],
)
def test_profile__metric__is_the_one_its_name_ends_in(metric: str, profile: StorageProfile | None) -> None:
    assert profile_of(metric) is profile


def test_score__senml_of_a_warm_fridge__is_flagged_by_the_profile_its_name_asks_for() -> None:
    pack = b'[{"bn": "urn:dev:mac:0024befffe804ff1:", "n": "usp-cold", "u": "Cel", "v": 25.5, "t": 1700000000}]'
    (statement,) = read_senml(pack, SENSOR, 1)
    (score,) = Scorer().score([statement.reading], {})
    assert score.score_bps > FLAG_SCORE_BPS
    assert score.reason == "25.5 °C, never above 25.0 °C allowed"


def test_score__fridge_that_keeps_its_range__has_no_excursion() -> None:
    assert {score.channel for score in scored(wobble(5_000, 300))}.isdisjoint({"excursion"})


def test_score__warmer_for_an_hour__is_told_and_not_flagged() -> None:
    scorer = Scorer()
    scored(wobble(4_000, 200), FRIDGE, scorer)
    reading = Reading(SENSOR, 200, slot_start(200), FRIDGE, 12_000)
    (excursion,) = [one for one in scorer.explain([reading], {})[0].channels if one.channel == "excursion"]
    assert excursion.reason == "12.0 °C where 2.0 °C to 8.0 °C is kept"
    assert 0 < excursion.score_bps <= FLAG_SCORE_BPS


def test_score__warmer_all_day__is_flagged_by_its_kinetic_mean() -> None:
    scores = scored([*wobble(5_000, 200), *wobble(12_000, 80)])
    first = next(
        index for index, score in enumerate(scores) if score.score_bps > FLAG_SCORE_BPS and "kinetic" in score.reason
    )
    window = [*wobble(5_000, 200), *wobble(12_000, 80)][first // 4 * 4 - 92 : first + 1]
    assert kinetic(window) > 8_000 >= kinetic(window[:-1])
    assert scores[first].reason == "kept at 8.0 °C in the kinetic mean of the last 24 hours, at most 8.0 °C is allowed"


def test_score__frozen_vaccine__is_flagged_at_once() -> None:
    last = scored([*wobble(4_000, 200), -400])[-1]
    assert last.score_bps > FLAG_SCORE_BPS
    assert (last.channel, last.reason) == ("excursion", "-0.4 °C, never below 0.0 °C allowed")


def test_score__spike_of_a_room__is_allowed_for_a_day_and_no_longer() -> None:
    scores = scored([*wobble(18_000, 2_000), *wobble(31_000, SLOTS_PER_DAY + 4)], STORE_ROOM)[2_000:]
    flagged = [index for index, score in enumerate(scores) if score.reason.startswith("above 30.0 °C for more than")]
    assert flagged == list(range(SLOTS_PER_DAY, SLOTS_PER_DAY + 4))


def test_score__late_temperature__is_judged_by_plain_limits_and_not_counted() -> None:
    scorer, twin = Scorer(), Scorer()
    scored(wobble(5_000, 100), FRIDGE, scorer)
    scored(wobble(5_000, 100), FRIDGE, twin)
    late = scored([30_000], FRIDGE, scorer, start=50)[0]
    assert late.reason == "30.0 °C, never above 25.0 °C allowed"
    after, expected = scored(wobble(14_000, 60), FRIDGE, scorer, 100), scored(wobble(14_000, 60), FRIDGE, twin, 100)
    assert after == expected


def test_restore__in_the_middle_of_a_spike__goes_on_as_if_nothing_happened() -> None:
    values = [*wobble(18_000, 400), *wobble(31_000, 120)]
    whole = scored(values, STORE_ROOM)
    first = Scorer()
    before = scored(values[:450], STORE_ROOM, first)
    after = scored(values[450:], STORE_ROOM, Scorer.restore(first.checkpoint()), start=450)
    assert before + after == whole
