"""A zone as it is on the chain."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from web3.contract import Contract
from web3.types import TxReceipt

from gridwitness.domain.market import EUR
from gridwitness.errors import ConfigError
from scripts._params import MARKET, zone_fields
from scripts._session import Session

DAY_SECONDS = 86_400
SLOT_SECONDS = 900
EPOCH = date(1970, 1, 1)
LAST_DAY = 2**24 - 1

Rules = Mapping[str, Any]


class Backstop(NamedTuple):
    """Money of a zone in 1e-6 EUR, as in IMarketZones.Backstop."""

    balance: int
    exposure: int
    in_transit: int
    paused: bool


@dataclass(frozen=True)
class Zone:
    """Reads a zone, each thing once. Rules have the names and the order of IMarketZones.ZoneParams."""

    session: Session
    number: int

    @cached_property
    def market(self) -> Contract:
        """The market."""
        return self.session.contract(MARKET)

    @cached_property
    def time_s(self) -> int:
        """Time of the chain (unix)."""
        return int(self.session.web3.eth.get_block("latest")["timestamp"])

    @property
    def today(self) -> int:
        """Delivery day that the chain is in."""
        return self.time_s // DAY_SECONDS

    @cached_property
    def rules(self) -> Rules:
        """Rules of today; empty if the zone is not open."""
        return self._rules_on(self.today)

    @cached_property
    def newest_rules(self) -> Rules:
        """The rules announced last; those of today unless others are to come."""
        return self._rules_on(LAST_DAY)

    @cached_property
    def newest_from(self) -> int:
        """First day of the newest rules, if they are to come. The market takes one announcement at a time."""
        days = range(self.today, LAST_DAY + 1)
        return days[bisect_left(days, True, key=lambda day: self._rules_on(day) == self.newest_rules)]

    @cached_property
    def backstop(self) -> Backstop:
        """Its money, and whether orders are refused."""
        return Backstop(*self.market.functions.backstop(self.number).call())

    def require_open(self) -> None:
        """Raise ConfigError unless the zone is open."""
        if not self.rules:
            raise ConfigError(f"zone {self.number} is not open", hint=f"`ape run zone open {self.number}` opens it")

    def resolve(self, params: Rules) -> Rules:
        """Rules of a parameter file, its references replaced, to be compared with those of the chain."""
        rules = {name: self.session.resolve(params[name]) for name in self._rule_names()}
        return {**rules, "profileStream": rules["profileStream"].lower()}

    def send(self, what: str, function: str, *arguments: Any) -> TxReceipt:
        """Call a function of the market for this zone. The chain keeps what it does, the manifest nothing."""
        data = self.market.encode_abi(function, [self.number, *arguments])
        keys = ("zones", str(self.number), function)
        return self.session.sender.send(keys, None, data, self.market.address, what=what)

    def _rules_on(self, day: int) -> Rules:
        values = self.market.functions.zoneParams(self.number, day).call()
        rules = dict(zip(self._rule_names(), values, strict=True))
        rules["profileStream"] = "0x" + rules["profileStream"].hex()
        return rules if rules["tickSizePerKwh"] else {}

    def _rule_names(self) -> list[str]:
        return [part["name"] for part in zone_fields(self.session.artefacts)]


def euro(amount: int) -> str:
    """Money (1e-6 EUR) as a person reads it."""
    return f"{Decimal(amount) / EUR:,f} EUR"


def date_of(day: int) -> date:
    """Date of a delivery day."""
    return EPOCH + timedelta(days=day)


def time_of(slot: int) -> str:
    """Start of a delivery slot."""
    return f"{datetime.fromtimestamp(slot * SLOT_SECONDS, UTC):%Y-%m-%dT%H:%M}"
