"""Runs after the first: disputed, corrected, revoked, estimated, and how they end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridwitness.chain.market import EndedDispute
from gridwitness.domain.market import SignedSchedule
from gridwitness.domain.readings import Profile
from gridwitness.encoding.leaves import profile_leaf
from gridwitness.errors import Reverted
from gridwitness.market.settlement import estimate, net_cash, reserve, settle, settle_missing
from tests.integration.chain.market_scene import BUYER, DAY, DEPOSIT, END, NOBODY, SELLER, SLOTS, Scene


def test_correct__disputed_run_on_a_later_profile__returns_the_bond(scene: Scene, rows: list[SignedSchedule]) -> None:
    market, params, row = scene.market, scene.params, rows[0]
    clearings = scene.trade(rows[:2])
    wrong = Profile(BUYER.device_id, SLOTS[0], (500,) * 96, 100)
    scene.settle(row, wrong)
    (run,) = market.standing_runs().values()
    scene.chain.transact(scene.owner, market.dispute(run))
    (disputed,) = market.standing_runs().values()
    assert disputed == replace(run, disputer=scene.owner.address, disputed_at=scene.chain.head_time())
    with pytest.raises(Reverted, match="RunMismatch"):
        scene.send(market.finalize([run]))

    right = replace(wrong, energy_wh=(450,) * 96)
    scene.committee.attest(scene.committee.members[0], [profile_leaf(right)], supersedes=1)
    scene.send(market.correct(row.schedule, right, scene.committee.proof(2, 0), disputed))
    assert market.ended_disputes() == [EndedDispute(BUYER.device_id, DAY, scene.owner.address, 3_000_000, True)]
    (corrected,) = market.standing_runs().values()
    assert (corrected.profile_seq, corrected.disputer) == (2, NOBODY)
    assert market.made_runs()[-1].settlement == settle(row.schedule, clearings, right.energy_wh, params, green=False)


def test_finalize__disputed_run_without_a_correction__costs_the_bond(scene: Scene, rows: list[SignedSchedule]) -> None:
    market, params = scene.market, scene.params
    scene.trade(rows[:2])
    scene.settle(rows[0], Profile(BUYER.device_id, SLOTS[0], (500,) * 96, 100))
    (run,) = market.standing_runs().values()
    scene.chain.transact(scene.owner, market.withdraw(10_000_000, scene.owner.address))
    token = scene.chain.contract("EuroToken")
    doubter = scene.deployer
    scene.chain.transact(doubter, token.functions.mint(doubter.address, 5_000_000))
    scene.chain.transact(doubter, token.functions.approve(market.address, 5_000_000))
    scene.chain.transact(doubter, market.deposit(doubter.address, 5_000_000))
    scene.chain.transact(doubter, market.dispute(run))
    assert market.balance_of(doubter.address) == (2_000_000, 3_000_000)
    scene.wait(params.dispute_seconds)
    scene.send(market.finalize(list(market.standing_runs().values())))
    assert market.ended_disputes() == [EndedDispute(BUYER.device_id, DAY, doubter.address, 3_000_000, False)]
    assert market.balance_of(doubter.address) == (2_000_000, 0)
    (final,) = market.finals()
    reserved = reserve(rows[1].schedule, params)
    free = DEPOSIT - 10_000_000 + final.cash + 3_000_000 - reserved
    assert market.balance_of(scene.owner.address) == (free, reserved)


def test_revoke__run_on_a_superseded_batch__opens_the_schedule_again(scene: Scene, rows: list[SignedSchedule]) -> None:
    market, row = scene.market, rows[0]
    scene.trade(rows[:2])
    profile = Profile(BUYER.device_id, SLOTS[0], (500,) * 96, 100)
    scene.settle(row, profile)
    (run,) = market.standing_runs().values()
    other = replace(profile, device_id=SELLER.device_id)
    scene.committee.attest(scene.committee.members[0], [profile_leaf(other)], supersedes=1)
    scene.send(market.revoke(run))
    assert market.standing_runs() == {}
    scene.settle(row, profile)
    assert [run.profile_seq for run in market.standing_runs().values()] == [3]


def test_settle_missing__data_late_then_never__is_estimated_then_ended(
    scene: Scene, rows: list[SignedSchedule]
) -> None:
    market, params, schedule = scene.market, scene.params, rows[1].schedule
    clearings = scene.trade(rows[:2])
    scene.wait(params.provisional_after_seconds)
    scene.send(market.settle_missing(schedule))
    assert market.made_runs()[-1].settlement == estimate(schedule, clearings, params, green=True)
    (estimated,) = market.standing_runs().values()
    scene.anvil.set_next_time(END + params.final_after_seconds)
    scene.send(market.settle_missing(schedule, estimated))
    nothing = settle_missing(schedule, clearings, params, green=True)
    assert market.made_runs()[-1].settlement == nothing
    assert market.finals() == [(SELLER.device_id, DAY, scene.owner.address, net_cash(nothing))]
    assert market.standing_runs() == {}
