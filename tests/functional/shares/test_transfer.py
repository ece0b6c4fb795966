"""Transfers: ERC-20 with permit, the rules with their reasons, and what ERC-7943 says of them beforehand."""

from __future__ import annotations

from typing import Any

import ape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web3.exceptions import ContractCustomError

from tests.functional.market.village import warp
from tests.functional.shares.conftest import MakePlant
from tests.functional.shares.plant import (
    AMERICA,
    BARRED,
    DAY_SECONDS,
    EUR,
    FRANCE,
    GERMANY,
    MAX_UINT256,
    NO_LIMIT_BPS,
    PROFESSIONAL,
    SUPPLY,
    ZERO,
    Plant,
    Rule,
    key_of,
    now,
    refuse,
    rules,
)

ERC7943_FUNGIBLE, ERC20, ERC165 = "0x3edbb4c4", "0x36372b07", "0x01ffc9a7"


def test_transfer__between_holders__moves_shares(shared_plant: Plant, investors: list[Any]) -> None:
    asset, (seller, buyer) = shared_plant.asset, investors[:2]
    receipt = asset.transfer(buyer, 1_000, sender=seller)
    assert receipt.events == [asset.Transfer(seller, buyer, 1_000)]
    assert receipt.return_value is True
    assert shared_plant.balances(seller, buyer) == [5_000, 5_000]
    assert (asset.totalSupply(), asset.holders()) == (SUPPLY, 2)


def test_transfer__nothing__is_a_transfer_of_nothing(shared_plant: Plant, investors: list[Any]) -> None:
    asset, (seller, outsider) = shared_plant.asset, (investors[0], investors[2])
    assert asset.transfer(outsider, 0, sender=seller).events == [asset.Transfer(seller, outsider, 0)]
    asset.transfer(seller, 0, sender=outsider)
    assert (asset.holders(), shared_plant.balances(seller, outsider)) == (2, [6_000, 0])


def test_transfer__more_than_the_balance__is_refused(shared_plant: Plant, investors: list[Any]) -> None:
    asset, (seller, buyer) = shared_plant.asset, investors[:2]
    for shares in (6_001, MAX_UINT256):
        values = (seller, 6_000, shares)
        refuse(asset.transfer, buyer, shares, sender=seller, error=asset.ERC20InsufficientBalance, values=values)
        refuse(asset.transfer, seller, shares, sender=seller, error=asset.ERC20InsufficientBalance, values=values)


def test_transfer_from__with_an_allowance__uses_it_up(shared_plant: Plant, investors: list[Any], intruder: Any) -> None:
    asset, (seller, buyer) = shared_plant.asset, investors[:2]
    assert asset.approve(intruder, 100, sender=seller).events == [asset.Approval(seller, intruder, 100)]
    assert asset.transferFrom(seller, buyer, 60, sender=intruder).events == [asset.Transfer(seller, buyer, 60)]
    assert asset.allowance(seller, intruder) == 40
    values = (intruder, 40, 41)
    error = asset.ERC20InsufficientAllowance
    refuse(asset.transferFrom, seller, buyer, 41, sender=intruder, error=error, values=values)
    asset.approve(intruder, MAX_UINT256, sender=seller)
    asset.transferFrom(seller, buyer, 60, sender=intruder)
    assert asset.allowance(seller, intruder) == MAX_UINT256
    refuse(asset.approve, ZERO, 1, sender=seller, error=asset.ERC20InvalidSpender, values=(ZERO,))


def test_transfer_from__without_allowance__is_refused(shared_plant: Plant, investors: list[Any], intruder: Any) -> None:
    """A known break: a token that overrides `transferFrom` for its rules, and forgets whom it asked."""
    asset, (seller, buyer) = shared_plant.asset, investors[:2]
    for caller in (intruder, buyer, seller, shared_plant.issuer, shared_plant.agent):
        values = (caller, 0, 1)
        error = asset.ERC20InsufficientAllowance
        refuse(asset.transferFrom, seller, buyer, 1, sender=caller, error=error, values=values)


def permit(plant: Plant, owner: Any, spender: Any, shares: int, nonce: int, deadline: int) -> tuple[Any, ...]:
    signature = key_of(owner).sign(plant.permit_digest(owner, spender, shares, nonce, deadline))
    return (owner, spender, shares, deadline, signature[64], signature[:32], signature[32:64])


def test_permit__signed__allows_once(shared_plant: Plant, investors: list[Any], intruder: Any) -> None:
    plant, asset, (seller, buyer) = shared_plant, shared_plant.asset, investors[:2]
    assert asset.DOMAIN_SEPARATOR() == plant.domain_separator()
    call = permit(plant, seller, intruder, 70, 0, now() + DAY_SECONDS)
    assert asset.permit(*call, sender=buyer).events == [asset.Approval(seller, intruder, 70)]
    assert (asset.allowance(seller, intruder), asset.nonces(seller)) == (70, 1)
    refuse(asset.permit, *call, sender=buyer, error=asset.PermitSignerInvalid, values=(seller,))
    asset.transferFrom(seller, buyer, 70, sender=intruder)


