"""Deposits, withdrawals and backstops: money enters and leaves only by its owner's hand."""

from __future__ import annotations

from typing import Any

import ape
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from gridwitness.domain.market import ZoneParams
from tests.actors import refused
from tests.functional.market.village import (
    BACKSTOP,
    EUR,
    ZONE,
    Home,
    Village,
    bid,
    deploy_market,
    params_args,
    schedule_args,
)


def test_deposit__for_another_account__credits_it(village: Village, prosumer: Any, neighbour: Any) -> None:
    village.euro.mint(prosumer, 5 * EUR, sender=prosumer)
    village.euro.approve(village.market, 5 * EUR, sender=prosumer)
    receipt = village.market.deposit(neighbour, 2 * EUR, sender=prosumer)
    assert receipt.events.filter(village.market.Deposited) == [village.market.Deposited(neighbour, prosumer, 2 * EUR)]
    assert (village.balance(neighbour), village.balance(prosumer)) == ((2 * EUR, 0), (0, 0))


def test_deposit__nothing__is_refused(village: Village, prosumer: Any) -> None:
    with refused(village.market.ZeroAmount):
        village.market.deposit(prosumer, 0, sender=prosumer)


def permit(village: Village, owner: Any, amount: int, deadline: int) -> tuple[int, bytes, bytes]:
    """The owner's EIP-2612 permit for the market: v, r, s."""
    fields = ("owner", "address"), ("spender", "address"), ("value", "uint256"), ("nonce", "uint256")
    message = encode_typed_data(
        domain_data={
            "name": "Test Euro",
            "version": "1",
            "chainId": ape.chain.chain_id,
            "verifyingContract": village.euro.address,
        },
        message_types={"Permit": [{"name": n, "type": t} for n, t in (*fields, ("deadline", "uint256"))]},
        message_data={
            "owner": owner.address,
            "spender": village.market.address,
            "value": amount,
            "nonce": village.euro.nonces(owner),
            "deadline": deadline,
        },
    )
    signature = Account.sign_message(message, owner.private_key)
    return signature.v, signature.r.to_bytes(32, "big"), signature.s.to_bytes(32, "big")


def test_deposit_with_permit__fresh_permit__needs_no_approval(village: Village, prosumer: Any) -> None:
    village.euro.mint(prosumer, 5 * EUR, sender=prosumer)
    deadline = ape.chain.pending_timestamp + 60
    signature = permit(village, prosumer, 3 * EUR, deadline)
    village.market.depositWithPermit(3 * EUR, deadline, *signature, sender=prosumer)
    assert village.balance(prosumer) == (3 * EUR, 0)


def test_deposit_with_permit__permit_sent_before_by_a_stranger__still_deposits(
    village: Village, prosumer: Any, intruder: Any
) -> None:
    village.euro.mint(prosumer, 5 * EUR, sender=prosumer)
    deadline = ape.chain.pending_timestamp + 60
    signature = permit(village, prosumer, 3 * EUR, deadline)
    village.euro.permit(prosumer, village.market, 3 * EUR, deadline, *signature, sender=intruder)
    village.market.depositWithPermit(3 * EUR, deadline, *signature, sender=prosumer)
    assert village.balance(prosumer) == (3 * EUR, 0)


def test_deposit_with_permit__permit_of_another__takes_nothing(village: Village, prosumer: Any, intruder: Any) -> None:
    village.euro.mint(prosumer, 5 * EUR, sender=prosumer)
    deadline = ape.chain.pending_timestamp + 60
    signature = permit(village, prosumer, 3 * EUR, deadline)
    with ape.reverts():
        village.market.depositWithPermit(3 * EUR, deadline, *signature, sender=intruder)
    assert village.euro.balanceOf(prosumer) == 5 * EUR


def test_withdraw__free_money__goes_to_the_receiver(village: Village, prosumer: Any, neighbour: Any) -> None:
    village.fund(prosumer, 5 * EUR)
    receipt = village.market.withdraw(2 * EUR, neighbour, sender=prosumer)
    assert receipt.events.filter(village.market.Withdrawn) == [village.market.Withdrawn(prosumer, neighbour, 2 * EUR)]
    assert village.euro.balanceOf(neighbour) == 2 * EUR
    assert village.balance(prosumer) == (3 * EUR, 0)


# INV-M10
def test_withdraw__reserved_money__names_need_and_free(village: Village, home: Home) -> None:
    village.fund(home.owner, 1_000)
    schedule = village.place(home, {0: bid(8, 1_000)})
    reserve = village.market.reserveOf(schedule_args(schedule))
    assert village.balance(home.owner) == (1_000, reserve)
    with refused(village.market.InsufficientBalance, account=home.owner.address, needed=1_001, available=1_000):
        village.market.withdraw(1_001, home.owner, sender=home.owner)
    village.market.withdraw(1_000, home.owner, sender=home.owner)
    assert village.balance(home.owner) == (0, reserve)


