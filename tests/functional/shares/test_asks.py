"""Signed asks: delivery versus payment, under the rules of the shares."""

from __future__ import annotations

from typing import Any

import ape
import pytest
from eth_abi import encode
from eth_utils import keccak

from tests.functional.market.village import warp
from tests.functional.shares.conftest import MakePlant
from tests.functional.shares.plant import (
    AMERICA,
    DAY_SECONDS,
    EUR,
    MAX_UINT256,
    ZERO,
    Plant,
    Rule,
    key_of,
    now,
    refuse,
)

ASK_TYPES = ("address", "address", "address", "address", "uint64", "uint64", "uint64", "uint40")
CANCELLED = 2**64 - 1
Ask = tuple[Any, ...]


@pytest.fixture
def trading(shared_plant: Plant, share_market: Any, investors: list[Any]) -> Plant:
    """The first investor lets the market move its shares; the second has 1,000 EUR."""
    shared_plant.asset.approve(share_market, MAX_UINT256, sender=investors[0])
    shared_plant.fill_pocket(investors[1], share_market, 1_000 * EUR)
    return shared_plant


def ask_of(plant: Plant, seller: Any, **changes: Any) -> Ask:
    """Ten shares for 2 EUR each, to anybody, for a day."""
    fields: dict[str, Any] = {
        "shares": plant.asset.address,
        "seller": str(seller),
        "buyer": ZERO,
        "cash": plant.cash.address,
        "amount": 10,
        "price_per_share": 2 * EUR,
        "number": 1,
        "expires_at": now() + DAY_SECONDS,
    }
    assert changes.keys() <= fields.keys()
    return tuple((fields | changes).values())


def digest_of(market: Any, ask: Ask) -> bytes:
    """EIP-712 digest, computed apart from the contract's code."""
    kind = keccak(
        text="Ask(address shares,address seller,address buyer,address cash,uint64 amount,uint64 pricePerShare,"
        "uint64 number,uint40 expiresAt)"
    )
    domain = keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    head = encode(
        ["bytes32", "bytes32", "bytes32", "uint256", "address"],
        [domain, keccak(text="Gridwitness ShareMarket"), keccak(text="1"), ape.chain.chain_id, market.address],
    )
    return keccak(b"\x19\x01" + keccak(head) + keccak(kind + encode(ASK_TYPES, ask)))


def signed(market: Any, seller: Any, ask: Ask) -> tuple[Ask, bytes]:
    """An ask with the seller's signature."""
    return ask, key_of(seller).sign(digest_of(market, ask))


def test_digest__any_ask__is_that_of_eip_712(trading: Plant, share_market: Any, investors: list[Any]) -> None:
    ask = ask_of(trading, investors[0], buyer=str(investors[1]), number=2**64 - 2)
    assert share_market.askDigest(ask) == digest_of(share_market, ask)
    assert share_market.version() == "1.0.0"


def test_fill__in_two_parts__pays_and_delivers_each(trading: Plant, share_market: Any, investors: list[Any]) -> None:
    seller, buyer = investors[:2]
    ask, signature = signed(share_market, seller, ask_of(trading, seller))
    receipt = share_market.fill(ask, signature, 4, 8 * EUR, sender=buyer)
    assert receipt.return_value == 8 * EUR
    filled = share_market.AskFilled(seller, buyer, trading.asset, 1, 4, 8 * EUR)
    assert receipt.events.filter(share_market.AskFilled) == [filled]
    assert trading.balances(seller, buyer) == [5_996, 4_004]
    assert [trading.cash.balanceOf(wallet) for wallet in (seller, buyer)] == [8 * EUR, 992 * EUR]
    assert share_market.filledOf(seller, 1) == 4
    share_market.fill(ask, signature, 6, 12 * EUR, sender=buyer)
    assert share_market.filledOf(seller, 1) == 10


# INV-S9
def test_fill__more_than_is_left__is_refused(trading: Plant, share_market: Any, investors: list[Any]) -> None:
    seller, buyer = investors[:2]
    call = signed(share_market, seller, ask_of(trading, seller))
    share_market.fill(*call, 4, MAX_UINT256, sender=buyer)
    error = share_market.AskExhausted
    refuse(share_market.fill, *call, 7, MAX_UINT256, sender=buyer, error=error, values=(seller, 1, 7, 6))
    refuse(share_market.fill, *call, 0, MAX_UINT256, sender=buyer, error=share_market.AskAmountInvalid, values=(0,))
    other = signed(share_market, seller, ask_of(trading, seller, amount=3))
    refuse(share_market.fill, *other, 1, MAX_UINT256, sender=buyer, error=error, values=(seller, 1, 1, 0))


