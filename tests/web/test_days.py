"""Days of a site where clocks change, and the words for its times."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from gridwitness.api.portal.pages import wording
from gridwitness.api.portal.pages.days import LocalDay, day_of_market, local_day_of, parse_day
from gridwitness.api.portal.pages.wording import SiteClock
from gridwitness.errors import InputError

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("day", "slots"), [(date(2016, 3, 27), 92), (date(2016, 8, 13), 96), (date(2016, 10, 30), 100)]
)
def test_slots__day_on_which_clocks_may_change__as_many_as_it_has_quarter_hours(day: date, slots: int) -> None:
    assert LocalDay(day, BERLIN).slots == slots


def test_market_days__local_summer_day__the_two_utc_days_it_lies_in() -> None:
    day = parse_day("2016-08-13", BERLIN)

    assert [day_of_market(one, BERLIN).date for one in day.market_days] == [date(2016, 8, 12), date(2016, 8, 13)]


def test_market_days__utc__itself_alone() -> None:
    day = parse_day("2016-08-13", ZoneInfo("UTC"))

    assert day.market_days == (day.market_day,)


def test_local_day_of__half_an_hour_before_utc_midnight__already_the_next_local_day() -> None:
    assert local_day_of(1_471_044_600, BERLIN).date == date(2016, 8, 13)  # 12 August 23:30 UTC


def test_moment__hour_that_comes_twice__told_apart_by_the_zone() -> None:
    clock, first = SiteClock("Europe/Berlin"), 1_477_787_400  # 30 October 2016, 00:30 UTC

    assert clock.moment(first) == "30 Oct 2016, 02:30 CEST"
    assert clock.moment(first + 3_600) == "30 Oct 2016, 02:30 CET"
    day = [clock.clock(first + 900 * slot) for slot in range(-10, 86)]
    assert (day[10], day[14]) == ("02:30 CEST", "02:30 CET")
    assert len({*day}) == len(day)
    assert {text for text in day if " " not in text} == {text for text in day if not text.startswith("02:")}


def test_clock__hour_that_is_left_out__none_beside_it_needs_the_zone() -> None:
    clock, first = SiteClock("Europe/Berlin"), 1_459_040_400  # 27 March 2016, 01:00 UTC

    assert [clock.clock(first + 900 * slot) for slot in (-1, 0)] == ["01:45", "03:00"]


@pytest.mark.parametrize("text", ["", "yesterday", "2016-13-01", "0001-01-01", "9999-12-31", "2016-08-13<script>"])
def test_parse_day__no_day_that_can_be__refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_day(text, BERLIN)

    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.kwh(26_826), "26.8 kWh"),
        (wording.kwh(-412), "−0.41 kWh"),
        (wording.kwh(2_183_000), "2,183 kWh"),
        (wording.euros(-90_843_218), "−€90.84"),
        (wording.euros(-4_000), "€0.00"),
        (wording.cents(258_000), "25.80 ct/kWh"),
        (wording.percent(1_967), "19.7 %"),
        (wording.better(2_231_138), "€2.23 better"),
        (wording.better(-2_231_138), "€2.23 worse"),
        (wording.duration(59), "59 seconds"),
        (wording.duration(1), "1 second"),
        (wording.duration(119), "119 seconds"),
        (wording.duration(240), "4 minutes"),
        (wording.duration(90_000), "25 hours"),
        (wording.ether(10**22), "10,000 ETH"),
        (wording.ether(59_528 * 10**9), "59,528 gwei"),
        (wording.gwei(7), "7 wei"),
        (wording.work_of("attest:readings:108:0x0a42:0"), "attest readings 108"),
    ],
)
def test_wording__figures__as_people_write_them(said: str, expected: str) -> None:
    assert said == expected
