"""Schedules enter the book, alone or with many others, and reserve what they may come to owe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ape
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import Order, Side
from gridwitness.encoding.eip712 import market_domain, schedule_digest, schedule_struct_hash
from gridwitness.encoding.keys import Secp256k1Key
from gridwitness.market import settlement as reference
from tests.actors import Device
from tests.functional.market.village import (
    DUST_AND_ROUNDING,
    OPEN,
    ZONE,
    Home,
    MakeHomes,
    OpenVillage,
    Village,
    bid,
    encoded,
    offer,
    schedule_args,
    warp,
)

BURN_ALL_GAS = "0xfe"


def test_submit__signed_by_either_curve__enters_the_book(village: Village, home: Home, next_home: Home) -> None:
    buy = village.place(home, {10: bid(60, 1_500), 95: bid(127, 7)})
    sell = village.place(next_home, {10: offer(59, 900), 0: offer(0, 16_777_215)})

    bids, offers = village.market.book(village.zone, village.first_slot + 10)
    assert (bids[60], sum(bids), offers[59], sum(offers)) == (1_500, 1_500, 900, 900)
    assert village.market.book(village.zone, village.first_slot).offersWh[0] == 16_777_215
    assert village.market.book(village.zone, village.first_slot + 95).bidsWh[127] == 7
    for schedule in (buy, sell):
        kept = village.market.scheduleOf(schedule.device_id, village.day)
        assert (kept.status, kept.scheduleVersion) == (OPEN, 1)
        assert kept.truncatedHash == schedule_struct_hash(schedule)[:24] + bytes(8)


def test_submit__fee_and_premium__stand_inside_the_merit_order(
    open_village: OpenVillage, make_homes: MakeHomes
) -> None:
    village = open_village(9, network_fee_ticks=4, green_premium_ticks=10, green_kinds=1 << DeviceKind.GENERATION)
    plant, house = make_homes(2, 9, (DeviceKind.GENERATION, DeviceKind.PROSUMER))
    village.place(plant, {0: offer(30, 100), 1: offer(9, 200), 2: bid(4, 300)})
    village.place(house, {0: offer(30, 400), 1: bid(127, 500)})
    books = [village.market.book(9, village.first_slot + index) for index in range(3)]
    assert (books[0].offersWh[20], books[0].offersWh[30]) == (100, 400)
    assert (books[1].offersWh[0], books[1].bidsWh[123]) == (200, 500)
    assert books[2].bidsWh[0] == 300


def test_submit__accepted__is_announced_and_counted(village: Village, home: Home) -> None:
    schedule = village.schedule(home, {3: bid(4, 1_000)})
    village.fund(home.owner)
    receipt = village.submit(village.sign(home, schedule))
    assert receipt.events == [
        village.market.ScheduleSubmitted(home.device_id, village.day, home.owner, 1, schedule_struct_hash(schedule))
    ]
    assert receipt.return_value == 1
    exposure = village.market.exposureOf(schedule_args(schedule), False)
    assert village.market.backstop(village.zone).exposure == exposure
    assert village.balance(home.owner)[1] == village.market.reserveOf(schedule_args(schedule))


# INV-M10
def test_submit__bids_and_offers__reserve_the_worst_case_rounded_up_once(village: Village, home: Home) -> None:
    orders = {0: bid(4, 1), 1: bid(1, 3), 2: offer(10, 5), 3: offer(127, 2)}
    # A bid may have to be paid and bear the penalty: 1 Wh at 60,000 + 30,000, 3 Wh at 52,500 + 30,000 per kWh. An offer
    # fails at 400,000 + 30,000 less its limit: 5 Wh at 430,000 − 75,000, 2 Wh at 430,000 − 367,500. 7 Wh more may be
    # short.
    dust_milli = 96 * 367_500
    reserve_milli = 90_000 + 3 * 82_500 + 5 * 355_000 + 2 * 62_500 + 7 * 400_000 + dust_milli
    # All that is bought and 7 Wh more may be long, and 96 bids a Wh short at the price cap.
    exposure_milli = (4 + 7) * 40_000 + dust_milli
    schedule = village.place(home, orders, imbalance_limit_wh=7)
    assert village.balance(home.owner) == (0, -(-reserve_milli // 1_000) + 3)
    assert village.market.backstop(village.zone).exposure == exposure_milli // 1_000 + 1
    assert village.market.reserveOf(schedule_args(schedule)) == -(-reserve_milli // 1_000) + 3


def test_reserve__offer_dearer_than_failing__is_the_premium_it_may_claim(open_village: OpenVillage, home: Home) -> None:
    village = open_village(8, short_price_per_kwh=40_000, penalty_per_kwh=0, green_premium_ticks=2, green_kinds=255)
    for energy_wh in (1, 10_000):
        schedule = schedule_args(village.schedule(home, {1: offer(0, energy_wh)}, imbalance_limit_wh=0))
        assert village.market.reserveOf(schedule) == 5 * energy_wh + DUST_AND_ROUNDING
        assert village.market.exposureOf(schedule, True) == 5 * energy_wh + DUST_AND_ROUNDING - 2


def test_reserve__without_energy__is_nothing(village: Village, home: Home) -> None:
    schedule = schedule_args(village.schedule(home, [offer(9, 0)] * 96, imbalance_limit_wh=2**32 - 1))
    assert village.market.reserveOf(schedule) == village.market.exposureOf(schedule, True) == 0


@pytest.fixture
def premium_village(open_village: OpenVillage) -> Village:
    """A zone with a premium on everything."""
    return open_village(9, green_premium_ticks=33, green_kinds=255, cap_tick=100)


# INV-M10
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_reserve__any_schedule__equals_python(premium_village: Village, home: Home, data: st.DataObject) -> None:
    energy_wh = st.sampled_from([0, 1, 7, 999, 2**24 - 1])
    order = st.builds(Order, st.sampled_from(Side), st.integers(0, 127), energy_wh)
    orders = data.draw(st.lists(order, min_size=96, max_size=96))
    limit_wh = data.draw(st.sampled_from([0, 1, 20_000, 2**32 - 1]))
    schedule = premium_village.schedule(home, orders, imbalance_limit_wh=limit_wh)
    market, rules = premium_village.market, premium_village.params
    assert market.reserveOf(schedule_args(schedule)) == reference.reserve(schedule, rules)
    for green in (False, True):
        exposure = reference.exposure(schedule, rules, green=green)
        assert market.exposureOf(schedule_args(schedule), green) == exposure <= reference.reserve(schedule, rules)


def test_submit__owner_or_delegate_signs__counts_until_the_delegation_expires(
    village: Village, registry: Any, meter: Device, transmitter: Any
) -> None:
    owner_key, agent = Secp256k1Key(0x0771), Secp256k1Key(0xA9E7)
    owner = ape.accounts.test_accounts.impersonate_account(owner_key.device_id[12:].hex())
    transmitter.transfer(owner, 10**18)
    meter.register(owner, carrier=transmitter)
    home = Home(meter, owner.address)
    village.fund(owner)
    expiry = ape.chain.pending_timestamp + 3_600
    registry.setDelegate(home.device_id, agent.device_id[12:], 1, expiry, (0, b""), sender=owner)

    first = village.schedule(home, {0: bid(1, 10)})
    second = village.schedule(home, {0: bid(1, 10)}, day=village.day + 1)
    assert village.submit(village.signed_by(owner_key, first)).return_value == 1
    assert village.market.refusal(village.signed_by(agent, second)) == b""
    warp(expiry + 1)
    assert village.market.refusal(village.signed_by(agent, second)) == encoded(
        village.market.NotAuthorised, home.device_id
    )


def test_submit__many_zones_and_days__keeps_them_apart(
    village: Village, market: Any, open_village: OpenVillage, make_homes: MakeHomes, meter: Device, prosumer: Any
) -> None:
    other_village = open_village(8)
    homes = make_homes(3)
    meter.register(prosumer, zone=8)
    other = Home(meter, prosumer)
    for trader in (*homes, other):
        village.fund(trader.owner)
    today, later = village.day - 1, village.day + 1
    rows = [
        village.sign(homes[0], village.schedule(homes[0], {5: bid(9, 11)})),
        village.sign(other, other_village.schedule(other, {5: bid(9, 13)})),
        village.sign(homes[1], village.schedule(homes[1], {5: bid(9, 17), 6: bid(1, 1)}, day=later - 1)),
        village.sign(homes[0], village.schedule(homes[0], {50: offer(9, 19)}, day=today)),
        village.sign(homes[2], village.schedule(homes[2], {5: bid(9, 23)})),
    ]
    assert village.submit(*rows).return_value == 5
    slot = village.first_slot + 5
    assert market.book(ZONE, slot).bidsWh[9] == 11 + 17 + 23
    assert market.book(8, slot).bidsWh[9] == 13
    assert market.book(ZONE, today * 96 + 50).offersWh[9] == 19
    exposures = [market.exposureOf(schedule, False) for schedule, _ in rows]
    assert market.backstop(8).exposure == exposures[1]
    assert market.backstop(ZONE).exposure == sum(exposures) - exposures[1]


def bad_rows(village: Village, homes: list[Home]) -> list[tuple[tuple[Any, bytes], bytes]]:
    """Rows that cannot be accepted, of homes that have money, each with what it is refused for."""
    market, now = village.market, ape.chain.pending_timestamp
    late, poor, lost, forged, expired, cheap = homes
    slot, orders = (village.day - 1) * 96, {0: bid(8, 1_000)}
    yesterday = village.schedule(late, orders, day=village.day - 1)
    greedy = village.schedule(poor, [bid(8, 16_000_000)] * 96, imbalance_limit_wh=0)
    needed = 96 * 16_000 * 100_000 + DUST_AND_ROUNDING
    return [
        (village.sign(late, yesterday), encoded(market.GateClosed, slot, (slot - 4) * 900)),
        (
            village.sign(poor, greedy),
            encoded(market.InsufficientBalance, poor.owner.address, needed, village.balance(poor.owner)[0]),
        ),
        (village.sign(lost, village.schedule(lost, orders, zone=99)), encoded(market.ZoneUnknown, 99)),
        (
            (schedule_args(village.schedule(forged, orders)), b"\x01" * 65),
            encoded(market.NotAuthorised, forged.device_id),
        ),
        (
            village.sign(expired, village.schedule(expired, orders, deadline=now - 1)),
            encoded(market.SignatureExpired, expired.device_id, now - 1),
        ),
        (
            village.sign(cheap, village.schedule(cheap, orders, version=0)),
            encoded(market.VersionNotHigher, cheap.device_id, 0, 0),
        ),
    ]


# INV-M16
@pytest.mark.parametrize("turn", [0, 3, 7])
def test_submit__bad_rows_in_any_position__are_reported_and_the_others_taken(
    village: Village, make_homes: MakeHomes, turn: int
) -> None:
    *others, first, second = make_homes(8)
    for home in (*others, first, second):
        village.fund(home.owner)
    bad = bad_rows(village, others)
    good = [village.sign(home, village.schedule(home, {0: bid(8, 1_000)})) for home in (first, second)]
    rows = [*bad[:3], (good[0], b""), *bad[3:], (good[1], b"")]
    rows = rows[turn:] + rows[:turn]
    receipt = village.submit(*(row for row, _ in rows))
    assert receipt.return_value == 2
    assert [(event.row, event.refusal) for event in receipt.events.filter(village.market.ScheduleSkipped)] == [
        (number, reason) for number, (_, reason) in enumerate(rows) if reason
    ]
    book = village.market.book(village.zone, village.first_slot)
    assert (book.bidsWh[8], sum(book.bidsWh)) == (2_000, 2_000)
    assert [village.balance(home.owner)[1] for home in others] == [0] * 6
    assert village.market.backstop(village.zone).exposure == 2 * village.market.exposureOf(good[0][0], False)


# INV-M16
def test_submit__row_of_the_day_zero__stops_no_other(village: Village, make_homes: MakeHomes) -> None:
    """The gate of that day's first slots would have closed before time began to count."""
    odd, good = make_homes(2)
    for home in (odd, good):
        village.fund(home.owner)
    rows = [
        village.sign(home, village.schedule(home, {0: bid(8, 1)}, day=day)) for home, day in ((odd, 0), (good, None))
    ]
    receipt = village.submit(*rows)
    assert receipt.return_value == 1
    (skipped,) = receipt.events.filter(village.market.ScheduleSkipped)
    assert bytes(skipped.refusal[:4]) == encoded(village.market.GateClosed, 0, 0)[:4]


