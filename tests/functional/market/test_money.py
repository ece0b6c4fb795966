"""Deposits, withdrawals, zones and backstops: money enters and leaves only by its owner's hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ape
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from gridwitness.domain.market import ZoneParams
from tests.actors import refused
from tests.functional.market.village import EUR, ZONE, Home, Village, bid, deploy_market, params_args, warp

DAY_SECONDS = 86_400


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
    village.place(home, {0: bid(8, 1_000)})
    assert village.balance(home.owner) == (1_000, 70_000)
    with refused(village.market.InsufficientBalance, account=home.owner.address, needed=1_001, available=1_000):
        village.market.withdraw(1_001, home.owner, sender=home.owner)
    village.market.withdraw(1_000, home.owner, sender=home.owner)
    assert village.balance(home.owner) == (0, 70_000)


def test_withdraw__nothing__is_refused(village: Village, prosumer: Any) -> None:
    with refused(village.market.ZeroAmount):
        village.market.withdraw(0, prosumer, sender=prosumer)


def test_open_zone__by_the_operator__keeps_its_rules(market: Any, operator: Any, params: ZoneParams) -> None:
    receipt = market.openZone(11, params_args(params), sender=operator)
    assert tuple(market.zoneParams(11)) == params_args(params)
    (event,) = receipt.events
    assert (event.zone, tuple(event.params)) == (11, params_args(params))
    assert market.zoneParams(12).profileStream == bytes(32)


def test_open_zone__by_another__is_refused(market: Any, intruder: Any, params: ZoneParams) -> None:
    role = market.ZONE_OPERATOR_ROLE()
    with refused(market.AccessControlUnauthorizedAccount, account=intruder.address, neededRole=role):
        market.openZone(11, params_args(params), sender=intruder)


# INV-M18
def test_open_zone__twice__is_refused(market: Any, operator: Any, params: ZoneParams, open_zone: int) -> None:
    with refused(market.ZoneAlreadyOpen, zone=open_zone):
        market.openZone(open_zone, params_args(params), sender=operator)


@pytest.mark.parametrize(
    ("name", "field", "value", "limit"),
    [
        ("profileStream", "profile_stream", bytes(32), 1),
        ("tickSizePerKwh", "tick_size_per_kwh", 0, 1),
        ("longPricePerKwh", "long_price_per_kwh", 400_001, 400_000),
        ("toleranceBps", "tolerance_bps", 10_001, 10_000),
        ("holdScoreBps", "hold_score_bps", 10_001, 10_000),
        ("gateLeadSlots", "gate_lead_slots", 192, 191),
        ("finalAfterSeconds", "final_after_seconds", 6 * DAY_SECONDS + 1, 6 * DAY_SECONDS),
    ],
)
def test_open_zone__rule_out_of_range__names_value_and_limit(
    market: Any, operator: Any, params: ZoneParams, name: str, field: str, value: int | bytes, limit: int
) -> None:
    number = int.from_bytes(value, "big") if isinstance(value, bytes) else value
    label = name.encode().ljust(32, b"\0")
    with refused(market.ZoneParamInvalid, name=label, value=number, limit=limit):
        market.openZone(11, params_args(replace(params, **{field: value})), sender=operator)


def test_open_zone__zone_zero__is_refused(market: Any, operator: Any, params: ZoneParams) -> None:
    with refused(market.ZoneParamInvalid, name=b"zone".ljust(32, b"\0"), value=0, limit=1):
        market.openZone(0, params_args(params), sender=operator)


def test_open_zone__longest_finality__leaves_sixteen_hours_before_the_ring_comes_round(
    village: Village, market: Any, operator: Any, home: Home
) -> None:
    # The tightest case the rules allow: the first slot of a day, final six days after its end.
    final_at = (village.day + 7) * DAY_SECONDS
    last_kept_second = (village.first_slot + 1_024 - 288 + 1) * 900 - 1
    assert last_kept_second - final_at >= 16 * 3_600
    warp(final_at)
    market.clear(ZONE, [village.first_slot], sender=village.transmitter)
    with ape.chain.isolate():
        warp(last_kept_second)
        market.clear(ZONE, [village.first_slot + 1], sender=village.transmitter)
        assert market.clearing(ZONE, village.first_slot).cleared
    warp(last_kept_second + 1)
    oldest = village.first_slot + 1
    with refused(market.SlotExpired, zone=ZONE, slot=village.first_slot, oldestSlot=oldest):
        market.clear(ZONE, [village.first_slot], sender=village.transmitter)


def test_fund_backstop__any_funder__adds_to_it(village: Village, prosumer: Any) -> None:
    village.fund_backstop(prosumer, 3 * EUR)
    assert tuple(village.market.backstop(village.zone)) == (3 * EUR, 0)


def test_fund_backstop__unknown_zone__is_refused(village: Village, prosumer: Any) -> None:
    with refused(village.market.ZoneUnknown, zone=99):
        village.market.fundBackstop(99, EUR, sender=prosumer)


def test_withdraw_backstop__nothing_outstanding__pays_the_operator(
    village: Village, prosumer: Any, operator: Any
) -> None:
    village.fund_backstop(prosumer, 3 * EUR)
    receipt = village.market.withdrawBackstop(village.zone, 2 * EUR, operator, sender=operator)
    assert receipt.events.filter(village.market.BackstopWithdrawn) == [
        village.market.BackstopWithdrawn(village.zone, operator, 2 * EUR)
    ]
    assert village.euro.balanceOf(operator) == 2 * EUR
    assert village.market.backstop(village.zone).balance == EUR


# INV-M17
def test_withdraw_backstop__schedules_unsettled__names_their_number(
    village: Village, home: Home, next_home: Home, operator: Any
) -> None:
    village.fund_backstop(operator)
    village.place(home, {0: bid(1, 1)})
    village.place(next_home, {0: bid(1, 1)})
    with refused(village.market.SchedulesOutstanding, zone=village.zone, count=2):
        village.market.withdrawBackstop(village.zone, 1, operator, sender=operator)


def test_withdraw_backstop__more_than_there_is__names_both(village: Village, operator: Any) -> None:
    village.fund_backstop(operator, EUR)
    with refused(village.market.BackstopExhausted, zone=village.zone, needed=EUR + 1, available=EUR):
        village.market.withdrawBackstop(village.zone, EUR + 1, operator, sender=operator)


# INV-M17
def test_withdraw_backstop__by_another__is_refused(village: Village, intruder: Any) -> None:
    role = village.market.ZONE_OPERATOR_ROLE()
    with refused(village.market.AccessControlUnauthorizedAccount, account=intruder.address, neededRole=role):
        village.market.withdrawBackstop(village.zone, 1, intruder, sender=intruder)


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


@pytest.mark.parametrize("entry", ["deposit", "withdraw"])
@pytest.mark.parametrize("inner", ["deposit", "withdraw", "fundBackstop"])
def test_reenter__from_the_token__is_refused(
    other_market: Any,
    deployer: Any,
    operator: Any,
    prosumer: Any,
    project: Any,
    params: ZoneParams,
    entry: str,
    inner: str,
) -> None:
    token = deployer.deploy(project.CallbackToken)
    market = other_market(token)
    market.openZone(ZONE, params_args(params), sender=operator)
    token.mint(prosumer, 20_000, sender=prosumer)
    token.approve(market, 20_000, sender=prosumer)
    market.deposit(token, 5_000, sender=prosumer)  # the token is an accomplice with an account of its own
    market.deposit(prosumer, 5_000, sender=prosumer)
    calls = {
        "deposit": market.deposit.encode_input(token, 1_000),
        "withdraw": market.withdraw.encode_input(1_000, token),
        "fundBackstop": market.fundBackstop.encode_input(ZONE, 1_000),
    }
    token.arm(market, calls[inner], sender=deployer)
    with refused(market.ReentrancyGuardReentrantCall):
        getattr(market, entry)(*((prosumer, 1_000) if entry == "deposit" else (1_000, prosumer)), sender=prosumer)
    assert market.balanceOf(prosumer).free + market.balanceOf(token).free == token.balanceOf(market)
