"""Provisional runs on proven profiles: what they come to, and everything that stops them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ape
from eth_abi import encode

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import Settlement, SettlementRun
from gridwitness.encoding.eip712 import schedule_struct_hash
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.packing import pack_energy_wh
from tests.actors import OpenFeed, refused
from tests.functional.market.village import (
    HELD,
    NONE,
    NOTHING,
    OPEN,
    PROVISIONAL,
    SLOT_SECONDS,
    TRADE_RESERVE,
    ZONE,
    Home,
    MakeHomes,
    OpenVillage,
    Run,
    Trade,
    Village,
    bid,
    day_of,
    energies,
    offer,
    schedule_args,
    warp,
)

NOBODY = "0x" + "00" * 20
RUN_TYPES = "(bytes32,address,uint24,uint24,bytes32,uint32,uint40,uint64,uint64,int64,int64,address,uint40)"


def hash_of(run: Run) -> bytes:
    """The part of a run's hash that the market keeps."""
    return keccak(encode([RUN_TYPES], [run]))[:24] + bytes(8)


def test_settle__delivered_as_contracted__moves_the_price_and_keeps_it_locked(
    village: Village, home: Home, next_home: Home, trade: Trade
) -> None:
    bought, sold = trade
    before = village.market.backstop(ZONE)
    receipt = village.settle(bought, energies({10: 1_000}))
    assert village.settlement(receipt) == Settlement(-200_000, 0, 0, 0, 1_000, 1_000, 0, 0)
    # What may come: 1,000 Wh at 230,000 and 2,000 Wh at 400,000; 3,000 Wh long at 40,000 and 96 Wh of dust at 367,500.
    reserve, exposure = TRADE_RESERVE, 120_000 + 35_280 + 1
    ran_at = receipt.timestamp
    ((*fields,),) = village.runs(receipt)
    assert SettlementRun(*fields) == SettlementRun(
        *(home.device_id, home.owner.address.lower(), ZONE, village.day, schedule_struct_hash(bought), 1, ran_at),
        *(reserve, exposure, -200_000, 0, NOBODY, 0),
    )
    assert village.market.scheduleOf(home.device_id, village.day) == (PROVISIONAL, 1, hash_of(tuple(fields)))
    assert village.balance(home.owner) == (0, reserve - 200_000)
    assert tuple(village.market.backstop(ZONE)) == (before.balance, before.exposure, 200_000, False)
    village.settle(sold, energies({10: -1_000}))
    # The seller gets the price on top of what it reserved to fail: 1,000 Wh at 430,000 − 200,000, and the limit.
    assert village.balance(next_home.owner) == (0, TRADE_RESERVE + 200_000)
    assert tuple(village.market.backstop(ZONE)) == tuple(before)
    village.assert_conserved(home.owner, next_home.owner)


def test_settle__deviation_of_a_buyer__pays_imbalance_and_penalty(village: Village, home: Home, trade: Trade) -> None:
    bought, _ = trade
    before = village.market.backstop(ZONE).balance
    for metered_wh, imbalance, penalty in (
        (1_050, -20_000, 0),  # short by 50 Wh at 400,000, within five percent
        (1_051, -20_400, -30),  # one Wh beyond it
        (950, 2_000, 0),  # long by 50 Wh at 40,000
        (949, 2_040, -30),
        (0, 40_000, -28_500),
        (-500, 60_000, -28_500),  # never more penalty than on the whole contract (docs/adr/0003)
    ):
        with village.isolated() as here:
            settlement = here.settlement(here.settle(bought, energies({10: metered_wh})))
            assert settlement == Settlement(-200_000, 0, imbalance, penalty, 1_000, metered_wh, 0, 0)
            assert here.balance(home.owner) == (0, TRADE_RESERVE - 200_000 + imbalance + penalty)
            assert here.market.backstop(ZONE).balance == before - imbalance - penalty


