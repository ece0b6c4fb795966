"""Open one stream of a network's parameters."""

from __future__ import annotations

import click

from gridwitness.errors import ConfigError
from scripts._command import SessionCommand, transaction_options
from scripts._session import Session
from scripts._streams import ensure_stream


@click.command(cls=SessionCommand)
@click.argument("name")
@transaction_options
def cli(session: Session, name: str) -> None:
    """Open the stream NAME as the parameters have it; the account becomes its owner.

    \b
    ape run open_stream profiles --network ethereum:sepolia:node --account deployer
    ape run open_stream heat --set 'streams.heat={leaf: [bytes32, uint64], threshold: 1, members: ["0x…"]}' …
    """
    if name not in session.params.streams:
        known = ", ".join(session.params.streams) or "none"
        raise ConfigError(f"{session.params.source}: streams.{name} is missing; there are {known}")
    ensure_stream(session, session.params.streams[name])
