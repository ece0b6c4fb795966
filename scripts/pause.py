"""Refuse new orders in all zones at once, for the time when something is wrong and nobody knows what."""

from __future__ import annotations

import click

from gridwitness.errors import ConfigError
from scripts._command import SessionCommand, transaction_options
from scripts._events import events_of
from scripts._params import MARKET
from scripts._session import Session
from scripts._zone_steps import pause_orders

GOES_ON = (
    "· orders that stand are cleared, settled, disputed and paid all the same; money that is free can be withdrawn",
    "· devices report and committees attest: `ape run rotate_committee STREAM` replaces a committee at once",
)


@click.command(cls=SessionCommand)
@click.option("--zone", "zones", type=click.IntRange(1, 2**24 - 1), multiple=True, help="Each zone [default: all].")
@click.option("--resume", is_flag=True, help="Take orders again.")
@transaction_options
def cli(session: Session, zones: tuple[int, ...], resume: bool) -> None:
    """Refuse new orders of every zone, or of those named; for accounts with ZONE_OPERATOR_ROLE.

    \b
    ape run pause --yes --network ethereum:sepolia:node --account operator
    ape run pause --zone 1 --zone 4 --network ethereum:sepolia:node --account operator
    ape run pause --resume --network ethereum:sepolia:node --account operator

    Safe to repeat; a zone that is paused already costs nothing.
    """
    market = session.contract(MARKET)
    start = session.manifest.get("contracts", MARKET, "block")
    opened = sorted({event["args"]["zone"] for event in events_of(session.web3, market.events.ZoneOpened(), start)})
    if not zones and not opened:
        raise ConfigError("no zone is open, so there is nothing to pause")
    for zone in zones or opened:
        pause_orders(session, zone, paused=not resume)
    if not resume:
        for line in GOES_ON:
            click.echo(line)
