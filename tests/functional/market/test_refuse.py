"""Every reason to refuse a first version: `refusal` names it, `submit` skips with it, `submitOwn` reverts with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ape
import pytest
from ape.exceptions import ContractLogicError

from tests.actors import refused
from tests.functional.market.village import (
    DUST_AND_ROUNDING,
    HELD,
    NONE,
    NOTHING,
    SLOT_SECONDS,
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

UNKNOWN, SUSPENDED, RETIRED = 0, 2, 3
TAMPERED = 1
# 1,000 Wh at 70,000 and the penalty of 30,000 per kWh, and no imbalance limit.
RESERVE = 100_000 + DUST_AND_ROUNDING


def assert_refused(village: Village, home: Home, schedule: Any, error: Any, **inputs: Any) -> None:
    """All three say so, and the books stay as they are."""
    row = village.sign(home, schedule)
    reason = encoded(error, *inputs.values())
    before = tuple(village.market.backstop(village.zone)), village.balance(home.owner)
    assert village.market.refusal(row) == reason
    receipt = village.submit(row)
    assert [event.refusal for event in receipt.events.filter(village.market.ScheduleSkipped)] == [reason]
    with refused(error, **inputs):
        village.market.submitOwn(schedule_args(schedule), sender=home.owner)
    assert (tuple(village.market.backstop(village.zone)), village.balance(home.owner)) == before


def test_refuse__unknown_zone__names_it(village: Village, home: Home) -> None:
    schedule = village.schedule(home, {0: bid(1, 1)}, zone=4_242)
    assert_refused(village, home, schedule, village.market.ZoneUnknown, zone=4_242)
    reason = encoded(village.market.ZoneUnknown, 4_242).hex()
    with pytest.raises(ContractLogicError, match=f"{reason[:8]}: {reason[8:]}"):
        village.market.reserveOf(schedule_args(schedule))


def test_refuse__paused_zone__takes_orders_again_later(village: Village, home: Home, operator: Any) -> None:
    village.fund(home.owner)
    schedule = village.schedule(home, {0: bid(1, 1)})
    village.market.pauseOrders(ZONE, True, sender=operator)
    assert_refused(village, home, schedule, village.market.ZoneOrdersPaused, zone=ZONE)
    village.market.pauseOrders(ZONE, False, sender=operator)
    assert village.submit(village.sign(home, schedule)).return_value == 1


def test_refuse__zone_of_another_feeder__names_both(open_village: OpenVillage, home: Home) -> None:
    village = open_village(8)
    schedule = village.schedule(home, {0: bid(1, 1)})
    assert_refused(village, home, schedule, village.market.ZoneMismatch, deviceId=home.device_id, given=8, expected=7)


def test_refuse__account_of_another__names_both(village: Village, home: Home, neighbour: Any) -> None:
    schedule = village.schedule(home, {0: bid(1, 1)}, account=neighbour)
    owners = {"given": neighbour.address, "expected": home.owner.address}
    assert_refused(village, home, schedule, village.market.NotAccountOwner, deviceId=home.device_id, **owners)


def test_refuse__signature_of_another_device__is_not_authorised(village: Village, home: Home, next_home: Home) -> None:
    village.fund(home.owner)
    schedule = village.schedule(home, {0: bid(1, 1)})
    row = village.sign(next_home, schedule)
    assert village.market.refusal(row) == encoded(village.market.NotAuthorised, home.device_id)
    with refused(village.market.NotAuthorised, deviceId=home.device_id):
        village.market.submitOwn(schedule_args(schedule), sender=next_home.owner)


def test_refuse__device_never_registered__is_not_active(village: Village, meter: Any, prosumer: Any) -> None:
    nobody = Home(meter, prosumer)
    schedule = village.schedule(nobody, {0: bid(1, 1)})
    not_active = village.market.DeviceNotActive
    assert_refused(village, nobody, schedule, not_active, deviceId=nobody.device_id, status=UNKNOWN)


def test_refuse__suspended_device__is_not_active_until_reinstated(
    village: Village, registry: Any, home: Home, steward: Any
) -> None:
    village.fund(home.owner)
    schedule = village.schedule(home, {0: bid(1, 1)})
    registry.suspend(home.device_id, TAMPERED, sender=steward)
    not_active = village.market.DeviceNotActive
    assert_refused(village, home, schedule, not_active, deviceId=home.device_id, status=SUSPENDED)
    registry.reinstate(home.device_id, sender=steward)
    assert village.market.refusal(village.sign(home, schedule)) == b""


def test_refuse__retired_device__is_not_active(village: Village, registry: Any, home: Home) -> None:
    registry.retire(home.device_id, (0, b""), sender=home.owner)
    schedule = village.schedule(home, {0: bid(1, 1)})
    not_active = village.market.DeviceNotActive
    assert_refused(village, home, schedule, not_active, deviceId=home.device_id, status=RETIRED)


def test_refuse__signature_a_second_late__names_the_deadline(village: Village, home: Home) -> None:
    village.fund(home.owner)
    deadline = ape.chain.pending_timestamp + 600
    row = village.sign(home, village.schedule(home, {0: bid(1, 1)}, deadline=deadline))
    warp(deadline)
    assert village.market.refusal(row) == b""
    warp(deadline + 1)
    assert village.market.refusal(row) == encoded(village.market.SignatureExpired, home.device_id, deadline)
    assert village.submit(row).return_value == 0


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


def test_refuse__slot_in_the_past__names_it(village: Village, home: Home) -> None:
    village.fund(home.owner)
    warp(village.end_of_day() - 7_200)
    schedule = village.schedule(home, {0: bid(1, 1), 95: bid(1, 1)})
    gate = {"slot": village.first_slot, "closedAt": village.gate_closes_at(0)}
    assert_refused(village, home, schedule, village.market.GateClosed, **gate)


# INV-M12
@pytest.mark.parametrize("orders", [{}, {90: bid(1, 1)}])
def test_refuse__day_gone__names_its_last_slot(village: Village, home: Home, orders: Any) -> None:
    """With energy or without: the record of such a day could only take the place of another."""
    village.fund(home.owner)
    schedule = village.schedule(home, orders, day=village.day - 2)
    slot = (village.day - 1) * 96 - 1
    closed_at = (slot - village.params.gate_lead_slots) * SLOT_SECONDS
    assert_refused(village, home, schedule, village.market.GateClosed, slot=slot, closedAt=closed_at)


# INV-M12
def test_refuse__day_beyond_horizon_without_energy__names_its_first_slot(village: Village, home: Home) -> None:
    schedule = village.schedule(home, {}, day=village.day + 3)
    slots = {"slot": village.first_slot + 3 * 96, "lastSlot": village.first_slot + 2 * 96 + 3}
    assert_refused(village, home, schedule, village.market.BeyondHorizon, **slots)


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


def test_refuse__limit_above_cap__names_slot_and_ticks(open_village: OpenVillage, meter: Any, prosumer: Any) -> None:
    village = open_village(8, cap_tick=100)
    meter.register(prosumer, zone=8)
    home = Home(meter, prosumer)
    village.fund(prosumer)
    assert village.market.refusal(village.sign(home, village.schedule(home, {5: bid(100, 1)}))) == b""
    for order in (bid(101, 1), offer(101, 1)):
        schedule = village.schedule(home, {5: order, 6: bid(127, 1)})
        slot = village.first_slot + 5
        assert_refused(village, home, schedule, village.market.LimitAboveCap, slot=slot, tick=101, capTick=100)


def test_refuse__bid_below_fee__names_slot_and_ticks(open_village: OpenVillage, meter: Any, prosumer: Any) -> None:
    village = open_village(8, network_fee_ticks=4)
    meter.register(prosumer, zone=8)
    home = Home(meter, prosumer)
    village.fund(prosumer)
    allowed = {4: offer(3, 1), 5: bid(4, 1)}
    assert village.market.refusal(village.sign(home, village.schedule(home, allowed))) == b""
    schedule = village.schedule(home, allowed | {95: bid(3, 1)})
    slot = village.first_slot + 95
    assert_refused(village, home, schedule, village.market.LimitBelowFee, slot=slot, tick=3, networkFeeTicks=4)


def test_refuse__order_below_minimum__names_slot_and_energies(
    open_village: OpenVillage, meter: Any, prosumer: Any
) -> None:
    village = open_village(8, min_order_wh=50)
    meter.register(prosumer, zone=8)
    home = Home(meter, prosumer)
    village.fund(prosumer)
    assert village.market.refusal(village.sign(home, village.schedule(home, {0: bid(1, 50)}))) == b""
    schedule = village.schedule(home, {0: bid(1, 50), 17: offer(1, 49)})
    slot = village.first_slot + 17
    assert_refused(village, home, schedule, village.market.OrderBelowMinimum, slot=slot, energyWh=49, minOrderWh=50)


@pytest.mark.parametrize("index", [0, 5])
def test_refuse__sum_of_a_tick_full__names_slot_tick_and_energy(
    village: Village, make_homes: MakeHomes, index: int
) -> None:
    first, second = make_homes(2)
    village.place(first, {index: bid(8, 2**24 - 1_000)})
    village.fund(second.owner)
    schedule = village.schedule(second, {3: bid(9, 1), index: bid(8, 1_000), 7: bid(8, 1_000)})
    slot = village.first_slot + index
    assert_refused(village, second, schedule, village.market.TickSumOverflow, slot=slot, tick=8, energyWh=1_000)
    assert sum(village.market.book(village.zone, village.first_slot + 3).bidsWh) == 0
    assert village.submit(village.sign(second, village.schedule(second, {index: bid(8, 999)}))).return_value == 1


def test_refuse__version_zero__is_not_higher(village: Village, home: Home) -> None:
    schedule = village.schedule(home, {0: bid(1, 1)}, version=0)
    not_higher = village.market.VersionNotHigher
    assert_refused(village, home, schedule, not_higher, deviceId=home.device_id, given=0, current=0)


def test_refuse__schedule_stands__names_it(village: Village, home: Home) -> None:
    village.place(home, {0: bid(1, 1)}, version=5)
    schedule = village.schedule(home, {0: bid(1, 1)}, version=6)
    stands = village.market.ScheduleStands
    assert_refused(village, home, schedule, stands, deviceId=home.device_id, day=village.day, version=5)


def test_refuse__unsettled_schedule_sixteen_days_before__names_it(village: Village, home: Home) -> None:
    old = village.place(home, {0: bid(1, 1)}, version=3)
    village.end_and_clear([0])
    village.settle(old, NOTHING, score_bps=10_000)
    assert village.status(old) == HELD
    day = village.day + 16
    warp((day - 1) * 86_400 + 3_600)
    schedule = village.schedule(home, {0: bid(1, 1)}, day=day)
    village.fund(home.owner)
    stands = village.market.ScheduleStands
    assert_refused(village, home, schedule, stands, deviceId=home.device_id, day=village.day, version=3)
    village.settle_missing(old)
    assert village.market.refusal(village.sign(home, schedule)) == b""
    village.market.submitOwn(schedule_args(schedule), sender=home.owner)
    assert village.market.scheduleOf(home.device_id, village.day).status == NONE


def test_refuse__poor_account__names_need_and_balance(village: Village, home: Home) -> None:
    village.fund(home.owner, RESERVE - 1)
    schedule = village.schedule(home, {0: bid(8, 1_000)}, imbalance_limit_wh=0)
    amounts = {"needed": RESERVE, "available": RESERVE - 1}
    insufficient = village.market.InsufficientBalance
    assert_refused(village, home, schedule, insufficient, account=home.owner.address, **amounts)
    village.fund(home.owner, 1)
    assert village.submit(village.sign(home, schedule)).return_value == 1


# INV-M17
def test_refuse__exposed_backstop__names_need_and_what_is_left(
    open_village: OpenVillage, make_homes: MakeHomes, operator: Any
) -> None:
    village = open_village(8)
    homes = make_homes(2, zone=8)
    schedules = [village.schedule(home, {0: bid(8, 1_000)}) for home in homes]
    for home in homes:
        village.fund(home.owner)
    # 21 kWh may be long at 40,000 per kWh, and 96 bids a Wh short at 367,500.
    exposure = 21 * 40_000 + 35_280 + 1
    spare = village.market.backstop(8).balance - 2 * exposure + 1
    village.market.withdrawBackstop(8, spare, operator, sender=operator)
    village.submit(village.sign(homes[0], schedules[0]))
    amounts = {"needed": exposure, "available": exposure - 1}
    assert_refused(village, homes[1], schedules[1], village.market.BackstopExhausted, zone=8, **amounts)
    village.fund_backstop(operator, 1)
    assert village.submit(village.sign(homes[1], schedules[1])).return_value == 1


# INV-M13
def test_refuse__field_changed_on_the_way__is_not_authorised(
    village: Village, open_village: OpenVillage, market: Any, home: Home, neighbour: Any
) -> None:
    village.fund(home.owner)
    open_village(8)
    schedule = village.schedule(home, {0: bid(1, 1)})
    _, signature = village.sign(home, schedule)
    not_authorised = encoded(market.NotAuthorised, home.device_id)
    owners = (neighbour.address, home.owner.address)
    for forged, reason in (
        (replace(schedule, account=neighbour.address), encoded(market.NotAccountOwner, home.device_id, *owners)),
        (replace(schedule, zone=8), encoded(market.ZoneMismatch, home.device_id, 8, ZONE)),
        (replace(schedule, day=village.day + 1), not_authorised),
        (replace(schedule, version=2), not_authorised),
        (replace(schedule, deadline=schedule.deadline - 1), not_authorised),
        (replace(schedule, imbalance_limit_wh=schedule.imbalance_limit_wh - 1), not_authorised),
        (replace(schedule, orders=(bid(1, 2), *schedule.orders[1:])), not_authorised),
    ):
        assert market.refusal((schedule_args(forged), signature)) == reason
    assert market.refusal((schedule_args(schedule), signature)) == b""
