"""A higher version takes a schedule's place, an empty one cancels it, and closed slots stay as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gridwitness.domain.market import NO_ORDER, Schedule
from gridwitness.encoding.packing import pack_orders
from tests.actors import refused
from tests.functional.market.village import (
    NONE,
    OPEN,
    SETTLED,
    Home,
    Village,
    bid,
    day_of,
    encoded,
    offer,
    schedule_args,
    warp,
)


def send(village: Village, home: Home, new: Schedule, old: Schedule) -> Any:
    """Relay a replacement signed by the device; returns the receipt."""
    return village.market.replace(village.sign(home, new), list(pack_orders(old.orders)), sender=village.transmitter)


# INV-M10
def test_replace__other_orders__moves_energy_and_reserve(village: Village, home: Home, next_home: Home) -> None:
    old = village.place(home, {10: bid(60, 1_500), 11: bid(60, 1_500), 12: bid(60, 700)})
    village.place(next_home, {10: bid(60, 40)})
    new = village.schedule(home, {10: bid(61, 1_000), 11: offer(60, 300), 12: bid(60, 700)}, version=9)
    village.fund(home.owner)
    before = sum(village.balance(home.owner))
    receipt = send(village, home, new, old)

    slot = village.first_slot
    assert [village.market.book(village.zone, slot + 10).bidsWh[tick] for tick in (60, 61)] == [40, 1_000]
    eleven = village.market.book(village.zone, slot + 11)
    assert (sum(eleven.bidsWh), eleven.offersWh[60]) == (0, 300)
    assert village.market.book(village.zone, slot + 12).bidsWh[60] == 700
    assert village.balance(home.owner)[1] == village.market.reserveOf(schedule_args(new))
    assert sum(village.balance(home.owner)) == before
    assert village.market.scheduleOf(home.device_id, village.day).version == 9
    assert village.market.backstop(village.zone).outstanding == 2
    assert [event.version for event in receipt.events.filter(village.market.ScheduleSubmitted)] == [9]


def test_replace__by_the_owner__needs_no_signature(village: Village, home: Home, intruder: Any) -> None:
    old = village.place(home, {0: bid(8, 1_000)})
    new = village.schedule(home, {0: bid(7, 1_000)}, version=2)
    orders = list(pack_orders(old.orders))
    with refused(village.market.NotAuthorised, deviceId=home.device_id):
        village.market.replace((schedule_args(new), b""), orders, sender=intruder)
    village.market.replace((schedule_args(new), b""), orders, sender=home.owner)
    assert village.market.book(village.zone, village.first_slot).bidsWh[7] == 1_000


def test_replace__dearer_than_the_balance__names_both(village: Village, home: Home) -> None:
    old = village.place(home, {0: bid(8, 1_000)})
    new = village.schedule(home, {0: bid(8, 1_001)}, version=2)
    with refused(village.market.InsufficientBalance, account=home.owner.address, needed=70_070, available=70_000):
        send(village, home, new, old)
    send(village, home, village.schedule(home, {0: bid(8, 999)}, version=2), old)
    assert village.balance(home.owner) == (70, 69_930)


# INV-M10
def test_cancel__whole_schedule__frees_everything_for_good(village: Village, home: Home) -> None:
    old = village.place(home, {0: bid(8, 1_000), 50: offer(3, 2_000)})
    free, reserved = village.balance(home.owner)
    send(village, home, village.schedule(home, {}, version=2), old)

    assert village.balance(home.owner) == (free + reserved, 0)
    assert village.market.backstop(village.zone).outstanding == 0
    assert sum(village.market.book(village.zone, village.first_slot).bidsWh) == 0
    assert sum(village.market.book(village.zone, village.first_slot + 50).offersWh) == 0
    assert village.status(old) == NONE
    assert village.market.scheduleOf(home.device_id, village.day).version == 2


# INV-M12
def test_cancel__then_the_old_signature_again__never_comes_back(village: Village, home: Home) -> None:
    old = village.place(home, {0: bid(8, 1_000)})
    row = village.sign(home, old)
    send(village, home, village.schedule(home, {}, version=2), old)
    assert village.market.refusal(row) == encoded(village.market.VersionNotHigher, home.device_id, 1, 2)
    with refused(village.market.ScheduleNotOpen, deviceId=home.device_id, day=village.day, status=NONE):
        send(village, home, replace(old, version=3), village.schedule(home, {}))
    village.place(home, {0: bid(8, 500)}, version=3)
    assert village.market.book(village.zone, village.first_slot).bidsWh[8] == 500


# INV-M11
def test_replace__after_some_gates__keeps_closed_slots(village: Village, home: Home) -> None:
    old = village.place(home, {5: bid(8, 1_000), 6: bid(8, 1_000), 7: offer(8, 1_000)})
    village.fund(home.owner)
    warp(village.gate_closes_at(6))
    for changed in ({5: bid(8, 999)}, {6: NO_ORDER}, {4: bid(8, 1)}):
        new = village.schedule(home, day_of({**dict(enumerate(old.orders)), **changed}), version=2)
        (index,) = changed
        with refused(
            village.market.GateClosed,
            slot=village.first_slot + index,
            closedAt=village.gate_closes_at(index),
        ):
            send(village, home, new, old)
    kept = village.schedule(home, {5: bid(8, 1_000), 6: bid(8, 1_000), 8: bid(1, 77)}, version=2)
    send(village, home, kept, old)
    books = [village.market.book(village.zone, village.first_slot + index) for index in (5, 6, 7, 8)]
    assert [sum(book.bidsWh) for book in books] == [1_000, 1_000, 0, 77]
    assert sum(books[2].offersWh) == 0


# INV-M11
def test_cancel__after_some_gates__closed_orders_stay(village: Village, home: Home) -> None:
    old = village.place(home, {5: bid(8, 1_000), 7: bid(8, 1_000)})
    warp(village.gate_closes_at(5))
    rest = village.schedule(home, {5: bid(8, 1_000)}, version=2)
    send(village, home, rest, old)
    assert village.status(rest) == OPEN
    assert village.balance(home.owner) == (70_000, 70_000)
    village.end_and_clear([5])
    village.fund_backstop(home.owner)
    village.settle(rest, (0,) * 96)
    assert village.status(rest) == SETTLED


def test_replace__whole_day_closed__can_no_longer_dodge_settlement(village: Village, home: Home) -> None:
    old = village.place(home, {5: bid(8, 1_000)})
    warp(village.gate_closes_at(95))
    slot = village.first_slot + 95
    with refused(village.market.GateClosed, slot=slot, closedAt=village.gate_closes_at(95)):
        send(village, home, replace(old, version=2), old)


def test_replace__beyond_horizon__names_the_last_slot(village: Village, home: Home) -> None:
    old = village.place(home, {3: bid(8, 1_000)}, day=village.day + 2)
    village.fund(home.owner)
    new = village.schedule(home, {3: bid(8, 1_000), 40: bid(8, 1)}, day=village.day + 2, version=2)
    last_slot = village.first_slot + 2 * 96 + 3
    with refused(village.market.BeyondHorizon, slot=village.first_slot + 2 * 96 + 40, lastSlot=last_slot):
        send(village, home, new, old)


# INV-M12
@pytest.mark.parametrize("version", [0, 6, 7])
def test_replace__version_not_higher__names_both(village: Village, home: Home, version: int) -> None:
    old = village.place(home, {0: bid(8, 1_000)}, version=7)
    new = village.schedule(home, {0: bid(8, 1)}, version=version)
    with refused(village.market.VersionNotHigher, deviceId=home.device_id, given=version, current=7):
        send(village, home, new, old)


def test_replace__other_previous_orders__is_a_mismatch(village: Village, home: Home) -> None:
    village.place(home, {0: bid(8, 1_000)})
    claimed = village.schedule(home, {0: bid(8, 16_000_000)})
    new = village.schedule(home, {0: bid(8, 1)}, version=2)
    with refused(village.market.ScheduleMismatch, deviceId=home.device_id, day=village.day):
        send(village, home, new, claimed)


def test_replace__nothing_stands__is_not_open(village: Village, home: Home) -> None:
    new = village.schedule(home, {0: bid(8, 1)}, version=2)
    with refused(village.market.ScheduleNotOpen, deviceId=home.device_id, day=village.day, status=NONE):
        send(village, home, new, new)


def test_replace__signed_by_a_stranger__is_not_authorised(village: Village, home: Home, next_home: Home) -> None:
    old = village.place(home, {0: bid(8, 1_000)})
    new = village.schedule(home, {0: bid(8, 1)}, version=2)
    with refused(village.market.NotAuthorised, deviceId=home.device_id):
        village.market.replace(village.sign(next_home, new), list(pack_orders(old.orders)), sender=village.transmitter)


def test_replace__back_and_forth__leaves_the_book_of_the_last(village: Village, home: Home, next_home: Home) -> None:
    village.place(next_home, {index: offer(index, 1_000 + index) for index in range(96)})
    old = village.place(home, {index: bid(127 - index, 10 * index + 1) for index in range(96)})
    village.fund(home.owner, 10_000_000_000)
    for version in range(2, 6):
        orders = {index: bid((index * version) % 128, 1_000 * version + index) for index in range(0, 96, version)}
        new = village.schedule(home, orders, version=version)
        send(village, home, new, old)
        old = new
    for index in (0, 1, 5, 10, 95):
        book = village.market.book(village.zone, village.first_slot + index)
        expected = [0] * 128
        expected[old.orders[index].tick] = old.orders[index].energy_wh
        assert list(book.bidsWh) == expected
        assert book.offersWh[index] == 1_000 + index
