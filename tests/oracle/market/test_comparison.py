"""Mechanisms compared: by hand on a day of two homes, and what must hold on any day."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwitness.domain.market import Order, Schedule, Side
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.market.bills import net_metering_bill
from gridwitness.market.comparison import Comparison, HomeAccount, Mechanism, compare, settle_as_bid, share_bps
from gridwitness.market.day import trade_day

from .orders import ZONE, order_lists, schedule_of

NONE, MARKET, AS_BID, METERING = Mechanism
TRADED = (MARKET, AS_BID)


def day_of(energies_wh: dict[int, int]) -> list[int]:
    return [energies_wh.get(slot, 0) for slot in range(SLOTS_PER_DAY)]


def two_homes() -> Comparison:
    """A bids 27 ct for 1,000 Wh and takes 1,200; B offers them at 13 ct, gives 1,000 and later takes 600."""
    buyer = schedule_of({50: Order(Side.BID, 102, 1_000)}, device=1)
    seller = schedule_of({50: Order(Side.OFFER, 32, 1_000)}, device=2)
    metered_wh = {buyer.device_id: day_of({50: 1_200}), seller.device_id: day_of({50: -1_000, 80: 600})}
    return compare([([buyer, seller], metered_wh)], ZONE)


def test_compare__two_homes__bills_by_hand() -> None:
    buyer, seller = two_homes().homes.values()
    # Prices in 1e-6 EUR: retail 0.32, feed-in 0.08; cleared in the middle of 0.27 and 0.13.
    assert buyer.accounts[NONE].bill == 1_200 * 320
    assert buyer.accounts[MARKET].bill == 1_000 * 200 + 200 * 320 + 100 * 10
    assert buyer.accounts[AS_BID].bill == 1_000 * 270 + 200 * 320 + 100 * 10
    assert buyer.accounts[METERING].bill == 1_200 * 320
    assert seller.accounts[NONE].bill == 600 * 320 - 1_000 * 80
    assert seller.accounts[MARKET].bill == 600 * 320 - 1_000 * 200
    assert seller.accounts[AS_BID].bill == 600 * 320 - 1_000 * 130
    assert seller.accounts[METERING].bill == -400 * 80


def test_compare__two_homes__energy_beside_the_grid() -> None:
    buyer, seller = two_homes().homes.values()
    assert (buyer.imported_wh, buyer.exported_wh, seller.imported_wh, seller.exported_wh) == (1_200, 0, 600, 1_000)
    for mechanism in TRADED:
        assert (buyer.accounts[mechanism].bought_wh, buyer.accounts[mechanism].sold_wh) == (1_000, 0)
        assert (seller.accounts[mechanism].bought_wh, seller.accounts[mechanism].sold_wh) == (0, 1_000)
    assert buyer.accounts[METERING] == HomeAccount(1_200 * 320, 0, 0)
    assert (seller.accounts[METERING].bought_wh, seller.accounts[METERING].sold_wh) == (600, 600)


def test_compare__two_homes__welfare_and_the_other_side() -> None:
    result = two_homes()
    assert [result.welfare(mechanism) for mechanism in Mechanism] == [0, 140_000, 140_000, 0]
    assert result.shared_wh == 1_000
    # The feeder takes 200 Wh at noon and 600 in the evening; without trading the supplier keeps what sharing is worth.
    assert result.grid_cost == 800 * 320
    assert result.other_side(NONE) == 1_000 * (320 - 80)
    assert result.other_side(MARKET) == 100 * 10
    assert result.other_side(AS_BID) == 140_000 + 100 * 10
    assert [result.saved(mechanism) for mechanism in Mechanism] == [0, 239_000, 99_000, 600 * 240]


def test_compare__contract_not_kept__counts_only_what_flowed() -> None:
    buyer = schedule_of({3: Order(Side.BID, 127, 500), 4: Order(Side.BID, 127, 500)}, device=1)
    seller = schedule_of({3: Order(Side.OFFER, 7, 500), 4: Order(Side.OFFER, 7, 500)}, device=2)
    metered_wh = {buyer.device_id: day_of({3: 200, 4: -50}), seller.device_id: day_of({3: -600, 4: 70})}
    homes = compare([([buyer, seller], metered_wh)], ZONE).homes.values()
    assert [(home.accounts[MARKET].bought_wh, home.accounts[MARKET].sold_wh) for home in homes] == [(200, 0), (0, 500)]


def test_net_metering__summer_day_and_winter_day__cancel_over_the_period() -> None:
    schedules = [schedule_of({}, device=1)]
    days = [(schedules, {schedules[0].device_id: day_of({40: energy_wh})}) for energy_wh in (-900, 1_000)]
    (home,) = compare(days, ZONE).homes.values()
    assert home.accounts[METERING] == HomeAccount(100 * 320, 900, 900)
    assert home.accounts[NONE].bill == 1_000 * 320 - 900 * 80
    assert net_metering_bill([-900, 800], ZONE) == -100 * 80
    assert net_metering_bill([1], replace(ZONE, short_price_per_kwh=1)) == 1


def test_share_bps__of_nothing__none() -> None:
    assert (share_bps(0, 0), share_bps(1, 3)) == (0, 3_333)


@st.composite
def village_days(draw: st.DrawFn) -> list[tuple[list[Schedule], dict[bytes, list[int]]]]:
    """One or two days of the same few homes, orders and flows in two slots; flows need not follow orders."""
    homes = draw(st.integers(1, 5))
    days = []
    for day in range(draw(st.integers(1, 2))):
        books = {slot: draw(order_lists)[:homes] for slot in (10, 50)}
        schedules = [
            schedule_of({slot: book[home] for slot, book in books.items() if home < len(book)}, home + 1, 17_026 + day)
            for home in range(homes)
        ]
        flows = st.one_of(st.integers(-50, 50), st.integers(-250_000, 250_000))
        metered_wh = {row.device_id: day_of({10: draw(flows), 50: draw(flows)}) for row in schedules}
        days.append((schedules, metered_wh))
    return days


@settings(max_examples=150)
@given(village_days())
def test_compare__any_days__savings_and_other_side_are_the_worth_of_sharing(
    days: list[tuple[list[Schedule], dict[bytes, list[int]]]],
) -> None:
    result = compare(days, ZONE)
    worth = Fraction(result.shared_wh * (ZONE.short_price_per_kwh - ZONE.long_price_per_kwh), 1000)
    # A bill is rounded up once a home and day, the feeder's cost once a day.
    for mechanism in Mechanism:
        total = result.saved(mechanism) + result.other_side(mechanism)
        assert -len(days) < total - worth < len(result.homes) * len(days)


@settings(max_examples=150)
@given(village_days())
def test_settle_as_bid__any_day__nobody_does_better_than_at_the_clearing_price(
    days: list[tuple[list[Schedule], dict[bytes, list[int]]]],
) -> None:
    for schedules, metered_wh in days:
        traded = trade_day(schedules, metered_wh, ZONE)
        for row in schedules:
            uniform = traded.settlements[row.device_id]
            as_bid = settle_as_bid(row, traded.clearings, metered_wh[row.device_id], ZONE)
            assert as_bid.traded_cash <= uniform.traded_cash
            assert replace(as_bid, traded_cash=uniform.traded_cash) == uniform


@settings(max_examples=150)
@given(village_days())
def test_compare__any_days__operator_of_pay_as_bid_keeps_the_welfare_and_homes_keep_it_in_the_market(
    days: list[tuple[list[Schedule], dict[bytes, list[int]]]],
) -> None:
    result = compare(days, ZONE)
    kept = result.other_side(AS_BID) - result.other_side(MARKET)
    orders = sum(order.energy_wh > 0 for schedules, _ in days for row in schedules for order in row.orders)
    # Apart by what sides differ through pro-rata dust, less than a Wh an order, and by rounding.
    dust = orders * ZONE.price_of(127) // 1000 + 4 * len(result.homes) * len(days)
    assert abs(kept - result.welfare(MARKET)) <= dust
    assert result.welfare(MARKET) >= -dust


@pytest.mark.parametrize("mechanism", Mechanism)
def test_compare__no_days__nothing(mechanism: Mechanism) -> None:
    assert compare([], ZONE).bill(mechanism) == 0
