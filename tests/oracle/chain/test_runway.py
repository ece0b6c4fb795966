"""How long money lasts."""

from __future__ import annotations

from gridwitness.chain.runway import WINDOW_S, Spending, runway

DAY_S = 86_400
NOW = 1_700_000_000.0


def test_reckon__nothing_spent__has_no_end() -> None:
    assert runway(10**18, [], NOW).days is None


def test_reckon__spent_evenly_for_a_week__divides_balance_by_a_days_spending() -> None:
    spendings = [Spending(NOW - day * DAY_S, 50_000, 20 * 10**9) for day in range(1, 8)]
    left = runway(10 * 50_000 * 20 * 10**9, spendings, NOW)
    assert left.spent_wei_per_day == 50_000 * 20 * 10**9
    assert left.days == 10


def test_reckon__older_than_the_window__does_not_count() -> None:
    old = Spending(NOW - WINDOW_S - 1, 10**9, 10**9)
    assert runway(10**18, [old], NOW).days is None


def test_reckon__account_of_an_hour__is_taken_for_a_day() -> None:
    left = runway(10**18, [Spending(NOW - 3_600, 10**6, 10**11)], NOW)
    assert (left.spent_wei_per_day, left.days) == (10**17, 10)
