"""Settlement without data: first as contracted, in the end without delivery, or void if nobody cleared."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from gridwitness.domain.market import Settlement
from tests.actors import refused
from tests.functional.market.village import (
    FINAL,
    HELD,
    NO_RUN,
    NONE,
    NOTHING,
    PROVISIONAL,
    SLOT_SECONDS,
    TRADE_RESERVE,
    ZONE,
    Home,
    Trade,
    Village,
    bid,
    energies,
    offer,
    schedule_args,
    warp,
)


@pytest.fixture
def provisional_at(village: Village) -> int:
    """Second from which missing data is estimated: T1."""
    return village.end_of_day() + village.params.provisional_after_seconds


@pytest.fixture
def final_at(village: Village) -> int:
    """Second from which missing data is final: T2."""
    return village.end_of_day() + village.params.final_after_seconds


def test_settle_missing__before_t1__names_the_second(village: Village, trade: Trade, provisional_at: int) -> None:
    bought, _ = trade
    ape.chain.pending_timestamp = provisional_at - 1
    with refused(village.market.NotYetProvisional, day=village.day, provisionalAt=provisional_at):
        village.settle_missing(bought)
    ape.chain.pending_timestamp = provisional_at
    village.settle_missing(bought)
    assert village.status(bought) == PROVISIONAL


# INV-M15
def test_settle_missing__from_t1__estimates_as_contracted(
    village: Village, home: Home, next_home: Home, trade: Trade, intruder: Any, provisional_at: int, final_at: int
) -> None:
    bought, sold = trade
    warp(provisional_at)
    receipt = village.settle_missing(bought, sender=intruder)
    assert village.settlement(receipt) == Settlement(-200_000, 0, 0, 0, 1_000, 1_000, 0, 0)
    (run,) = village.runs(receipt)
    assert run[5] == 0
    assert village.settlement(village.settle_missing(sold)) == Settlement(200_000, 0, 0, 0, -1_000, -1_000, 0, 0)
    assert village.balance(home.owner) == (0, TRADE_RESERVE - 200_000)
    assert village.balance(next_home.owner) == (0, TRADE_RESERVE + 200_000)
    with refused(village.market.ScheduleNotOpen, deviceId=home.device_id, day=village.day, status=PROVISIONAL):
        village.settle_missing(bought, run)
    with refused(village.market.ProfileStands, deviceId=home.device_id, day=village.day, profileSeq=0):
        village.market.revoke(run, sender=intruder)
    # However long it was open to dispute, an estimate is not for good.
    warp(final_at + 10 * village.params.dispute_seconds)
    with refused(village.market.NotYetFinal, deviceId=home.device_id, day=village.day, finalAt=final_at):
        village.market.finalize([run], sender=intruder)


# INV-M15
def test_dispute__estimate__is_refused(
    village: Village, next_home: Home, trade: Trade, disputer: Any, provisional_at: int
) -> None:
    """A dispute would only keep it from its end."""
    warp(provisional_at)
    (estimate,) = village.runs(village.settle_missing(trade[1]))
    with refused(village.market.RunEstimated, deviceId=next_home.device_id, day=village.day):
        village.market.dispute(estimate, sender=disputer)


def test_correct__data_after_an_estimate__takes_its_place(
    village: Village, home: Home, next_home: Home, trade: Trade, provisional_at: int, final_at: int
) -> None:
    bought, _ = trade
    warp(provisional_at)
    (estimate,) = village.runs(village.settle_missing(bought))
    warp(final_at)  # nobody asked for the end in time
    (run,) = village.runs(village.correct(bought, energies({10: 1_050}), estimate))
    assert village.balance(home.owner) == (0, TRADE_RESERVE - 200_000 - 20_000)
    with refused(village.market.ScheduleNotOpen, deviceId=home.device_id, day=village.day, status=PROVISIONAL):
        village.settle_missing(bought, run)
    village.finalize(run)
    assert village.balance(home.owner) == (TRADE_RESERVE - 200_000 - 20_000, 0)
    village.assert_conserved(home.owner, next_home.owner)


# INV-M15
def test_settle_missing__from_t2__buyers_took_and_sellers_failed(
    village: Village, home: Home, next_home: Home, trade: Trade, intruder: Any, final_at: int
) -> None:
    bought, sold = trade
    backstop = village.market.backstop(ZONE).balance
    warp(final_at)
    receipt = village.settle_missing(bought, sender=intruder)
    assert village.settlement(receipt) == Settlement(-200_000, 0, 0, 0, 1_000, 1_000, 0, 0)
    final = village.market.ScheduleFinal
    assert final(home.device_id, village.day, home.owner, -200_000) in receipt.events
    receipt = village.settle_missing(sold, sender=intruder)
    # 1,000 Wh sold and none delivered: 200,000 received, 400,000 and 950 Wh of penalty paid.
    assert village.settlement(receipt) == Settlement(200_000, 0, -400_000, -28_500, -1_000, 0, 0, 0)
    assert final(next_home.device_id, village.day, next_home.owner, -228_500) in receipt.events
    assert village.status(bought) == village.status(sold) == FINAL
    assert village.balance(home.owner) == (TRADE_RESERVE - 200_000, 0)
    assert village.balance(next_home.owner) == (TRADE_RESERVE - 228_500, 0)
    assert tuple(village.market.backstop(ZONE)) == (backstop + 428_500, 0, 0, False)


# INV-M15
def test_settle_missing__estimated_and_still_no_data__ends_without_delivery(
    village: Village, home: Home, next_home: Home, trade: Trade, provisional_at: int, final_at: int
) -> None:
    _, sold = trade
    warp(provisional_at)
    (estimate,) = village.runs(village.settle_missing(sold))
    warp(final_at)
    status = {"deviceId": next_home.device_id, "day": village.day, "status": PROVISIONAL}
    with refused(village.market.RunMismatch, deviceId=bytes(32), day=0, status=NONE):
        village.settle_missing(sold, NO_RUN)
    with refused(village.market.RunMismatch, **status):
        village.settle_missing(sold, (*estimate[:9], 0, *estimate[10:]))
    village.settle_missing(sold, estimate)
    assert (village.status(sold), village.balance(next_home.owner)) == (FINAL, (TRADE_RESERVE - 228_500, 0))
    village.assert_conserved(home.owner, next_home.owner)


def test_settle_missing__run_of_another_schedule__is_refused(
    village: Village, home: Home, trade: Trade, provisional_at: int, final_at: int
) -> None:
    bought, sold = trade
    warp(provisional_at)
    (estimate,) = village.runs(village.settle_missing(bought))
    village.settle_missing(sold)
    warp(final_at)
    with refused(village.market.RunMismatch, deviceId=home.device_id, day=village.day, status=PROVISIONAL):
        village.settle_missing(sold, estimate)


# INV-M15
def test_settle_missing__held__waits_for_data_until_t2(
    village: Village, home: Home, next_home: Home, trade: Trade, provisional_at: int, final_at: int
) -> None:
    bought, sold = trade
    village.settle(bought, NOTHING, score_bps=10_000)
    village.settle(sold, NOTHING, score_bps=10_000)
    warp(provisional_at)
    with refused(village.market.ScheduleNotOpen, deviceId=home.device_id, day=village.day, status=HELD):
        village.settle_missing(bought)
    village.settle(bought, energies({10: 1_000}))
    ape.chain.pending_timestamp = final_at - 1
    with refused(village.market.ScheduleNotOpen, deviceId=next_home.device_id, day=village.day, status=HELD):
        village.settle_missing(sold)
    ape.chain.pending_timestamp = final_at
    village.settle_missing(sold)
    assert (village.status(bought), village.status(sold)) == (PROVISIONAL, FINAL)


def test_settle_missing__slot_not_cleared__names_it_while_it_can_be(
    village: Village, home: Home, final_at: int
) -> None:
    bought = village.place(home, {10: bid(60, 1_000)})
    slot = village.first_slot + 10
    warp(final_at)
    with refused(village.market.SlotNotCleared, zone=ZONE, slot=slot):
        village.settle_missing(bought)
    warp((slot + 736) * SLOT_SECONDS)
    with refused(village.market.SlotNotCleared, zone=ZONE, slot=slot):
        village.settle_missing(bought)


# INV-M15
def test_settle_missing__slot_never_cleared_in_time__is_void_and_frees_the_reserve(
    village: Village, home: Home, next_home: Home
) -> None:
    schedules = village.place(home, {10: bid(60, 1_000)}), village.place(next_home, {10: offer(60, 1_000)})
    reserve = village.market.reserveOf(schedule_args(schedules[0]))
    warp((village.first_slot + 10 + 737) * SLOT_SECONDS)
    for schedule in schedules:
        assert village.settlement(village.settle_missing(schedule)) == Settlement(0, 0, 0, 0, 0, 0, 0, 0)
    assert village.balance(home.owner) == (reserve, 0)
    assert village.market.backstop(ZONE).exposure == 0
    village.assert_conserved(home.owner, next_home.owner)


def test_settle_missing__results_lost__forfeits_the_reserve(
    village: Village, home: Home, next_home: Home, trade: Trade, provisional_at: int
) -> None:
    """Nobody settled for three weeks: who owes whom is no longer known, and both forfeit what they reserved."""
    bought, sold = trade
    backstop = village.market.backstop(ZONE).balance
    warp(provisional_at)
    (estimate,) = village.runs(village.settle_missing(bought))
    lost_at = (village.first_slot + 2_048 - 287) * SLOT_SECONDS
    with village.isolated() as here:
        ape.chain.pending_timestamp = lost_at - 1
        receipt = here.settle_missing(sold)
        assert here.settlement(receipt).traded_cash == 200_000
    ape.chain.pending_timestamp = lost_at
    receipt = village.settle_missing(sold)
    assert village.settlement(receipt) == Settlement(0, 0, 0, -TRADE_RESERVE, 0, 0, 0, 0)
    assert village.market.ScheduleFinal(sold.device_id, village.day, next_home.owner, -TRADE_RESERVE) in receipt.events
    village.settle_missing(bought, estimate)
    assert village.balance(home.owner) == village.balance(next_home.owner) == (0, 0)
    assert tuple(village.market.backstop(ZONE)) == (backstop + 2 * TRADE_RESERVE, 0, 0, False)


# INV-M21
def test_settle_missing__buyer_forfeits_after_the_seller_was_paid__covers_what_is_in_transit(
    village: Village, home: Home, next_home: Home, trade: Trade, operator: Any
) -> None:
    bought, sold = trade
    backstop = village.market.backstop(ZONE).balance
    village.finalize(village.run(sold, energies({10: -1_000})))
    village.market.withdraw(TRADE_RESERVE + 200_000, next_home.owner, sender=next_home.owner)
    warp((village.first_slot + 2_048 - 287) * SLOT_SECONDS)
    village.settle_missing(bought)
    assert tuple(village.market.backstop(ZONE)) == (backstop + TRADE_RESERVE - 200_000, 0, 0, False)
    village.market.withdrawBackstop(ZONE, backstop + TRADE_RESERVE - 200_000, operator, sender=operator)
    assert village.euro.balanceOf(village.market) == 0
