"""A provisional run waits to be disputed, and then is final."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ape

from gridwitness.domain.market import Schedule
from gridwitness.encoding.eip712 import schedule_struct_hash
from tests.actors import refused
from tests.functional.market.village import (
    DISPUTE_BOND,
    DISPUTED,
    FINAL,
    NONE,
    NOTHING,
    OPEN,
    PROVISIONAL,
    TRADE_RESERVE,
    ZONE,
    Home,
    Run,
    Trade,
    Village,
    energies,
    schedule_args,
    warp,
)

RAN_AT, DISPUTED_AT = 6, -1
DELIVERED = energies({10: 1_000})


def test_finalize__a_day_after_the_run__frees_reserve_and_result(
    village: Village, home: Home, next_home: Home, trade: Trade
) -> None:
    bought, sold = trade
    backstop = village.market.backstop(ZONE).balance
    runs = [village.run(bought, energies({10: 1_050})), village.run(sold, energies({10: -1_000}))]
    receipt = village.finalize(*runs)
    assert receipt.events == [
        village.market.ScheduleFinal(home.device_id, village.day, home.owner, -220_000),
        village.market.ScheduleFinal(next_home.device_id, village.day, next_home.owner, 200_000),
    ]
    assert village.balance(home.owner) == (TRADE_RESERVE - 220_000, 0)
    assert village.balance(next_home.owner) == (TRADE_RESERVE + 200_000, 0)
    assert tuple(village.market.backstop(ZONE)) == (backstop + 20_000, 0, 0, False)
    kept = village.market.scheduleOf(home.device_id, village.day)
    assert kept == (FINAL, 1, schedule_struct_hash(bought)[:24] + bytes(8))


def test_finalize__last_schedule_of_the_zone__folds_what_is_in_transit_into_the_backstop(
    village: Village, bought: Schedule, trade: Trade
) -> None:
    backstop = village.market.backstop(ZONE).balance
    run = village.run(bought, DELIVERED)
    village.finalize(run)
    assert village.market.backstop(ZONE).inTransit == 200_000
    warp(village.end_of_day() + village.params.final_after_seconds)
    with village.isolated() as here:  # the seller fails: 200,000 in, 428,500 out
        here.settle_missing(trade[1])
        assert tuple(here.market.backstop(ZONE)) == (backstop + 428_500, 0, 0, False)
    sold = village.run(trade[1], energies({10: -999}))
    village.finalize(sold)
    assert tuple(village.market.backstop(ZONE)) == (backstop + 400, 0, 0, False)


def test_finalize__a_second_early__names_when(village: Village, home: Home, bought: Schedule) -> None:
    run = village.run(bought, DELIVERED)
    final_at = run[RAN_AT] + village.params.dispute_seconds
    ape.chain.pending_timestamp = final_at - 1
    with refused(village.market.NotYetFinal, deviceId=home.device_id, day=village.day, finalAt=final_at):
        village.market.finalize([run], sender=village.transmitter)
    ape.chain.pending_timestamp = final_at
    village.market.finalize([run], sender=village.transmitter)
    assert village.status(bought) == FINAL


# INV-M9
def test_finalize__twice__is_a_mismatch(village: Village, home: Home, bought: Schedule) -> None:
    run = village.run(bought, DELIVERED)
    warp(run[RAN_AT] + village.params.dispute_seconds)
    with refused(village.market.RunMismatch, deviceId=home.device_id, day=village.day, status=FINAL):
        village.market.finalize([run, run], sender=village.transmitter)
    village.market.finalize([run], sender=village.transmitter)
    for act in actions(village, bought, run, home.owner):
        with refused(village.market.RunMismatch, deviceId=home.device_id, day=village.day, status=FINAL):
            act()
    with refused(village.market.ScheduleNotOpen, deviceId=home.device_id, day=village.day, status=FINAL):
        village.settle(bought, NOTHING)


def actions(village: Village, schedule: Schedule, run: Run, sender: Any) -> list[Callable[[], Any]]:
    """All that goes on from a run."""
    metered = village.meter(schedule, NOTHING)
    return [
        lambda: village.market.finalize([run], sender=sender),
        lambda: village.market.dispute(run, sender=sender),
        lambda: village.market.revoke(run, sender=sender),
        lambda: village.market.correct(schedule_args(schedule), metered, run, sender=sender),
    ]


def test_go_on__run_with_a_field_changed__is_a_mismatch(
    village: Village, home: Home, next_home: Home, trade: Trade
) -> None:
    """Device and day say which schedule is meant, and nothing else is taken on the caller's word."""
    run = village.run(trade[0], DELIVERED)
    neighbours: dict[int, Any] = {
        0: next_home.device_id,
        1: next_home.owner.address,
        4: bytes(32),
        11: home.owner.address,
    }
    for field, value in enumerate(run):
        forged = [*run]
        forged[field] = neighbours[field] if field in neighbours else value + 1
        status = {0: OPEN, 3: NONE}.get(field, PROVISIONAL)
        with refused(village.market.RunMismatch, deviceId=bytes(forged[0]), day=forged[3], status=status):
            village.market.finalize([tuple(forged)], sender=home.owner)


