"""Who owns shares of the demo's plant: twelve holders in three countries, and one from a fourth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from eth_account.signers.local import LocalAccount


class Country(IntEnum):
    """ISO 3166-1 numeric codes."""

    AUSTRIA = 40
    FRANCE = 250
    GERMANY = 276
    UNITED_STATES = 840

    @property
    def words(self) -> str:
        """Its name within a sentence."""
        return "the United States" if self is Country.UNITED_STATES else self.name.title()


# What each holder subscribes to: 10,000 shares in all.
SUBSCRIPTIONS = {
    Country.GERMANY: (1_600, 1_200, 1_000, 800, 600),
    Country.AUSTRIA: (1_000, 900, 600, 500),
    Country.FRANCE: (800, 600, 400),
}
SHARES = sum(sum(held) for held in SUBSCRIPTIONS.values())


@dataclass(frozen=True, slots=True)
class Investor:
    """A holder, or one who would like to be: `subscribed` shares when the plant is issued."""

    account: LocalAccount
    country: Country
    subscribed: int


def make_investors(account: Callable[[str, int], LocalAccount]) -> tuple[tuple[Investor, ...], Investor]:
    """The holders, and the outsider, whose country the plant's rules do not accept; `account` draws keys by role."""
    wanted = [(country, shares) for country, held in SUBSCRIPTIONS.items() for shares in held]
    holders = tuple(
        Investor(account("investor", index), country, shares) for index, (country, shares) in enumerate(wanted)
    )
    return holders, Investor(account("outsider", 0), Country.UNITED_STATES, 0)