def test_permit__past_its_deadline__is_refused(shared_plant: Plant, investors: list[Any], intruder: Any) -> None:
    """A known break: a signature without a deadline."""
    asset, seller, deadline = shared_plant.asset, investors[0], now() + 100
    call = permit(shared_plant, seller, intruder, 70, 0, deadline)
    warp(deadline + 1)
    refuse(asset.permit, *call, sender=intruder, error=asset.PermitExpired, values=(deadline, deadline + 1))


def test_permit__of_another_chain_asset_or_owner__is_refused(
    shared_plant: Plant, new_plant: MakePlant, euro: Any, investors: list[Any], intruder: Any
) -> None:
    """A known break: a signature without a chain id."""
    asset, (seller, other), deadline = shared_plant.asset, investors[:2], now() + DAY_SECONDS
    call = permit(shared_plant, seller, intruder, 70, 0, deadline)
    twin = new_plant(euro).asset
    refuse(twin.permit, *call, sender=intruder, error=asset.PermitSignerInvalid, values=(seller,))
    stolen = (other, *call[1:])
    refuse(asset.permit, *stolen, sender=intruder, error=asset.PermitSignerInvalid, values=(other,))
    chain_id = ape.chain.chain_id
    try:
        ape.chain.provider.make_request("anvil_setChainId", [chain_id + 1])
        refuse(asset.permit, *call, sender=intruder, error=asset.PermitSignerInvalid, values=(seller,))
    finally:
        ape.chain.provider.make_request("anvil_setChainId", [chain_id])
    asset.permit(*call, sender=intruder)


def test_transfer__to_nobody_we_know__names_registration(
    shared_plant: Plant, investors: list[Any], intruder: Any
) -> None:
    plant = shared_plant
    for stranger in (str(intruder), ZERO, plant.asset.address):
        broken = plant.broken(Rule.REGISTRATION, stranger)
        refuse(plant.asset.transfer, stranger, 1, sender=investors[0], **broken)
        assert tuple(plant.asset.verdictOf(stranger)) == (Rule.REGISTRATION, 0, 0)
    broken = plant.broken(Rule.REGISTRATION, intruder)
    refuse(plant.asset.transfer, investors[0], 0, sender=intruder, **broken)


def test_transfer__expired_passport__names_its_last_second(shared_plant: Plant, investors: list[Any]) -> None:
    plant, newcomer = shared_plant, investors[4]
    last = now() + 1_000
    plant.admit(newcomer, expires_at=last)
    plant.asset.transfer(newcomer, 10, sender=investors[0])
    warp(last)
    assert plant.asset.canSend(newcomer)
    warp(last + 1)
    broken = plant.broken(Rule.PASSPORT, newcomer, last, last + 1)
    refuse(plant.asset.transfer, investors[0], 1, sender=newcomer, **broken)
    refuse(plant.asset.transfer, newcomer, 1, sender=investors[0], **broken)
    assert not plant.asset.canReceive(newcomer)


def test_transfer__wrong_country_or_class__names_it(shared_plant: Plant, investors: list[Any]) -> None:
    plant, (american, barred) = shared_plant, investors[4:6]
    plant.admit(american, country=AMERICA)
    plant.admit(barred, investor_class=BARRED)
    accepted = rules()[1]
    for wallet, rule, value, limit in (
        (american, Rule.COUNTRY, AMERICA, 0),
        (barred, Rule.INVESTOR_CLASS, BARRED, accepted),
    ):
        broken = plant.broken(rule, wallet, value, limit)
        refuse(plant.asset.transfer, wallet, 1, sender=investors[0], **broken)
        refuse(plant.asset.mint, wallet, 1, sender=plant.issuer, **broken)
        refuse(plant.asset.forcedTransfer, investors[0], wallet, 1, sender=plant.agent, **broken)
        assert tuple(plant.asset.verdictOf(wallet)) == (rule, value, limit)
        assert not plant.asset.canReceive(wallet)


def test_transfer__every_accepted_country_and_class__goes(shared_plant: Plant, investors: list[Any]) -> None:
    plant, (french, german) = shared_plant, investors[4:6]
    plant.admit(french, country=FRANCE, investor_class=PROFESSIONAL)
    plant.admit(german, country=GERMANY, investor_class=PROFESSIONAL)
    for wallet in (french, german):
        assert tuple(plant.asset.verdictOf(wallet)) == (Rule.NONE, 0, 0)
        plant.asset.transfer(wallet, 1, sender=investors[0])


