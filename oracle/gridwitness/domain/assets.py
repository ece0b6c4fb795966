"""Shares of an asset: terms, rules, passports, asks, and what happened to shares. Numbers are those of IAssetShares.

Money in units of the asset's cash token, shares in units of their decimals, times in unix seconds; addresses
checksummed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

NOBODY = "0x" + "00" * 20
BPS = 10_000
INDEX_FRACTION_BITS = 40
MOST_COUNTRY = 999
MOST_CLASS = 15
_WORD_BITS = 256
_COUNTRY_WORDS = 4


class AssetRule(IntEnum):
    """Rule that keeps shares from moving."""

    NONE = 0
    REGISTRATION = 1
    PASSPORT = 2
    COUNTRY = 3
    INVESTOR_CLASS = 4
    PAUSE = 5
    LOCK_UP = 6
    HOLDER_CAP = 7
    MAX_HOLDING = 8


@dataclass(frozen=True, slots=True)
class AssetTerms:
    """What never changes about an asset; see IAssetShares.Terms. Addresses that are not set are NOBODY."""

    name: str
    symbol: str
    decimals: int
    passports: str
    cash: str
    reserve: str
    reserve_per_share: int
    reserve_is_cumulative: bool
    max_reserve_age_seconds: int
    matures_at: int
    redemption_per_share: int
    market: str


@dataclass(frozen=True, slots=True)
class AssetRules:
    """Who may hold how much; `countries` are accepted ISO 3166-1 numeric codes, `classes` accepted investor classes."""

    countries: frozenset[int]
    classes: frozenset[int]
    verdict_seconds: int
    holder_cap: int
    max_holding_bps: int
    lock_until: int

    @property
    def country_words(self) -> list[int]:
        """As the contract has them: code `c` is bit `c % 256` of word `c // 256`, four words."""
        words = [0] * _COUNTRY_WORDS
        for code in self.countries:
            words[code // _WORD_BITS] |= 1 << code % _WORD_BITS
        return words

    @property
    def class_mask(self) -> int:
        """Accepted classes, a bit each."""
        return sum(1 << one for one in self.classes)

    @classmethod
    def of_words(
        cls, words: Iterable[int], classes: int, verdict_seconds: int, cap: int, max_holding_bps: int, lock_until: int
    ) -> AssetRules:
        """Rules as the contract gives them."""
        countries = frozenset(
            number * _WORD_BITS + bit
            for number, word in enumerate(words)
            for bit in range(_WORD_BITS)
            if word >> bit & 1
        )
        accepted = frozenset(bit for bit in range(MOST_CLASS + 1) if classes >> bit & 1)
        return cls(countries, accepted, verdict_seconds, cap, max_holding_bps, lock_until)


@dataclass(frozen=True, slots=True)
class Passport:
    """What is known of an investor: last second at which it holds (0 if revoked), country, class."""

    expires_at: int
    country: int
    investor_class: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Rule that an account breaks by what it is, NONE if none; `value` and `limit` as IAssetShares.Rule says."""

    rule: AssetRule
    value: int = 0
    limit: int = 0

    @property
    def is_accepted(self) -> bool:
        """Whether no rule is broken."""
        return self.rule is AssetRule.NONE


def judge(passport: Passport | None, rules: AssetRules, time: int) -> Verdict:
    """What the rules say of a passport at a time, as the contract says it; None is a wallet never registered."""
    if passport is None:
        return Verdict(AssetRule.REGISTRATION)
    if passport.expires_at < time:
        return Verdict(AssetRule.PASSPORT, passport.expires_at, time)
    if passport.country not in rules.countries:
        return Verdict(AssetRule.COUNTRY, passport.country)
    if passport.investor_class not in rules.classes:
        return Verdict(AssetRule.INVESTOR_CLASS, passport.investor_class, rules.class_mask)
    return Verdict(AssetRule.NONE)