def test_withdraw__nothing__is_refused(village: Village, prosumer: Any) -> None:
    with refused(village.market.ZeroAmount):
        village.market.withdraw(0, prosumer, sender=prosumer)


def test_fund_backstop__any_funder__adds_to_it(village: Village, prosumer: Any) -> None:
    village.euro.mint(prosumer, 3 * EUR, sender=prosumer)
    village.euro.approve(village.market, 3 * EUR, sender=prosumer)
    receipt = village.market.fundBackstop(ZONE, 3 * EUR, sender=prosumer)
    assert village.market.BackstopFunded(ZONE, prosumer, 3 * EUR) in receipt.events
    assert tuple(village.market.backstop(ZONE)) == (BACKSTOP + 3 * EUR, 0, 0, False)


def test_fund_backstop__nothing__is_refused(village: Village, prosumer: Any) -> None:
    with refused(village.market.ZeroAmount):
        village.market.fundBackstop(ZONE, 0, sender=prosumer)


# INV-M17
def test_withdraw_backstop__all_but_what_is_exposed__pays_the_operator(
    village: Village, home: Home, operator: Any, neighbour: Any
) -> None:
    village.place(home, {0: bid(8, 1_000)})
    exposure = village.market.backstop(ZONE).exposure
    spare = BACKSTOP - exposure
    with refused(village.market.BackstopExhausted, zone=ZONE, needed=spare + 1, available=spare):
        village.market.withdrawBackstop(ZONE, spare + 1, operator, sender=operator)
    receipt = village.market.withdrawBackstop(ZONE, spare, neighbour, sender=operator)
    assert village.market.BackstopWithdrawn(ZONE, neighbour, spare) in receipt.events
    assert village.euro.balanceOf(neighbour) == spare
    assert tuple(village.market.backstop(ZONE)) == (exposure, exposure, 0, False)
    with refused(village.market.BackstopExhausted, zone=ZONE, needed=1, available=0):
        village.market.withdrawBackstop(ZONE, 1, operator, sender=operator)


def test_withdraw_backstop__nothing__is_refused(village: Village, operator: Any) -> None:
    with refused(village.market.ZeroAmount):
        village.market.withdrawBackstop(ZONE, 0, operator, sender=operator)


# Hostile tokens


@pytest.fixture
def other_market(deployer: Any, operator: Any, registry: Any, attestation: Any, project: Any) -> Any:
    """Deploy a market on another token."""

    def deploy(token: Any) -> Any:
        return deploy_market(deployer, operator, project, registry, attestation, token)

    return deploy


# INV-M1
def test_deposit__fee_taking_token__credits_what_arrived(
    other_market: Any, deployer: Any, operator: Any, prosumer: Any, project: Any, params: ZoneParams
) -> None:
    token = deployer.deploy(project.FeeToken)
    market = other_market(token)
    market.openZone(ZONE, params_args(params), sender=operator)
    token.mint(prosumer, 20_000, sender=prosumer)
    token.approve(market, 20_000, sender=prosumer)
    market.deposit(prosumer, 10_000, sender=prosumer)
    market.fundBackstop(ZONE, 5_000, sender=prosumer)
    assert market.balanceOf(prosumer).free == 9_900
    assert market.backstop(ZONE).balance == 4_950
    assert token.balanceOf(market) == 9_900 + 4_950


# INV-M1
@pytest.mark.parametrize("entry", ["deposit", "withdraw", "fundBackstop", "withdrawBackstop"])
@pytest.mark.parametrize("inner", ["deposit", "withdraw", "fundBackstop", "withdrawBackstop"])
def test_reenter__from_the_token__is_refused(
    other_market: Any,
    deployer: Any,
    operator: Any,
    project: Any,
    params: ZoneParams,
    entry: str,
    inner: str,
) -> None:
    token = deployer.deploy(project.CallbackToken)
    market = other_market(token)
    market.openZone(ZONE, params_args(params), sender=operator)
    # The token is an accomplice with an account and a role of its own.
    market.grantRole(market.ZONE_OPERATOR_ROLE(), token, sender=deployer)
    token.mint(operator, 20_000, sender=operator)
    token.approve(market, 20_000, sender=operator)
    market.deposit(token, 5_000, sender=operator)
    market.deposit(operator, 5_000, sender=operator)
    market.fundBackstop(ZONE, 5_000, sender=operator)
    calls = {
        "deposit": (token, 1_000),
        "withdraw": (1_000, token),
        "fundBackstop": (ZONE, 1_000),
        "withdrawBackstop": (ZONE, 1_000, token),
    }
    token.arm(market, getattr(market, inner).encode_input(*calls[inner]), sender=deployer)
    with refused(market.ReentrancyGuardReentrantCall):
        getattr(market, entry)(*calls[entry], sender=operator)
    held = market.balanceOf(operator).free + market.balanceOf(token).free + market.backstop(ZONE).balance
    assert held == token.balanceOf(market) == 15_000
