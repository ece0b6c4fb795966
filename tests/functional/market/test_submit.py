"""Schedules enter the book, or are refused for a reason that names value and limit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ape
import pytest
from ape.exceptions import ContractLogicError

from gridwitness.encoding.eip712 import market_domain, schedule_digest, schedule_struct_hash
from gridwitness.encoding.keys import Secp256k1Key
from tests.actors import Device, refused
from tests.functional.market.village import (
    HELD,
    NONE,
    OPEN,
    SLOT_SECONDS,
    ZONE,
    Home,
    MakeHomes,
    Village,
    bid,
    encoded,
    flat,
    offer,
    schedule_args,
    warp,
)


def test_submit__signed_by_either_curve__enters_the_book(village: Village, home: Home, next_home: Home) -> None:
    buy = village.place(home, {10: bid(60, 1_500), 95: bid(127, 7)})
    sell = village.place(next_home, {10: offer(59, 900), 0: offer(0, 16_777_215)})

    bids, offers = village.market.book(village.zone, village.first_slot + 10)
    assert (bids[60], sum(bids), offers[59], sum(offers)) == (1_500, 1_500, 900, 900)
    assert village.market.book(village.zone, village.first_slot).offersWh[0] == 16_777_215
    assert village.market.book(village.zone, village.first_slot + 95).bidsWh[127] == 7
    for schedule in (buy, sell):
        kept = village.market.scheduleOf(schedule.device_id, village.day)
        assert (kept.status, kept.version) == (OPEN, 1)
        assert kept.truncatedHash == schedule_struct_hash(schedule)[:24] + bytes(8)


def test_submit__accepted__is_announced_and_counted(village: Village, home: Home) -> None:
    schedule = village.schedule(home, {3: bid(4, 1_000)})
    village.fund(home.owner)
    receipt = village.submit(village.sign(home, schedule))
    assert receipt.events == [
        village.market.ScheduleSubmitted(home.device_id, village.day, home.owner, 1, schedule_struct_hash(schedule))
    ]
    assert receipt.return_value == 1
    assert village.market.backstop(village.zone).outstanding == 1


def test_submit__bids_and_offers__reserve_the_worst_case_rounded_up_once(village: Village, home: Home) -> None:
    # 1 Wh at 60,000 and 3 Wh at 52,500 per kWh; 5 Wh offered at 75,000 would cost 430,000 − 75,000 if not delivered;
    # an offer dearer than failing costs nothing.
    orders = {0: bid(4, 1), 1: bid(1, 3), 2: offer(10, 5), 3: offer(127, 0)}
    milli = 60_000 + 3 * 52_500 + 5 * 355_000
    assert milli % 1_000 != 0
    schedule = village.place(home, orders)
    assert village.balance(home.owner) == (0, milli // 1_000 + 1)
    assert village.market.reserveOf(schedule_args(schedule)) == milli // 1_000 + 1


def test_reserve__offer_dearer_than_failing__reserves_nothing(
    village: Village, market: Any, operator: Any, home: Home
) -> None:
    cheap = (*tuple(market.zoneParams(ZONE))[:3], 40_000, 40_000, 0, *tuple(market.zoneParams(ZONE))[6:])
    market.openZone(8, cheap, sender=operator)
    schedule = village.schedule(home, {1: offer(0, 10_000)}, zone=8)
    assert market.reserveOf(schedule_args(schedule)) == 0


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
    village: Village, market: Any, operator: Any, make_homes: MakeHomes, registry: Any, meter: Device, prosumer: Any
) -> None:
    market.openZone(8, tuple(market.zoneParams(ZONE)), sender=operator)
    homes = make_homes(3)
    meter.register(prosumer, zone=8)
    other = Home(meter, prosumer)
    for trader in (*homes, other):
        village.fund(trader.owner)
    today, later = village.day - 1, village.day + 1
    rows = [
        village.sign(homes[0], village.schedule(homes[0], {5: bid(9, 11)})),
        village.sign(other, village.schedule(other, {5: bid(9, 13)}, zone=8)),
        village.sign(homes[1], village.schedule(homes[1], {5: bid(9, 17), 6: bid(1, 1)}, day=later - 1)),
        village.sign(homes[0], village.schedule(homes[0], {50: offer(9, 19)}, day=today)),
        village.sign(homes[2], village.schedule(homes[2], {5: bid(9, 23)})),
    ]
    assert village.submit(*rows).return_value == 5
    slot = village.first_slot + 5
    assert market.book(ZONE, slot).bidsWh[9] == 11 + 17 + 23
    assert market.book(8, slot).bidsWh[9] == 13
    assert market.book(ZONE, today * 96 + 50).offersWh[9] == 19
    assert (market.backstop(ZONE).outstanding, market.backstop(8).outstanding) == (4, 1)


# INV-M16
def test_submit__one_bad_row__skips_it_and_takes_the_others(village: Village, make_homes: MakeHomes) -> None:
    good, poor, late = make_homes(3)
    village.fund(good.owner)
    village.fund(late.owner)
    rows = [
        village.sign(poor, village.schedule(poor, {0: bid(8, 1_000)})),
        village.sign(good, village.schedule(good, {0: bid(8, 1_000)})),
        village.sign(late, village.schedule(late, {0: bid(8, 1_000)}, zone=99)),
    ]
    receipt = village.submit(*rows)
    assert receipt.return_value == 1
    assert receipt.events.filter(village.market.ScheduleSkipped) == [
        village.market.ScheduleSkipped(
            poor.device_id,
            village.day,
            0,
            encoded(village.market.InsufficientBalance, poor.owner.address, 70_000, 0),
        ),
        village.market.ScheduleSkipped(late.device_id, village.day, 2, encoded(village.market.ZoneUnknown, 99)),
    ]
    assert sum(village.market.book(village.zone, village.first_slot).bidsWh) == 1_000


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
    assert village.balance(home.owner)[1] == 70_000


def test_submit_own__one_slot__needs_no_signature(village: Village, home: Home) -> None:
    village.fund(home.owner)
    schedule = village.schedule(home, {20: bid(8, 1_000)})
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
    assert village.market.backstop(village.zone).outstanding == 0
    assert village.market.refusal(village.sign(home, replace(withdrawn, version=3))) == b""


# Every refusal, by name, in `refusal`, in `submit` and in `submitOwn`


def assert_refused(village: Village, home: Home, schedule: Any, error: Any, **inputs: Any) -> None:
    """`refusal` says it, `submit` skips with it, `submitOwn` reverts with it; the book stays as it is."""
    row = village.sign(home, schedule)
    reason = encoded(error, *inputs.values())
    assert village.market.refusal(row) == reason
    receipt = village.submit(row)
    assert [event.refusal for event in receipt.events.filter(village.market.ScheduleSkipped)] == [reason]
    with refused(error, **inputs):
        village.market.submitOwn(schedule_args(schedule), sender=home.owner)


def test_refuse__unknown_zone__names_it(village: Village, home: Home) -> None:
    schedule = village.schedule(home, {0: bid(1, 1)}, zone=4_242)
    assert_refused(village, home, schedule, village.market.ZoneUnknown, zone=4_242)
    reason = encoded(village.market.ZoneUnknown, 4_242).hex()
    with pytest.raises(ContractLogicError, match=f"{reason[:8]}: {reason[8:]}"):
        village.market.reserveOf(schedule_args(schedule))


def test_refuse__zone_of_another_feeder__names_both(village: Village, market: Any, operator: Any, home: Home) -> None:
    market.openZone(8, tuple(market.zoneParams(ZONE)), sender=operator)
    schedule = village.schedule(home, {0: bid(1, 1)}, zone=8)
    assert_refused(village, home, schedule, market.ZoneMismatch, deviceId=home.device_id, given=8, expected=ZONE)


def test_refuse__account_of_another__names_both(village: Village, home: Home, neighbour: Any) -> None:
    schedule = village.schedule(home, {0: bid(1, 1)}, account=neighbour)
    assert_refused(
        village,
        home,
        schedule,
        village.market.NotAccountOwner,
        deviceId=home.device_id,
        given=neighbour.address,
        expected=home.owner.address,
    )


def test_refuse__signature_of_another_device__is_not_authorised(village: Village, home: Home, next_home: Home) -> None:
    village.fund(home.owner)
    schedule = village.schedule(home, {0: bid(1, 1)})
    row = village.sign(next_home, schedule)
    assert village.market.refusal(row) == encoded(village.market.NotAuthorised, home.device_id)
    with refused(village.market.NotAuthorised, deviceId=home.device_id):
        village.market.submitOwn(schedule_args(schedule), sender=next_home.owner)


def test_refuse__retired_device__is_not_authorised(village: Village, registry: Any, home: Home) -> None:
    registry.retire(home.device_id, (0, b""), sender=home.owner)
    schedule = village.schedule(home, {0: bid(1, 1)})
    assert_refused(village, home, schedule, village.market.NotAuthorised, deviceId=home.device_id)


# INV-M11
def test_refuse__closed_gate__names_slot_and_second(village: Village, home: Home) -> None:
    village.fund(home.owner)
    at = village.gate_closes_at(30)
    schedule = village.schedule(home, {30: bid(1, 1), 31: bid(1, 1)})
    warp(at - 1)
    assert village.market.refusal(village.sign(home, schedule)) == b""
    warp(at)
    slot = village.first_slot + 30
    assert_refused(village, home, schedule, village.market.GateClosed, slot=slot, closedAt=at)


def test_refuse__day_gone__names_its_last_slot(village: Village, home: Home) -> None:
    schedule = village.schedule(home, {}, day=village.day - 2)
    slot = (village.day - 1) * 96 - 1
    closed_at = (slot - village.params.gate_lead_slots) * SLOT_SECONDS
    assert_refused(village, home, schedule, village.market.GateClosed, slot=slot, closedAt=closed_at)


@pytest.mark.parametrize("index", [4, 95])
def test_refuse__beyond_horizon__names_the_last_slot(village: Village, home: Home, index: int) -> None:
    village.fund(home.owner)
    # One o'clock of the day before: four slots have begun, so 288 slots reach to index 3 of the day after the next.
    last_slot = village.first_slot + 2 * 96 + 3
    schedule = village.schedule(home, {3: bid(1, 1)}, day=village.day + 2)
    assert village.market.refusal(village.sign(home, schedule)) == b""
    schedule = village.schedule(home, {index: bid(1, 1)}, day=village.day + 2)
    slot = village.first_slot + 2 * 96 + index
    assert_refused(village, home, schedule, village.market.BeyondHorizon, slot=slot, lastSlot=last_slot)


def test_refuse__day_beyond_horizon_without_energy__cannot_burn_versions_ahead(village: Village, home: Home) -> None:
    schedule = village.schedule(home, {}, day=village.day + 15)
    assert_refused(
        village,
        home,
        schedule,
        village.market.BeyondHorizon,
        slot=(village.day + 15) * 96,
        lastSlot=village.first_slot + 2 * 96 + 3,
    )


def test_refuse__version_zero__is_not_higher(village: Village, home: Home) -> None:
    schedule = village.schedule(home, {0: bid(1, 1)}, version=0)
    assert_refused(
        village, home, schedule, village.market.VersionNotHigher, deviceId=home.device_id, given=0, current=0
    )


def test_refuse__schedule_stands__names_it(village: Village, home: Home) -> None:
    village.place(home, {0: bid(1, 1)}, version=5)
    schedule = village.schedule(home, {0: bid(1, 1)}, version=6)
    assert_refused(
        village, home, schedule, village.market.ScheduleStands, deviceId=home.device_id, day=village.day, version=5
    )


def test_refuse__unsettled_schedule_sixteen_days_before__names_it(village: Village, home: Home) -> None:
    old = village.place(home, {0: bid(1, 1)}, version=3)
    village.end_and_clear([0])
    village.settle(old, (0,) * 96, score_bps=10_000)
    assert village.status(old) == HELD
    day = village.day + 16
    warp((day - 1) * 86_400 + 3_600)
    schedule = village.schedule(home, {0: bid(1, 1)}, day=day)
    village.fund(home.owner)
    assert_refused(
        village, home, schedule, village.market.ScheduleStands, deviceId=home.device_id, day=village.day, version=3
    )
    village.market.settleMissing(schedule_args(old), sender=village.transmitter)
    assert village.market.refusal(village.sign(home, schedule)) == b""
    village.market.submitOwn(schedule_args(schedule), sender=home.owner)
    assert village.market.scheduleOf(home.device_id, village.day).status == NONE


def test_refuse__poor_account__names_need_and_balance(village: Village, home: Home) -> None:
    village.fund(home.owner, 69_999)
    schedule = village.schedule(home, {0: bid(8, 1_000)})
    assert_refused(
        village,
        home,
        schedule,
        village.market.InsufficientBalance,
        account=home.owner.address,
        needed=70_000,
        available=69_999,
    )


def test_digest__any_schedule__equals_python(village: Village, home: Home) -> None:
    schedule = village.schedule(home, flat(offer(77, 12_345)), version=4_000_000_000)
    assert village.market.scheduleDigest(schedule_args(schedule)) == schedule_digest(village.domain, schedule)


def test_submit__field_changed_on_the_way__is_refused(
    village: Village, market: Any, operator: Any, home: Home, neighbour: Any
) -> None:
    village.fund(home.owner)
    market.openZone(8, tuple(market.zoneParams(ZONE)), sender=operator)
    schedule = village.schedule(home, {0: bid(1, 1)})
    _, signature = village.sign(home, schedule)
    not_authorised = encoded(market.NotAuthorised, home.device_id)
    for forged, reason in (
        (
            replace(schedule, account=neighbour.address),
            encoded(market.NotAccountOwner, home.device_id, neighbour.address, home.owner.address),
        ),
        (replace(schedule, zone=8), encoded(market.ZoneMismatch, home.device_id, 8, ZONE)),
        (replace(schedule, day=village.day + 1), not_authorised),
        (replace(schedule, version=2), not_authorised),
        (replace(schedule, orders=(bid(1, 2), *schedule.orders[1:])), not_authorised),
    ):
        assert market.refusal((schedule_args(forged), signature)) == reason
    assert market.refusal((schedule_args(schedule), signature)) == b""


# INV-M13
def test_submit__signed_for_another_chain__is_not_authorised(village: Village, home: Home) -> None:
    village.fund(home.owner)
    schedule = village.schedule(home, {0: bid(1, 1)})
    elsewhere = market_domain(ape.chain.chain_id + 1, village.market.address)
    row = (schedule_args(schedule), home.device.key.sign(schedule_digest(elsewhere, schedule)))
    assert village.market.refusal(row) == encoded(village.market.NotAuthorised, home.device_id)
