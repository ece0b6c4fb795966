"""What issuer and agent do: mint against a reserve, rules, freezing, force, recovery, retirement, redemption."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.adapters.conftest import Gauge, past
from tests.functional.market.village import warp
from tests.functional.shares.conftest import QUARTER_HOUR_SECONDS, MakePlant
from tests.functional.shares.plant import (
    DAY_SECONDS,
    EPOCH_SECONDS,
    EUR,
    MAX_UINT256,
    SUPPLY,
    ZERO,
    Plant,
    Rule,
    now,
    refuse,
    rules,
)

MOST_SHARES = 2**56 - 1
WH_PER_SHARE = 10
HASH = bytes(range(32))
REDEMPTION = 5 * EUR


# INV-S1
def test_mint__by_the_issuer__adds_to_the_supply(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset, newcomer = shared_plant, shared_plant.asset, investors[2]
    assert plant.mint(newcomer, 500).events == [asset.Transfer(ZERO, newcomer, 500)]
    assert (asset.totalSupply(), asset.holders(), asset.balanceOf(newcomer)) == (SUPPLY + 500, 3, 500)


def test_mint__to_whom_the_rules_refuse__names_the_rule(
    shared_plant: Plant, investors: list[Any], intruder: Any
) -> None:
    plant, asset = shared_plant, shared_plant.asset
    refuse(asset.mint, intruder, 1, sender=plant.issuer, **plant.broken(Rule.REGISTRATION, intruder))
    refuse(asset.mint, ZERO, 1, sender=plant.issuer, error=asset.ERC20InvalidReceiver, values=(ZERO,))
    values = (56, MOST_SHARES + 1)
    error = asset.SafeCastOverflowedUintDowncast
    refuse(asset.mint, investors[0], MOST_SHARES + 1 - SUPPLY, sender=plant.issuer, error=error, values=values)


@pytest.mark.parametrize(
    ("function", "role"),
    [
        ("mint", "ISSUER_ROLE"),
        ("setRules", "ISSUER_ROLE"),
        ("setDocument", "ISSUER_ROLE"),
        ("setPaused", "AGENT_ROLE"),
        ("beginEpoch", "AGENT_ROLE"),
        ("setFrozenTokens", "AGENT_ROLE"),
        ("forcedTransfer", "AGENT_ROLE"),
        ("recover", "AGENT_ROLE"),
    ],
)
def test_govern__by_anyone_without_the_role__is_refused(
    shared_plant: Plant, investors: list[Any], intruder: Any, function: str, role: str
) -> None:
    asset, (first, second) = shared_plant.asset, investors[:2]
    arguments: dict[str, tuple[Any, ...]] = {
        "mint": (first, 1),
        "setRules": (rules(),),
        "setDocument": (HASH, "", HASH),
        "setPaused": (True,),
        "beginEpoch": (),
        "setFrozenTokens": (first, 1),
        "forcedTransfer": (first, second, 1),
        "recover": (first, second),
    }
    other = shared_plant.agent if role == "ISSUER_ROLE" else shared_plant.issuer
    for caller in (intruder, first, other):
        values = (caller, getattr(asset, role)())
        error = asset.AccessControlUnauthorizedAccount
        refuse(getattr(asset, function), *arguments[function], sender=caller, error=error, values=values)


# INV-S8
def test_mint__against_an_attested_reserve__stops_where_it_ends(
    new_plant: MakePlant, shared_plant: Plant, euro: Any, investors: list[Any], reserve_gauge: Gauge
) -> None:
    plant = new_plant(
        euro,
        reserve=reserve_gauge.adapter.address,
        reserve_per_share=WH_PER_SHARE,
        max_reserve_age_seconds=2 * QUARTER_HOUR_SECONDS,
    )
    asset, holder = plant.asset, investors[0]
    refuse(asset.mint, holder, 1, sender=plant.issuer, error=reserve_gauge.adapter.NoDataPresent)
    proof = asset.proofOfAsset()
    assert (proof.reserve, proof.reserveAt, proof.needed) == (0, 0, 0)
    time = past(QUARTER_HOUR_SECONDS + 60)
    reserve_gauge.update(reserve_gauge.reading(time, value=1_234))
    plant.mint(holder, 100)
    proof = asset.proofOfAsset()
    assert (proof.reserve, proof.reserveAt, proof.needed) == (1_234, time + QUARTER_HOUR_SECONDS, 1_000)
    error = asset.ReserveTooSmall
    refuse(asset.mint, holder, 24, sender=plant.issuer, error=error, values=(1_234, 1_240))
    plant.mint(holder, 23)
    stale = time + 3 * QUARTER_HOUR_SECONDS + 1
    warp(stale)
    values = (time + QUARTER_HOUR_SECONDS, 2 * QUARTER_HOUR_SECONDS, stale)
    refuse(asset.mint, holder, 0, sender=plant.issuer, error=reserve_gauge.adapter.AnswerStale, values=values)
    reserve_gauge.update(reserve_gauge.reading(stale - QUARTER_HOUR_SECONDS - 1, value=-5))
    refuse(asset.mint, holder, 0, sender=plant.issuer, error=error, values=(0, 1_230))


def test_freeze__some_shares__keeps_them_where_they_are(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset, (holder, other) = shared_plant, shared_plant.asset, investors[:2]
    assert asset.setFrozenTokens(holder, 5_000, sender=plant.agent).events == [asset.Frozen(holder, 5_000)]
    assert asset.getFrozenTokens(holder) == 5_000
    error, values = asset.ERC7943InsufficientUnfrozenBalance, (holder, 1_001, 1_000)
    refuse(asset.transfer, other, 1_001, sender=holder, error=error, values=values)
    refuse(asset.retire, 1_001, b"", sender=holder, error=error, values=values)
    short, values = asset.ERC20InsufficientBalance, (holder, 6_000, 6_001)
    refuse(asset.transfer, other, 6_001, sender=holder, error=short, values=values)
    asset.transfer(other, 1_000, sender=holder)
    asset.setFrozenTokens(holder, 6_000, sender=plant.agent)  # more than it has: what comes is frozen too
    asset.transfer(holder, 500, sender=other)
    refuse(asset.transfer, other, 1, sender=holder, error=error, values=(holder, 1, 0))
    asset.setFrozenTokens(holder, 0, sender=plant.agent)
    asset.transfer(other, 5_500, sender=holder)


# INV-S5
def test_force__frozen_shares__frees_what_it_moves_and_no_more(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset, (holder, other) = shared_plant, shared_plant.asset, investors[:2]
    asset.setFrozenTokens(holder, 5_000, sender=plant.agent)
    receipt = asset.forcedTransfer(holder, other, 1_000, sender=plant.agent)
    assert receipt.events == [asset.Transfer(holder, other, 1_000), asset.ForcedTransfer(holder, other, 1_000)]
    assert asset.getFrozenTokens(holder) == 5_000
    receipt = asset.forcedTransfer(holder, other, 3_000, sender=plant.agent)
    assert receipt.events.filter(asset.Frozen) == [asset.Frozen(holder, 2_000)]
    asset.setFrozenTokens(holder, 3_000, sender=plant.agent)  # a thousand ahead of their coming
    asset.forcedTransfer(holder, other, 2_000, sender=plant.agent)
    assert (asset.getFrozenTokens(holder), asset.balanceOf(holder)) == (1_000, 0)
    asset.forcedTransfer(holder, other, 0, sender=plant.agent)
    assert asset.getFrozenTokens(holder) == 1_000


# INV-S5
def test_force__to_oneself__unfreezes_nothing(shared_plant: Plant, investors: list[Any]) -> None:
    """A known break: a forced transfer to the same account that frees its shares."""
    plant, asset, (holder, other) = shared_plant, shared_plant.asset, investors[:2]
    asset.setFrozenTokens(holder, 6_000, sender=plant.agent)
    asset.forcedTransfer(holder, holder, 6_000, sender=plant.agent)
    assert asset.getFrozenTokens(holder) == 6_000
    error = asset.ERC7943InsufficientUnfrozenBalance
    refuse(asset.transfer, other, 1, sender=holder, error=error, values=(holder, 1, 0))


def test_force__from_a_revoked_holder_while_paused__goes(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset, (holder, other) = shared_plant, shared_plant.asset, investors[:2]
    plant.fund(100 * EUR)
    plant.revoke(holder)
    asset.setPaused(True, sender=plant.agent)
    asset.forcedTransfer(holder, other, 6_000, sender=plant.agent)
    assert (asset.holders(), asset.balanceOf(other), asset.claimable(holder)) == (1, SUPPLY, 60 * EUR)
    values = (holder, 0, 1)
    error = asset.ERC20InsufficientBalance
    refuse(asset.forcedTransfer, holder, other, 1, sender=plant.agent, error=error, values=values)


# INV-S7
def test_recover__lost_wallet__brings_shares_dividends_and_freezing(shared_plant: Plant, investors: list[Any]) -> None:
    """A known break: a recovery that leaves dividends behind."""
    plant, asset, (lost, other, spare) = shared_plant, shared_plant.asset, (*investors[:2], investors[4])
    plant.fund(100 * EUR)
    plant.add_wallet(lost, spare)
    asset.setFrozenTokens(lost, 1_000, sender=plant.agent)
    plant.passports.retireWallet(lost, [plant.asset], sender=plant.registrar)
    receipt = asset.recover(lost, spare, sender=plant.agent)
    assert receipt.events.filter(asset.Recovered) == [asset.Recovered(lost, spare, 6_000, 60 * EUR)]
    assert plant.balances(lost, spare) == [0, 6_000]
    assert [asset.claimable(wallet) for wallet in (lost, spare)] == [0, 60 * EUR]
    assert [asset.getFrozenTokens(wallet) for wallet in (lost, spare)] == [0, 1_000]
    assert asset.holders() == 2
    assert asset.claim(sender=spare).return_value == 60 * EUR
    asset.transfer(other, 5_000, sender=spare)
    # What comes to the lost wallet later, nobody can take; and it comes to none, for it has no passport.
    refuse(asset.transfer, lost, 1, sender=other, **plant.broken(Rule.PASSPORT, lost, 0, now()))


# INV-S7
def test_recover__dividends_without_shares__brings_them(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset, (lost, other, spare) = shared_plant, shared_plant.asset, (*investors[:2], investors[4])
    plant.fund(100 * EUR)
    asset.transfer(other, 6_000, sender=lost)
    plant.add_wallet(lost, spare)
    asset.recover(lost, spare, sender=plant.agent)
    assert [asset.claimable(wallet) for wallet in (lost, spare)] == [0, 60 * EUR]
    assert asset.holders() == 1


# INV-S7
def test_recover__above_the_largest_holding_and_all_frozen__goes(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset, (lost, spare) = shared_plant, shared_plant.asset, (investors[0], investors[4])
    plant.add_wallet(lost, spare)
    asset.transfer(spare, 1_000, sender=lost)
    for wallet in (lost, spare):
        asset.setFrozenTokens(wallet, MAX_UINT256, sender=plant.agent)
    plant.set_rules(max_holding_bps=1_000)
    asset.recover(lost, spare, sender=plant.agent)
    assert (plant.balances(lost, spare), asset.getFrozenTokens(spare)) == ([0, 6_000], MAX_UINT256)


def test_recover__to_another_investor_or_oneself__is_refused(
    shared_plant: Plant, investors: list[Any], intruder: Any
) -> None:
    plant, asset, (lost, other) = shared_plant, shared_plant.asset, investors[:2]
    for pair in ((lost, other), (lost, lost), (lost, intruder), (intruder, intruder), (ZERO, lost)):
        refuse(asset.recover, *pair, sender=plant.agent, error=asset.NotSameInvestor, values=pair)
    plant.add_wallet(lost, investors[4])
    plant.revoke(lost)
    broken = plant.broken(Rule.PASSPORT, investors[4], 0, now())
    refuse(asset.recover, lost, investors[4], sender=plant.agent, **broken)


def test_set_rules__others__count_at_once_for_verdicts_of_before(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset, (holder, other) = shared_plant, shared_plant.asset, investors[:2]
    asset.transfer(other, 1, sender=holder)
    warp(now() + EPOCH_SECONDS)
    changed = (rules()[0], 1 << 1, *rules()[2:])  # professionals only
    receipt = asset.setRules(changed, sender=plant.issuer)
    assert [event.event_name for event in receipt.events] == ["RulesSet", "EpochBegun"]
    assert receipt.events.filter(asset.EpochBegun) == [asset.EpochBegun(2)]
    assert tuple(asset.rules()) == changed
    refuse(asset.transfer, other, 1, sender=holder, **plant.broken(Rule.INVESTOR_CLASS, holder, 0, 2))


def test_set_rules__bad_input__names_value_and_limit(shared_plant: Plant) -> None:
    asset, issuer = shared_plant.asset, shared_plant.issuer

    def named(text: bytes) -> bytes:
        return text.ljust(32, b"\0")

    error = asset.RuleInvalid
    values = (named(b"verdictSeconds"), DAY_SECONDS + 1, DAY_SECONDS)
    refuse(asset.setRules, rules(verdict_seconds=DAY_SECONDS + 1), sender=issuer, error=error, values=values)
    values = (named(b"maxHoldingBps"), 10_001, 10_000)
    refuse(asset.setRules, rules(max_holding_bps=10_001), sender=issuer, error=error, values=values)


# INV-S3
def test_begin_epoch__256_times__never_revives_a_verdict(
    shared_plant: Plant, investors: list[Any], intruder: Any
) -> None:
    plant, asset, (holder, other) = shared_plant, shared_plant.asset, investors[:2]
    begun = now()
    warp(begun + EPOCH_SECONDS)
    receipt = asset.beginEpoch(sender=plant.agent)
    begun = receipt.timestamp
    assert receipt.events == [asset.EpochBegun(2)]
    values = (begun + EPOCH_SECONDS, now())
    refuse(asset.beginEpoch, sender=plant.agent, error=asset.EpochTooSoon, values=values)
    refuse(asset.setRules, rules(), sender=plant.issuer, error=asset.EpochTooSoon, values=values)
    asset.transfer(other, 1, sender=holder)
    plant.passports.revoke(holder, [], sender=plant.registrar)
    for _ in range(256):
        warp(now() + EPOCH_SECONDS)
        asset.beginEpoch(sender=plant.agent)
    refuse(asset.transfer, other, 1, sender=holder, **plant.broken(Rule.PASSPORT, holder, 0, now()))
    asset.refresh(intruder, sender=intruder)  # nobody we know, and no revert


def test_document__set_twice__is_the_second(shared_plant: Plant) -> None:
    plant, asset, name = shared_plant, shared_plant.asset, b"prospectus".ljust(32, b"\0")
    assert tuple(asset.document(name)) == ("", bytes(32), 0)
    asset.setDocument(name, "ipfs://first", HASH, sender=plant.issuer)
    receipt = asset.setDocument(name, "ipfs://second", HASH[::-1], sender=plant.issuer)
    assert receipt.events == [asset.DocumentSet(name, "ipfs://second", HASH[::-1])]
    assert tuple(asset.document(name)) == ("ipfs://second", HASH[::-1], receipt.timestamp)


# INV-S1
def test_retire__own_shares__takes_them_out_for_good(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset, holder = shared_plant, shared_plant.asset, investors[0]
    purpose = b"scope 2, 2026".ljust(32, b"\0")
    receipt = asset.retire(6_000, purpose, sender=holder)
    assert receipt.events == [asset.Transfer(holder, ZERO, 6_000), asset.Retired(holder, 6_000, purpose)]
    assert (asset.totalSupply(), asset.holders()) == (SUPPLY - 6_000, 1)
    values = (holder, 0, 1)
    refuse(asset.retire, 1, purpose, sender=holder, error=asset.ERC20InsufficientBalance, values=values)
    plant.mint(investors[1], 1)


@pytest.fixture
def bond(new_plant: MakePlant, shared_plant: Plant, euro: Any, investors: list[Any]) -> Plant:
    """100 shares that are redeemed for 5 EUR each from tomorrow on."""
    plant = new_plant(euro, matures_at=now() + DAY_SECONDS, redemption_per_share=REDEMPTION)
    plant.mint(investors[0], 100)
    plant.fill_pocket(plant.issuer, plant.asset, 1_000 * EUR)
    return plant


# INV-S2
def test_redeem__at_maturity__pays_from_its_own_cash_only(bond: Plant, investors: list[Any]) -> None:
    asset, holder = bond.asset, investors[0]
    asset.fund(100 * EUR, sender=bond.issuer)
    receipt = asset.fundRedemption(50 * EUR, sender=bond.issuer)
    assert receipt.events.filter(asset.RedemptionFunded) == [asset.RedemptionFunded(bond.issuer, 50 * EUR)]
    assert tuple(asset.cashHeld()) == (100 * EUR, 50 * EUR)
    matures_at = asset.terms().maturesAt
    warp(matures_at - 1)
    values = (matures_at, matures_at - 1)
    refuse(asset.redeem, 1, sender=holder, error=asset.NotMatured, values=values)
    warp(matures_at)
    error = asset.RedemptionUnfunded
    refuse(asset.redeem, 11, sender=holder, error=error, values=(55 * EUR, 50 * EUR))
    error, values = asset.ERC20InsufficientBalance, (holder, 100, MAX_UINT256)
    refuse(asset.redeem, MAX_UINT256, sender=holder, error=error, values=values)
    receipt = asset.redeem(10, sender=holder)
    assert receipt.return_value == 50 * EUR
    assert receipt.events.filter(asset.Redeemed) == [asset.Redeemed(holder, 10, 50 * EUR)]
    assert (tuple(asset.cashHeld()), asset.totalSupply()) == ((100 * EUR, 0), 90)
    assert asset.claim(sender=holder).return_value == 100 * EUR


def test_redeem__asset_without_maturity__is_refused(shared_plant: Plant, investors: list[Any]) -> None:
    asset = shared_plant.asset
    refuse(asset.redeem, 1, sender=investors[0], error=asset.NotMatured, values=(0, now()))
    shared_plant.fill_pocket(shared_plant.issuer, asset, EUR)
    # what was paid in for redemptions could never be taken out
    refuse(asset.fundRedemption, EUR, sender=shared_plant.issuer, error=asset.NotMatured, values=(0, now()))


def test_let_go__in_a_pause_or_lock_up__is_refused_as_a_transfer_is(bond: Plant, investors: list[Any]) -> None:
    """ERC-7943: what holders burn is looked at like what they send. An agent can stop a run on the redemption cash."""
    asset, holder = bond.asset, investors[0]
    asset.fundRedemption(500 * EUR, sender=bond.issuer)
    warp(now() + 2 * DAY_SECONDS)
    asset.setPaused(True, sender=bond.agent)
    for call in ((asset.redeem, 10), (asset.retire, 10, b"")):
        refuse(*call, sender=holder, **bond.broken(Rule.PAUSE, holder))
    asset.setPaused(False, sender=bond.agent)
    until = now() + DAY_SECONDS
    bond.set_rules(lock_until=until)
    for call in ((asset.redeem, 10), (asset.retire, 10, b"")):
        refuse(*call, sender=holder, **bond.broken(Rule.LOCK_UP, holder, now(), until))
    warp(until)
    assert asset.redeem(10, sender=holder).return_value == 50 * EUR