# INV-S9
def test_fill__replayed__is_refused(trading: Plant, share_market: Any, investors: list[Any]) -> None:
    seller, buyer = investors[:2]
    call = signed(share_market, seller, ask_of(trading, seller))
    share_market.fill(*call, 10, MAX_UINT256, sender=buyer)
    values = (seller, 1, 10, 0)
    refuse(share_market.fill, *call, 10, MAX_UINT256, sender=buyer, error=share_market.AskExhausted, values=values)


def test_fill__numbers_in_one_word__do_not_touch_each_other(
    trading: Plant, share_market: Any, investors: list[Any]
) -> None:
    seller, buyer = investors[:2]
    for number in range(8):
        call = signed(share_market, seller, ask_of(trading, seller, number=number, amount=CANCELLED))
        share_market.fill(*call, 1 + number, MAX_UINT256, sender=buyer)
    assert [share_market.filledOf(seller, number) for number in range(9)] == [*range(1, 9), 0]
    share_market.cancel([1, 6], sender=seller)
    expected = [1, CANCELLED, 3, 4, 5, 6, CANCELLED, 8, 0]
    assert [share_market.filledOf(seller, number) for number in range(9)] == expected


# INV-S9
def test_fill__expired__is_refused(trading: Plant, share_market: Any, investors: list[Any]) -> None:
    seller, buyer = investors[:2]
    last = now() + 100
    call = signed(share_market, seller, ask_of(trading, seller, expires_at=last))
    warp(last + 1)
    error, values = share_market.AskExpired, (last, last + 1)
    refuse(share_market.fill, *call, 1, MAX_UINT256, sender=buyer, error=error, values=values)


def test_fill__in_its_last_second__goes(trading: Plant, share_market: Any, investors: list[Any]) -> None:
    seller, buyer = investors[:2]
    last = now() + 100
    call = signed(share_market, seller, ask_of(trading, seller, expires_at=last))
    ape.chain.pending_timestamp = last
    share_market.fill(*call, 1, MAX_UINT256, sender=buyer)


# INV-S9
def test_fill__of_another_chain_or_market__is_refused(
    trading: Plant, share_market: Any, investors: list[Any], deployer: Any, project: Any
) -> None:
    """A known break: a signature without a chain id."""
    seller, buyer = investors[:2]
    call = signed(share_market, seller, ask_of(trading, seller))
    twin = deployer.deploy(project.ShareMarket)
    refuse(twin.fill, *call, 1, MAX_UINT256, sender=buyer, error=twin.AskSignatureInvalid, values=(seller,))
    error, chain_id = share_market.AskSignatureInvalid, ape.chain.chain_id
    try:
        ape.chain.provider.make_request("anvil_setChainId", [chain_id + 1])
        refuse(share_market.fill, *call, 1, MAX_UINT256, sender=buyer, error=error, values=(seller,))
    finally:
        ape.chain.provider.make_request("anvil_setChainId", [chain_id])


@pytest.mark.parametrize("field", range(8))
def test_fill__any_field_changed__is_not_signed(
    trading: Plant, share_market: Any, investors: list[Any], field: int
) -> None:
    seller, buyer = investors[:2]
    ask, signature = signed(share_market, seller, ask_of(trading, seller))
    other = list(ask)
    other[field] = str(buyer) if field < 4 else ask[field] + 1
    error, values = share_market.AskSignatureInvalid, (other[1],)
    refuse(share_market.fill, tuple(other), signature, 1, MAX_UINT256, sender=buyer, error=error, values=values)


# INV-S9
def test_fill__cancelled__is_refused_for_good(trading: Plant, share_market: Any, investors: list[Any]) -> None:
    seller, buyer = investors[:2]
    call = signed(share_market, seller, ask_of(trading, seller))
    share_market.fill(*call, 3, MAX_UINT256, sender=buyer)
    share_market.cancel([1], sender=buyer)  # somebody else's number 1
    share_market.fill(*call, 3, MAX_UINT256, sender=buyer)
    assert share_market.cancel([1], sender=seller).events == [share_market.AskCancelled(seller, 1)]
    error, values = share_market.AskExhausted, (seller, 1, 1, 0)
    refuse(share_market.fill, *call, 1, MAX_UINT256, sender=buyer, error=error, values=values)
    share_market.cancel([1], sender=seller)
    assert share_market.filledOf(seller, 1) == CANCELLED


def test_fill__above_the_buyers_limit_or_for_another_buyer__is_refused(
    trading: Plant, share_market: Any, investors: list[Any]
) -> None:
    seller, buyer, other = investors[:3]
    call = signed(share_market, seller, ask_of(trading, seller, buyer=str(buyer)))
    error = share_market.CashAboveLimit
    refuse(share_market.fill, *call, 3, 6 * EUR - 1, sender=buyer, error=error, values=(6 * EUR, 6 * EUR - 1))
    error = share_market.AskNotForCaller
    refuse(share_market.fill, *call, 3, MAX_UINT256, sender=other, error=error, values=(buyer, other))
    share_market.fill(*call, 3, 6 * EUR, sender=buyer)


