"""An asset's ledger at one block: every holder, every movement, every dividend, and the proof that the sums agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eth_utils.address import to_checksum_address

from gridwitness.chain.abi import abi_of
from gridwitness.chain.assets import AccountFigures, Asset, AssetFigures
from gridwitness.chain.client import Chain
from gridwitness.chain.followers import BLOCK_RANGE
from gridwitness.chain.node import Block
from gridwitness.domain.assets import (
    AssetProof,
    AssetRules,
    AssetTerms,
    Claim,
    Dividend,
    Entry,
    Freezing,
    Holder,
    Movement,
    MovementKind,
)
from gridwitness.errors import ChainError, InputError, NodeUnavailable
from gridwitness.service.assets.books import Books
from gridwitness.service.assets.reading import created_block, read_entries


@dataclass(frozen=True, slots=True)
class CashToken:
    """Token that an asset earns and pays in."""

    address: str
    symbol: str
    decimals: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """An asset as of one block. The same chain and block give the same ledger, whenever and from whichever node.

    `history` is in chain order, passports and rules included; `dividend_cash` and `redemption_cash` are what the asset
    holds. Σ shares = `proof.supply` and Σ claimable ≤ `dividend_cash`.
    """

    asset: str
    chain_id: int
    block: Block
    terms: AssetTerms
    rules: AssetRules
    proof: AssetProof
    cash: CashToken
    is_paused: bool
    dividend_cash: int
    redemption_cash: int
    holders: tuple[Holder, ...]
    history: tuple[Entry, ...]

    @property
    def movements(self) -> list[Movement]:
        """Every movement of shares."""
        return [entry for entry in self.history if isinstance(entry, Movement)]

    @property
    def trades(self) -> list[Movement]:
        """Movements that an ask was filled by; see Movement for their cash."""
        return [movement for movement in self.movements if movement.kind is MovementKind.TRADE]

    @property
    def dividends(self) -> list[Dividend]:
        """Every payment to the shares."""
        return [entry for entry in self.history if isinstance(entry, Dividend)]

    @property
    def claims(self) -> list[Claim]:
        """Every payment to a holder."""
        return [entry for entry in self.history if isinstance(entry, Claim)]

    @property
    def freezings(self) -> list[Freezing]:
        """Every change of frozen shares."""
        return [entry for entry in self.history if isinstance(entry, Freezing)]

    def books_at(self, time: int) -> Books:
        """The books at the end of a second. Raises InputError for one after the ledger's block."""
        if time > self.block.time:
            raise InputError(
                f"the ledger ends at second {self.block.time}, before {time}", hint="read it at a later block"
            )
        return Books(entry for entry in self.history if entry.at.time <= time)


def read_ledger(
    chain: Chain,
    asset: str,
    *,
    block: int | None = None,
    confirmations: int = 0,
    block_range: int = BLOCK_RANGE,
) -> Ledger:
    """The ledger of an asset at a block, or else `confirmations` below the newest.

    Views are asked at the block's hash, events up to it; both must agree for every account. Raises InputError for what
    is no asset or no block, ChainError naming what does not add up.
    """
    until = _pinned(chain, block, confirmations)
    bound = Asset(chain, asset)
    created = created_block(chain, bound.address, until)
    figures = bound.figures(until.hash)
    _require_known(chain, figures.terms, bound.address)
    entries = read_entries(chain, bound.address, created, until, block_range=block_range)
    books = Books(entries)
    wallets = books.wallets
    accounts = bound.accounts(wallets, until.hash)
    holders = _holders(books, dict(zip(wallets, accounts, strict=True)), until.time)
    _require_sums(figures, holders, books, until)
    return Ledger(
        asset=bound.address,
        chain_id=chain.chain_id,
        block=until,
        terms=figures.terms,
        rules=figures.rules,
        proof=figures.proof,
        cash=cash_token(chain, figures.terms.cash, until.hash),
        is_paused=figures.is_paused,
        dividend_cash=figures.dividend_cash,
        redemption_cash=figures.redemption_cash,
        holders=tuple(holders),
        history=tuple(entries),
    )


def cash_token(chain: Chain, address: str, block_hash: bytes | None = None) -> CashToken:
    """What a token says of itself, at a block or now. Raises ChainError if it says nothing."""
    functions = chain.web3.eth.contract(to_checksum_address(address), abi=abi_of("Token")).functions
    try:
        symbol, decimals = chain.call_many([functions.symbol(), functions.decimals()], block_hash=block_hash)
    except NodeUnavailable:
        raise
    except ChainError as error:
        raise ChainError(f"{address} is no token that an asset can pay in: {error.message}") from error
    return CashToken(address, symbol, decimals)


