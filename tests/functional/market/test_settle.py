"""Settlement on proven profiles, without data, and everything that stops it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ape
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwitness.domain.market import Order, Side
from gridwitness.encoding.packing import pack_energy_wh
from gridwitness.market import settlement as reference
from tests.actors import OpenFeed, refused
from tests.functional.market.village import (
    EUR,
    HELD,
    NONE,
    OPEN,
    SETTLED,
    SLOT_SECONDS,
    Home,
    MakeHomes,
    Village,
    bid,
    day_of,
    offer,
    schedule_args,
    warp,
)

NOTHING = (0,) * 96


def energies(values: dict[int, int]) -> tuple[int, ...]:
    """A day's net energies (Wh) from those that are not zero."""
    return tuple(values.get(index, 0) for index in range(96))


@pytest.fixture
def trade(village: Village, home: Home, next_home: Home, deployer: Any) -> tuple[Any, Any]:
    """A purchase of 1,000 Wh that a neighbour sells, both at tick 60 = 200,000 per kWh; the day is over and cleared."""
    village.fund_backstop(deployer)
    bought = village.place(home, {10: bid(60, 1_000)})
    sold = village.place(next_home, {10: offer(60, 1_000)})
    village.end_and_clear([10])
    return bought, sold


def test_settle__delivered_as_contracted__moves_the_price_and_no_more(
    village: Village, home: Home, next_home: Home, trade: tuple[Any, Any]
) -> None:
    bought, sold = trade
    backstop = village.market.backstop(village.zone).balance
    receipt = village.settle(bought, energies({10: 1_000}))
    assert village.settlement(receipt) == reference.Settlement(-200_000, 0, 0, 0, 1_000, 1_000)
    assert [event.onProof for event in receipt.events.filter(village.market.ScheduleSettled)] == [True]
    village.settle(sold, energies({10: -1_000}))
    # The buyer had reserved just what it paid; the seller gets the price and its bond of 400,000 + 30,000 − 200,000.
    assert village.balance(home.owner) == (0, 0)
    assert village.balance(next_home.owner) == (230_000 + 200_000, 0)
    assert tuple(village.market.backstop(village.zone)) == (backstop, 0)
    assert village.status(bought) == village.status(sold) == SETTLED


@pytest.mark.parametrize(
    ("metered_wh", "imbalance", "penalty"),
    [
        (1_050, -20_000, 0),  # short by 50 Wh at 400,000, within five percent
        (1_051, -20_400, -30),  # one Wh beyond it
        (950, 2_000, 0),  # long by 50 Wh at 40,000
        (949, 2_040, -30),
        (0, 40_000, -28_500),
        (-500, 60_000, -28_500),  # never more penalty than on the whole contract (docs/adr/0003)
    ],
)
def test_settle__deviation_of_a_buyer__pays_imbalance_and_penalty(
    village: Village, home: Home, trade: tuple[Any, Any], metered_wh: int, imbalance: int, penalty: int
) -> None:
    bought, _ = trade
    village.fund(home.owner, EUR)
    settlement = village.settlement(village.settle(bought, energies({10: metered_wh})))
    assert settlement == reference.Settlement(-200_000, imbalance, penalty, 0, 1_000, metered_wh)
    assert village.balance(home.owner) == (EUR + imbalance + penalty, 0)


def test_settle__energy_in_slots_without_orders__is_imbalance_too(
    village: Village, home: Home, trade: tuple[Any, Any]
) -> None:
    bought, _ = trade
    village.fund(home.owner, EUR)
    settlement = village.settlement(village.settle(bought, energies({10: 1_000, 11: 7, 12: -3})))
    # 7 Wh at −400,000 and 3 Wh at 40,000 per kWh; no penalty, since nobody relied on them (docs/adr/0003).
    assert settlement == reference.Settlement(-200_000, -2_680, 0, 0, 1_000, 1_004)


def test_settle__fraction_of_a_unit__is_rounded_against_the_account(
    village: Village, home: Home, next_home: Home, deployer: Any
) -> None:
    village.fund_backstop(deployer)
    bought = village.place(home, {0: bid(57, 1), 1: bid(57, 1)})  # tick 57 is 192,500 per kWh: 192.5 units for 1 Wh
    sold = village.place(next_home, {1: offer(57, 1)})
    village.end_and_clear([0, 1])
    assert village.settlement(village.settle(bought, energies({1: 1}))).traded_cash == -193
    assert village.settlement(village.settle(sold, energies({1: -1}))).traded_cash == 192


