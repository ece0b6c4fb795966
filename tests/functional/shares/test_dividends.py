"""Dividends: paid in once for all, claimed by each, never more than the cash."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.market.village import warp
from tests.functional.shares.conftest import MakePlant
from tests.functional.shares.plant import (
    DAY_SECONDS,
    EUR,
    MAX_UINT256,
    SUPPLY,
    YEAR_SECONDS,
    Plant,
    Rule,
    now,
    refuse,
    rules,
)
from tests.gas.test_gas_market import mined_together, send

MOST_CASH = 2**56 - 1
FRACTION = 2**40


def test_fund__by_anyone__is_due_to_holders_by_their_shares(
    shared_plant: Plant, investors: list[Any], intruder: Any
) -> None:
    plant, asset = shared_plant, shared_plant.asset
    plant.fill_pocket(intruder, asset, 500 * EUR)
    receipt = asset.fund(500 * EUR, sender=intruder)
    index = 500 * EUR * FRACTION // SUPPLY
    assert receipt.events.filter(asset.Funded) == [asset.Funded(intruder, 500 * EUR, index)]
    assert asset.dividendIndex() == index
    assert [asset.claimable(wallet) for wallet in investors[:3]] == [300 * EUR, 200 * EUR, 0]
    assert tuple(asset.cashHeld()) == (500 * EUR, 0)


def test_claim__what_is_due__is_paid_once(shared_plant: Plant, investors: list[Any], intruder: Any) -> None:
    plant, asset, (first, second) = shared_plant, shared_plant.asset, investors[:2]
    plant.fund(500 * EUR)
    receipt = asset.claim(sender=first)
    assert receipt.return_value == 300 * EUR
    assert receipt.events.filter(asset.Claimed) == [asset.Claimed(first, 300 * EUR)]
    assert asset.claimFor(second, sender=intruder).return_value == 200 * EUR
    assert [plant.cash.balanceOf(wallet) for wallet in (first, second)] == [300 * EUR, 200 * EUR]
    assert tuple(asset.cashHeld()) == (0, 0)
    refuse(asset.claim, sender=first, error=asset.NothingToClaim, values=(first,))
    refuse(asset.claimFor, intruder, sender=first, **plant.broken(Rule.REGISTRATION, intruder))


# INV-S2
def test_transfer__with_dividends_pending__takes_only_what_comes_after(
    shared_plant: Plant, investors: list[Any]
) -> None:
    plant, asset, (seller, buyer, newcomer) = shared_plant, shared_plant.asset, investors[:3]
    plant.fund(100 * EUR)
    asset.transfer(buyer, 6_000, sender=seller)
    asset.transfer(newcomer, 5_000, sender=buyer)
    assert [asset.claimable(wallet) for wallet in investors[:3]] == [60 * EUR, 40 * EUR, 0]
    plant.fund(100 * EUR)
    assert [asset.claimable(wallet) for wallet in investors[:3]] == [60 * EUR, 90 * EUR, 50 * EUR]


# INV-S2
def test_fund__too_little_for_the_supply__is_carried_into_the_next(shared_plant: Plant, investors: list[Any]) -> None:
    """A known break: rounding to zero, with the remainder lost."""
    plant, asset = shared_plant, shared_plant.asset
    for _ in range(20):
        plant.fund(1)
    # Each payment is 0.0001 units a share: a whole-number index would have stayed 0 for ever.
    assert asset.dividendIndex() == 20 * FRACTION // SUPPLY
    assert [asset.claimable(wallet) for wallet in investors[:2]] == [11, 7]  # 12 and 8, each rounded down
    plant.fund(SUPPLY - 20)
    assert asset.dividendIndex() == FRACTION
    assert [asset.claimable(wallet) for wallet in investors[:2]] == [6_000, 4_000]


def test_fund__at_zero_supply__is_refused(new_plant: MakePlant, euro: Any, investors: list[Any]) -> None:
    """A known break: cash paid in when nobody can be due any of it."""
    plant = new_plant(euro)
    plant.fill_pocket(plant.issuer, plant.asset, 100)
    refuse(plant.asset.fund, 100, sender=plant.issuer, error=plant.asset.NothingToFund, values=(100, 0))


def test_fund__nothing_or_too_much__is_refused(shared_plant: Plant) -> None:
    plant, asset = shared_plant, shared_plant.asset
    plant.fill_pocket(plant.issuer, asset, 2 * MOST_CASH)
    refuse(asset.fund, 0, sender=plant.issuer, error=asset.NothingToFund, values=(0, SUPPLY))
    asset.fund(MOST_CASH - 10, sender=plant.issuer)
    values = (MOST_CASH + 1, MOST_CASH)
    refuse(asset.fund, 11, sender=plant.issuer, error=asset.CashHeldAboveLimit, values=values)
    asset.fund(10, sender=plant.issuer)


# INV-S2
def test_claim__all_the_cash_that_fits__is_paid(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset, (first, second) = shared_plant, shared_plant.asset, investors[:2]
    plant.fund(MOST_CASH)
    asset.transfer(second, 1, sender=first)
    paid = [asset.claim(sender=wallet).return_value for wallet in (first, second)]
    assert MOST_CASH - 2 <= sum(paid) <= MOST_CASH


# INV-S2
def test_retire__before_the_claim__leaves_what_is_due(shared_plant: Plant, investors: list[Any]) -> None:
    """A known break: burning shares before their dividends are claimed."""
    plant, asset, holder = shared_plant, shared_plant.asset, investors[0]
    plant.fund(100 * EUR)
    asset.retire(6_000, b"", sender=holder)
    assert (asset.balanceOf(holder), asset.claimable(holder)) == (0, 60 * EUR)
    plant.fund(100 * EUR)
    assert asset.claimable(investors[1]) == 140 * EUR
    assert asset.claim(sender=holder).return_value == 60 * EUR


# INV-S2
def test_mint__after_a_payment__has_no_part_in_it(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset = shared_plant, shared_plant.asset
    plant.fund(100 * EUR)
    plant.mint(investors[2], SUPPLY)
    plant.mint(investors[0], 6_000)
    assert [asset.claimable(wallet) for wallet in investors[:3]] == [60 * EUR, 40 * EUR, 0]


# INV-S6
def test_claim__expired_or_revoked__waits_and_is_not_forfeited(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset, (holder, newcomer) = shared_plant, shared_plant.asset, (investors[0], investors[4])
    last = now() + DAY_SECONDS
    plant.admit(newcomer, expires_at=last)
    asset.transfer(newcomer, 1_000, sender=holder)
    warp(last + 1)
    plant.fund(100 * EUR)
    refuse(asset.claim, sender=newcomer, **plant.broken(Rule.PASSPORT, newcomer, last, now()))
    assert asset.claimable(newcomer) == 10 * EUR
    passport = (now() + YEAR_SECONDS, 276, 0)
    plant.passports.renew(newcomer, passport, [plant.asset], sender=plant.registrar)
    plant.fund(100 * EUR)
    assert asset.claim(sender=newcomer).return_value == 20 * EUR


# INV-S6
def test_claim__all_shares_frozen__waits_and_is_not_forfeited(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset, holder = shared_plant, shared_plant.asset, investors[0]
    asset.setFrozenTokens(holder, 6_000, sender=plant.agent)
    plant.fund(100 * EUR)
    refuse(asset.claim, sender=holder, error=asset.SharesAllFrozen, values=(holder, 6_000, 6_000))
    refuse(asset.claimFor, holder, sender=plant.agent, error=asset.SharesAllFrozen, values=(holder, 6_000, 6_000))
    asset.setFrozenTokens(holder, 5_999, sender=plant.agent)
    assert asset.claim(sender=holder).return_value == 60 * EUR


def test_claim__frozen_beyond_all_it_has__waits_though_a_stranger_sends_it_a_share(
    shared_plant: Plant, investors: list[Any]
) -> None:
    """A share sent to a holder is not frozen by itself, so an agent who withholds freezes what comes too."""
    plant, asset, (holder, other) = shared_plant, shared_plant.asset, investors[:2]
    asset.setFrozenTokens(holder, MAX_UINT256, sender=plant.agent)
    plant.fund(100 * EUR)
    asset.transfer(holder, 1, sender=other)
    refuse(asset.claim, sender=holder, error=asset.SharesAllFrozen, values=(holder, 6_001, MAX_UINT256))


def test_claim__frozen_wallet_that_has_no_shares_left__waits_too(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset, (holder, other) = shared_plant, shared_plant.asset, investors[:2]
    plant.fund(100 * EUR)
    asset.transfer(other, 6_000, sender=holder)
    asset.setFrozenTokens(holder, MAX_UINT256, sender=plant.agent)
    refuse(asset.claim, sender=holder, error=asset.SharesAllFrozen, values=(holder, 0, MAX_UINT256))
    asset.setFrozenTokens(holder, 0, sender=plant.agent)
    assert asset.claim(sender=holder).return_value == 60 * EUR


def test_fund__fee_taking_token__counts_what_arrives(
    new_plant: MakePlant, project: Any, deployer: Any, investors: list[Any], shared_plant: Plant
) -> None:
    token = deployer.deploy(project.FeeToken)
    plant = new_plant(token)
    plant.mint(investors[0], 100)
    plant.fund(10_000)
    assert plant.asset.claimable(investors[0]) == 9_900
    plant.asset.claim(sender=investors[0])
    assert tuple(plant.asset.cashHeld()) == (0, 0)


@pytest.mark.parametrize("call", ["fund", "fundRedemption"])
def test_fund__token_that_lies__is_refused(
    new_plant: MakePlant, project: Any, deployer: Any, investors: list[Any], shared_plant: Plant, call: str
) -> None:
    plant = new_plant(deployer.deploy(project.LyingToken), matures_at=1, redemption_per_share=1)
    plant.mint(investors[0], 100)
    plant.fill_pocket(plant.issuer, plant.asset, 1_000)
    error, values = plant.asset.NothingToFund, (1_000, 100)
    refuse(getattr(plant.asset, call), 1_000, sender=plant.issuer, error=error, values=values)


def test_claim__token_that_lies__is_believed_and_the_holder_has_nothing(
    new_plant: MakePlant, project: Any, deployer: Any, investors: list[Any], shared_plant: Plant
) -> None:
    """A claim believes the token that the terms name: to compare balances would cost each claim 2,000 gas."""
    token, (holder, other) = deployer.deploy(project.LyingToken), investors[:2]
    plant = new_plant(token)
    asset = plant.asset
    plant.mint(holder, 60)
    plant.mint(other, 40)
    token.setMovedPercent(100, sender=deployer)
    plant.fund(1_000)
    token.setMovedPercent(0, sender=deployer)
    assert asset.claimFor(holder, sender=other).return_value == 600
    assert (asset.claimable(holder), token.balanceOf(holder)) == (0, 0)
    # What the token kept stays in the asset; the others' dividends are as they were.
    token.setMovedPercent(100, sender=deployer)
    assert asset.claim(sender=other).return_value == token.balanceOf(other) == 400
    assert tuple(asset.cashHeld()) == (600, 0)


@pytest.mark.parametrize("moved_percent", [0, 50, 150])
def test_redeem__token_that_lies__is_refused_and_takes_no_shares(
    new_plant: MakePlant, project: Any, deployer: Any, investors: list[Any], shared_plant: Plant, moved_percent: int
) -> None:
    token, holder = deployer.deploy(project.LyingToken), investors[0]
    plant = new_plant(token, matures_at=1, redemption_per_share=10)
    asset = plant.asset
    plant.mint(holder, 100)
    token.setMovedPercent(100, sender=deployer)
    plant.fill_pocket(plant.issuer, asset, 1_000)
    asset.fundRedemption(1_000, sender=plant.issuer)
    token.setMovedPercent(moved_percent, sender=deployer)
    error, values = asset.RedemptionUnpaid, (holder, 600, 1_000, 1_000 - 6 * moved_percent)
    refuse(asset.redeem, 60, sender=holder, error=error, values=values)
    token.setMovedPercent(100, sender=deployer)
    assert asset.redeem(60, sender=holder).return_value == token.balanceOf(holder) == 600
    assert (asset.balanceOf(holder), tuple(asset.cashHeld())) == (40, (0, 400))


@pytest.mark.parametrize("call", ["fund", "fundRedemption"])
def test_fund__token_that_calls_back__pays_once(
    new_plant: MakePlant, project: Any, deployer: Any, investors: list[Any], shared_plant: Plant, call: str
) -> None:
    token = deployer.deploy(project.CallbackToken)
    plant = new_plant(token, matures_at=1, redemption_per_share=1)
    asset = plant.asset
    plant.mint(investors[0], 100)
    plant.fill_pocket(plant.issuer, asset, 2_000)
    token.arm(asset, getattr(asset, call).encode_input(1_000), sender=deployer)
    error = asset.ReentrancyGuardReentrantCall
    refuse(asset.fund, 1_000, sender=plant.issuer, error=error)
    refuse(asset.fundRedemption, 1_000, sender=plant.issuer, error=error)


# INV-S2
def test_claim__token_that_calls_back__pays_once(
    new_plant: MakePlant, project: Any, deployer: Any, investors: list[Any], shared_plant: Plant
) -> None:
    token = deployer.deploy(project.CallbackToken)
    plant = new_plant(token)
    asset, holder = plant.asset, investors[0]
    plant.mint(holder, 60)
    plant.mint(investors[1], 40)
    plant.fund(1_000)
    token.arm(asset, asset.claimFor.encode_input(holder), sender=deployer)
    refuse(asset.claim, sender=holder, error=asset.NothingToClaim, values=(holder,))
    token.arm(asset, asset.transfer.encode_input(holder, 0), sender=deployer)
    refuse(asset.claim, sender=holder, **plant.broken(Rule.REGISTRATION, token.address))


def test_fund__a_thousand_holders__costs_what_it_does_for_ten(
    new_plant: MakePlant, euro: Any, shared_plant: Plant, investors: list[Any]
) -> None:
    plant = new_plant(euro, rules(holder_cap=1_000))
    wallets = [f"0x{0xBEEF0000 + number:040x}" for number in range(1_000)]
    for start in range(0, 1_000, 100):
        plant.admit(*wallets[start : start + 100])
    for wallet in wallets[:10]:
        plant.mint(wallet, 10)
    plant.fund(EUR)
    plant.fund(EUR)
    of_ten = plant.fund(EUR).gas_used
    with mined_together():
        for wallet in wallets[10:]:
            send(plant.asset, plant.asset.mint.encode_input(wallet, 10), plant.issuer)
    assert plant.asset.holders() == 1_000
    of_a_thousand = plant.fund(EUR).gas_used
    assert abs(of_a_thousand - of_ten) <= 24  # two bytes of calldata at most
    assert plant.asset.claimable(wallets[-1]) == EUR // 1_000
