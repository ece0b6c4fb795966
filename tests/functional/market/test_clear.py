"""Clearing: equal to the Python reference and to brute force, for every book and every order of arrival."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import ape
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import NO_ORDER, Clearing, Order, Schedule, Side
from gridwitness.market.brute_force import best_prices
from gridwitness.market.clearing import fill_wh
from tests.actors import refused
from tests.functional.market.village import (
    DAY_SECONDS,
    SLOT_SECONDS,
    ZONE,
    Home,
    MakeHomes,
    OpenVillage,
    Village,
    bid,
    offer,
    warp,
)

TRADERS = 6
FEE_TICKS, PREMIUM_TICKS = 5, 10
U32_MAX = 2**32 - 1


@st.composite
def slot_orders(draw: st.DrawFn) -> tuple[Order, ...]:
    """Orders of all traders in one slot. Few ticks and few sizes make balanced books and crowded margins frequent."""
    low = draw(st.integers(FEE_TICKS, 127))
    high = draw(st.integers(low, 127))
    sizes = draw(st.sampled_from([(1, 3), (1, 2_000), (1, 2**24 // TRADERS)]))
    order = st.builds(Order, st.sampled_from(Side), st.integers(low, high), st.integers(*sizes))
    return tuple(draw(st.lists(order | st.just(NO_ORDER), min_size=TRADERS, max_size=TRADERS)))


@pytest.fixture
def fee_village(open_village: OpenVillage) -> Village:
    """A zone with a network fee, and a premium for generation."""
    green = {"green_premium_ticks": PREMIUM_TICKS, "green_kinds": 1 << DeviceKind.GENERATION}
    return open_village(9, network_fee_ticks=FEE_TICKS, **green)


@pytest.fixture
def mixed_traders(fee_village: Village, make_homes: MakeHomes) -> list[Home]:
    """Homes rich enough for any order, every other one green; the backstop is rich enough too."""
    homes = make_homes(TRADERS, fee_village.zone, (DeviceKind.GENERATION, DeviceKind.PROSUMER))
    for home in homes:
        fee_village.fund(home.owner, 10**15)
    fee_village.fund_backstop(homes[0].owner, 10**15)
    return homes


# INV-M2, INV-M4, INV-M5, INV-M6
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    day=st.lists(slot_orders(), min_size=96, max_size=96),
    arrival=st.permutations(range(TRADERS)),
    near=st.lists(st.sampled_from([None, -1, 0, 1]), min_size=16, max_size=16),
)
def test_clear__any_day_of_books__equals_reference_and_brute_force(
    fee_village: Village,
    mixed_traders: list[Home],
    operator: Any,
    day: list[tuple[Order, ...]],
    arrival: Sequence[int],
    near: list[int | None],
) -> None:
    """Every sixth slot may have a cap of its own, near the volume it would have without."""
    village = fee_village
    with ape.chain.isolate():
        trades = [(home, village.schedule(home, [slot[i] for slot in day])) for i, home in enumerate(mixed_traders)]
        rows = [village.sign(*trades[i]) for i in arrival]
        assert village.submit(*rows[:2]).return_value == 2  # some together, some alone
        assert sum(village.submit(row).return_value for row in rows[2:]) == TRADERS - 2
        caps_wh = {}
        for index, offset in zip(range(0, 96, 6), near, strict=True):
            if offset is not None:
                caps_wh[index] = max(0, village.reference(trades, index).volume_wh + offset)
                slots = [village.first_slot + index]
                village.market.setFeederCap(village.zone, slots, caps_wh[index], sender=operator)
        village.clear_after_gates()
        results = village.clearings()
    for index, result in enumerate(results):
        assert result == village.reference(trades, index, caps_wh.get(index))
        assert_optimal(village, trades, index, result)


def assert_optimal(village: Village, trades: list[tuple[Home, Schedule]], index: int, result: Clearing) -> None:
    """A slot's price and volume are the best there are, and its fills are whole but for less than a Wh each."""
    orders = [village.book_order(home, schedule.orders[index]) for home, schedule in trades]
    optimum = best_prices(orders, result.cap_wh)
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


# Orders in one slot, and the tick and volume they must clear at.
KNOWN_BOOKS: list[tuple[tuple[Order, ...], int, int]] = [
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
]


def test_clear__known_books__clear_at_the_stated_ticks(village: Village, traders: list[Home]) -> None:
    columns = zip_longest(*(orders for orders, _, _ in KNOWN_BOOKS), fillvalue=NO_ORDER)
    trades = [(home, village.place(home, dict(enumerate(col)))) for home, col in zip(traders, columns, strict=False)]
    village.clear_after_gates(range(len(KNOWN_BOOKS)))
    for index, (_, tick, volume_wh) in enumerate(KNOWN_BOOKS):
        result = village.market.clearing(village.zone, village.first_slot + index)
        assert (result.cleared, result.tick, result.volumeWh) == (True, tick, volume_wh)
        assert (result.bidTick, result.offerTick, result.capWh) == (tick, tick, U32_MAX)
        assert result.pricePerKwh == 50_000 + tick * 2_500
        assert village.clearing(index) == village.reference(trades, index)


