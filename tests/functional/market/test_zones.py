"""Rules of a zone: their limits, their notice, and what an operator may do at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ape
import pytest

from gridwitness.domain.market import ZoneParams
from tests.actors import refused
from tests.functional.market.village import (
    BACKSTOP,
    DAY_SECONDS,
    FINAL,
    NO_RUN,
    NOTHING,
    ZONE,
    Home,
    Village,
    bid,
    energies,
    offer,
    params_args,
    schedule_args,
    warp,
)

NOTICE_DAYS = 7
U32_MAX = 2**32 - 1


def test_open_zone__by_the_operator__keeps_its_rules(market: Any, operator: Any, params: ZoneParams) -> None:
    receipt = market.openZone(11, params_args(params), sender=operator)
    assert tuple(market.zoneParams(11, 0)) == tuple(market.zoneParams(11, 2**24 - 1)) == params_args(params)
    (event,) = receipt.events
    assert (event.zone, tuple(event.params)) == (11, params_args(params))
    assert market.zoneParams(12, 0).profileStream == bytes(32)


def test_open_zone__every_rule_at_its_limit__is_taken(market: Any, operator: Any, params: ZoneParams) -> None:
    least = ZoneParams(b"\1" + bytes(31), 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0)
    days = {"provisional_after_seconds": 6 * DAY_SECONDS - 1, "final_after_seconds": 6 * DAY_SECONDS}
    most = ZoneParams(
        b"\xff" * 32,
        *(U32_MAX,) * 5,
        *(10_000, 10_000, 127, 127, 127, 255, 2**16 - 1, 191, U32_MAX),
        *(*days.values(), 5 * DAY_SECONDS, 2**64 - 1),
    )
    for zone, rules in ((11, least), (2**24 - 1, most)):
        market.openZone(zone, params_args(rules), sender=operator)
        assert tuple(market.zoneParams(zone, 1)) == params_args(rules)


@pytest.mark.parametrize(
    ("name", "changes", "limit"),
    [
        ("profileStream", {"profile_stream": bytes(32)}, 1),
        ("tickSizePerKwh", {"tick_size_per_kwh": 0}, 1),
        ("minOrderWh", {"min_order_wh": 0}, 1),
        ("disputeSeconds", {"dispute_seconds": 0}, 1),
        ("disputeSeconds", {"dispute_seconds": 5 * DAY_SECONDS + 1}, 5 * DAY_SECONDS),
        ("longPricePerKwh", {"long_price_per_kwh": 40_000, "short_price_per_kwh": 39_999}, 39_999),
        ("longPricePerKwh", {"long_price_per_kwh": 80_001}, 80_000),
        ("toleranceBps", {"tolerance_bps": 10_001}, 10_000),
        ("holdScoreBps", {"hold_score_bps": 10_001}, 10_000),
        ("capTick", {"cap_tick": 128}, 127),
        ("networkFeeTicks", {"network_fee_ticks": 101, "cap_tick": 100}, 100),
        ("greenPremiumTicks", {"green_premium_ticks": 128}, 127),
        ("gateLeadSlots", {"gate_lead_slots": 192}, 191),
        ("finalAfterSeconds", {"final_after_seconds": 21_600}, 21_601),
        ("finalAfterSeconds", {"final_after_seconds": 6 * DAY_SECONDS + 1}, 6 * DAY_SECONDS),
    ],
)
def test_set_rules__one_out_of_range__names_value_and_limit(
    village: Village, operator: Any, name: str, changes: dict[str, Any], limit: int
) -> None:
    market, (value, *_) = village.market, changes.values()
    number = int.from_bytes(value, "big") if isinstance(value, bytes) else value
    rules = params_args(replace(village.params, **changes))
    invalid = {"name": name.encode().ljust(32, b"\0"), "value": number, "limit": limit}
    with refused(market.ZoneParamInvalid, **invalid):
        market.openZone(11, rules, sender=operator)
    with refused(market.ZoneParamInvalid, **invalid):
        market.announceParams(ZONE, village.day + NOTICE_DAYS, rules, sender=operator)


def test_open_zone__zone_zero__is_refused(market: Any, operator: Any, params: ZoneParams) -> None:
    with refused(market.ZoneParamInvalid, name=b"zone".ljust(32, b"\0"), value=0, limit=1):
        market.openZone(0, params_args(params), sender=operator)


def test_open_zone__twice__is_refused(village: Village, operator: Any) -> None:
    with refused(village.market.ZoneAlreadyOpen, zone=ZONE):
        village.market.openZone(ZONE, params_args(village.params), sender=operator)


def test_run_zone__by_another__is_refused(village: Village, intruder: Any) -> None:
    market, rules = village.market, params_args(village.params)
    role = market.ZONE_OPERATOR_ROLE()
    for call in (
        lambda: market.openZone(11, rules, sender=intruder),
        lambda: market.announceParams(ZONE, village.day + NOTICE_DAYS, rules, sender=intruder),
        lambda: market.pauseOrders(ZONE, True, sender=intruder),
        lambda: market.setFeederCap(ZONE, [village.first_slot], 0, sender=intruder),
        lambda: market.withdrawBackstop(ZONE, 1, intruder, sender=intruder),
    ):
        with refused(market.AccessControlUnauthorizedAccount, account=intruder.address, neededRole=role):
            call()


def test_run_zone__unknown__names_it(village: Village, operator: Any) -> None:
    market, rules = village.market, params_args(village.params)
    for call in (
        lambda: market.announceParams(99, village.day + NOTICE_DAYS, rules, sender=operator),
        lambda: market.pauseOrders(99, True, sender=operator),
        lambda: market.setFeederCap(99, [village.first_slot], 0, sender=operator),
        lambda: market.fundBackstop(99, 1, sender=operator),
        lambda: market.clear(99, [village.first_slot], sender=operator),
    ):
        with refused(market.ZoneUnknown, zone=99):
            call()


# INV-M18
def test_announce__rules_of_a_week_ahead__leave_the_days_before_alone(village: Village, operator: Any) -> None:
    market, later = village.market, replace(village.params, network_fee_ticks=9)
    from_day = village.day - 1 + NOTICE_DAYS
    receipt = market.announceParams(ZONE, from_day, params_args(later), sender=operator)
    (event,) = receipt.events
    assert (event.zone, event.fromDay, tuple(event.params)) == (ZONE, from_day, params_args(later))
    for day, rules in ((0, village.params), (from_day - 1, village.params), (from_day, later), (2**24 - 1, later)):
        assert tuple(market.zoneParams(ZONE, day)) == params_args(rules)

    warp(from_day * DAY_SECONDS)
    latest = replace(village.params, network_fee_ticks=17)
    market.announceParams(ZONE, from_day + NOTICE_DAYS, params_args(latest), sender=operator)
    for day, rules in ((from_day - 1, village.params), (from_day, later), (from_day + NOTICE_DAYS, latest)):
        assert tuple(market.zoneParams(ZONE, day)) == params_args(rules)


# INV-M18
def test_announce__sooner_than_a_week__names_the_earliest_day(village: Village, operator: Any) -> None:
    earliest = village.day - 1 + NOTICE_DAYS
    for from_day in (0, village.day, earliest - 1):
        with refused(village.market.NoticeTooShort, fromDay=from_day, earliestDay=earliest):
            village.market.announceParams(ZONE, from_day, params_args(village.params), sender=operator)


def test_announce__while_others_are_pending__waits_for_their_day(village: Village, operator: Any) -> None:
    market, rules = village.market, params_args(village.params)
    from_day = village.day + NOTICE_DAYS
    market.announceParams(ZONE, from_day, rules, sender=operator)
    warp(from_day * DAY_SECONDS - 1)
    ape.chain.pending_timestamp = from_day * DAY_SECONDS - 1
    with refused(market.ParamsPending, zone=ZONE, fromDay=from_day):
        market.announceParams(ZONE, from_day + NOTICE_DAYS, rules, sender=operator)
    warp(from_day * DAY_SECONDS)
    market.announceParams(ZONE, from_day + NOTICE_DAYS, rules, sender=operator)


# INV-M18
def test_announce__rules_changed__orders_and_settlement_follow_those_of_their_day(
    village: Village, home: Home, next_home: Home, operator: Any
) -> None:
    """A day before the change clears and settles by the rules it was ordered under, though others hold by then."""
    later = replace(village.params, floor_price_per_kwh=90_000, short_price_per_kwh=900_000, cap_tick=50)
    from_day = village.day + 6
    village.market.announceParams(ZONE, from_day, params_args(later), sender=operator)
    bought = village.place(home, {10: bid(60, 1_000)})
    sold = village.place(next_home, {10: offer(60, 1_000)})
    village.end_and_clear([9])
    warp((from_day - 1) * DAY_SECONDS)
    village.fund(home.owner)
    above = village.schedule(home, {10: bid(51, 1_000)}, day=from_day)
    slot = from_day * 96 + 10
    with refused(village.market.LimitAboveCap, slot=slot, tick=51, capTick=50):
        village.market.submitOwn(schedule_args(above), sender=home.owner)
    new = village.schedule(home, {10: bid(50, 1_000)}, day=from_day, imbalance_limit_wh=1_000)
    assert village.market.reserveOf(schedule_args(new)) == 90_000 + 125_000 + 30_000 + 900_000 + 20_640 + 3
    village.market.submitOwn(schedule_args(new), sender=home.owner)

    warp(from_day * DAY_SECONDS)
    village.clear([10])
    assert village.market.clearing(ZONE, village.first_slot + 10).pricePerKwh == 200_000
    settlement = village.settlement(village.settle(bought, energies({10: 1_100})))
    assert (settlement.traded_cash, settlement.imbalance_cash) == (-200_000, -40_000)
    run = village.run(sold, energies({10: -1_000}))
    village.finalize(run)
    assert village.status(sold) == FINAL


# INV-M22
def test_pause__everything_but_orders__goes_on(
    village: Village, home: Home, next_home: Home, operator: Any, neighbour: Any
) -> None:
    bought = village.place(home, {10: bid(60, 1_000)})
    sold = village.place(next_home, {10: offer(60, 1_000)})
    receipt = village.market.pauseOrders(ZONE, True, sender=operator)
    assert receipt.events == [village.market.ZonePaused(ZONE, True)]
    assert village.market.backstop(ZONE).paused
    village.end_and_clear([10])
    run = village.run(bought, energies({10: 900}))
    (run,) = village.runs(village.correct(bought, energies({10: 1_000}), run))
    village.fund(neighbour)
    run = village.dispute(run, neighbour)
    warp(village.end_of_day() + village.params.final_after_seconds)
    village.settle_missing(sold)
    village.finalize(run)
    for trader in (home, next_home):
        free, reserved = village.balance(trader.owner)
        assert reserved == 0
        village.market.withdraw(free, trader.owner, sender=trader.owner)
    assert (village.status(bought), village.status(sold)) == (FINAL, FINAL)


def test_cap__set_for_a_slot__limits_it_and_no_other(
    village: Village, home: Home, next_home: Home, operator: Any
) -> None:
    village.place(home, {10: bid(60, 1_000), 11: bid(60, 1_000)})
    village.place(next_home, {10: offer(40, 900), 11: offer(40, 900)})
    slots = [village.first_slot + 10, village.first_slot + 12]
    village.market.setFeederCap(ZONE, slots, 5, sender=operator)
    receipt = village.market.setFeederCap(ZONE, slots, 700, sender=operator)
    assert receipt.events == [village.market.FeederCapSet(ZONE, slot, 700) for slot in slots]
    assert village.market.clearing(ZONE, slots[0])[:5] == (False, 0, 0, 0, 700)
    village.clear_after_gates([10, 11, 12])
    assert [(village.clearing(index).volume_wh, village.clearing(index).cap_wh) for index in (10, 11, 12)] == [
        (700, 700),
        (900, U32_MAX),
        (0, 700),
    ]


# INV-M11
def test_cap__set_outside_the_open_slots__names_slot_and_limit(village: Village, operator: Any) -> None:
    market, at = village.market, village.gate_closes_at(10)
    warp(at)
    closed, last = village.first_slot + 10, village.first_slot + 10 - 4 + 287
    with refused(market.GateClosed, slot=closed, closedAt=at):
        market.setFeederCap(ZONE, [closed + 1, closed], 1, sender=operator)
    with refused(market.BeyondHorizon, slot=last + 1, lastSlot=last):
        market.setFeederCap(ZONE, [last, last + 1], 1, sender=operator)
    market.setFeederCap(ZONE, [closed + 1, last], 1, sender=operator)
    assert [market.clearing(ZONE, slot).capWh for slot in (closed, closed + 1, last)] == [0, 1, 1]


def test_cap__set_for_slot_zero__is_refused_with_its_reason(village: Village, operator: Any) -> None:
    with refused(village.market.GateClosed, slot=0, closedAt=0):
        village.market.setFeederCap(ZONE, [0], 1, sender=operator)


def test_open_zone__longest_finality__leaves_sixteen_hours_before_the_ring_comes_round(
    village: Village, market: Any
) -> None:
    # The tightest case the rules allow: the first slot of a day, final six days after its end.
    final_at = (village.day + 7) * DAY_SECONDS
    last_kept_second = (village.first_slot + 1_024 - 288 + 1) * 900 - 1
    assert last_kept_second - final_at >= 16 * 3_600
    warp(final_at)
    village.clear([0])
    with ape.chain.isolate():
        warp(last_kept_second)
        village.clear([1])
        assert market.clearing(ZONE, village.first_slot).cleared
    warp(last_kept_second + 1)
    oldest = village.first_slot + 1
    with refused(market.SlotExpired, zone=ZONE, slot=village.first_slot, oldestSlot=oldest):
        village.clear([0])


def test_extension__called_directly__changes_nothing_of_the_market(
    village: Village, project: Any, home: Home, intruder: Any
) -> None:
    """Its code checks no role, and need not: it runs on a storage of its own."""
    extension = project.MarketExtension.at(village.market.extension())
    bought = village.place(home, {10: bid(60, 1_000)})
    rules = params_args(replace(village.params, network_fee_ticks=99))
    extension.openZone(ZONE, rules, sender=intruder)
    extension.pauseOrders(ZONE, True, sender=intruder)
    assert tuple(village.market.zoneParams(ZONE, 0)) == params_args(village.params)
    backstop = village.market.backstop(ZONE)
    assert (backstop.balance, backstop.paused) == (BACKSTOP, False)
    village.end_and_clear([10])
    metered = village.meter(bought, NOTHING)
    with ape.reverts(extension.ScheduleNotOpen):
        extension.settle([schedule_args(bought)], [metered], sender=intruder)
    with ape.reverts(extension.ScheduleNotOpen):
        extension.settleMissing(schedule_args(bought), NO_RUN, sender=intruder)
