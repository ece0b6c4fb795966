"""The rating of an asset: five parts of 0 to 100 each, made of attested facts only, and their weighted mean.

Everything is an integer and every division rounds down, so whoever has the same facts gets the same rating. A part for
which there are no facts is unknown: it counts neither for nor against, the weights of the others are scaled up, and
below `LEAST_WEIGHT` there is no rating. Formula and reasons are in docs/how-to/rating.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gridwitness.domain.slots import SLOTS_PER_DAY

FULL = 100
# Of the days that ended, the newest this many count.
WINDOW_DAYS = 90
# Fewer quarter hours than half a day's say nothing of a plant.
LEAST_SLOTS = SLOTS_PER_DAY // 2
# Together the known parts must weigh this much of 100.
LEAST_WEIGHT = 60
# Of normal readings one in a hundred is flagged (gridwitness.scoring), so that many cost nothing.
NORMAL_FLAGGED_PERCENT = 1
POINTS_PER_FLAGGED_PERCENT = 10
# Who pays may gather a week of days into one payment.
GRACE_DAYS = 7
POINTS_PER_LATE_DAY = 5
# A reserve as old as the terms allow at most has half the points, one twice as old none.
POINTS_AT_OLDEST = 50
BANDS = (("A", 90), ("B", 75), ("C", 60), ("D", 40), ("E", 0))


class Part(StrEnum):
    """What a rating is made of."""

    AVAILABILITY = "availability"
    FORECAST = "forecast"
    ANOMALIES = "anomalies"
    PAYMENT = "payment"
    RESERVE = "reserve"


WEIGHTS = {Part.AVAILABILITY: 25, Part.FORECAST: 20, Part.ANOMALIES: 20, Part.PAYMENT: 25, Part.RESERVE: 10}


@dataclass(frozen=True, slots=True)
class MeteredDay:
    """What is attested of one plant on one UTC day that is over.

    Of its quarter hours `verified_slots` have an attested reading; of its `readings` `flagged` scored above the limit.
    Where the plant signed a schedule, `delivered_wh` is what it fed in over the `compared_slots` with a reading, and
    `deviation_wh` the sum over them of how far what it had offered lay from that.
    """

    verified_slots: int
    readings: int
    flagged: int
    compared_slots: int = 0
    delivered_wh: int = 0
    deviation_wh: int = 0


@dataclass(frozen=True, slots=True)
class DueDay:
    """A plant's UTC day whose schedule is final in the market, and which has therefore to be paid to the shares.

    `waited_days` are the whole days from then until the shares were paid, or without `is_paid` until now.
    """

    is_paid: bool
    waited_days: int


@dataclass(frozen=True, slots=True)
class ReserveState:
    """The newest attested reading of what stands behind the shares: how old, how old the terms let it be (seconds), and
    whether it covers all shares."""

    age_seconds: int
    max_age_seconds: int
    is_covered: bool


@dataclass(frozen=True, slots=True)
class RatingFacts:
    """All that a rating is made of, in any order. `metered` is None where the oracle does not know the plants."""

    metered: tuple[MeteredDay, ...] | None = None
    due: tuple[DueDay, ...] = ()
    reserve: ReserveState | None = None


@dataclass(frozen=True, slots=True)
class RatedPart:
    """A part: 0 to 100, None if it is not known; its weight, and its facts in words."""

    part: Part
    points: int | None
    weight: int
    facts: str


@dataclass(frozen=True, slots=True)
class Rating:
    """The rating, 0 to 100 with its band; None and "" where too few parts are known. `known_weight` of 100."""

    points: int | None
    band: str
    known_weight: int
    parts: tuple[RatedPart, ...]


def rate(facts: RatingFacts) -> Rating:
    """The rating of some facts. Depends on nothing else, nor on their order.

    Raises ValueError for facts that cannot be, such as more readings flagged than there are.
    """
    _check(facts)
    metered = facts.metered
    found = {
        Part.AVAILABILITY: _availability(metered),
        Part.FORECAST: _forecast(metered),
        Part.ANOMALIES: _anomalies(metered),
        Part.PAYMENT: _payment(facts.due),
        Part.RESERVE: _reserve(facts.reserve),
    }
    parts = tuple(RatedPart(part, points, WEIGHTS[part], words) for part, (points, words) in found.items())
    known = [(one.points, one.weight) for one in parts if one.points is not None]
    known_weight = sum(weight for _, weight in known)
    if known_weight < LEAST_WEIGHT:
        return Rating(None, "", known_weight, parts)
    points = sum(points * weight for points, weight in known) // known_weight
    return Rating(points, band_of(points), known_weight, parts)


def band_of(points: int) -> str:
    """Letter of a rating: A from 90, B from 75, C from 60, D from 40, else E."""
    return next(letter for letter, least in BANDS if points >= least)


def _availability(days: tuple[MeteredDay, ...] | None) -> tuple[int | None, str]:
    expected = SLOTS_PER_DAY * len(days or ())
    verified = sum(day.verified_slots for day in days or ())
    if not expected:
        return None, _unmetered(days)
    return FULL * verified // expected, f"{verified} of {expected} quarter hours have an attested reading"


def _forecast(days: tuple[MeteredDay, ...] | None) -> tuple[int | None, str]:
    slots = sum(day.compared_slots for day in days or ())
    delivered = sum(day.delivered_wh for day in days or ())
    deviation = sum(day.deviation_wh for day in days or ())
    if days is None or not days:
        return None, _unmetered(days)
    if slots < LEAST_SLOTS or not delivered:
        return None, "too few quarter hours with both a signed schedule and energy delivered"
    words = f"schedules and meters lay {deviation} Wh apart over {delivered} Wh delivered in {slots} quarter hours"
    return max(FULL * (delivered - deviation), 0) // delivered, words


def _anomalies(days: tuple[MeteredDay, ...] | None) -> tuple[int | None, str]:
    readings, flagged = sum(day.readings for day in days or ()), sum(day.flagged for day in days or ())
    if readings < LEAST_SLOTS:
        return None, _unmetered(days) if not days else f"only {readings} attested readings"
    # Hundredths of a percent of readings beyond the normal ones, kept as a fraction until the one division.
    beyond = max(FULL * flagged - NORMAL_FLAGGED_PERCENT * readings, 0)
    points = max(FULL * readings - POINTS_PER_FLAGGED_PERCENT * beyond, 0) // readings
    return points, f"{flagged} of {readings} attested readings were flagged"


def _payment(due: tuple[DueDay, ...]) -> tuple[int | None, str]:
    counted = [day for day in due if day.is_paid or day.waited_days > GRACE_DAYS]
    if not counted:
        return None, f"no day has had to be paid so far; one has {GRACE_DAYS} days for it"
    credit = sum(max(FULL - POINTS_PER_LATE_DAY * _late_days(day), 0) for day in counted if day.is_paid)
    paid = sum(day.is_paid for day in counted)
    late = sum(bool(_late_days(day)) for day in counted if day.is_paid)
    return credit // len(counted), f"{paid} of {len(counted)} days with final schedules were paid, {late} of them late"


def _late_days(day: DueDay) -> int:
    return max(day.waited_days - GRACE_DAYS, 0)


def _reserve(reserve: ReserveState | None) -> tuple[int | None, str]:
    if reserve is None:
        return None, "the terms name no reserve, or nothing of it was attested yet"
    words = f"the newest reading is {reserve.age_seconds} s old; the terms allow {reserve.max_age_seconds} s"
    if not reserve.is_covered:
        return 0, f"{words}; it does not cover all shares"
    allowed = max(reserve.max_age_seconds, 1)
    return max(FULL * allowed - (FULL - POINTS_AT_OLDEST) * reserve.age_seconds, 0) // allowed, words


def _unmetered(days: tuple[MeteredDay, ...] | None) -> str:
    return "this oracle does not meter all its plants" if days is None else "no plant has a whole day behind it"


def _check(facts: RatingFacts) -> None:
    for day in facts.metered or ():
        counts = (day.verified_slots, day.readings, day.flagged, day.compared_slots, day.delivered_wh, day.deviation_wh)
        if min(counts) < 0 or day.verified_slots > SLOTS_PER_DAY or day.compared_slots > day.verified_slots:
            raise ValueError(f"a day cannot be {day}")
        if day.flagged > day.readings:
            raise ValueError(f"more readings flagged than there are: {day}")
    waited: Iterable[int] = (day.waited_days for day in facts.due)
    ages = () if facts.reserve is None else (facts.reserve.age_seconds, facts.reserve.max_age_seconds)
    if min((0, *waited, *ages)) < 0:
        raise ValueError("nothing waits, and no reserve is old, for less than no time")