def test_submit__owner_that_burns_all_gas__costs_the_relayer_a_bounded_amount(
    village: Village, meter: Device, make_homes: MakeHomes, transmitter: Any
) -> None:
    burner = "0x00000000000000000000000000000000000B0B0B"
    ape.chain.provider.set_code(burner, BURN_ALL_GAS)
    meter.register(burner, carrier=transmitter)
    spoiler = Home(meter, burner)
    homes = make_homes(2)
    for home in homes:
        village.fund(home.owner)
    village.fund(burner)
    good = [village.sign(home, village.schedule(home, {0: bid(8, 1_000)})) for home in homes]
    bad = (schedule_args(village.schedule(spoiler, {0: bid(8, 1_000)})), bytes.fromhex(burner[2:]) + b"\x01" * 65)
    with ape.chain.isolate():
        honest = village.submit(*good)
        assert honest.return_value == 2
    receipt = village.submit(good[0], bad, good[1])
    assert receipt.return_value == 2
    (skipped,) = receipt.events.filter(village.market.ScheduleSkipped)
    assert (skipped.row, skipped.refusal) == (1, encoded(village.market.NotAuthorised, spoiler.device_id))
    # SIGNATURE_GAS, and what a row costs anyway.
    assert 400_000 < receipt.gas_used - honest.gas_used < 500_000 + 60_000