@dataclass(frozen=True, slots=True)
class AssetProof:
    """What stands behind an asset and what it did; see IAssetRevenue.AssetProof. Energy in Wh, days since the epoch."""

    supply: int
    holders: int
    reserve: int
    reserve_at: int
    needed: int
    plants: int
    sold_wh: int
    attested_wh: int
    revenue: int
    funded_through: int
    dividend_index: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Shares on offer, as their seller signs them; see IShareMarket.Ask. `buyer` NOBODY is anybody."""

    shares: str
    seller: str
    buyer: str
    cash: str
    amount: int
    price_per_share: int
    number: int
    expires_at: int


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """Where on the chain something happened; ordered as it happened."""

    block_number: int
    log_index: int
    time: int
    transaction: bytes


class MovementKind(StrEnum):
    """Why shares moved."""

    MINT = "mint"
    TRANSFER = "transfer"
    TRADE = "trade"
    FORCED = "forced transfer"
    RECOVERY = "recovery"
    RETIREMENT = "retirement"
    REDEMPTION = "redemption"


@dataclass(frozen=True, slots=True)
class Movement:
    """Shares moved. A mint has sender NOBODY; a retirement or redemption receiver NOBODY.

    `cash` is what a trade cost or a redemption paid; of a recovery, what was owed and moved along. `cash_token` is the
    token of a trade, "" if the transaction does not say: whoever filled the ask through another contract.
    """

    at: Moment
    kind: MovementKind
    sender: str
    receiver: str
    shares: int
    cash: int = 0
    cash_token: str = ""
    ask_number: int | None = None
    purpose: bytes = b""


@dataclass(frozen=True, slots=True)
class Dividend:
    """Cash paid to all shares; `index` is what one share has earned since the beginning, in 2^-40 units.

    One from the market's attested revenue has `rows` (plants × days), what they sold and were attested to have
    delivered (Wh), and, where the transaction says it, the days it is paid for: pairs of device and UTC day.
    """

    at: Moment
    payer: str
    cash: int
    index: int
    rows: int = 0
    sold_wh: int = 0
    attested_wh: int = 0
    paid_days: tuple[tuple[bytes, int], ...] = ()

    @property
    def first_day(self) -> int | None:
        """First of the days paid for; None where the transaction does not say them."""
        return min((day for _, day in self.paid_days), default=None)

    @property
    def last_day(self) -> int | None:
        """Last of the days paid for; None where the transaction does not say them."""
        return max((day for _, day in self.paid_days), default=None)

    @property
    def is_attested(self) -> bool:
        """Whether it is revenue that energy was attested for."""
        return self.rows > 0


@dataclass(frozen=True, slots=True)
class Claim:
    """An account took, or was sent, what it was due."""

    at: Moment
    account: str
    cash: int


@dataclass(frozen=True, slots=True)
class Freezing:
    """How many of an account's shares are frozen from here on."""

    at: Moment
    account: str
    shares: int


@dataclass(frozen=True, slots=True)
class RedemptionFunding:
    """Cash paid in that redemptions are paid from."""

    at: Moment
    payer: str
    cash: int


@dataclass(frozen=True, slots=True)
class PassportChange:
    """An investor's passport from here on; None if it was revoked."""

    at: Moment
    investor: str
    passport: Passport | None


@dataclass(frozen=True, slots=True)
class WalletChange:
    """A wallet was added to an investor, or retired for good."""

    at: Moment
    investor: str
    wallet: str
    is_retired: bool


@dataclass(frozen=True, slots=True)
class RulesChange:
    """The asset's rules from here on."""

    at: Moment
    rules: AssetRules


Entry = Movement | Dividend | Claim | Freezing | RedemptionFunding | PassportChange | WalletChange | RulesChange


@dataclass(frozen=True, slots=True)
class Holder:
    """A wallet with shares, or with cash due, at one block. `verdict` and `withheld` are as of that block's time.

    `withheld` says why it cannot claim now, "" if it can.
    """

    wallet: str
    investor: str
    shares: int
    frozen: int
    claimable: int
    passport: Passport | None
    verdict: Verdict
    withheld: str
