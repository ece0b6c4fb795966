"""Open one zone of a network's parameters."""

from __future__ import annotations

import click

from gridwitness.errors import ConfigError
from scripts._session import Session, SessionCommand, session_options
from scripts._steps import ensure_zone


@click.command(cls=SessionCommand)
@click.argument("number", type=int)
@session_options
def cli(session: Session, number: int) -> None:
    """Open the zone NUMBER as the parameters have it; the account needs ZONE_OPERATOR_ROLE.

    \b
    ape run open_zone 1 --network ethereum:sepolia:node --account operator
    """
    if number not in session.params.zones:
        known = ", ".join(map(str, session.params.zones)) or "none"
        raise ConfigError(f"{session.params.source}: zones.{number} is missing; there are {known}")
    ensure_zone(session, number, session.params.zones[number])
