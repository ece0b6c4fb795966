"""The rating: vectors reckoned by hand from docs/how-to/rating.md, and what must hold for any facts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwitness.service.assets.rating import (
    BANDS,
    LEAST_WEIGHT,
    WEIGHTS,
    DueDay,
    MeteredDay,
    Part,
    RatingFacts,
    ReserveState,
    band_of,
    rate,
)

DAY_S = 86_400
GOOD_DAY = MeteredDay(
    verified_slots=96, readings=96, flagged=0, compared_slots=96, delivered_wh=10_000, deviation_wh=1_000
)
FRESH = ReserveState(age_seconds=0, max_age_seconds=DAY_S, is_covered=True)
PAID = DueDay(is_paid=True, waited_days=2)


def parts_of(facts: RatingFacts) -> list[int | None]:
    return [one.points for one in rate(facts).parts]


# --- vectors: points of availability, forecast, anomalies, payment, reserve; then the rating and its band ---

VECTORS = [
    ("a plant without fault", RatingFacts((GOOD_DAY,), (PAID,), FRESH), [100, 90, 100, 100, 100], 98, "A"),
    # 90 of 96 slots: 93.75; 3 of 90 flagged: 3.33 %, so 2.33 % beyond normal: 76.67; half a day of a day's age: 75
    (
        "rounded down",
        RatingFacts(
            (MeteredDay(90, 90, 3, 90, 9_000, 2_999),) * 2,
            (PAID, DueDay(is_paid=True, waited_days=10)),  # three days late: 85 of 100
            ReserveState(DAY_S // 2, DAY_S, is_covered=True),
        ),
        [93, 66, 76, 92, 75],
        82,
        "B",
    ),
    ("no reserve: of 90", RatingFacts((GOOD_DAY,), (PAID,), None), [100, 90, 100, 100, None], 97, "A"),
    (
        "one of two days never paid, a reserve too small",
        RatingFacts((GOOD_DAY,), (PAID, DueDay(is_paid=False, waited_days=8)), replace(FRESH, is_covered=False)),
        [100, 90, 100, 50, 0],
        75,
        "B",
    ),
    (
        "a week is not late, and a reserve as old as it may be has half",
        RatingFacts((GOOD_DAY,), (DueDay(is_paid=True, waited_days=7),), replace(FRESH, age_seconds=DAY_S)),
        [100, 90, 100, 100, 50],
        93,
        "A",
    ),
    (
        "everything wrong",
        RatingFacts(
            (MeteredDay(0, 96, 96), MeteredDay(96, 96, 96, 96, 100, 500)),
            (DueDay(is_paid=False, waited_days=90),),
            replace(FRESH, age_seconds=2 * DAY_S),
        ),
        [50, 0, 0, 0, 0],
        12,
        "E",
    ),
]


@pytest.mark.parametrize(
    ("facts", "parts", "points", "band"), [one[1:] for one in VECTORS], ids=[v[0] for v in VECTORS]
)
def test_rate__vectors__parts_and_rating_as_reckoned_by_hand(
    facts: RatingFacts, parts: list[int | None], points: int, band: str
) -> None:
    rating = rate(facts)

    assert [one.points for one in rating.parts] == parts
    assert (rating.points, rating.band) == (points, band)


def test_rate__nothing_known__is_withheld_and_each_part_says_why() -> None:
    rating = rate(RatingFacts())

    assert (rating.points, rating.band, rating.known_weight) == (None, "", 0)
    assert all(one.points is None and one.facts for one in rating.parts)


def test_rate__a_bond_with_a_fresh_reserve_only__is_withheld() -> None:
    rating = rate(RatingFacts(reserve=FRESH))

    assert (rating.points, rating.known_weight) == (None, WEIGHTS[Part.RESERVE])


def test_rate__unpaid_day_within_the_grace__counts_neither_way() -> None:
    waiting = DueDay(is_paid=False, waited_days=7)

    assert rate(RatingFacts((GOOD_DAY,), (PAID, waiting))) == rate(RatingFacts((GOOD_DAY,), (PAID,)))
    assert parts_of(RatingFacts((GOOD_DAY,), (waiting,)))[3] is None


def test_rate__no_schedule_signed__forecast_is_unknown_not_good() -> None:
    unscheduled = MeteredDay(verified_slots=96, readings=96, flagged=0)

    assert parts_of(RatingFacts((unscheduled,)))[1] is None


def test_rate__one_reading_in_a_hundred_flagged__costs_nothing_and_eleven_all() -> None:
    day = MeteredDay(96, 100, 1)

    assert [parts_of(RatingFacts((replace(day, flagged=one),)))[2] for one in (0, 1, 2, 6, 11, 100)] == [
        100, 100, 90, 50, 0, 0,
    ]  # fmt: skip


def test_weights__together__a_hundred_and_bands_reach_to_nought() -> None:
    assert sum(WEIGHTS.values()) == 100 and set(WEIGHTS) == set(Part)
    assert [band_of(points) for points in (100, 90, 89, 75, 74, 60, 59, 40, 39, 0)] == list("AABBCCDDEE")
    assert BANDS[-1][1] == 0


@pytest.mark.parametrize(
    "facts",
    [
        RatingFacts((MeteredDay(97, 97, 0),)),
        RatingFacts((MeteredDay(96, 96, 97),)),
        RatingFacts((MeteredDay(10, 96, 0, compared_slots=11),)),
        RatingFacts((MeteredDay(10, 96, 0, deviation_wh=-1),)),
        RatingFacts(due=(DueDay(is_paid=True, waited_days=-1),)),
        RatingFacts(reserve=replace(FRESH, age_seconds=-1)),
    ],
)
def test_rate__facts_that_cannot_be__are_refused(facts: RatingFacts) -> None:
    with pytest.raises(ValueError, match=r"cannot be|more readings|less than no time"):
        rate(facts)


# --- properties ---

ENERGY = st.integers(0, 10**9)


@st.composite
def metered_days(draw: st.DrawFn) -> MeteredDay:
    verified = draw(st.integers(0, 96))
    readings = draw(st.integers(verified, 400))
    return MeteredDay(
        verified,
        readings,
        draw(st.integers(0, readings)),
        draw(st.integers(0, verified)),
        draw(ENERGY),
        draw(ENERGY),
    )


due_days = st.builds(DueDay, is_paid=st.booleans(), waited_days=st.integers(0, 100))
reserves = st.builds(
    ReserveState, age_seconds=st.integers(0, 10**7), max_age_seconds=st.integers(0, 10**6), is_covered=st.booleans()
)
all_facts = st.builds(
    RatingFacts,
    metered=st.none() | st.lists(metered_days(), max_size=6).map(tuple),
    due=st.lists(due_days, max_size=6).map(tuple),
    reserve=st.none() | reserves,
)


@given(all_facts)
@settings(max_examples=300, deadline=None)
def test_rate__any_facts__whole_numbers_within_bounds_and_within_the_known_parts(facts: RatingFacts) -> None:
    rating = rate(facts)
    known = [one for one in rating.parts if one.points is not None]

    assert all(isinstance(one.points, int) and 0 <= one.points <= 100 for one in known)
    assert rating.known_weight == sum(one.weight for one in known)
    assert (rating.points is None) == (rating.known_weight < LEAST_WEIGHT) == (rating.band == "")
    if rating.points is not None:
        assert min(one.points or 0 for one in known) <= rating.points <= max(one.points or 0 for one in known)
        assert rating.band == band_of(rating.points)


@given(all_facts, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_rate__facts_in_another_order__the_same(facts: RatingFacts, random: object) -> None:
    metered, due = list(facts.metered or ()), list(facts.due)
    random.shuffle(metered)  # type: ignore[attr-defined]  # a random.Random
    random.shuffle(due)  # type: ignore[attr-defined]

    shuffled = replace(facts, metered=None if facts.metered is None else tuple(metered), due=tuple(due))
    assert rate(shuffled) == rate(facts)


@st.composite
def better_and_worse(draw: st.DrawFn) -> tuple[RatingFacts, RatingFacts]:
    """Facts, and the same with one of them worse."""
    day = draw(metered_days())
    others = draw(st.lists(metered_days(), max_size=3).map(tuple))
    due, reserve = draw(due_days), draw(reserves)
    changes = {
        "verified": (
            replace(day, verified_slots=draw(st.integers(day.compared_slots, day.verified_slots))),
            due,
            reserve,
        ),
        "flagged": (replace(day, flagged=draw(st.integers(day.flagged, day.readings))), due, reserve),
        "deviation": (replace(day, deviation_wh=day.deviation_wh + draw(ENERGY)), due, reserve),
        "delivered": (replace(day, delivered_wh=draw(st.integers(0, day.delivered_wh))), due, reserve),
        "paid": (day, replace(due, is_paid=False), reserve),
        "waited": (day, replace(due, waited_days=due.waited_days + draw(st.integers(0, 60))), reserve),
        "age": (day, due, replace(reserve, age_seconds=reserve.age_seconds + draw(st.integers(0, 10**6)))),
        "covered": (day, due, replace(reserve, is_covered=False)),
    }
    worse = changes[draw(st.sampled_from(sorted(changes)))]
    return tuple(RatingFacts((one, *others), (owed,), feed) for one, owed, feed in ((day, due, reserve), worse))  # type: ignore[return-value]


@given(better_and_worse())
@settings(max_examples=500, deadline=None)
def test_rate__one_fact_worse__no_part_better_nor_the_rating_of_the_same_parts(
    pair: tuple[RatingFacts, RatingFacts],
) -> None:
    better, worse = (rate(facts) for facts in pair)

    for before, after in zip(better.parts, worse.parts, strict=True):
        assert before.points is None or after.points is None or after.points <= before.points
    same_known = [one.points is None for one in better.parts] == [one.points is None for one in worse.parts]
    if same_known and better.points is not None and worse.points is not None:
        assert worse.points <= better.points


@given(all_facts, st.integers(8, 90))
@settings(max_examples=200, deadline=None)
def test_rate__one_more_day_left_unpaid__no_better(facts: RatingFacts, waited_days: int) -> None:
    more = replace(facts, due=(*facts.due, DueDay(is_paid=False, waited_days=waited_days)))
    before, after = (next(one.points for one in rate(each).parts if one.part is Part.PAYMENT) for each in (facts, more))

    assert after is not None and (before is None or after <= before)