def test_settle__deviation_of_a_seller__pays_imbalance_and_penalty(
    village: Village, next_home: Home, trade: Trade
) -> None:
    _, sold = trade
    for metered_wh, imbalance, penalty in (
        (-1_050, 2_000, 0),
        (-949, -20_400, -30),
        (0, -400_000, -28_500),
        (500, -600_000, -28_500),
    ):
        with village.isolated() as here:
            settlement = here.settlement(here.settle(sold, energies({10: metered_wh})))
            assert settlement == Settlement(200_000, 0, imbalance, penalty, -1_000, metered_wh, 0, 0)
            assert here.balance(next_home.owner) == (0, TRADE_RESERVE + 200_000 + imbalance + penalty)


def test_settle__beyond_the_imbalance_limit__is_left_to_the_supplier(village: Village, trade: Trade) -> None:
    bought, _ = trade
    for metered, imbalance, residual_short, residual_long in (
        ({10: 3_000}, -800_000, 0, 0),  # 2,000 Wh short, all within the limit
        ({10: 3_001}, -800_000, 1, 0),
        ({10: 1_000, 50: 9_000}, -800_000, 7_000, 0),
        ({10: -2_000}, 120_000, 0, 0),  # what was bought may be long, and 2,000 Wh more
        ({10: 0, 50: -2_500}, 120_000, 0, 500),
        ({10: 4_000, 50: -4_000}, -800_000 + 120_000, 1_000, 1_000),
    ):
        with village.isolated() as here:
            settlement = here.settlement(here.settle(bought, energies(metered)))
            assert settlement.imbalance_cash == imbalance
            assert (settlement.residual_short_wh, settlement.residual_long_wh) == (residual_short, residual_long)


def test_settle__energy_in_slots_without_orders__is_imbalance_without_penalty(village: Village, trade: Trade) -> None:
    bought, _ = trade
    settlement = village.settlement(village.settle(bought, energies({10: 1_000, 11: 7, 12: -3})))
    # 7 Wh at −400,000 and 3 Wh at 40,000 per kWh; nobody relied on them (docs/adr/0003).
    assert settlement == Settlement(-200_000, 0, -2_680, 0, 1_000, 1_004, 0, 0)


def test_settle__fraction_of_a_unit__is_rounded_against_the_account(
    village: Village, home: Home, next_home: Home
) -> None:
    bought = village.place(home, {0: bid(57, 1), 1: bid(57, 1)})  # tick 57 is 192,500 per kWh: 192.5 units for 1 Wh
    sold = village.place(next_home, {1: offer(57, 1)})
    village.end_and_clear([0, 1])
    assert village.settlement(village.settle(bought, energies({1: 1}))).traded_cash == -193
    assert village.settlement(village.settle(sold, energies({1: -1}))).traded_cash == 192
    assert village.market.backstop(ZONE).inTransit == 1


# INV-M6
def test_settle__bids_rounded_down__are_made_whole_by_the_backstop(village: Village, make_homes: MakeHomes) -> None:
    *buyers, seller = make_homes(4)
    bought = [village.place(home, {10: bid(60, 1)}) for home in buyers]
    sold = village.place(seller, {10: offer(20, 2)})
    village.end_and_clear([10])
    for schedule in bought:
        receipt = village.settle(schedule, NOTHING)
        (run,) = (SettlementRun(*fields) for fields in village.runs(receipt))
        # Two thirds of a Wh were bought, none was contracted: the backstop pays for a Wh at 200,000.
        assert village.settlement(receipt) == Settlement(0, 0, 0, 0, 0, 0, 0, 0)
        assert (run.from_counterparties, run.from_backstop) == (-200, 200)
    village.settle(sold, energies({10: -2}))
    assert village.market.backstop(ZONE).inTransit == 3 * 200 - 400
    village.assert_conserved(*(home.owner for home in (*buyers, seller)))