# INV-M1
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_settle__any_day__equals_reference_and_conserves_cash(
    village: Village, traders: list[Home], deployer: Any, data: st.DataObject
) -> None:
    order = st.builds(Order, st.sampled_from(Side), st.integers(50, 70), st.integers(0, 3_000))
    day = st.lists(order, min_size=96, max_size=96)
    metered = st.lists(st.integers(-4_000, 4_000), min_size=96, max_size=96)
    with ape.chain.isolate():
        village.fund_backstop(deployer, 10**9)
        schedules = [village.place(home, data.draw(day)) for home in traders]
        village.end_and_clear()
        clearings = village.clearings()
        owners = [home.owner for home in traders]
        held = village.held_cash(owners)
        for home, schedule in zip(traders, schedules, strict=True):
            energy_wh = data.draw(metered)
            available = sum(village.balance(home.owner))
            expected = reference.settle(schedule, clearings, energy_wh, village.params, available=available)
            assert village.settlement(village.settle(schedule, energy_wh)) == expected
            assert village.balance(home.owner) == (available + reference.net_cash(expected), 0)
            assert village.held_cash(owners) == held
        assert village.market.backstop(village.zone).outstanding == 0
        assert village.euro.balanceOf(village.market) == held


@pytest.fixture
def traders(make_homes: MakeHomes) -> list[Home]:
    """Three homes."""
    return make_homes(3)


def test_settle__more_owed_than_there_is__takes_all_and_counts_the_rest(
    village: Village, home: Home, trade: tuple[Any, Any]
) -> None:
    bought, _ = trade
    backstop = village.market.backstop(village.zone).balance
    settlement = village.settlement(village.settle(bought, energies({10: 2_000})))
    owed = 200_000 + 400_000 + 28_500
    assert settlement.uncollected == owed - 200_000
    assert village.balance(home.owner) == (0, 0)
    assert village.market.backstop(village.zone).balance == backstop + 200_000


def test_settle__reserve_of_another_day__is_not_touched(village: Village, home: Home, trade: tuple[Any, Any]) -> None:
    bought, _ = trade
    village.place(home, {95: bid(60, 1_000)}, day=village.day + 1)
    village.settle(bought, energies({10: 9_000}))
    assert village.balance(home.owner) == (0, 200_000)


def test_settle__many_rows_and_days__settles_each_on_its_own(
    village: Village, home: Home, next_home: Home, trade: tuple[Any, Any]
) -> None:
    bought, sold = trade
    later = village.place(home, {95: bid(60, 1_000)}, day=village.day + 1)
    warp(village.end_of_day() + 86_400)
    village.market.clear(village.zone, [village.first_slot + 96 + 95], sender=village.transmitter)
    rows = [(bought, energies({10: 1_000})), (later, NOTHING), (sold, energies({10: -1_000}))]
    for schedule, energy_wh in rows:
        village.meter(schedule, energy_wh)
    metered = [
        (list(pack_energy_wh(energy_wh)), 0, village.proof_of(number))
        for number, (_, energy_wh) in enumerate(rows, start=1)
    ]
    receipt = village.market.settle(
        [schedule_args(schedule) for schedule, _ in rows], metered, sender=village.transmitter
    )
    settled = receipt.events.filter(village.market.ScheduleSettled)
    assert [(event.day, event.settlement[0]) for event in settled] == [
        (village.day, -200_000),
        (village.day + 1, 0),
        (village.day, 200_000),
    ]


# INV-M14
def test_settle__suspicious_profile__is_held_until_a_better_one(
    village: Village, home: Home, trade: tuple[Any, Any]
) -> None:
    bought, _ = trade
    before = village.balance(home.owner)
    receipt = village.settle(bought, energies({10: 100}), score_bps=9_901)
    assert receipt.events == [village.market.SettlementHeld(home.device_id, village.day, 9_901, 9_900)]
    assert village.status(bought) == HELD
    assert village.balance(home.owner) == before
    assert village.market.backstop(village.zone).outstanding == 2
    village.settle(bought, energies({10: 1_000}), score_bps=9_900)
    assert village.status(bought) == SETTLED
    assert village.balance(home.owner) == (0, 0)