# INV-S3
def test_fill__what_the_rules_forbid__names_the_rule_and_moves_no_cash(
    trading: Plant, share_market: Any, investors: list[Any], intruder: Any
) -> None:
    seller, buyer, american = investors[0], investors[1], investors[4]
    call = signed(share_market, seller, ask_of(trading, seller))
    for wallet in (intruder, american):
        trading.fill_pocket(wallet, share_market, 100 * EUR)
    trading.admit(american, country=AMERICA)
    refuse(share_market.fill, *call, 1, MAX_UINT256, sender=intruder, **trading.broken(Rule.REGISTRATION, intruder))
    refuse(share_market.fill, *call, 1, MAX_UINT256, sender=american, **trading.broken(Rule.COUNTRY, american, AMERICA))
    trading.asset.setFrozenTokens(seller, 6_000, sender=trading.agent)
    error, values = trading.asset.ERC7943InsufficientUnfrozenBalance, (seller, 1, 0)
    refuse(share_market.fill, *call, 1, MAX_UINT256, sender=buyer, error=error, values=values)
    trading.revoke(seller)
    broken = trading.broken(Rule.PASSPORT, seller, 0, now())
    refuse(share_market.fill, *call, 1, MAX_UINT256, sender=buyer, **broken)
    assert (trading.cash.balanceOf(seller), share_market.filledOf(seller, 1)) == (0, 0)


def test_fill__seller_without_allowance__is_refused(trading: Plant, share_market: Any, investors: list[Any]) -> None:
    seller, buyer = investors[:2]
    trading.asset.approve(share_market, 2, sender=seller)
    call = signed(share_market, seller, ask_of(trading, seller))
    error, values = trading.asset.ERC20InsufficientAllowance, (share_market, 2, 3)
    refuse(share_market.fill, *call, 3, MAX_UINT256, sender=buyer, error=error, values=values)
    share_market.fill(*call, 2, MAX_UINT256, sender=buyer)


def test_fill__own_ask_or_for_nothing__moves_no_cash(trading: Plant, share_market: Any, investors: list[Any]) -> None:
    seller, buyer = investors[:2]
    call = signed(share_market, seller, ask_of(trading, seller))
    share_market.fill(*call, 1, MAX_UINT256, sender=seller)
    gift = signed(share_market, seller, ask_of(trading, seller, price_per_share=0, number=2))
    share_market.fill(*gift, 10, 0, sender=buyer)
    assert trading.balances(seller, buyer) == [5_990, 4_010]
    assert [trading.cash.balanceOf(wallet) for wallet in (seller, buyer)] == [0, 1_000 * EUR]


# INV-S9
@pytest.mark.parametrize(("name", "received"), [("LyingToken", 0), ("FeeToken", 1_980_000)])
def test_fill__payment_token_that_lies_or_keeps_a_fee__is_refused(
    trading: Plant, share_market: Any, investors: list[Any], deployer: Any, project: Any, name: str, received: int
) -> None:
    seller, buyer = investors[:2]
    token = deployer.deploy(getattr(project, name))
    token.mint(buyer, 100 * EUR, sender=buyer)
    token.approve(share_market, MAX_UINT256, sender=buyer)
    call = signed(share_market, seller, ask_of(trading, seller, cash=token.address))
    error, values = share_market.CashNotReceived, (seller, received, 2 * EUR)
    refuse(share_market.fill, *call, 1, MAX_UINT256, sender=buyer, error=error, values=values)


# INV-S9
def test_fill__payment_token_that_calls_back__fills_once(
    trading: Plant, share_market: Any, investors: list[Any], deployer: Any, project: Any
) -> None:
    seller, buyer = investors[:2]
    token = deployer.deploy(project.CallbackToken)
    token.mint(buyer, 100 * EUR, sender=buyer)
    token.approve(share_market, MAX_UINT256, sender=buyer)
    call = signed(share_market, seller, ask_of(trading, seller, cash=token.address))
    token.arm(share_market, share_market.fill.encode_input(*call, 1, MAX_UINT256), sender=deployer)
    error = share_market.ReentrancyGuardReentrantCall
    refuse(share_market.fill, *call, 1, MAX_UINT256, sender=buyer, error=error)


def test_fill__of_the_plant_that_pays_in_a_fee_token__delivers_for_another(
    new_plant: MakePlant, trading: Plant, share_market: Any, investors: list[Any], deployer: Any, project: Any
) -> None:
    """Shares are paid for in whatever token the ask names, whatever the asset itself pays in."""
    seller, buyer = investors[:2]
    odd = new_plant(deployer.deploy(project.FeeToken))
    odd.mint(seller, 10)
    odd.asset.approve(share_market, 10, sender=seller)
    call = signed(share_market, seller, ask_of(odd, seller, cash=trading.cash.address))
    share_market.fill(*call, 10, 20 * EUR, sender=buyer)
    assert odd.balances(seller, buyer) == [0, 10]