def test_settle__fee_and_premium__are_paid_on_top_of_the_price(
    open_village: OpenVillage, make_homes: MakeHomes
) -> None:
    green = {"green_premium_ticks": 10, "green_kinds": 1 << DeviceKind.GENERATION}
    village = open_village(9, network_fee_ticks=5, **green)
    plant, house, buyer = make_homes(3, 9, (DeviceKind.GENERATION, DeviceKind.PROSUMER, DeviceKind.GENERATION))
    rows = [
        (village.place(plant, {7: offer(70, 500)}), -500, (100_000, 12_500)),
        (village.place(house, {7: offer(60, 500)}), -500, (100_000, 0)),
        (village.place(buyer, {7: bid(65, 1_000)}), 1_000, (-200_000, -12_500)),
    ]
    village.end_and_clear([7])
    before = village.market.backstop(9).balance
    receipt = village.settle_all([(schedule, energies({7: metered_wh})) for schedule, metered_wh, _ in rows])
    settlements = [Settlement(*tuple(e.settlement)) for e in receipt.events.filter(village.market.RunMade)]
    assert settlements == [Settlement(*cash, 0, 0, energy_wh, energy_wh, 0, 0) for _, energy_wh, cash in rows]
    assert village.market.backstop(9).balance == before
    assert village.market.backstop(9).inTransit == 0


def test_settle__many_rows_and_days__settles_each_on_its_own(village: Village, home: Home, trade: Trade) -> None:
    bought, sold = trade
    later = village.place(home, {95: bid(60, 1_000)}, day=village.day + 1)
    warp(village.end_of_day() + 86_400)
    village.market.clear(village.zone, [village.first_slot + 96 + 95], sender=village.transmitter)
    rows = [(bought, energies({10: 1_000})), (later, NOTHING), (sold, energies({10: -1_000}))]
    receipt = village.settle_all(rows)
    runs = [SettlementRun(*fields) for fields in village.runs(receipt)]
    assert [(run.day, run.profile_seq, run.from_counterparties) for run in runs] == [
        (village.day, 1, -200_000),
        (village.day + 1, 2, 0),
        (village.day, 3, 200_000),
    ]


# INV-M14
def test_settle__suspicious_profile__is_held_until_a_better_one(village: Village, home: Home, trade: Trade) -> None:
    bought, _ = trade
    before = village.balance(home.owner), tuple(village.market.backstop(ZONE))
    receipt = village.settle(bought, energies({10: 100}), score_bps=9_901)
    assert receipt.events == [village.market.SettlementHeld(home.device_id, village.day, 9_901, 9_900)]
    assert village.status(bought) == HELD
    assert (village.balance(home.owner), tuple(village.market.backstop(ZONE))) == before
    village.settle(bought, energies({10: 1_000}), score_bps=9_900)
    assert village.status(bought) == PROVISIONAL


# INV-M9
def test_settle__twice__is_not_open(village: Village, home: Home, trade: Trade) -> None:
    bought, _ = trade
    village.settle(bought, energies({10: 1_000}))
    with refused(village.market.ScheduleNotOpen, deviceId=home.device_id, day=village.day, status=PROVISIONAL):
        village.settle(bought, energies({10: 0}))
    with refused(village.market.ScheduleNotOpen, deviceId=home.device_id, day=village.day, status=PROVISIONAL):
        village.settle(bought, NOTHING, score_bps=10_000)


def test_settle__never_submitted__is_not_open(village: Village, home: Home, trade: Trade) -> None:
    bought, _ = trade
    with refused(village.market.ScheduleNotOpen, deviceId=home.device_id, day=village.day - 16, status=NONE):
        village.settle(replace(bought, day=village.day - 16), NOTHING)


def test_settle__any_other_field__is_a_mismatch(village: Village, home: Home, neighbour: Any, trade: Trade) -> None:
    bought, _ = trade
    metered = village.meter(bought, NOTHING)
    for forged in (
        replace(bought, orders=day_of({10: bid(60, 1)})),
        replace(bought, account=neighbour.address),
        replace(bought, zone=8),
        replace(bought, version=2),
        replace(bought, deadline=1),
        replace(bought, imbalance_limit_wh=0),
    ):
        with refused(village.market.ScheduleMismatch, deviceId=home.device_id, day=village.day):
            village.market.settle([schedule_args(forged)], [metered], sender=village.transmitter)


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


def test_settle__slot_with_an_order_not_cleared__names_it(village: Village, home: Home) -> None:
    bought = village.place(home, {10: bid(60, 1_000), 11: bid(60, 1_000)})
    warp(village.end_of_day())
    village.clear([10])
    with refused(village.market.SlotNotCleared, zone=village.zone, slot=village.first_slot + 11):
        village.settle(bought, NOTHING)
    village.clear([11])
    village.settle(bought, NOTHING)
    assert village.status(bought) == PROVISIONAL


