"""A higher version takes a schedule's place, an empty one cancels it, and closed slots stay as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gridwitness.domain.market import NO_ORDER, Schedule
from tests.actors import refused
from tests.functional.market.village import (
    DAY_SECONDS,
    DUST_AND_ROUNDING,
    NONE,
    NOTHING,
    OPEN,
    PROVISIONAL,
    ZONE,
    Home,
    MakeHomes,
    OpenVillage,
    Village,
    bid,
    day_of,
    encoded,
    offer,
    schedule_args,
    warp,
)

# Of a bid at tick 8 without an imbalance limit: 1,000 Wh at 70,000 + 30,000 per kWh.
RESERVE = 100_000 + DUST_AND_ROUNDING


def send(village: Village, home: Home, new: Schedule, old: Schedule) -> Any:
    """Relay a replacement signed by the device; returns the receipt."""
    return village.market.replace(village.sign(home, new), schedule_args(old), sender=village.transmitter)


# INV-M10
def test_replace__other_orders__moves_energy_reserve_and_exposure(
    village: Village, home: Home, next_home: Home
) -> None:
    old = village.place(home, {10: bid(60, 1_500), 11: bid(60, 1_500), 12: bid(60, 700)})
    other = village.place(next_home, {10: bid(60, 40)})
    orders = {10: bid(61, 1_000), 11: offer(60, 300), 12: bid(60, 700)}
    new = village.schedule(home, orders, version=9, imbalance_limit_wh=77)
    village.fund(home.owner)
    before = village.cash(home.owner)
    receipt = send(village, home, new, old)

    slot = village.first_slot
    assert [village.market.book(village.zone, slot + 10).bidsWh[tick] for tick in (60, 61)] == [40, 1_000]
    eleven = village.market.book(village.zone, slot + 11)
    assert (sum(eleven.bidsWh), eleven.offersWh[60]) == (0, 300)
    assert village.market.book(village.zone, slot + 12).bidsWh[60] == 700
    assert village.balance(home.owner)[1] == village.market.reserveOf(schedule_args(new))
    assert village.cash(home.owner) == before
    exposures = [village.market.exposureOf(schedule_args(schedule), False) for schedule in (new, other)]
    assert village.market.backstop(village.zone).exposure == sum(exposures)
    assert village.market.scheduleOf(home.device_id, village.day).scheduleVersion == 9
    assert [event.version for event in receipt.events.filter(village.market.ScheduleSubmitted)] == [9]


def test_replace__by_the_owner__needs_neither_signature_nor_deadline(
    village: Village, home: Home, intruder: Any
) -> None:
    old = village.place(home, {0: bid(8, 1_000)})
    new = village.schedule(home, {0: bid(7, 1_000)}, version=2, deadline=0)
    row = (schedule_args(new), b"")
    with refused(village.market.NotAuthorised, deviceId=home.device_id):
        village.market.replace(row, schedule_args(old), sender=intruder)
    village.market.replace(row, schedule_args(old), sender=home.owner)
    assert village.market.book(village.zone, village.first_slot).bidsWh[7] == 1_000


def test_replace__dearer_than_the_balance__names_both(village: Village, home: Home) -> None:
    old = village.place(home, {0: bid(8, 1_000)}, imbalance_limit_wh=0)
    new = village.schedule(home, {0: bid(8, 1_001)}, version=2, imbalance_limit_wh=0)
    amounts = {"needed": RESERVE + 100, "available": RESERVE}
    with refused(village.market.InsufficientBalance, account=home.owner.address, **amounts):
        send(village, home, new, old)
    send(village, home, replace(new, orders=day_of({0: bid(8, 999)})), old)
    assert village.balance(home.owner) == (100, RESERVE - 100)


# INV-M17
def test_replace__beyond_the_backstop__names_need_and_what_is_left(
    open_village: OpenVillage, make_homes: MakeHomes, operator: Any
) -> None:
    village = open_village(8)
    (home,) = make_homes(1, zone=8)
    old = village.place(home, {0: bid(8, 1_000)}, imbalance_limit_wh=0)
    backstop = village.market.backstop(8)
    village.market.withdrawBackstop(8, backstop.balance - backstop.exposure, operator, sender=operator)
    village.fund(home.owner)
    new = village.schedule(home, {0: bid(9, 1_001)}, version=2, imbalance_limit_wh=0)
    amounts = {"needed": backstop.exposure + 40, "available": backstop.exposure}
    with refused(village.market.BackstopExhausted, zone=8, **amounts):
        send(village, home, new, old)
    send(village, home, replace(new, orders=day_of({0: bid(9, 1_000)})), old)


# INV-M10
def test_cancel__whole_schedule__frees_everything_for_good(village: Village, home: Home) -> None:
    old = village.place(home, {0: bid(8, 1_000), 50: offer(3, 2_000)})
    free, reserved = village.balance(home.owner)
    send(village, home, village.schedule(home, {}, version=2), old)

    assert village.balance(home.owner) == (free + reserved, 0)
    assert village.market.backstop(village.zone).exposure == 0
    assert sum(village.market.book(village.zone, village.first_slot).bidsWh) == 0
    assert sum(village.market.book(village.zone, village.first_slot + 50).offersWh) == 0
    assert village.status(old) == NONE
    assert village.market.scheduleOf(home.device_id, village.day).scheduleVersion == 2


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
def test_replace__imbalance_limit__is_fixed_by_the_first_gate(village: Village, home: Home) -> None:
    old = village.place(home, {90: bid(8, 1_000)}, imbalance_limit_wh=500)
    village.fund(home.owner)
    warp(village.gate_closes_at(0) - 60)
    wider = replace(old, version=2, imbalance_limit_wh=600)
    send(village, home, wider, old)
    warp(village.gate_closes_at(0))
    for limit_wh in (0, 599, 601):
        with refused(village.market.ImbalanceLimitFixed, deviceId=home.device_id, given=limit_wh, standing=600):
            send(village, home, replace(old, version=3, imbalance_limit_wh=limit_wh), wider)
    # Who has no energy has no limit either.
    send(village, home, village.schedule(home, {}, version=3), wider)
    assert village.balance(home.owner)[1] == 0


# INV-M11
def test_cancel__after_some_gates__closed_orders_stay(village: Village, home: Home) -> None:
    old = village.place(home, {5: bid(8, 1_000), 7: bid(8, 1_000)}, imbalance_limit_wh=0)
    warp(village.gate_closes_at(5))
    rest = village.schedule(home, {5: bid(8, 1_000)}, version=2, imbalance_limit_wh=0)
    send(village, home, rest, old)
    assert village.status(rest) == OPEN
    assert village.balance(home.owner) == (100_000, RESERVE)
    village.end_and_clear([5])
    village.settle(rest, NOTHING)
    assert village.status(rest) == PROVISIONAL


def test_replace__whole_day_closed__can_no_longer_dodge_settlement(village: Village, home: Home) -> None:
    old = village.place(home, {5: bid(8, 1_000)})
    warp(village.gate_closes_at(95))
    slot = village.first_slot + 95
    for changed in (replace(old, version=2), village.schedule(home, {}, version=2)):
        with refused(village.market.GateClosed, slot=slot, closedAt=village.gate_closes_at(95)):
            send(village, home, changed, old)


def test_replace__beyond_horizon__names_the_last_slot(village: Village, home: Home) -> None:
    old = village.place(home, {3: bid(8, 1_000)}, day=village.day + 2)
    village.fund(home.owner)
    new = village.schedule(home, {3: bid(8, 1_000), 40: bid(8, 1)}, day=village.day + 2, version=2)
    last_slot = village.first_slot + 2 * 96 + 3
    with refused(village.market.BeyondHorizon, slot=village.first_slot + 2 * 96 + 40, lastSlot=last_slot):
        send(village, home, new, old)


@pytest.mark.parametrize(
    ("rules", "order", "error", "values"),
    [
        ({"cap_tick": 100}, bid(101, 99), "LimitAboveCap", {"tick": 101, "capTick": 100}),
        ({"network_fee_ticks": 4}, bid(3, 99), "LimitBelowFee", {"tick": 3, "networkFeeTicks": 4}),
        ({"min_order_wh": 50}, bid(8, 49), "OrderBelowMinimum", {"energyWh": 49, "minOrderWh": 50}),
        ({}, bid(8, 2**24 - 1), "TickSumOverflow", {"tick": 8, "energyWh": 2**24 - 1}),
    ],
)
def test_replace__order_against_the_rules__names_it(
    open_village: OpenVillage, make_homes: MakeHomes, rules: Any, order: Any, error: str, values: Any
) -> None:
    village = open_village(8, **rules)
    home, other = make_homes(2, zone=8)
    village.place(other, {31: bid(8, 1_000)})
    old = village.place(home, {30: bid(8, 1_000)})
    village.fund(home.owner, 10**11)
    new = village.schedule(home, {30: bid(8, 1_000), 31: order}, version=2)
    with refused(getattr(village.market, error), slot=village.first_slot + 31, **values):
        send(village, home, new, old)
    assert sum(village.market.book(8, village.first_slot + 30).bidsWh) == 1_000
    assert village.balance(home.owner)[1] == village.market.reserveOf(schedule_args(old))


# INV-M12
@pytest.mark.parametrize("version", [0, 6, 7])
def test_replace__version_not_higher__names_both(village: Village, home: Home, version: int) -> None:
    old = village.place(home, {0: bid(8, 1_000)}, version=7)
    new = village.schedule(home, {0: bid(8, 1)}, version=version)
    with refused(village.market.VersionNotHigher, deviceId=home.device_id, given=version, current=7):
        send(village, home, new, old)


def test_replace__other_previous_schedule__is_a_mismatch(village: Village, home: Home) -> None:
    old = village.place(home, {0: bid(8, 1_000)})
    new = village.schedule(home, {0: bid(8, 1)}, version=2)
    for claimed in (
        replace(old, orders=day_of({0: bid(8, 16_000_000)})),
        replace(old, imbalance_limit_wh=10**6),
        replace(old, version=2),
    ):
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
        village.market.replace(village.sign(next_home, new), schedule_args(old), sender=village.transmitter)


# INV-M22
def test_replace__paused_zone__takes_orders_back_and_no_others(
    village: Village, home: Home, next_home: Home, operator: Any
) -> None:
    old = village.place(home, {5: bid(8, 1_000), 20: bid(8, 1_000)})
    whole = village.place(next_home, {20: bid(8, 1_000)})
    village.fund(home.owner)
    village.market.pauseOrders(ZONE, True, sender=operator)
    more = village.schedule(home, {5: bid(8, 1_000), 20: bid(8, 1_001)}, version=2)
    with refused(village.market.ZoneOrdersPaused, zone=ZONE):
        send(village, home, more, old)
    warp(village.gate_closes_at(5))
    with refused(village.market.ZoneOrdersPaused, zone=ZONE):
        send(village, home, more, old)
    send(village, home, village.schedule(home, {5: bid(8, 1_000)}, version=2), old)
    send(village, next_home, village.schedule(next_home, {}, version=2), whole)
    assert sum(village.market.book(ZONE, village.first_slot + 20).bidsWh) == 0
    assert sum(village.market.book(ZONE, village.first_slot + 5).bidsWh) == 1_000


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


def test_replace__device_handed_over__neither_owner_can(
    village: Village, registry: Any, home: Home, neighbour: Any
) -> None:
    """What stands is the old owner's, and only the new one may speak for the device."""
    old = village.place(home, {0: bid(8, 1_000)})
    offer_until = village.day * DAY_SECONDS
    registry.offerTransfer(home.device_id, neighbour, offer_until, (0, b""), sender=home.owner)
    registry.acceptTransfer(home.device_id, (0, b""), sender=neighbour)
    owners = {"given": home.owner.address, "expected": neighbour.address}
    with refused(village.market.NotAccountOwner, deviceId=home.device_id, **owners):
        send(village, home, village.schedule(home, {}, version=2), old)
    with refused(village.market.ScheduleMismatch, deviceId=home.device_id, day=village.day):
        send(village, home, village.schedule(home, {}, version=2, account=neighbour), old)