# INV-M13, INV-M16
def test_submit__two_rows_of_one_device__takes_the_first(village: Village, home: Home) -> None:
    village.fund(home.owner)
    first = village.schedule(home, {0: bid(8, 1_000)})
    receipt = village.submit(
        village.sign(home, first),
        village.sign(home, first),
        village.sign(home, replace(first, version=2)),
    )
    assert receipt.return_value == 1
    skipped = receipt.events.filter(village.market.ScheduleSkipped)
    assert [event.refusal for event in skipped] == [
        encoded(village.market.VersionNotHigher, home.device_id, 1, 1),
        encoded(village.market.ScheduleStands, home.device_id, village.day, 1),
    ]
    assert village.market.book(village.zone, village.first_slot).bidsWh[8] == 1_000
    assert village.balance(home.owner)[1] == village.market.reserveOf(schedule_args(first))


def test_submit__two_rows_of_one_account__reserve_no_more_than_there_is(
    village: Village, meter: Device, charger: Device, prosumer: Any
) -> None:
    homes = [Home(device, prosumer) for device in (meter, charger)]
    for home in homes:
        home.device.register(prosumer)
    schedules = [village.schedule(home, {0: bid(8, 1_000)}, imbalance_limit_wh=0) for home in homes]
    reserve = 100_000 + DUST_AND_ROUNDING
    village.fund(prosumer, 2 * reserve - 1)
    receipt = village.submit(*(village.sign(home, one) for home, one in zip(homes, schedules, strict=True)))
    assert receipt.return_value == 1
    (skipped,) = receipt.events.filter(village.market.ScheduleSkipped)
    assert skipped.refusal == encoded(village.market.InsufficientBalance, prosumer.address, reserve, reserve - 1)


