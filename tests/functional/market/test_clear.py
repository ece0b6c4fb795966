"""Clearing: equal to the Python reference and to brute force, for every book and every order of arrival."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ape
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwitness.domain.market import NO_ORDER, Order, Side
from gridwitness.market.brute_force import best_prices
from gridwitness.market.clearing import fill_wh
from tests.actors import refused
from tests.functional.market.village import (
    DAY_SECONDS,
    SLOT_SECONDS,
    Home,
    MakeHomes,
    Village,
    bid,
    offer,
    warp,
)

TRADERS = 6


@st.composite
def slot_orders(draw: st.DrawFn) -> tuple[Order, ...]:
    """Orders of all traders in one slot. Few ticks and few sizes make balanced books and crowded margins frequent."""
    low = draw(st.integers(0, 127))
    high = draw(st.integers(low, 127))
    sizes = draw(st.sampled_from([(1, 3), (1, 2_000), (1, 16_777_215)]))
    order = st.builds(Order, st.sampled_from(Side), st.integers(low, high), st.integers(*sizes))
    return tuple(draw(st.lists(order | st.just(NO_ORDER), min_size=TRADERS, max_size=TRADERS)))


# INV-M4, INV-M5, INV-M6
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(day=st.lists(slot_orders(), min_size=96, max_size=96), arrival=st.permutations(range(TRADERS)))
def test_clear__any_day_of_books__equals_reference_and_brute_force(
    village: Village, traders: list[Home], day: list[tuple[Order, ...]], arrival: Sequence[int]
) -> None:
    with ape.chain.isolate():
        schedules = [village.schedule(home, [slot[i] for slot in day]) for i, home in enumerate(traders)]
        rows = [village.sign(traders[i], schedules[i]) for i in arrival]
        assert village.submit(*rows[:2]).return_value == 2  # some together, some alone
        assert sum(village.submit(row).return_value for row in rows[2:]) == TRADERS - 2
        village.clear_after_gates()
        results = village.clearings()
    for index, (orders, result) in enumerate(zip(day, results, strict=True)):
        assert result == village.reference(schedules, index)
        optimum = best_prices(orders)
        assert result.volume_wh == optimum.volume_wh
        assert result.tick in optimum.ticks
        bought = sum(fill_wh(order, result) for order in orders if order.side is Side.BID)
        sold = sum(fill_wh(order, result) for order in orders if order.side is Side.OFFER)
        assert 0 <= result.volume_wh - bought < TRADERS
        assert 0 <= result.volume_wh - sold < TRADERS


@pytest.fixture
def traders(village: Village, make_homes: MakeHomes) -> list[Home]:
    """Homes rich enough for any order."""
    homes = make_homes(TRADERS)
    for home in homes:
        village.fund(home.owner, 10**15)
    return homes


@pytest.mark.parametrize(
    ("orders", "tick", "volume_wh"),
    [
        ((), 63, 0),
        ((bid(40, 10),), (40 + 127) // 2, 0),
        ((bid(127, 10),), 127, 0),
        ((offer(41, 10),), 20, 0),
        ((offer(0, 10),), 0, 0),
        ((bid(40, 10), offer(80, 10)), 60, 0),
        ((bid(80, 10), offer(40, 10)), 60, 10),
        ((bid(80, 10), offer(40, 10), offer(90, 1)), 60, 10),
        ((bid(80, 11), offer(40, 10)), 80, 10),
        ((bid(80, 10), offer(40, 11)), 40, 10),
        ((bid(80, 10), bid(50, 1), offer(40, 10), offer(70, 5)), (50 + 70) // 2, 10),
        ((bid(127, 5), offer(127, 5)), 127, 5),
        ((bid(0, 5), offer(0, 5)), 0, 5),
    ],
)
def test_clear__known_book__clears_at_the_stated_tick(
    village: Village, traders: list[Home], orders: tuple[Order, ...], tick: int, volume_wh: int
) -> None:
    schedules = [village.place(home, {7: order}) for home, order in zip(traders, orders, strict=False)]
    village.clear_after_gates([7])
    result = village.market.clearing(village.zone, village.first_slot + 7)
    assert (result.cleared, result.tick, result.volumeWh) == (True, tick, volume_wh)
    assert result.pricePerKwh == village.market.priceOf(village.zone, tick) == 50_000 + tick * 2_500
    assert village.clearing(7) == village.reference(schedules, 7)


def test_clear__more_bids_than_offers__shares_the_margin(village: Village, traders: list[Home]) -> None:
    village.place(traders[0], {0: bid(70, 1_000)})
    village.place(traders[1], {0: bid(60, 500)})
    village.place(traders[2], {0: bid(60, 250)})
    village.place(traders[3], {0: offer(50, 1_100)})
    village.clear_after_gates([0])
    result = village.market.clearing(village.zone, village.first_slot)
    assert (result.tick, result.volumeWh) == (60, 1_100)
    assert (result.marginalBidFilledWh, result.marginalBidWh) == (100, 750)
    assert (result.marginalOfferFilledWh, result.marginalOfferWh) == (0, 0)


# INV-M7
def test_clear__result__is_announced_once(village: Village, traders: list[Home]) -> None:
    village.place(traders[0], {0: bid(70, 1_000)})
    village.place(traders[1], {0: offer(70, 400)})
    warp(village.gate_closes_at(0))
    receipt = village.clear([0])
    (event,) = receipt.events
    price = 50_000 + 70 * 2_500
    word = int.from_bytes(event.result, "big")
    assert (event.zone, event.slot, event.tick) == (village.zone, village.first_slot, 70)
    assert (event.pricePerKwh, event.volumeWh) == (price, 400)
    assert word >> 224 == village.first_slot
    assert (word >> 191 & 1, word >> 184 & 0x7F, word >> 136 & (1 << 48) - 1) == (1, 70, 400)
    assert [word >> shift & 0xFFFFFFFF for shift in (96, 64, 32, 0)] == [400, 1_000, 400, 400]

    before = tuple(village.market.clearing(village.zone, village.first_slot))
    assert village.clear([0, 0]).events == []
    assert tuple(village.market.clearing(village.zone, village.first_slot)) == before


def test_clear__open_to_all__anyone_may(village: Village, intruder: Any) -> None:
    warp(village.gate_closes_at(1))
    slots = [village.first_slot, village.first_slot + 1]
    village.market.clear(village.zone, slots, sender=intruder)
    assert all(village.market.clearing(village.zone, slot).cleared for slot in slots)


# INV-M7
def test_clear__gate_open__names_slot_and_second(village: Village) -> None:
    warp(village.gate_closes_at(3))
    with refused(village.market.GateStillOpen, slot=village.first_slot + 4, closesAt=village.gate_closes_at(4)):
        village.clear([3, 4])
    assert not village.market.clearing(village.zone, village.first_slot + 3).cleared


def test_clear__unknown_zone__names_it(village: Village) -> None:
    with refused(village.market.ZoneUnknown, zone=99):
        village.market.clear(99, [village.first_slot], sender=village.transmitter)


def test_clear__older_than_the_ring_keeps__names_the_oldest(village: Village) -> None:
    now_slot = village.first_slot + 900
    warp(now_slot * SLOT_SECONDS)
    village.clear([900 - 736])
    slot = village.first_slot + 900 - 737
    with refused(village.market.SlotExpired, zone=village.zone, slot=slot, oldestSlot=now_slot - 736):
        village.market.clear(village.zone, [slot], sender=village.transmitter)


# INV-M8
def test_order__next_lap_of_the_ring__finds_an_empty_book(village: Village, traders: list[Home]) -> None:
    village.place(traders[0], {0: bid(70, 1_000), 1: bid(3, 5)})
    village.place(traders[1], {0: offer(20, 400)})
    old_slot = village.first_slot
    lap_slot = old_slot + 1_024
    village.day, index = divmod(lap_slot, 96)
    warp((village.day - 1) * DAY_SECONDS + 3_600)
    village.place(traders[2], {index: offer(71, 9)})
    bids, offers = village.market.book(village.zone, lap_slot)
    assert (sum(bids), sum(offers), offers[71]) == (0, 9, 9)
    village.clear_after_gates([index])
    assert village.market.clearing(village.zone, lap_slot).volumeWh == 0
    assert not village.market.clearing(village.zone, old_slot).cleared
    assert sum(village.market.book(village.zone, old_slot).bidsWh) == 0


# INV-M8
def test_order__same_slot_cleared_a_lap_ago__clears_anew(village: Village, traders: list[Home]) -> None:
    village.place(traders[0], {0: bid(70, 1_000)})
    village.place(traders[1], {0: offer(20, 400)})
    village.clear_after_gates([0])
    old_slot = village.first_slot
    assert village.market.clearing(village.zone, old_slot).volumeWh == 400
    village.day, index = divmod(old_slot + 1_024, 96)
    warp((village.day - 1) * DAY_SECONDS + 3_600)
    village.place(traders[2], {index: bid(70, 30)})
    village.place(traders[3], {index: offer(60, 20)})
    village.clear_after_gates([index])
    assert village.market.clearing(village.zone, old_slot + 1_024).volumeWh == 20
    assert not village.market.clearing(village.zone, old_slot).cleared
