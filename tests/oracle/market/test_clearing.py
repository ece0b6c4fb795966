"""The reference clearing against its own rule, by hand and against an independent brute force."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwitness.domain.market import MAX_TICK_SUM_WH, NO_ORDER, TICKS, Clearing, Order, Side, ZoneParams
from gridwitness.errors import InputError
from gridwitness.market.brute_force import best_prices, share_out
from gridwitness.market.clearing import Book, BookOrder, book_of, book_order, clear, fill_wh, is_rounded

from .books import adversarial_books
from .orders import FEE_ZONE, ZONE, fitting, in_book, order_lists, raw_order_lists

thorough = settings(max_examples=300, deadline=None)
caps_wh = st.one_of(st.just(ZONE.feeder_cap_wh), st.integers(0, 60), st.integers(0, 1 << 26))
books = order_lists.map(in_book)


def bid(tick: int, energy_wh: int) -> BookOrder:
    return BookOrder(Side.BID, tick, energy_wh)


def offer(tick: int, energy_wh: int) -> BookOrder:
    return BookOrder(Side.OFFER, tick, energy_wh)


def fills_wh(orders: list[BookOrder], clearing: Clearing) -> list[int]:
    return [fill_wh(order, clearing) for order in orders]


def expect_brute_force(orders: list[BookOrder], params: ZoneParams, cap_wh: int) -> Clearing:
    """Compare volume, price, fills and margins; returns the clearing."""
    clearing, optimum = clear(book_of(orders), params, cap_wh), best_prices(orders, cap_wh)
    assert (clearing.volume_wh, clearing.cap_wh) == (optimum.volume_wh, cap_wh)
    assert optimum.unserved_wh == 0
    assert clearing.tick == (optimum.ticks[0] + optimum.ticks[-1]) // 2
    assert clearing.price_per_kwh == params.price_of(clearing.tick)
    assert fills_wh(orders, clearing) == share_out(orders, optimum.volume_wh)
    for side, tick, filled_wh, total_wh in (
        (Side.BID, clearing.bid_tick, clearing.marginal_bid_filled_wh, clearing.marginal_bid_wh),
        (Side.OFFER, clearing.offer_tick, clearing.marginal_offer_filled_wh, clearing.marginal_offer_wh),
    ):
        own = [order for order in orders if order.side is side]
        assert total_wh == sum(order.energy_wh for order in own if order.tick == tick)
        assert 0 <= filled_wh <= total_wh
        whole_wh = sum(
            order.energy_wh for order in own if (order.tick > tick if side is Side.BID else order.tick < tick)
        )
        assert whole_wh + filled_wh == clearing.volume_wh
    if clearing.volume_wh < cap_wh:
        assert clearing.bid_tick == clearing.offer_tick == clearing.tick
    else:
        assert clearing.offer_tick <= clearing.tick <= clearing.bid_tick
    return clearing


def test_clear__twenty_thousand_adversarial_books__equals_brute_force_to_the_bit() -> None:
    capped = balanced = 0
    for orders, params, cap_wh in adversarial_books(20_000, seed=2016):
        clearing = expect_brute_force(orders, params, cap_wh)
        capped += 0 < clearing.volume_wh == cap_wh
        balanced += clearing.volume_wh > 0 == clearing.marginal_bid_wh == clearing.marginal_offer_wh
    # The books are worth it only if they bring about what is hard.
    assert capped > 2_000
    assert balanced > 400


# INV-M4, INV-M6
@thorough
@given(books, caps_wh)
def test_clear__any_orders_under_any_cap__equals_brute_force_to_the_bit(orders: list[BookOrder], cap_wh: int) -> None:
    expect_brute_force(orders, ZONE, cap_wh)


@thorough
@given(books, st.integers(-1, 1))
def test_clear__cap_about_the_volume__equals_brute_force_to_the_bit(orders: list[BookOrder], more_wh: int) -> None:
    cap_wh = max(0, clear(book_of(orders), ZONE).volume_wh + more_wh)
    expect_brute_force(orders, ZONE, cap_wh)


# INV-M2, INV-M3
@thorough
@given(raw_order_lists, st.data(), caps_wh, st.sampled_from([FEE_ZONE, replace(FEE_ZONE, cap_tick=70)]))
def test_fill__any_orders__nobody_trades_beyond_energy_or_limit_with_fee_and_premium(
    orders: list[Order], data: st.DataObject, cap_wh: int, params: ZoneParams
) -> None:
    greens = data.draw(st.lists(st.booleans(), min_size=len(orders), max_size=len(orders)))
    orders = fitting(orders, greens, params)
    placed = [book_order(order, params, green=green) for order, green in zip(orders, greens, strict=True)]
    clearing = clear(book_of(placed), params, cap_wh)
    for order, green, filled_wh in zip(orders, greens, fills_wh(placed, clearing), strict=True):
        assert 0 <= filled_wh <= order.energy_wh
        limit = params.price_of(order.tick)
        if filled_wh and order.side is Side.BID:
            assert clearing.price_per_kwh + params.network_fee_per_kwh <= limit
        elif filled_wh:
            assert clearing.price_per_kwh + params.green_premium_per_kwh * green >= limit


@thorough
@given(books, caps_wh)
def test_fill__any_orders__dust_is_below_a_wh_for_each_rounded_order(orders: list[BookOrder], cap_wh: int) -> None:
    clearing = clear(book_of(orders), ZONE, cap_wh)
    for side in Side:
        own = [order for order in orders if order.side is side]
        rounded = sum(is_rounded(order, clearing) for order in own)
        dust_wh = clearing.volume_wh - sum(fills_wh(own, clearing))
        assert dust_wh == rounded == 0 or 0 < dust_wh < rounded


# INV-M19
@thorough
@given(books.filter(bool), st.data(), caps_wh)
def test_fill__order_split_in_two__gains_nothing(orders: list[BookOrder], data: st.DataObject, cap_wh: int) -> None:
    index = data.draw(st.integers(0, len(orders) - 1))
    whole = orders[index]
    part_wh = data.draw(st.integers(0, whole.energy_wh))
    parts = [whole._replace(energy_wh=energy_wh) for energy_wh in (part_wh, whole.energy_wh - part_wh)]
    clearing = clear(book_of(orders), ZONE, cap_wh)
    assert clear(book_of(orders[:index] + parts + orders[index + 1 :]), ZONE, cap_wh) == clearing
    assert sum(fills_wh(parts, clearing)) <= fill_wh(whole, clearing)


# INV-M5
@thorough
@given(books, st.randoms(), caps_wh)
def test_clear__other_order_of_arrival__same_result(orders: list[BookOrder], random: Random, cap_wh: int) -> None:
    shuffled = list(orders)
    random.shuffle(shuffled)
    assert clear(book_of(shuffled), ZONE, cap_wh) == clear(book_of(orders), ZONE, cap_wh)


@thorough
@given(books, caps_wh)
def test_clear__cap__equals_clearing_the_book_that_was_cut(orders: list[BookOrder], cap_wh: int) -> None:
    book = book_of(orders)
    capped, cut = clear(book, ZONE, cap_wh), clear(book.within(cap_wh), ZONE)
    assert (capped.tick, capped.volume_wh) == (cut.tick, cut.volume_wh)


@pytest.mark.parametrize(
    ("orders", "tick"),
    [
        ([], 63),
        ([bid(40, 500)], 83),
        ([bid(40, 500), bid(20, 500)], 83),
        ([offer(40, 500)], 20),
        ([offer(0, 500)], 0),
        ([bid(127, 500)], 127),
        ([bid(20, 500), offer(40, 500)], 30),
    ],
)
def test_clear__nothing_to_match__volume_zero_at_the_stated_tick(orders: list[BookOrder], tick: int) -> None:
    clearing = clear(book_of(orders), ZONE)
    assert (clearing.tick, clearing.volume_wh) == (tick, 0)
    assert clearing.price_per_kwh == 66_000 + 2_000 * tick
    assert fills_wh(orders, clearing) == [0] * len(orders)


def test_clear__supply_equals_demand__midpoint_all_filled_and_nothing_marginal() -> None:
    orders = [offer(10, 600), bid(31, 400), bid(31, 200)]
    clearing = clear(book_of(orders), ZONE)
    assert clearing == Clearing(20, 106_000, 600, ZONE.feeder_cap_wh, 20, 20, 0, 0, 0, 0)
    assert fills_wh(orders, clearing) == [600, 400, 200]


def test_clear__scarce_supply__bids_at_the_margin_share_pro_rata_rounded_down() -> None:
    orders = [offer(10, 1000), bid(50, 301), bid(40, 500), bid(40, 499), bid(40, 1), bid(30, 9000)]
    clearing = clear(book_of(orders), ZONE)
    assert (clearing.tick, clearing.volume_wh) == (40, 1000)
    assert (clearing.marginal_bid_filled_wh, clearing.marginal_bid_wh) == (699, 1000)
    assert fills_wh(orders, clearing) == [1000, 301, 349, 348, 0, 0]
    assert [is_rounded(order, clearing) for order in orders] == [False, False, True, True, True, False]


def test_clear__scarce_demand__offers_at_the_margin_share_pro_rata() -> None:
    orders = [bid(90, 700), offer(5, 100), offer(12, 600), offer(12, 600), offer(13, 50)]
    clearing = clear(book_of(orders), ZONE)
    assert (clearing.tick, clearing.volume_wh) == (12, 700)
    assert fills_wh(orders, clearing) == [700, 100, 300, 300, 0]


def test_clear__feeder_cap__serves_the_best_up_to_it_at_the_middle_of_their_prices() -> None:
    orders = [offer(5, 100), offer(12, 600), offer(20, 600), bid(90, 400), bid(71, 400), bid(30, 400)]
    clearing = clear(book_of(orders), ZONE, 500)
    assert clearing == Clearing(41, 148_000, 500, 500, 71, 12, 100, 400, 400, 600)
    assert fills_wh(orders, clearing) == [100, 400, 0, 400, 100, 0]


def test_clear__cap_equal_to_the_volume__offers_beyond_it_have_no_say_in_the_price() -> None:
    orders = [offer(10, 500), offer(20, 100), bid(90, 500)]
    assert clear(book_of(orders), ZONE).tick == 15
    assert clear(book_of(orders), ZONE, 500).tick == 50


def test_clear__cap_of_zero__nothing_trades_at_the_middle_of_all_ticks() -> None:
    orders = [offer(0, 500), bid(127, 700)]
    clearing = clear(book_of(orders), ZONE, 0)
    assert clearing == Clearing(63, 192_000, 0, 0, 127, 0, 0, 700, 0, 500)
    assert fills_wh(orders, clearing) == [0, 0]


def test_clear__no_cap_for_the_slot__the_zones_applies() -> None:
    book = book_of([offer(10, 500), bid(90, 500)])
    clearing = clear(book, replace(ZONE, feeder_cap_wh=200))
    assert (clearing.volume_wh, clearing.cap_wh) == (200, 200)


def test_best_prices__one_pair__every_price_between_their_limits() -> None:
    optimum = best_prices([bid(9, 50), offer(4, 80), offer(6, 10)], 1_000)
    assert (optimum.volume_wh, optimum.unserved_wh, optimum.ticks) == (50, 0, (4,))
    assert best_prices([bid(9, 50), offer(4, 50)], 1_000).ticks == (4, 5, 6, 7, 8, 9)
    assert best_prices([bid(9, 50), offer(4, 80), offer(6, 10)], 40).ticks == (4, 5, 6, 7, 8, 9)


def test_share_out__scarce_volume__best_first_then_pro_rata() -> None:
    assert share_out([bid(9, 50), bid(8, 2), bid(8, 1), bid(7, 5), offer(3, 51), offer(4, 9)], 52) == [
        50,
        1,
        0,
        0,
        51,
        1,
    ]


@pytest.mark.parametrize(
    ("order", "green", "tick"),
    [
        (Order(Side.BID, 5, 1), False, 0),
        (Order(Side.BID, 127, 1), True, 122),
        (Order(Side.OFFER, 7, 1), False, 7),
        (Order(Side.OFFER, 17, 1), True, 7),
        (Order(Side.OFFER, 9, 1), True, 0),
        (NO_ORDER, True, 0),
    ],
)
def test_book_order__fee_and_premium__stands_at_its_limit_without_them(order: Order, green: bool, tick: int) -> None:
    assert book_order(order, FEE_ZONE, green=green) == BookOrder(order.side, tick, order.energy_wh)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (Order(Side.BID, 4, 1_000), "bid tick 4 is below the network fee of 5 ticks"),
        (Order(Side.OFFER, 101, 1_000), "order tick 101 is outside 0 to 100, the zone's price cap"),
        (Order(Side.OFFER, -1, 1_000), "order tick -1 is outside 0 to 100, the zone's price cap"),
        (Order(Side.OFFER, 1, 9), "an order of 9 Wh is below the zone's minimum of 10 Wh"),
    ],
)
def test_book_order__against_the_zones_rules__error_names_value_and_limit(order: Order, message: str) -> None:
    with pytest.raises(InputError, match=message):
        book_order(order, replace(FEE_ZONE, cap_tick=100, min_order_wh=10), green=False)


def test_book__wrong_length__error_names_count_and_limit() -> None:
    with pytest.raises(InputError, match="3 sums of bids; it must have 128"):
        Book((1, 2, 3), (0,) * TICKS)


def test_book__tick_out_of_range__error_names_tick_and_limit() -> None:
    with pytest.raises(InputError, match="book tick 128 is outside 0 to 127"):
        book_of([bid(128, 1)])


def test_book__sum_too_large_for_its_tick__error_names_sum_and_limit() -> None:
    full = [offer(3, MAX_TICK_SUM_WH - 1), offer(3, 1)]
    assert book_of(full).offers_wh[3] == MAX_TICK_SUM_WH
    with pytest.raises(InputError, match="16777216 Wh of offers at one tick; it holds at most 16777215"):
        book_of([*full, offer(3, 1)])
