"""An asset's books, kept by its events alone: the same arithmetic as the contract's, to the unit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gridwitness.domain.assets import (
    INDEX_FRACTION_BITS,
    NOBODY,
    AssetRules,
    Claim,
    Dividend,
    Entry,
    Freezing,
    Movement,
    MovementKind,
    Passport,
    PassportChange,
    RedemptionFunding,
    RulesChange,
    Verdict,
    WalletChange,
    judge,
)
from gridwitness.errors import ChainError

_NO_RULES = AssetRules(frozenset(), frozenset(), 0, 0, 0, 0)


@dataclass(slots=True)
class _Account:
    """Shares, cash owed up to `index`, and that index: a holder's word in the contract."""

    shares: int = 0
    owed: int = 0
    index: int = 0

    def due(self, index: int) -> int:
        return self.owed + (self.shares * (index - self.index) >> INDEX_FRACTION_BITS)

    def settle(self, index: int) -> None:
        self.owed, self.index = self.due(index), index


class Books:
    """Shares, dues, frozen shares, passports and rules after some entries, which are applied in chain order.

    `dividend_cash` was paid in and not claimed, `redemption_cash` paid in for redemptions and not paid out; `revenue`
    is the part of all dividends that energy (`sold_wh`, `attested_wh`) was attested for. Raises ChainError for an entry
    that cannot follow the ones before: then some are missing, or made up.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.index = 0
        self._remainder = 0
        self.supply = 0
        self.dividend_cash = 0
        self.redemption_cash = 0
        self.revenue = 0
        self.sold_wh = 0
        self.attested_wh = 0
        self.rules = _NO_RULES
        self.frozen: dict[str, int] = {}
        self._accounts: dict[str, _Account] = {}
        self._passports: dict[str, Passport] = {}
        self._investors: dict[str, str] = {}
        self._retired: set[str] = set()
        for entry in entries:
            self.apply(entry)

    @property
    def wallets(self) -> list[str]:
        """Every account that ever had shares, in the order in which they came."""
        return list(self._accounts)

    def shares_of(self, wallet: str) -> int:
        """Shares of an account."""
        account = self._accounts.get(wallet)
        return account.shares if account is not None else 0

    def due_of(self, wallet: str) -> int:
        """Cash due to an account, whether or not it may claim it."""
        account = self._accounts.get(wallet)
        return account.due(self.index) if account is not None else 0

    def investor_of(self, wallet: str) -> str:
        """First wallet of a wallet's investor; NOBODY for one never registered."""
        return self._investors.get(wallet, NOBODY)

    def wallets_of(self, investor: str) -> list[str]:
        """Every wallet of an investor, the first and the retired included, in the order of their registration."""
        return [wallet for wallet, owner in self._investors.items() if owner == investor]

    def passport_of(self, wallet: str) -> Passport | None:
        """The passport of a wallet's investor; one that ended (0) for a retired wallet, None if never registered."""
        passport = self._passports.get(self._investors.get(wallet, ""))
        if passport is not None and wallet in self._retired:
            return Passport(0, passport.country, passport.investor_class)
        return passport

    def investor_passport(self, investor: str) -> Passport | None:
        """The passport of an investor, also if its first wallet is retired; None if never registered."""
        return self._passports.get(investor)

    def verdict_of(self, wallet: str, time: int) -> Verdict:
        """What the rules say of a wallet at a time."""
        return judge(self.passport_of(wallet), self.rules, time)

    def withheld(self, wallet: str, time: int) -> str:
        """Why a wallet cannot claim at a time; "" if it can."""
        verdict = self.verdict_of(wallet, time)
        if not verdict.is_accepted:
            return verdict.rule.name.lower().replace("_", " ")
        frozen = self.frozen.get(wallet, 0)
        return "all shares frozen" if frozen and frozen >= self.shares_of(wallet) else ""

    def holders(self) -> int:
        """Investors with shares, each counted once."""
        return len({self._investors.get(wallet, wallet) for wallet, one in self._accounts.items() if one.shares})

    def apply(self, entry: Entry) -> None:
        """Go on by one entry."""
        match entry:
            case Movement():
                self._move(entry)
            case Dividend():
                self._pay(entry)
            case Claim():
                self._claim(entry)
            case Freezing():
                self.frozen[entry.account] = entry.shares
            case RedemptionFunding():
                self.redemption_cash += entry.cash
            case RulesChange():
                self.rules = entry.rules
            case PassportChange():
                self._give_passport(entry)
            case WalletChange(is_retired=True):
                self._retired.add(entry.wallet)
            case WalletChange():
                self._investors[entry.wallet] = entry.investor

    def _move(self, entry: Movement) -> None:
        if entry.sender == entry.receiver:
            return
        if entry.sender != NOBODY:
            sender = self._settled(entry.sender)
            sender.shares -= entry.shares
            if sender.shares < 0:
                raise _gap(entry, f"{entry.sender} moved {-sender.shares} shares more than it had")
        if entry.receiver != NOBODY:
            self._settled(entry.receiver).shares += entry.shares
        if entry.sender == NOBODY:
            self.supply += entry.shares
        if entry.receiver == NOBODY:
            self.supply -= entry.shares
        if entry.kind is MovementKind.REDEMPTION:
            self.redemption_cash -= entry.cash
        if entry.kind is MovementKind.RECOVERY:
            lost, found = self._settled(entry.sender), self._settled(entry.receiver)
            if lost.owed != entry.cash:
                raise _gap(entry, f"{entry.sender} was owed {lost.owed}, but {entry.cash} was recovered")
            lost.owed, found.owed = 0, found.owed + lost.owed

    def _pay(self, entry: Dividend) -> None:
        if self.supply == 0:
            raise _gap(entry, f"{entry.cash} was paid to no shares")
        parts, self._remainder = divmod((entry.cash << INDEX_FRACTION_BITS) + self._remainder, self.supply)
        self.index += parts
        if self.index != entry.index:
            raise _gap(entry, f"the dividend index is {entry.index}, and {self.index} by the entries before")
        self.dividend_cash += entry.cash
        if entry.is_attested:
            self.revenue += entry.cash
            self.sold_wh += entry.sold_wh
            self.attested_wh += entry.attested_wh

    def _claim(self, entry: Claim) -> None:
        account = self._settled(entry.account)
        if account.owed != entry.cash:
            raise _gap(entry, f"{entry.account} was owed {account.owed}, but {entry.cash} was claimed")
        account.owed = 0
        self.dividend_cash -= entry.cash

    def _give_passport(self, entry: PassportChange) -> None:
        self._investors.setdefault(entry.investor, entry.investor)
        if entry.passport is not None:
            self._passports[entry.investor] = entry.passport
        elif (last := self._passports.get(entry.investor)) is not None:
            self._passports[entry.investor] = Passport(0, last.country, last.investor_class)

    def _settled(self, wallet: str) -> _Account:
        account = self._accounts.setdefault(wallet, _Account(index=self.index))
        account.settle(self.index)
        return account


def _gap(entry: Entry, what: str) -> ChainError:
    return ChainError(
        f"block {entry.at.block_number}, log {entry.at.log_index}: {what}",
        hint="the node left out events, or made some up: ask another node",
    )
