"""Open a zone and run it: rules, orders, feeder caps and the backstop."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from gridwitness.domain.market import EUR
from gridwitness.errors import ConfigError
from scripts._abi import AbiChecker
from scripts._command import SessionCommand, session_options, transaction_options, urgent_transaction_options
from scripts._session import Session
from scripts._zone import DAY_SECONDS, SLOT_SECONDS, Rules
from scripts._zone_steps import (
    announce_rules,
    cap_feeder,
    ensure_zone,
    fund_backstop,
    pause_orders,
    show_zone,
    withdraw_backstop,
)

MAX_CAP_WH = 2**32 - 1

zone_number = click.argument("number", type=click.IntRange(1, 2**24 - 1))


class Euros(click.ParamType):
    """An amount of euros, turned into 1e-6 EUR."""

    name = "EUR"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The amount. Fails for less than nothing and for more than six decimals."""
        try:
            amount = Decimal(value) * EUR
            if amount >= 0 and amount == int(amount):
                return int(amount)
        except (InvalidOperation, OverflowError):
            pass
        self.fail(f"{value!r} is no amount of euros: zero or more, at most six decimals", param, ctx)


class Slot(click.ParamType):
    """The start of a delivery slot (UTC), turned into its number."""

    name = "YYYY-MM-DDTHH:MM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The slot. Fails between quarter hours."""
        time = click.DateTime(["%Y-%m-%dT%H:%M"]).convert(value, param, ctx)
        slot, rest = divmod(int(time.replace(tzinfo=UTC).timestamp()), SLOT_SECONDS)
        if rest:
            self.fail(f"{value!r} is within a delivery slot; they start every quarter hour", param, ctx)
        return slot


@click.group()
def cli() -> None:
    """Zones of the market, for those with ZONE_OPERATOR_ROLE; anyone may `show` and `fund`.

    \b
    ape run zone open 1 --network ethereum:sepolia:node --account operator
    """


def _rules(session: Session, number: int) -> Rules:
    if number not in session.params.zones:
        known = ", ".join(map(str, session.params.zones)) or "none"
        raise ConfigError(f"{session.params.source}: zones.{number} is missing; there are {known}")
    return session.params.zones[number]


@cli.command("open", cls=SessionCommand)
@zone_number
@transaction_options
def open_zone(session: Session, number: int) -> None:
    """Open the zone NUMBER as the parameters have it."""
    ensure_zone(session, number, _rules(session, number))


@cli.command(cls=SessionCommand)
@zone_number
@click.option("--from-day", type=click.DateTime(["%Y-%m-%d"]), help="First delivery day [default: the earliest].")
@transaction_options
def announce(session: Session, number: int, from_day: datetime | None) -> None:
    """Announce the rules that the parameters have for the zone NUMBER, a week ahead or more.

    Shows what changes and asks first. Once announced, rules cannot be taken back, only followed by others.
    """
    day = None if from_day is None else int(from_day.replace(tzinfo=UTC).timestamp()) // DAY_SECONDS
    announce_rules(session, number, _rules(session, number), day)


@cli.command(cls=SessionCommand)
@zone_number
@urgent_transaction_options
def pause(session: Session, number: int) -> None:
    """Refuse new orders of the zone NUMBER; what stands is cleared, settled and paid all the same."""
    pause_orders(session, number, paused=True)


@cli.command(cls=SessionCommand)
@zone_number
@transaction_options
def resume(session: Session, number: int) -> None:
    """Take orders of the zone NUMBER again."""
    pause_orders(session, number, paused=False)


@cli.command(cls=SessionCommand)
@zone_number
@click.option("--from", "first", type=Slot(), required=True, help="Start of the first slot (UTC).")
@click.option("--until", "end", type=Slot(), required=True, help="End of the last slot (UTC).")
@click.option("--wh", "cap_wh", type=click.IntRange(0, MAX_CAP_WH), required=True, help="Most energy of each slot.")
@transaction_options
def cap(session: Session, number: int, first: int, end: int, cap_wh: int) -> None:
    """Cap the energy matched in slots of the zone NUMBER whose gate is open.

    \b
    ape run zone cap 1 --from 2026-06-21T10:00 --until 2026-06-21T14:00 --wh 20000 --network …
    """
    cap_feeder(session, number, first, end, cap_wh)


@cli.command(cls=SessionCommand)
@zone_number
@click.option("--up-to", type=Euros(), required=True, help="What the backstop shall hold.")
@transaction_options
def fund(session: Session, number: int, up_to: int) -> None:
    """Pay into the backstop of the zone NUMBER what it lacks."""
    fund_backstop(session, number, up_to)


@cli.command(cls=SessionCommand)
@zone_number
@click.option("--down-to", type=Euros(), required=True, help="What the backstop shall keep.")
@click.option("--to", "receiver", metavar="ADDRESS", help="Who receives it [default: the account].")
@transaction_options
def withdraw(session: Session, number: int, down_to: int, receiver: str | None) -> None:
    """Take out of the backstop of the zone NUMBER what it does not need to keep."""
    address = AbiChecker("the command line", {}).value("address", receiver or session.sender.address, "--to")
    withdraw_backstop(session, number, down_to, address)


@cli.command(cls=SessionCommand)
@zone_number
@session_options
def show(session: Session, number: int) -> None:
    """Show rules and money of the zone NUMBER, and bring the manifest up to date."""
    with session.manifest.locked():
        show_zone(session, number)