def as_rows(items: Iterable[Entry | Holder]) -> list[dict[str, Any]]:
    """Flat rows for a table or `pandas.DataFrame`: `at` and `passport` in columns of their own, bytes as 0x-hex.

    Of the days that a dividend is paid for there are the first and the last.
    """
    return [_row(item) for item in items]


def _row(item: Entry | Holder) -> dict[str, Any]:
    row = _flat(asdict(item))
    if isinstance(item, Dividend):
        del row["paid_days"]
        row |= {"first_day": item.first_day, "last_day": item.last_day}
    return row


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            inner = _flat(value)
            row |= inner if name == "at" else {f"{name}_{key}": one for key, one in inner.items()}
        else:
            row[name] = "0x" + value.hex() if isinstance(value, bytes) else value
    return row


def _pinned(chain: Chain, number: int | None, confirmations: int) -> Block:
    head = chain.head()
    wanted = head.number - confirmations if number is None else number
    block = chain.node.block(wanted) if 0 <= wanted <= head.number else None
    if block is None:
        raise InputError(f"there is no block {wanted}: the newest is {head.number}")
    return block


def _require_known(chain: Chain, terms: AssetTerms, asset: str) -> None:
    """Raise InputError for an asset whose holders are known by other passports than the manifest's."""
    known = chain.manifest.address("Passports")
    if terms.passports != known:
        raise InputError(
            f"holders of {asset} are known by passports at {terms.passports}; {chain.manifest.source} has {known}",
            hint="use the manifest of whoever made the asset",
        )


def _holders(books: Books, figures: dict[str, AccountFigures], time: int) -> list[Holder]:
    """Wallets with shares or cash due, the largest first. Raises ChainError where events and views differ."""
    holders = []
    for wallet, seen in figures.items():
        kept = AccountFigures(
            books.shares_of(wallet), books.due_of(wallet), books.frozen.get(wallet, 0), books.verdict_of(wallet, time)
        )
        if kept != seen:
            raise ChainError(
                f"{wallet} by the asset's events: {_words(kept)}; by the asset: {_words(seen)}",
                hint="the node left out events, or made some up: ask another node",
            )
        if seen.shares or seen.claimable:
            holders.append(
                Holder(
                    wallet=wallet,
                    investor=books.investor_of(wallet),
                    shares=seen.shares,
                    frozen=seen.frozen,
                    claimable=seen.claimable,
                    passport=books.passport_of(wallet),
                    verdict=seen.verdict,
                    withheld=books.withheld(wallet, time),
                )
            )
    return sorted(holders, key=lambda holder: (-holder.shares, holder.wallet))


def _words(figures: AccountFigures) -> str:
    verdict = figures.verdict
    rule = f"{verdict.rule.name.lower()} ({verdict.value}, {verdict.limit})"
    return f"{figures.shares} shares, {figures.frozen} frozen, {figures.claimable} due, rule {rule}"


def _require_sums(figures: AssetFigures, holders: Sequence[Holder], books: Books, until: Block) -> None:
    """Raise ChainError naming a sum that does not agree, and by how much."""
    proof = figures.proof
    shares, claimable = sum(one.shares for one in holders), sum(one.claimable for one in holders)
    equal = {
        "Σ shares and supply": (shares, proof.supply),
        "investors and holders": (books.holders(), proof.holders),
        "dividend index": (books.index, proof.dividend_index),
        "redemption cash": (books.redemption_cash, figures.redemption_cash),
        "attested revenue": (books.revenue, proof.revenue),
        "sold Wh": (books.sold_wh, proof.sold_wh),
        "attested Wh": (books.attested_wh, proof.attested_wh),
    }
    for what, (by_events, by_views) in equal.items():
        if by_events != by_views:
            raise ChainError(
                f"at block {until.number}, {what}: {by_events} by events, {by_views} by the asset, "
                f"a difference of {by_events - by_views}",
                hint="the node left out events, or made some up: ask another node",
            )
    if claimable > figures.dividend_cash:
        missing = claimable - figures.dividend_cash
        raise ChainError(
            f"at block {until.number}, holders are due {claimable}, the asset holds {figures.dividend_cash}: "
            f"{missing} are missing",
            hint="its cash token took money away",
        )