def test_submit_own__past_the_deadline__needs_no_signature(village: Village, home: Home) -> None:
    village.fund(home.owner)
    schedule = village.schedule(home, {20: bid(8, 1_000)}, deadline=0)
    village.market.submitOwn(schedule_args(schedule), sender=home.owner)
    assert village.market.book(village.zone, village.first_slot + 20).bidsWh[8] == 1_000
    assert village.status(schedule) == OPEN


# INV-M12
def test_submit__without_energy__burns_the_version_and_nothing_else(village: Village, home: Home) -> None:
    village.fund(home.owner)
    withdrawn = village.schedule(home, {0: bid(8, 1_000)}, version=1)
    village.market.submitOwn(schedule_args(village.schedule(home, {}, version=2)), sender=home.owner)
    assert village.market.refusal(village.sign(home, withdrawn)) == encoded(
        village.market.VersionNotHigher, home.device_id, 1, 2
    )
    assert village.market.backstop(village.zone).exposure == 0
    assert village.balance(home.owner)[1] == 0
    assert village.market.refusal(village.sign(home, replace(withdrawn, version=3))) == b""


def test_digest__any_schedule__equals_python(village: Village, home: Home) -> None:
    schedule = village.schedule(home, [offer(77, 12_345)] * 96, version=4_000_000_000)
    assert village.market.scheduleDigest(schedule_args(schedule)) == schedule_digest(village.domain, schedule)


# INV-M13
def test_submit__signed_for_another_chain__is_not_authorised(village: Village, home: Home) -> None:
    village.fund(home.owner)
    schedule = village.schedule(home, {0: bid(1, 1)})
    elsewhere = market_domain(ape.chain.chain_id + 1, village.market.address)
    row = (schedule_args(schedule), home.device.key.sign(schedule_digest(elsewhere, schedule)))
    assert village.market.refusal(row) == encoded(village.market.NotAuthorised, home.device_id)