# INV-M10, INV-M23
def test_dispute__bond_put_at_stake__locks_it_and_holds_the_run(
    village: Village, home: Home, bought: Schedule, disputer: Any
) -> None:
    run = village.run(bought, DELIVERED)
    disputed = village.dispute(run, disputer)
    assert disputed[:-2] == run[:-2]
    assert (disputed[-2], disputed[DISPUTED_AT]) == (disputer.address.lower(), ape.chain.blocks.head.timestamp)
    assert (village.status(bought), village.balance(disputer)) == (DISPUTED, (0, DISPUTE_BOND))
    with refused(village.market.InsufficientBalance, account=disputer.address, needed=1, available=0):
        village.market.withdraw(1, disputer, sender=disputer)
    with refused(village.market.RunMismatch, deviceId=home.device_id, day=village.day, status=DISPUTED):
        village.market.dispute(run, sender=disputer)
    with refused(village.market.RunMismatch, deviceId=home.device_id, day=village.day, status=DISPUTED):
        village.market.dispute(disputed, sender=disputer)
    with refused(village.market.ScheduleNotOpen, deviceId=home.device_id, day=village.day, status=DISPUTED):
        village.settle(bought, NOTHING)


def test_dispute__too_late__names_the_second(village: Village, home: Home, bought: Schedule, disputer: Any) -> None:
    run = village.run(bought, DELIVERED)
    ended_at = run[RAN_AT] + village.params.dispute_seconds
    with village.isolated() as here:
        ape.chain.pending_timestamp = ended_at - 1
        here.dispute(run, disputer)
    ape.chain.pending_timestamp = ended_at
    with refused(village.market.DisputeOver, deviceId=home.device_id, day=village.day, endedAt=ended_at):
        village.market.dispute(run, sender=disputer)


def test_dispute__without_the_money__names_bond_and_balance(
    village: Village, home: Home, bought: Schedule, neighbour: Any
) -> None:
    run = village.run(bought, DELIVERED)
    village.fund(neighbour, DISPUTE_BOND - 1)
    amounts = {"account": neighbour.address, "needed": DISPUTE_BOND, "available": DISPUTE_BOND - 1}
    with refused(village.market.InsufficientBalance, **amounts):
        village.market.dispute(run, sender=neighbour)
    # Reserved money is no stake either.
    with refused(village.market.InsufficientBalance, account=home.owner.address, needed=DISPUTE_BOND, available=0):
        village.market.dispute(run, sender=home.owner)


# INV-M23
def test_dispute__nothing_corrected__gives_the_bond_to_the_account(
    village: Village, home: Home, bought: Schedule, disputer: Any
) -> None:
    run = village.run(bought, DELIVERED)
    warp(run[RAN_AT] + village.params.dispute_seconds - 600)
    disputed = village.dispute(run, disputer)
    final_at = disputed[DISPUTED_AT] + village.params.dispute_seconds
    ape.chain.pending_timestamp = final_at - 1
    with refused(village.market.NotYetFinal, deviceId=home.device_id, day=village.day, finalAt=final_at):
        village.market.finalize([disputed], sender=village.transmitter)
    ape.chain.pending_timestamp = final_at
    receipt = village.market.finalize([disputed], sender=village.transmitter)
    ended = village.market.DisputeEnded(home.device_id, village.day, disputer, DISPUTE_BOND, False)
    assert ended in receipt.events
    assert village.balance(disputer) == (0, 0)
    assert village.balance(home.owner) == (TRADE_RESERVE - 200_000 + DISPUTE_BOND, 0)


def test_dispute__by_the_account_itself__costs_it_nothing_but_time(
    village: Village, home: Home, bought: Schedule
) -> None:
    run = village.run(bought, DELIVERED)
    village.fund(home.owner, DISPUTE_BOND)
    village.finalize(village.dispute(run, home.owner))
    assert village.balance(home.owner) == (TRADE_RESERVE - 200_000 + DISPUTE_BOND, 0)


# INV-M23
def test_correct__disputed_run_changes__gives_the_bond_back(
    village: Village, home: Home, bought: Schedule, disputer: Any
) -> None:
    disputed = village.dispute(village.run(bought, DELIVERED), disputer)
    receipt = village.correct(bought, energies({10: 1_001}), disputed)
    assert village.market.DisputeEnded(home.device_id, village.day, disputer, DISPUTE_BOND, True) in receipt.events
    assert (village.balance(disputer), village.status(bought)) == ((DISPUTE_BOND, 0), PROVISIONAL)
    assert village.balance(home.owner) == (0, TRADE_RESERVE - 200_000 - 400)


# INV-M23
def test_correct__disputed_run_stays_the_same__gives_the_bond_to_the_account(
    village: Village, home: Home, bought: Schedule, disputer: Any
) -> None:
    disputed = village.dispute(village.run(bought, DELIVERED), disputer)
    receipt = village.correct(bought, DELIVERED, disputed)
    assert village.market.DisputeEnded(home.device_id, village.day, disputer, DISPUTE_BOND, False) in receipt.events
    assert village.balance(disputer) == (0, 0)
    assert village.balance(home.owner) == (DISPUTE_BOND, TRADE_RESERVE - 200_000)
