"""Mechanisms compared: by hand on a day of two homes, and what must hold on any day."""

from __future__ import annotations

from collections.abc import Mapping
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

from .orders import FEE_ZONE, ZONE, fitting, raw_order_lists, schedule_of

NONE, MARKET, AS_BID, METERING = Mechanism
TRADED = (MARKET, AS_BID)
# Every second home of a village is green, and its feeder is soon full.
RULES = replace(FEE_ZONE, feeder_cap_wh=1_000_000)
GREENS = (True, False, True, False, True)
GREEN = {home.to_bytes(32, "big") for home, is_green in enumerate(GREENS, start=1) if is_green}


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
    assert buyer.accounts[MARKET].bill == 1_000 * 200 + 200 * 320 + 100 * 15
    assert buyer.accounts[AS_BID].bill == 1_000 * 270 + 200 * 320 + 100 * 15
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
    assert result.other_side(MARKET) == 100 * 15
    assert result.other_side(AS_BID) == 140_000 + 100 * 15
    assert [result.saved(mechanism) for mechanism in Mechanism] == [0, 238_500, 98_500, 600 * 240]


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


def fee_homes(cap_wh: int) -> Comparison:
    """A bids 29 ct for 1,000 Wh; green B offers them at 13 ct. Fee 1 ct, premium 2 ct: the book has 28 and 11 ct."""
    buyer = schedule_of({50: Order(Side.BID, 112, 1_000)}, device=1)
    seller = schedule_of({50: Order(Side.OFFER, 32, 1_000)}, device=2)
    metered_wh = {buyer.device_id: day_of({50: 1_000}), seller.device_id: day_of({50: -1_000})}
    rules = replace(FEE_ZONE, feeder_cap_wh=cap_wh)
    return compare([([buyer, seller], metered_wh)], rules, green={seller.device_id})


def test_compare__fee_and_premium__part_bills_from_the_clearing_price() -> None:
    result = fee_homes(cap_wh=1_000)
    buyer, seller = result.homes.values()
    # Cleared at tick 64, 19.4 ct.
    assert (buyer.accounts[MARKET].bill, seller.accounts[MARKET].bill) == (204_000, -214_000)
    assert (buyer.accounts[AS_BID].bill, seller.accounts[AS_BID].bill) == (290_000, -130_000)
    assert result.welfare(MARKET) == 160_000
    # The backstop takes the fee and pays the premium.
    assert (result.other_side(MARKET), result.other_side(AS_BID)) == (-10_000, 160_000)


def test_compare__feeder_cap__what_is_beyond_it_is_the_grids() -> None:
    result = fee_homes(cap_wh=400)
    buyer, seller = result.homes.values()
    assert (buyer.accounts[MARKET].bought_wh, seller.accounts[MARKET].sold_wh) == (400, 400)
    # Both take 600 Wh from or give them to the grid: 360 Wh beyond the tolerance of what they contracted.
    assert buyer.accounts[MARKET].bill == 400 * 204 + 600 * 320 + 360 * 15
    assert seller.accounts[MARKET].bill == -400 * 214 - 600 * 80 + 360 * 15


Village = tuple[list[Schedule], Mapping[bytes, list[int]]]


@st.composite
def village_days(draw: st.DrawFn) -> list[Village]:
    """One or two days of the same few homes, orders and flows in two slots; flows need not follow orders."""
    homes = draw(st.integers(1, 5))
    days = []
    for day in range(draw(st.integers(1, 2))):
        books = {slot: fitting(draw(raw_order_lists)[:homes], GREENS, RULES) for slot in (10, 50)}
        schedules = [
            schedule_of(
                {slot: book[home] for slot, book in books.items() if home < len(book)},
                home + 1,
                17_026 + day,
                draw(st.sampled_from([0, 1_000, 1_000_000_000])),
            )
            for home in range(homes)
        ]
        flows = st.one_of(st.integers(-50, 50), st.integers(-250_000, 250_000))
        metered_wh = {row.device_id: day_of({10: draw(flows), 50: draw(flows)}) for row in schedules}
        days.append((schedules, metered_wh))
    return days


@settings(max_examples=80)
@given(village_days())
def test_compare__any_days__savings_and_other_side_are_the_worth_of_sharing(days: list[Village]) -> None:
    result = compare(days, RULES, green=GREEN)
    worth = Fraction(result.shared_wh * (RULES.short_price_per_kwh - RULES.long_price_per_kwh), 1000)
    # Prices are whole units per Wh, so nothing is rounded.
    for mechanism in Mechanism:
        assert result.saved(mechanism) + result.other_side(mechanism) == worth


@settings(max_examples=80)
@given(village_days())
def test_settle_as_bid__any_day__nobody_does_better_than_at_the_clearing_price(days: list[Village]) -> None:
    for schedules, metered_wh in days:
        traded = trade_day(schedules, metered_wh, RULES, green=GREEN)
        for row in schedules:
            uniform, green = traded.settlements[row.device_id], row.device_id in GREEN
            as_bid = settle_as_bid(row, traded.clearings, metered_wh[row.device_id], RULES, green=green)
            assert as_bid.traded_cash <= uniform.traded_cash
            assert replace(as_bid, traded_cash=uniform.traded_cash) == uniform


@settings(max_examples=80)
@given(village_days())
def test_compare__any_days__operator_of_pay_as_bid_keeps_the_welfare_but_for_fee_premium_and_dust(
    days: list[Village],
) -> None:
    result = compare(days, RULES, green=GREEN)
    traded = [trade_day(schedules, metered_wh, RULES, green=GREEN) for schedules, metered_wh in days]
    settlements = [settlement for day in traded for settlement in day.settlements.values()]
    fee_and_premium = sum(settlement.grid_cash for settlement in settlements)
    dust = sum(settlement.traded_cash for settlement in settlements)
    kept = result.other_side(AS_BID) - result.other_side(MARKET)
    assert kept == result.welfare(MARKET) + fee_and_premium + dust


@pytest.mark.parametrize("mechanism", Mechanism)
def test_compare__no_days__nothing(mechanism: Mechanism) -> None:
    assert compare([], ZONE).bill(mechanism) == 0