# INV-M9
def test_settle__twice__is_not_open(village: Village, home: Home, trade: tuple[Any, Any]) -> None:
    bought, _ = trade
    village.settle(bought, energies({10: 1_000}))
    with refused(village.market.ScheduleNotOpen, deviceId=home.device_id, day=village.day, status=SETTLED):
        village.settle(bought, energies({10: 0}))
    warp(village.end_of_day() + village.params.final_after_seconds)
    with refused(village.market.ScheduleNotOpen, deviceId=home.device_id, day=village.day, status=SETTLED):
        village.market.settleMissing(schedule_args(bought), sender=village.transmitter)


def test_settle__never_submitted__is_not_open(village: Village, home: Home, trade: tuple[Any, Any]) -> None:
    bought, _ = trade
    with refused(village.market.ScheduleNotOpen, deviceId=home.device_id, day=village.day - 16, status=NONE):
        village.settle(replace(bought, day=village.day - 16), NOTHING)


def test_settle__other_orders_account_or_version__is_a_mismatch(
    village: Village, home: Home, neighbour: Any, trade: tuple[Any, Any]
) -> None:
    bought, _ = trade
    for forged in (
        replace(bought, orders=day_of({10: bid(60, 1)})),
        replace(bought, account=neighbour.address),
        replace(bought, version=2),
    ):
        with refused(village.market.ScheduleMismatch, deviceId=home.device_id, day=village.day):
            village.settle(forged, NOTHING)


def test_settle__before_the_day_ends__names_the_second(village: Village, home: Home) -> None:
    bought = village.place(home, {10: bid(60, 1_000)})
    metered = village.meter(bought, NOTHING)
    warp(village.end_of_day() - 60)
    village.clear([10])
    ape.chain.pending_timestamp = village.end_of_day() - 1
    with refused(village.market.DayNotOver, day=village.day, endsAt=village.end_of_day()):
        village.market.settle([schedule_args(bought)], [metered], sender=village.transmitter)
    warp(village.end_of_day())
    village.market.settle([schedule_args(bought)], [metered], sender=village.transmitter)


def test_settle__slot_not_cleared__names_it(village: Village, home: Home) -> None:
    bought = village.place(home, {10: bid(60, 1_000), 11: bid(60, 1_000)})
    warp(village.end_of_day())
    village.clear([10])
    with refused(village.market.SlotNotCleared, zone=village.zone, slot=village.first_slot + 11):
        village.settle(bought, NOTHING)
    village.clear([11])
    village.settle(bought, NOTHING)


def test_settle__only_slots_with_orders__need_be_cleared(village: Village, home: Home) -> None:
    bought = village.place(home, {10: bid(60, 1_000)})
    warp(village.end_of_day())
    village.clear([10])
    village.settle(bought, NOTHING)
    assert village.status(bought) == SETTLED


def test_settle__result_no_longer_kept__is_expired(village: Village, home: Home) -> None:
    bought = village.place(home, {10: bid(60, 1_000)})
    slot = village.first_slot + 10
    warp((slot + 737) * SLOT_SECONDS)
    with refused(village.market.SlotExpired, zone=village.zone, slot=slot, oldestSlot=slot + 1):
        village.settle(bought, NOTHING)


# INV-M14
def test_settle__altered_profile__is_not_proven(village: Village, home: Home, trade: tuple[Any, Any]) -> None:
    bought, _ = trade
    energy, score, proof = village.meter(bought, energies({10: 1_000}), 9_950)
    other = list(pack_energy_wh(energies({10: 999})))
    for forged in ((other, score, proof), (energy, 0, proof), (energy, score, (*proof[:3], [], proof[4]))):
        with refused(village.market.ProofInvalid, deviceId=home.device_id, day=village.day):
            village.market.settle([schedule_args(bought)], [forged], sender=village.transmitter)


# INV-M14
def test_settle__profile_of_another_device_or_day__is_not_proven(
    village: Village, home: Home, trade: tuple[Any, Any]
) -> None:
    bought, sold = trade
    for other in (sold, replace(bought, day=village.day - 1)):
        metered = village.meter(other, energies({10: 1_000}))
        with refused(village.market.ProofInvalid, deviceId=home.device_id, day=village.day):
            village.market.settle([schedule_args(bought)], [metered], sender=village.transmitter)


# INV-M14
def test_settle__profile_of_a_stream_anyone_opened__is_not_proven(
    village: Village, home: Home, trade: tuple[Any, Any], open_feed: OpenFeed
) -> None:
    bought, _ = trade
    own = replace(village, feed=open_feed("forged", village.feed.committee))
    metered = own.meter(bought, NOTHING)
    with refused(village.market.ProofInvalid, deviceId=home.device_id, day=village.day):
        village.market.settle([schedule_args(bought)], [metered], sender=village.transmitter)


