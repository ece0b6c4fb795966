"""The reference clearing against its own rule, by hand and against an independent brute force."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwitness.domain.market import TICKS, Order, Side
from gridwitness.errors import InputError
from gridwitness.market.brute_force import best_prices
from gridwitness.market.clearing import Book, book_of, clear, fill_wh

from .orders import ZONE, balanced_orders, order_lists

thorough = settings(max_examples=300, deadline=None)


def bid(tick: int, energy_wh: int) -> Order:
    return Order(Side.BID, tick, energy_wh)


def offer(tick: int, energy_wh: int) -> Order:
    return Order(Side.OFFER, tick, energy_wh)


# INV-M4
@thorough
@given(order_lists)
def test_clear__any_orders__matches_the_most_energy_any_price_can(orders: list[Order]) -> None:
    clearing = clear(book_of(orders), ZONE)
    assert clearing.volume_wh == best_prices(orders).volume_wh


@thorough
@given(order_lists)
def test_clear__any_orders__takes_the_middle_of_all_clearing_prices(orders: list[Order]) -> None:
    optimum = best_prices(orders)
    assert optimum.unserved_wh == 0
    assert clear(book_of(orders), ZONE).tick == (optimum.ticks[0] + optimum.ticks[-1]) // 2


# INV-M2, INV-M3, INV-M6
@thorough
@given(order_lists)
def test_fill__any_orders__stays_within_quantity_limit_and_volume(orders: list[Order]) -> None:
    clearing = clear(book_of(orders), ZONE)
    fills = [(order, fill_wh(order, clearing)) for order in orders]
    for order, filled_wh in fills:
        assert 0 <= filled_wh <= order.energy_wh
        limit_kept = order.tick >= clearing.tick if order.side is Side.BID else order.tick <= clearing.tick
        assert filled_wh == 0 or limit_kept
    for side in Side:
        marginal = [order for order, _ in fills if order.side is side and order.tick == clearing.tick]
        dust_wh = clearing.volume_wh - sum(filled_wh for order, filled_wh in fills if order.side is side)
        # Rounding down loses less than one Wh per order at the margin, and nothing without any.
        assert 0 <= dust_wh <= max(0, len(marginal) - 1)


@thorough
@given(order_lists)
def test_fill__any_orders__serves_strictly_better_ones_whole(orders: list[Order]) -> None:
    clearing = clear(book_of(orders), ZONE)
    for order in orders:
        if order.tick > clearing.tick if order.side is Side.BID else order.tick < clearing.tick:
            assert fill_wh(order, clearing) == order.energy_wh


# INV-M19
@thorough
@given(order_lists.filter(bool), st.data())
def test_fill__order_split_in_two__gains_nothing(orders: list[Order], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(orders) - 1))
    whole = orders[index]
    part_wh = data.draw(st.integers(0, whole.energy_wh))
    parts = [Order(whole.side, whole.tick, energy_wh) for energy_wh in (part_wh, whole.energy_wh - part_wh)]
    clearing = clear(book_of(orders), ZONE)
    assert clear(book_of(orders[:index] + parts + orders[index + 1 :]), ZONE) == clearing
    assert sum(fill_wh(part, clearing) for part in parts) <= fill_wh(whole, clearing)


# INV-M5
@thorough
@given(balanced_orders(), st.randoms())
def test_clear__other_order_of_arrival__same_result(orders: list[Order], random: Random) -> None:
    shuffled = list(orders)
    random.shuffle(shuffled)
    assert clear(book_of(shuffled), ZONE) == clear(book_of(orders), ZONE)


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
def test_clear__nothing_to_match__volume_zero_at_the_stated_tick(orders: list[Order], tick: int) -> None:
    clearing = clear(book_of(orders), ZONE)
    assert (clearing.tick, clearing.volume_wh) == (tick, 0)
    assert clearing.price_per_kwh == 66_000 + 2_000 * tick
    assert [fill_wh(order, clearing) for order in orders] == [0] * len(orders)


def test_clear__supply_equals_demand__midpoint_and_all_filled() -> None:
    orders = [offer(10, 600), bid(31, 400), bid(31, 200)]
    clearing = clear(book_of(orders), ZONE)
    assert (clearing.tick, clearing.volume_wh) == (20, 600)
    assert [fill_wh(order, clearing) for order in orders] == [600, 400, 200]


def test_clear__scarce_supply__bids_at_the_margin_share_pro_rata_rounded_down() -> None:
    orders = [offer(10, 1000), bid(50, 301), bid(40, 500), bid(40, 499), bid(40, 1), bid(30, 9000)]
    clearing = clear(book_of(orders), ZONE)
    assert (clearing.tick, clearing.volume_wh) == (40, 1000)
    assert (clearing.marginal_bid_filled_wh, clearing.marginal_bid_wh) == (699, 1000)
    assert [fill_wh(order, clearing) for order in orders] == [1000, 301, 349, 348, 0, 0]


def test_clear__scarce_demand__offers_at_the_margin_share_pro_rata() -> None:
    orders = [bid(90, 700), offer(5, 100), offer(12, 600), offer(12, 600), offer(13, 50)]
    clearing = clear(book_of(orders), ZONE)
    assert (clearing.tick, clearing.volume_wh) == (12, 700)
    assert [fill_wh(order, clearing) for order in orders] == [700, 100, 300, 300, 0]


def test_best_prices__one_pair__every_price_between_their_limits() -> None:
    optimum = best_prices([bid(9, 50), offer(4, 80), offer(6, 10)])
    assert (optimum.volume_wh, optimum.unserved_wh, optimum.ticks) == (50, 0, (4,))
    assert best_prices([bid(9, 50), offer(4, 50)]).ticks == (4, 5, 6, 7, 8, 9)


def test_book__wrong_length__error_names_count_and_limit() -> None:
    with pytest.raises(InputError, match="3 sums of bids; it must have 128"):
        Book((1, 2, 3), (0,) * TICKS)


def test_book__tick_out_of_range__error_names_tick_and_limit() -> None:
    with pytest.raises(InputError, match="order tick 128 is outside 0 to 127"):
        book_of([bid(128, 1)])