def test_settle__slot_never_cleared_in_time__trades_nothing(village: Village, home: Home, next_home: Home) -> None:
    bought = village.place(home, {10: bid(60, 1_000), 95: bid(60, 500)})
    sold = village.place(next_home, {10: offer(60, 1_000), 95: offer(60, 500)})
    warp(village.end_of_day())
    village.clear([95])
    slot = village.first_slot + 10
    warp((slot + 736) * SLOT_SECONDS)
    with refused(village.market.SlotNotCleared, zone=village.zone, slot=slot):
        village.settle(bought, NOTHING)
    warp((slot + 737) * SLOT_SECONDS)
    for schedule, sign in ((bought, 1), (sold, -1)):
        settlement = village.settlement(village.settle(schedule, energies({95: sign * 500})))
        assert settlement == Settlement(-sign * 100_000, 0, 0, 0, sign * 500, sign * 500, 0, 0)


def test_settle__result_no_longer_kept__is_expired(village: Village, trade: Trade) -> None:
    """The place of a result is taken from the moment a slot 2,048 later can be capped."""
    bought, sold = trade
    slot = village.first_slot + 10
    last_second = (slot + 2_048 - 287) * SLOT_SECONDS - 1
    warp(last_second - 60)
    village.settle(sold, energies({10: -1_000}))
    now_slot = slot + 2_048
    warp(now_slot * SLOT_SECONDS)
    village.market.clear(ZONE, [now_slot], sender=village.transmitter)
    with refused(village.market.SlotExpired, zone=ZONE, slot=slot, oldestSlot=now_slot - 736):
        village.settle(bought, energies({10: 1_000}))


# INV-M14
def test_settle__altered_profile__is_not_proven(village: Village, home: Home, trade: Trade) -> None:
    bought, _ = trade
    energy, score, proof = village.meter(bought, energies({10: 1_000}), 9_950)
    other = list(pack_energy_wh(energies({10: 999})))
    for forged in ((other, score, proof), (energy, 0, proof), (energy, score, (*proof[:3], [], proof[4]))):
        with refused(village.market.ProofInvalid, deviceId=home.device_id, day=village.day):
            village.market.settle([schedule_args(bought)], [forged], sender=village.transmitter)


# INV-M14
def test_settle__profile_of_another_device_or_day__is_not_proven(village: Village, home: Home, trade: Trade) -> None:
    bought, sold = trade
    for other in (sold, replace(bought, day=village.day - 1)):
        metered = village.meter(other, energies({10: 1_000}))
        with refused(village.market.ProofInvalid, deviceId=home.device_id, day=village.day):
            village.market.settle([schedule_args(bought)], [metered], sender=village.transmitter)


# INV-M14
def test_settle__profile_of_a_stream_anyone_opened__is_not_proven(
    village: Village, home: Home, trade: Trade, open_feed: OpenFeed
) -> None:
    bought, _ = trade
    own = replace(village, feed=open_feed("forged", village.feed.committee))
    metered = own.meter(bought, NOTHING)
    with refused(village.market.ProofInvalid, deviceId=home.device_id, day=village.day):
        village.market.settle([schedule_args(bought)], [metered], sender=village.transmitter)


def test_settle__rows_without_profile__names_both_lengths(village: Village, trade: Trade) -> None:
    rows = [schedule_args(schedule) for schedule in trade]
    metered = village.meter(trade[0], NOTHING)
    with refused(village.market.LengthMismatch, schedules=2, metered=1):
        village.market.settle(rows, [metered], sender=village.transmitter)


def test_settle__one_bad_row__settles_none(village: Village, trade: Trade) -> None:
    bought, sold = trade
    metered = village.meter(bought, NOTHING)
    with refused(village.market.ProofInvalid, deviceId=sold.device_id, day=village.day):
        rows = [schedule_args(bought), schedule_args(sold)]
        village.market.settle(rows, [metered, metered], sender=village.transmitter)
    assert village.status(bought) == OPEN