def test_transfer__paused__names_pause_and_claims_go_on(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset, (seller, buyer) = shared_plant, shared_plant.asset, investors[:2]
    plant.fund(SUPPLY)
    assert asset.setPaused(True, sender=plant.agent).events == [asset.PauseSet(True)]
    assert asset.isPaused()
    refuse(asset.transfer, buyer, 1, sender=seller, **plant.broken(Rule.PAUSE, seller))
    assert not asset.canTransfer(seller, buyer, 1)
    asset.claim(sender=seller)
    assert asset.setPaused(False, sender=plant.agent).events == [asset.PauseSet(False)]
    asset.transfer(buyer, 1, sender=seller)


def test_transfer__in_the_lock_up__names_its_end(
    new_plant: MakePlant, shared_plant: Plant, euro: Any, investors: list[Any]
) -> None:
    until = now() + DAY_SECONDS
    plant = new_plant(euro, rules(lock_until=until))
    seller, buyer = investors[:2]
    plant.mint(seller, SUPPLY)
    warp(until - 1)
    refuse(plant.asset.transfer, buyer, 1, sender=seller, **plant.broken(Rule.LOCK_UP, seller, until - 1, until))
    assert (plant.asset.canSend(seller), plant.asset.canReceive(buyer)) == (False, True)
    warp(until)
    assert plant.asset.canTransfer(seller, buyer, 1)
    plant.asset.transfer(buyer, 1, sender=seller)
    plant.asset.transfer(buyer, 1, sender=seller)


def test_interfaces__of_erc_165__are_those_of_the_standards(shared_plant: Plant) -> None:
    asset = shared_plant.asset
    assert all(asset.supportsInterface(known) for known in (ERC7943_FUNGIBLE, ERC20, ERC165))
    assert not asset.supportsInterface("0xffffffff")


def goes(method: Any, *arguments: Any, sender: Any) -> bool:
    """Whether a call would go through."""
    data = "0x" + bytes(method.encode_input(*arguments)).hex()
    try:
        ape.networks.provider.web3.eth.call({"from": str(sender), "to": method.contract.address, "data": data})
    except ContractCustomError:
        return False
    return True


AMOUNTS = st.sampled_from([0, 1, 500, 3_000, 4_000, 5_999, 6_000, 6_001, MAX_UINT256])
WALLET = st.integers(0, 6)


# INV-S3
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    country=st.sampled_from([GERMANY, AMERICA]),
    split=st.sampled_from([0, 1, 3_000, 6_000]),
    limits=st.none()
    | st.tuples(st.integers(1, 3), st.sampled_from([4_000, 6_000, 6_500, NO_LIMIT_BPS]), st.booleans()),
    frozen=st.none() | st.tuples(WALLET, AMOUNTS),
    revoked=st.none() | st.integers(0, 3),
    paused=st.integers(0, 9).map(lambda draw: draw == 9),
    attempts=st.lists(st.tuples(WALLET, WALLET, AMOUNTS), min_size=6, max_size=6),
)
def test_ask_beforehand__any_state__says_what_transfer_does(
    shared_plant: Plant,
    investors: list[Any],
    intruder: Any,
    country: int,
    split: int,
    limits: tuple[int, int, bool] | None,
    frozen: tuple[int, int] | None,
    revoked: int | None,
    paused: bool,
    attempts: list[tuple[int, int, int]],
) -> None:
    """ERC-7943: canTransfer is true if, and only if, the transfer goes through; then canSend and canReceive are."""
    plant, asset = shared_plant, shared_plant.asset
    wallets = [*investors[:6], intruder]
    with ape.chain.isolate():
        plant.add_wallet(investors[0], investors[4])
        plant.admit(investors[5], country=country)
        asset.transfer(investors[4], split, sender=investors[0])
        if limits is not None:
            cap, bps, locked = limits
            plant.set_rules(holder_cap=cap, max_holding_bps=bps, lock_until=locked * (now() + DAY_SECONDS))
        if frozen is not None:
            asset.setFrozenTokens(wallets[frozen[0]], frozen[1], sender=plant.agent)
        if revoked is not None:
            plant.revoke(investors[revoked])
        asset.setPaused(paused, sender=plant.agent)
        for sender, receiver, shares in ((wallets[a], wallets[b], shares) for a, b, shares in attempts):
            can = asset.canTransfer(sender, receiver, shares)
            assert can == goes(asset.transfer, receiver, shares, sender=sender), (sender, receiver, shares)
            assert not can or (asset.canSend(sender) and asset.canReceive(receiver))


def test_ask_beforehand__frozen_to_the_last_bit__is_no_overflow(shared_plant: Plant, investors: list[Any]) -> None:
    plant, (seller, buyer) = shared_plant, investors[:2]
    plant.asset.setFrozenTokens(seller, MAX_UINT256, sender=plant.agent)
    assert not plant.asset.canTransfer(seller, buyer, 1)
    assert plant.asset.canTransfer(seller, buyer, 0)
    plant.asset.setFrozenTokens(seller, 0, sender=plant.agent)
    assert plant.asset.canTransfer(seller, buyer, 6_000)


def test_describe__any_asset__says_its_terms(shared_plant: Plant, euro: Any, passports: Any) -> None:
    asset = shared_plant.asset
    assert (asset.name(), asset.symbol(), asset.decimals(), asset.version()) == ("Solar One", "SUN1", 0, "1.0.0")
    assert tuple(asset.terms()) == ("Solar One", "SUN1", 0, passports, euro, ZERO, 0, False, 0, 0, 0, ZERO)
    assert tuple(asset.rules()) == tuple(rules())
    assert 10 ** euro.decimals() == EUR