# Bids of 6, 6 and 10 Wh meet offers of 5, 5 and 10 Wh: without a cap 12 Wh at tick 65.
CROSSED = (bid(80, 6), bid(70, 6), bid(60, 10), offer(30, 5), offer(50, 5), offer(65, 10))
# Cap, then price tick, bid tick and offer tick, volume, and filled and all energy at the margins.
CAPPED: list[tuple[int, tuple[int, int, int], int, tuple[int, int, int, int]]] = [
    (13, (65, 65, 65), 12, (0, 0, 2, 10)),  # above the volume: it does not bind
    (12, (67, 70, 65), 12, (6, 6, 2, 10)),  # just the volume: no bid below 70 counts, so prices up to 70 clear
    (8, (60, 70, 50), 8, (2, 6, 3, 5)),
    (5, (55, 80, 30), 5, (5, 6, 5, 5)),
    (1, (55, 80, 30), 1, (1, 6, 1, 5)),
    (0, (63, 127, 0), 0, (0, 0, 0, 0)),
]


def assert_cleared(result: Clearing, case: tuple[int, tuple[int, int, int], int, tuple[int, int, int, int]]) -> None:
    cap_wh, ticks, volume_wh, margins = case
    assert (result.cap_wh, result.volume_wh) == (cap_wh, volume_wh)
    assert (result.tick, result.bid_tick, result.offer_tick) == ticks
    assert (result.marginal_bid_filled_wh, result.marginal_bid_wh) == margins[:2]
    assert (result.marginal_offer_filled_wh, result.marginal_offer_wh) == margins[2:]


def test_clear__feeder_caps__serve_the_best_on_either_side(
    village: Village, traders: list[Home], operator: Any
) -> None:
    trades = [(home, village.place(home, [order] * 96)) for home, order in zip(traders, CROSSED, strict=True)]
    for index, (cap_wh, *_) in enumerate(CAPPED):
        village.market.setFeederCap(ZONE, [village.first_slot + index], cap_wh, sender=operator)
    village.clear_after_gates(range(len(CAPPED)))
    for index, case in enumerate(CAPPED):
        assert_cleared(village.clearing(index), case)
        assert village.clearing(index) == village.reference(trades, index, case[0])


def test_clear__cap_of_the_zone__serves_the_best_on_either_side(
    open_village: OpenVillage, make_homes: MakeHomes
) -> None:
    village = open_village(8, feeder_cap_wh=8)
    for home, order in zip(make_homes(6, zone=8), CROSSED, strict=True):
        village.place(home, {7: order})
    village.clear_after_gates([7])
    assert_cleared(village.clearing(7), CAPPED[2])


# INV-M3
def test_clear__fee_and_premium__are_all_in_the_limits(fee_village: Village, mixed_traders: list[Home]) -> None:
    village = fee_village
    plant, house, other_plant, buyer, *_ = mixed_traders
    # At tick 60 the buyer's limit is met with the fee on top, and the plant's with the premium on top.
    orders = ((plant, offer(70, 600)), (house, offer(60, 600)), (other_plant, offer(71, 99)), (buyer, bid(65, 1_000)))
    trades = [(home, village.place(home, {7: order})) for home, order in orders]
    village.clear_after_gates([7])
    result = village.clearing(7)
    assert (result.tick, result.volume_wh) == (60, 1_000)
    assert (result.marginal_offer_filled_wh, result.marginal_offer_wh) == (1_000, 1_200)
    fills = [fill_wh(village.book_order(home, schedule.orders[7]), result) for home, schedule in trades]
    assert fills == [500, 500, 0, 1_000]


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
def test_clear__result__is_announced_once(village: Village, traders: list[Home], operator: Any) -> None:
    village.place(traders[0], {0: bid(70, 1_000)})
    village.place(traders[1], {0: offer(70, 400)})
    village.market.setFeederCap(ZONE, [village.first_slot], 900, sender=operator)
    warp(village.gate_closes_at(0))
    receipt = village.clear([0])
    (event,) = receipt.events
    price = 50_000 + 70 * 2_500
    assert (event.zone, event.slot, event.tick) == (village.zone, village.first_slot, 70)
    assert (event.pricePerKwh, event.volumeWh) == (price, 400)
    fields = [(32, village.first_slot), (8, 3), (8, 70), (8, 70), (8, 70), (32, 400), (32, 900)]
    fields += [(32, 400), (32, 1_000), (32, 400), (32, 400)]
    packed = "".join(f"{value:0{width // 4}x}" for width, value in fields)
    assert event.result.hex() == packed

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


# INV-M7, INV-M8
def test_clear__slots_laps_later__take_the_place_of_results_after_two(village: Village, traders: list[Home]) -> None:
    """Books go round in 1,024 slots, results in 2,048."""
    village.place(traders[0], {0: bid(70, 1_000)})
    village.place(traders[1], {0: offer(20, 400)})
    village.clear_after_gates([0])
    slot = village.first_slot
    village.day, index = divmod(slot + 1_024, 96)
    warp((village.day - 1) * DAY_SECONDS + 3_600)
    village.place(traders[2], {index: bid(70, 30)})
    village.place(traders[3], {index: offer(60, 20)})
    village.clear_after_gates([index])
    volumes = [village.market.clearing(village.zone, slot + lap).volumeWh for lap in (0, 1_024)]
    assert volumes == [400, 20]
    warp((slot + 2_048) * SLOT_SECONDS)
    village.market.clear(village.zone, [slot + 2_048], sender=village.transmitter)
    cleared = [village.market.clearing(village.zone, slot + lap).cleared for lap in (0, 1_024, 2_048)]
    assert cleared == [False, True, True]