def test_settle__rows_without_profile__names_both_lengths(village: Village, trade: tuple[Any, Any]) -> None:
    bought, sold = trade
    metered = village.meter(bought, NOTHING)
    with refused(village.market.LengthMismatch, schedules=2, metered=1):
        rows = [schedule_args(bought), schedule_args(sold)]
        village.market.settle(rows, [metered], sender=village.transmitter)


def test_settle__one_bad_row__settles_none(village: Village, home: Home, trade: tuple[Any, Any]) -> None:
    bought, sold = trade
    metered = village.meter(bought, NOTHING)
    with refused(village.market.ProofInvalid, deviceId=sold.device_id, day=village.day):
        rows = [schedule_args(bought), schedule_args(sold)]
        village.market.settle(rows, [metered, metered], sender=village.transmitter)
    assert village.status(bought) == OPEN


def test_settle__backstop_too_small__waits_for_the_payers(village: Village, home: Home, next_home: Home) -> None:
    bought = village.place(home, {10: bid(60, 1_000)})
    sold = village.place(next_home, {10: offer(60, 1_000)})
    village.end_and_clear([10])
    metered = village.meter(sold, energies({10: -1_000}))
    with refused(village.market.BackstopExhausted, zone=village.zone, needed=200_000, available=0):
        village.market.settle([schedule_args(sold)], [metered], sender=village.transmitter)
    village.settle(bought, energies({10: 1_000}))
    village.settle(sold, energies({10: -1_000}))
    assert village.market.backstop(village.zone).balance == 0


# INV-M15
def test_settle_missing__before_final__names_the_second(village: Village, trade: tuple[Any, Any]) -> None:
    bought, _ = trade
    final_at = village.end_of_day() + village.params.final_after_seconds
    ape.chain.pending_timestamp = final_at - 1
    with refused(village.market.NotYetFinal, day=village.day, finalAt=final_at):
        village.market.settleMissing(schedule_args(bought), sender=village.transmitter)
    warp(final_at)
    village.market.settleMissing(schedule_args(bought), sender=village.transmitter)


def test_settle_missing__no_data__buyers_take_and_sellers_fail(
    village: Village, home: Home, next_home: Home, trade: tuple[Any, Any], intruder: Any
) -> None:
    bought, sold = trade
    warp(village.end_of_day() + village.params.final_after_seconds)
    receipt = village.market.settleMissing(schedule_args(bought), sender=intruder)
    assert village.settlement(receipt) == reference.Settlement(-200_000, 0, 0, 0, 1_000, 1_000)
    assert [event.onProof for event in receipt.events.filter(village.market.ScheduleSettled)] == [False]
    receipt = village.market.settleMissing(schedule_args(sold), sender=intruder)
    # 1,000 Wh sold and none delivered: 200,000 received, 400,000 and 950 Wh of penalty paid; the bond covers it.
    assert village.settlement(receipt) == reference.Settlement(200_000, -400_000, -28_500, 0, -1_000, 0)
    assert village.balance(next_home.owner) == (230_000 - 228_500, 0)


def test_settle_missing__held_schedule__settles_all_the_same(village: Village, trade: tuple[Any, Any]) -> None:
    bought, _ = trade
    village.settle(bought, NOTHING, score_bps=10_000)
    warp(village.end_of_day() + village.params.final_after_seconds)
    village.market.settleMissing(schedule_args(bought), sender=village.transmitter)
    assert village.status(bought) == SETTLED


def test_settle_missing__slot_not_cleared__names_it_while_it_is_kept(village: Village, home: Home) -> None:
    bought = village.place(home, {10: bid(60, 1_000)})
    slot = village.first_slot + 10
    warp((slot + 736) * SLOT_SECONDS)
    with refused(village.market.SlotNotCleared, zone=village.zone, slot=slot):
        village.market.settleMissing(schedule_args(bought), sender=village.transmitter)


# INV-M15
def test_settle_missing__slot_never_cleared_in_time__is_void_and_frees_the_reserve(
    village: Village, home: Home
) -> None:
    bought = village.place(home, {10: bid(60, 1_000)})
    warp((village.first_slot + 10 + 737) * SLOT_SECONDS)
    receipt = village.market.settleMissing(schedule_args(bought), sender=village.transmitter)
    assert village.settlement(receipt) == reference.Settlement(0, 0, 0, 0, 0, 0)
    assert village.balance(home.owner) == (200_000, 0)
    assert village.market.backstop(village.zone).outstanding == 0
