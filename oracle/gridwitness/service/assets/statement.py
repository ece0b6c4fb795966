"""An investor's statement of one asset over a period: what it had, what moved, what it was paid, to the unit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from gridwitness.domain.assets import (
    NOBODY,
    Claim,
    Dividend,
    Entry,
    Moment,
    Movement,
    MovementKind,
    Passport,
)
from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.errors import ChainError, InputError
from gridwitness.service.assets.books import Books
from gridwitness.service.assets.ledger import Ledger


class LineKind(StrEnum):
    """What a line says happened to a wallet."""

    MINTED = "minted"
    RECEIVED = "received"
    SENT = "sent"
    BOUGHT = "bought"
    SOLD = "sold"
    FORCED_IN = "forced in"
    FORCED_OUT = "forced out"
    RECOVERED_IN = "recovered in"
    RECOVERED_OUT = "recovered out"
    RETIRED = "retired"
    REDEEMED = "redeemed"
    DIVIDEND = "dividend"
    CLAIMED = "claimed"


# In and out by the movement: what it is for who receives, and for who gives.
_SIDES = {
    MovementKind.MINT: (LineKind.MINTED, LineKind.SENT),
    MovementKind.TRANSFER: (LineKind.RECEIVED, LineKind.SENT),
    MovementKind.TRADE: (LineKind.BOUGHT, LineKind.SOLD),
    MovementKind.FORCED: (LineKind.FORCED_IN, LineKind.FORCED_OUT),
    MovementKind.RECOVERY: (LineKind.RECOVERED_IN, LineKind.RECOVERED_OUT),
    MovementKind.RETIREMENT: (LineKind.RECEIVED, LineKind.RETIRED),
    MovementKind.REDEMPTION: (LineKind.RECEIVED, LineKind.REDEEMED),
}


@dataclass(frozen=True, slots=True)
class Period:
    """Whole UTC days, the first and the last included. Raises InputError if it ends before it begins."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise InputError(f"the period ends on {self.last}, before it begins on {self.first}")

    @property
    def begins_at(self) -> int:
        """First second."""
        return _midnight(self.first)

    @property
    def ends_at(self) -> int:
        """Last second."""
        return _midnight(self.last) + SECONDS_PER_DAY - 1  # there may be no day after: 9999-12-31


