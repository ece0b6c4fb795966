"""Refuse new orders in all zones at once, for the time when something is wrong and nobody knows what."""

from __future__ import annotations

import click

from gridwitness.errors import ConfigError
from scripts._command import SessionCommand, urgent_transaction_options
from scripts._events import events_of
from scripts._params import MARKET
from scripts._session import Session
from scripts._zone import Zone
from scripts._zone_steps import pause_orders

GOES_ON = (
    "· orders that stand are cleared, settled, disputed and paid all the same; money that is free can be withdrawn",
    "· devices report and committees attest: `ape run rotate_committee STREAM` replaces a committee at once",
)


@click.command(cls=SessionCommand)
@click.option(
    "--zone", "zones", type=click.IntRange(1, 2**24 - 1), multiple=True, help="Each zone [default: all that are known]."
)
@click.option("--scan", is_flag=True, help="Look in all blocks for zones that neither manifest nor parameters know.")
@click.option("--resume", is_flag=True, help="Take orders again.")
@urgent_transaction_options
def cli(session: Session, zones: tuple[int, ...], scan: bool, resume: bool) -> None:
    """Refuse new orders of the zones of manifest and parameters, or of those named; with ZONE_OPERATOR_ROLE.

    \b
    ape run pause --yes --network ethereum:sepolia:node --account operator
    ape run pause --zone 1 --zone 4 --network ethereum:sepolia:node --account operator
    ape run pause --resume --network ethereum:sepolia:node --account operator

    Safe to repeat; a zone that is paused already costs nothing. What other accounts have under way is not waited for.
    """
    for zone in zones or _open_zones(session, scan=scan):
        pause_orders(session, zone, paused=not resume)
    if not resume:
        for line in GOES_ON:
            click.echo(line)


def _open_zones(session: Session, *, scan: bool) -> list[int]:
    """Zones that are open, of those that manifest and parameters know, and all others after a `scan`.

    Raises ConfigError if there is none.
    """
    market = session.contract(MARKET)
    known = {*session.params.zones, *map(int, session.manifest.get("zones") or {})}
    if scan:
        start = session.manifest.get("contracts", MARKET, "block")
        known |= {event["args"]["zone"] for event in events_of(session.web3, market.events.ZoneOpened(), start)}
    opened = [number for number in sorted(known) if Zone(session, number).rules]
    if not opened:
        raise ConfigError("no zone is open, so there is nothing to pause")
    if not scan:
        click.echo(f"zones {', '.join(map(str, opened))}; --scan looks for others in all blocks")
    return opened
