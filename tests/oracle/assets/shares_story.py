"""Entries of an asset's ledger, made by hand, and a ledger of them: no chain, so that unit tests are quick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gridwitness.chain.node import Block
from gridwitness.domain.assets import (
    BPS,
    INDEX_FRACTION_BITS,
    NOBODY,
    AssetProof,
    AssetRules,
    AssetTerms,
    Claim,
    Dividend,
    Entry,
    Freezing,
    Moment,
    Movement,
    MovementKind,
    Passport,
    PassportChange,
    RulesChange,
    WalletChange,
)
from gridwitness.service.assets.books import Books
from gridwitness.service.assets.ledger import CashToken, Ledger

START = int(datetime(2016, 7, 1, tzinfo=UTC).timestamp())
DAY_SECONDS = 86_400
FOREVER = 1 << 39
EUR = 1_000_000
GERMANY, AMERICA = 276, 840
ASSET, PASSPORTS, CASH, MARKET = (f"0x{number:040x}" for number in (0xA, 0xB, 0xC, 0xD))
ANNA, BERT, CARLA = (f"0x{number:040x}" for number in (0xA1, 0xB1, 0xC1))
DEVICE = b"\x0e" * 32
RULES = AssetRules(frozenset({GERMANY}), frozenset({0}), DAY_SECONDS, 100, BPS, 0)


@dataclass
class Story:
    """Entries in order, an hour apart unless time is made to pass; its books tell what the contract would do."""

    entries: list[Entry] = field(default_factory=list)
    books: Books = field(default_factory=Books)
    time: int = START
    remainder: int = 0

    def wait(self, seconds: int) -> None:
        self.time += seconds

    def at(self) -> Moment:
        number = len(self.entries) + 1
        self.time += 3_600
        return Moment(number, 0, self.time, number.to_bytes(32, "big"))

    def add(self, entry: Entry) -> None:
        self.books.apply(entry)
        self.entries.append(entry)

    def begin(self, *wallets: str) -> None:
        """Rules, and passports of Germans that hold for long."""
        self.add(RulesChange(self.at(), RULES))
        for wallet in wallets:
            self.admit(wallet)

    def admit(self, wallet: str, country: int = GERMANY, expires_at: int = FOREVER) -> None:
        self.add(PassportChange(self.at(), wallet, Passport(expires_at, country, 0)))

    def add_wallet(self, investor: str, wallet: str) -> None:
        self.add(WalletChange(self.at(), investor, wallet, is_retired=False))

    def retire_wallet(self, investor: str, wallet: str) -> None:
        self.add(WalletChange(self.at(), investor, wallet, is_retired=True))

    def revoke(self, investor: str) -> None:
        self.add(PassportChange(self.at(), investor, None))

    def move(self, kind: MovementKind, sender: str, receiver: str, shares: int, **more: Any) -> None:
        self.add(Movement(self.at(), kind, sender, receiver, shares, **more))

    def mint(self, wallet: str, shares: int) -> None:
        self.move(MovementKind.MINT, NOBODY, wallet, shares)

    def transfer(self, sender: str, receiver: str, shares: int) -> None:
        self.move(MovementKind.TRANSFER, sender, receiver, shares)

    def recover(self, lost: str, found: str) -> None:
        shares, cash = self.books.shares_of(lost), self.books.due_of(lost)
        self.move(MovementKind.RECOVERY, lost, found, shares, cash=cash)

    def pay(self, cash: int, *, first_day: int = 0, last_day: int = -1, **revenue: int) -> None:
        """A dividend, at the index that the contract would give it; revenue is of one plant's days, all of them."""
        parts, self.remainder = divmod((cash << INDEX_FRACTION_BITS) + self.remainder, self.books.supply)
        payer = NOBODY if revenue else ANNA
        days = tuple((DEVICE, day) for day in range(first_day, last_day + 1))
        self.add(Dividend(self.at(), payer, cash, self.books.index + parts, paid_days=days, **revenue))

    def claim(self, wallet: str) -> None:
        self.add(Claim(self.at(), wallet, self.books.due_of(wallet)))

    def freeze(self, wallet: str, shares: int) -> None:
        self.add(Freezing(self.at(), wallet, shares))

    def ledger(self, *, decimals: int = 0, name: str = "Solar One", entries: Sequence[Entry] | None = None) -> Ledger:
        """The ledger of these entries, a day after the last."""
        books = self.books
        terms = AssetTerms(name, "SUN1", decimals, PASSPORTS, CASH, NOBODY, 0, False, 0, 0, 0, MARKET)
        proof = AssetProof(
            books.supply, books.holders(), 0, 0, 0, 0, books.sold_wh, books.attested_wh, books.revenue, 0, books.index
        )
        return Ledger(
            asset=ASSET,
            chain_id=31_337,
            block=Block(len(self.entries) + 1, b"\x11" * 32, self.time + DAY_SECONDS, 0, 0),
            terms=terms,
            rules=books.rules,
            proof=proof,
            cash=CashToken(CASH, "EUR", 6),
            is_paused=False,
            dividend_cash=books.dividend_cash,
            redemption_cash=books.redemption_cash,
            holders=(),
            history=tuple(self.entries if entries is None else entries),
        )
