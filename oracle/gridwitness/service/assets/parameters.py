"""Parameters of an asset: a TOML file with its class, its terms, who may hold it, and what it will pay.

A class is no code of its own: it says which parameters an asset must have, and which would be a mistake.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self

from eth_utils.address import is_checksum_address
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.domain.assets import BPS, MOST_CLASS, MOST_COUNTRY, NOBODY, AssetRules, AssetTerms
from gridwitness.errors import ConfigError, InputError
from gridwitness.service.assets.ledger import cash_token

_DAY_SECONDS = 86_400
_MOST_SHARE_DECIMALS = 6
_MOST_CASH_DECIMALS = 8  # with them an asset holds 720 million


class AssetClass(StrEnum):
    """What an asset is: by that, where its money comes from and how it ends."""

    ENERGY_PLANT = "energy plant"
    CREDIT = "credit"
    TREASURY = "treasury"
    COMMODITY = "commodity"


@dataclass(frozen=True, slots=True)
class _Shape:
    """Groups of parameters that a class must have, and that it may have."""

    needs: frozenset[str]
    may_have: frozenset[str]


# Property and credit pay interest or rent on schedule and are given back at the end. A treasury's shares accrue towards
# what they are redeemed for. Commodities and certificates are covered by a reserve, and end by being used.
_SHAPES = {
    AssetClass.ENERGY_PLANT: _Shape(frozenset({"market"}), frozenset({"reserve"})),
    AssetClass.CREDIT: _Shape(frozenset({"maturity", "payments"}), frozenset({"reserve"})),
    AssetClass.TREASURY: _Shape(frozenset({"maturity"}), frozenset({"payments", "reserve"})),
    AssetClass.COMMODITY: _Shape(frozenset({"reserve"}), frozenset()),
}


def _known(reference: str) -> str:
    if reference.startswith("0x") and not is_checksum_address(reference):
        raise ValueError(f"{reference} is not a checksummed address")
    return reference


# A checksummed address, or the name of a contract in the manifest.
_Reference = Annotated[str, Field(min_length=1), AfterValidator(_known)]
_Uint = Annotated[int, Field(ge=0, strict=True)]
_Uint64 = Annotated[int, Field(ge=1, lt=1 << 64, strict=True)]
_Uint32 = Annotated[int, Field(ge=1, lt=1 << 32, strict=True)]
_Name = Annotated[str, Field(min_length=1, max_length=64)]
_Country = Annotated[int, Field(ge=1, le=MOST_COUNTRY, strict=True)]
_Class = Annotated[int, Field(ge=0, le=MOST_CLASS, strict=True)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReserveParameters(_Table):
    """What must stand behind the shares: a feed of attested readings, in its units.

    A cumulative feed only grows, as a meter's register does: it must cover all shares ever minted, used up ones too.
    """

    feed: _Reference
    per_share: _Uint64
    cumulative: Annotated[bool, Field(strict=True)]
    max_age_seconds: _Uint32


class MaturityParameters(_Table):
    """From when on shares can be given back, for how much cash (token units) each."""

    at: AwareDatetime
    redemption_per_share: _Uint64


class RulesParameters(_Table):
    """Who may hold how much; see AssetRules."""

    countries: Annotated[list[_Country], Field(min_length=1)]
    classes: Annotated[list[_Class], Field(min_length=1)]
    verdict_seconds: Annotated[int, Field(ge=0, le=_DAY_SECONDS, strict=True)] = _DAY_SECONDS
    holder_cap: Annotated[int, Field(ge=1, lt=1 << 24, strict=True)]
    max_holding_bps: Annotated[int, Field(ge=1, le=BPS, strict=True)] = BPS
    lock_until: AwareDatetime | None = None


class PaymentParameters(_Table):
    """Cash (token units) that each share is to be paid on a day."""

    on: date
    per_share: _Uint64


class AssetParameters(_Table):
    """An asset as its issuer describes it. Numbers of shares and cash are of smallest units."""

    asset_class: Annotated[AssetClass, Field(alias="class")]
    name: _Name
    symbol: Annotated[str, Field(min_length=1, max_length=16)]
    decimals: Annotated[int, Field(ge=0, le=_MOST_SHARE_DECIMALS, strict=True)] = 0
    cash: _Reference
    market: _Reference | None = None
    reserve: ReserveParameters | None = None
    maturity: MaturityParameters | None = None
    rules: RulesParameters
    payments: list[PaymentParameters] = []

    @model_validator(mode="after")
    def _has_what_its_class_needs(self) -> Self:
        shape = _SHAPES[self.asset_class]
        for group in ("market", "reserve", "maturity", "payments"):
            given = bool(getattr(self, group))
            if group in shape.needs and not given:
                raise ValueError(f"class {self.asset_class!s} needs {group}")
            if given and group not in shape.needs | shape.may_have:
                raise ValueError(f"class {self.asset_class!s} has no {group}")
        days = [payment.on for payment in self.payments]
        if any(later <= earlier for earlier, later in pairwise(days)):
            raise ValueError("payments must stand in the order of their days, one a day")
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Parameters of a file. Raises ConfigError naming file, key, value and what is wanted."""
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            hint = "docs/how-to/assets/ has one for each class of asset"
            raise ConfigError(f"parameters {path} not found", hint=hint) from None
        except (OSError, ValueError) as error:
            raise ConfigError(f"parameters {path} cannot be read: {error}") from error
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            given = "" if first["type"] == "missing" else f" is {first['input']!r:.80}"
            what = f"{key}{given}: {first['msg']}" if key else first["msg"].removeprefix("Value error, ")
            raise ConfigError(f"{path}: {what}") from error

    def terms(self, manifest: Manifest) -> AssetTerms:
        """Terms as the contract takes them. Raises ConfigError for a name that the manifest does not have."""
        reserve, maturity = self.reserve, self.maturity
        return AssetTerms(
            name=self.name,
            symbol=self.symbol,
            decimals=self.decimals,
            passports=manifest.address("Passports"),
            cash=_address(manifest, self.cash),
            reserve=_address(manifest, reserve.feed) if reserve is not None else NOBODY,
            reserve_per_share=reserve.per_share if reserve is not None else 0,
            reserve_is_cumulative=reserve is not None and reserve.cumulative,
            max_reserve_age_seconds=reserve.max_age_seconds if reserve is not None else 0,
            matures_at=_seconds(maturity.at) if maturity is not None else 0,
            redemption_per_share=maturity.redemption_per_share if maturity is not None else 0,
            market=_address(manifest, self.market) if self.market is not None else NOBODY,
        )

    def cash_in(self, manifest: Manifest) -> str | None:
        """Address of the cash token; None for a name that the manifest does not have."""
        is_known = self.cash.startswith("0x") or self.cash in manifest.contracts
        return _address(manifest, self.cash) if is_known else None

    def checked_terms(self, chain: Chain) -> AssetTerms:
        """Terms for a chain as it is now.

        Raises InputError for a maturity that is past, or a cash token of which an asset could hold too little.
        """
        terms = self.terms(chain.manifest)
        now = chain.head_time()
        if 0 < terms.matures_at <= now:
            raise InputError(f"maturity.at is past: second {terms.matures_at}, and the chain is at {now}")
        token = cash_token(chain, terms.cash)
        if token.decimals > _MOST_CASH_DECIMALS:
            raise InputError(
                f"cash {token.symbol} has {token.decimals} decimals; an asset holds 2^56 units of it at most",
                hint=f"use a token with up to {_MOST_CASH_DECIMALS} decimals",
            )
        return terms

    def first_rules(self) -> AssetRules:
        """Rules of a new asset. Raises InputError for a largest holding: the first mint gives one investor all."""
        if self.rules.max_holding_bps < BPS:
            raise InputError(
                f"rules.max_holding_bps is {self.rules.max_holding_bps}: no shares could ever be issued",
                hint="leave it out, place the shares, then add it and run `gridwitness asset rules`",
            )
        return self.asset_rules()

    def asset_rules(self) -> AssetRules:
        """Rules as the contract takes them."""
        rules = self.rules
        return AssetRules(
            countries=frozenset(rules.countries),
            classes=frozenset(rules.classes),
            verdict_seconds=rules.verdict_seconds,
            holder_cap=rules.holder_cap,
            max_holding_bps=rules.max_holding_bps,
            lock_until=_seconds(rules.lock_until) if rules.lock_until is not None else 0,
        )

    def payment_on(self, day: date, supply: int) -> int:
        """Cash that all shares together are to be paid on a day. Raises InputError if nothing is due then."""
        for payment in self.payments:
            if payment.on == day:
                return payment.per_share * supply
        days = ", ".join(str(payment.on) for payment in self.payments) or "none"
        raise InputError(f"nothing is to be paid on {day}", hint=f"days of payments: {days}")


def _address(manifest: Manifest, reference: str) -> str:
    return reference if reference.startswith("0x") else manifest.address(reference)


def _seconds(instant: datetime) -> int:
    return int(instant.astimezone(UTC).timestamp())