@dataclass(frozen=True, slots=True)
class Position:
    """Shares, and cash due and not claimed."""

    shares: int
    due: int


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened to one wallet.

    `shares` and `due` (cash due from the asset) are what changed. `cash` is what the wallet received (> 0) or paid
    (< 0) in `cash_token`, "" where the chain does not say which. `dividend` is what a dividend's line is part of.
    """

    at: Moment
    kind: LineKind
    wallet: str
    counterparty: str
    shares: int
    due: int
    cash: int = 0
    cash_token: str = ""
    dividend: Dividend | None = None

    @property
    def price_per_share(self) -> int | None:
        """Cash for one unit of shares, of a trade or a redemption; asks are priced so that it is whole."""
        is_priced = self.kind in (LineKind.BOUGHT, LineKind.SOLD, LineKind.REDEEMED) and self.shares != 0
        return abs(self.cash) // abs(self.shares) if is_priced else None


@dataclass(frozen=True, slots=True)
class Wallet:
    """A wallet when the period ended. `withheld` says why what it is due could not be claimed, "" if it could."""

    address: str
    position: Position
    frozen: int
    withheld: str


@dataclass(frozen=True, slots=True)
class Statement:
    """Of an investor, over a period. Opening + Σ lines = closing, for shares and for cash due."""

    ledger: Ledger
    period: Period
    investor: str
    passport: Passport | None
    wallets: tuple[Wallet, ...]
    opening: Position
    closing: Position
    lines: tuple[Line, ...]

    @property
    def accrued(self) -> int:
        """Dividends that came due in the period."""
        return sum(line.due for line in self.lines if line.kind is LineKind.DIVIDEND)

    @property
    def claimed(self) -> int:
        """Dividends that were paid out in the period."""
        return sum(line.cash for line in self.lines if line.kind is LineKind.CLAIMED)

    @property
    def withheld(self) -> int:
        """Part of what is due at the end that could not be claimed then."""
        return sum(wallet.position.due for wallet in self.wallets if wallet.withheld)


def make_statement(ledger: Ledger, wallet: str, period: Period) -> Statement:
    """The statement of a wallet's investor, with all of its wallets.

    Raises InputError for a wallet never registered or a period that the ledger does not cover, ChainError if something
    does not add up.
    """
    if period.ends_at > ledger.block.time:
        raise InputError(
            f"the period ends on {period.last}, the ledger at {_when(ledger.block.time)}",
            hint="give a period that is over, or read the ledger at a later block",
        )
    known = Books(ledger.history)  # whose wallets are whose, is so for good
    investor = known.investor_of(wallet)
    if investor == NOBODY:
        raise InputError(
            f"wallet {wallet} was never registered",
            hint=f"passports of {ledger.terms.symbol} are at {ledger.terms.passports}",
        )
    wallets = known.wallets_of(investor)
    books = Books(entry for entry in ledger.history if entry.at.time < period.begins_at)
    opening = _position(books, wallets)
    lines: list[Line] = []
    for entry in ledger.history:
        if period.begins_at <= entry.at.time <= period.ends_at:
            lines += _lines(books, entry, wallets, ledger)
    closing = _position(books, wallets)
    _require_sums(opening, lines, closing)
    return Statement(
        ledger=ledger,
        period=period,
        investor=investor,
        passport=books.investor_passport(investor),
        wallets=tuple(_wallet(books, one, period.ends_at) for one in wallets),
        opening=opening,
        closing=closing,
        lines=tuple(lines),
    )


def _lines(books: Books, entry: Entry, wallets: list[str], ledger: Ledger) -> list[Line]:
    """Lines of an entry, which the books go on by."""
    before = {wallet: books.due_of(wallet) for wallet in wallets}
    books.apply(entry)
    due = {wallet: books.due_of(wallet) - before[wallet] for wallet in wallets}
    match entry:
        case Movement():
            return list(_movement_lines(entry, wallets, due, ledger.cash.address))
        case Dividend():
            payer = entry.payer if entry.payer != NOBODY else ledger.terms.market
            return [
                Line(entry.at, LineKind.DIVIDEND, wallet, payer, 0, due[wallet], dividend=entry)
                for wallet in wallets
                if books.shares_of(wallet)
            ]
        case Claim() if entry.account in due:
            cash, token = entry.cash, ledger.cash.address
            return [Line(entry.at, LineKind.CLAIMED, entry.account, ledger.asset, 0, -cash, cash, token)]
    return []


def _movement_lines(entry: Movement, wallets: list[str], due: dict[str, int], cash_token: str) -> Iterable[Line]:
    """A line for each side that is the investor's; none for a wallet that moved shares to itself."""
    if entry.sender == entry.receiver:
        return
    kind_in, kind_out = _SIDES[entry.kind]
    cash, token = (entry.cash, entry.cash_token) if entry.kind is MovementKind.TRADE else (0, "")
    if entry.kind is MovementKind.REDEMPTION:
        cash, token = entry.cash, cash_token
    if entry.sender in wallets:
        yield Line(entry.at, kind_out, entry.sender, entry.receiver, -entry.shares, due[entry.sender], cash, token)
    if entry.receiver in wallets:
        yield Line(entry.at, kind_in, entry.receiver, entry.sender, entry.shares, due[entry.receiver], -cash, token)


def _position(books: Books, wallets: Iterable[str]) -> Position:
    rows = [(books.shares_of(wallet), books.due_of(wallet)) for wallet in wallets]
    return Position(sum(shares for shares, _ in rows), sum(due for _, due in rows))


def _wallet(books: Books, wallet: str, time: int) -> Wallet:
    position, frozen = _position(books, [wallet]), books.frozen.get(wallet, 0)
    return Wallet(wallet, position, frozen, books.withheld(wallet, time))


def _require_sums(opening: Position, lines: Iterable[Line], closing: Position) -> None:
    """Raise ChainError naming the difference, if opening and lines do not make the closing."""
    rows = list(lines)
    sums = Position(opening.shares + sum(one.shares for one in rows), opening.due + sum(one.due for one in rows))
    if sums != closing:
        raise ChainError(
            f"opening and lines make {sums.shares} shares and {sums.due} due, the books have {closing.shares} and "
            f"{closing.due}: {closing.shares - sums.shares} and {closing.due - sums.due} are missing"
        )


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _when(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(" ")
