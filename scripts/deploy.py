"""Deploy everything a network's parameters name, on any network; safe to run again after any interruption."""

from __future__ import annotations

import click

from scripts._command import SessionCommand, transaction_options
from scripts._contracts import ensure_contracts, ensure_feed
from scripts._governance import ensure_admin
from scripts._roles import ADMIN_ROLE, RoleChange, ensure_role, governed_contracts, note_roles
from scripts._session import Session
from scripts._streams import ensure_stream
from scripts._zone_steps import ensure_zone


@click.command(cls=SessionCommand)
@click.option("--fresh", is_flag=True, help="Forget what the manifest has; development chains only.")
@transaction_options
def cli(session: Session) -> None:
    """Deploy contracts, grant roles, open streams, feeds and zones, and begin the handover to who governs.

    \b
    ape run deploy --network ethereum:local:http://127.0.0.1:8545
    ape run deploy --network base:sepolia:https://rpc.example.org --account deployer --dry-run
    ape run deploy --network base:sepolia:https://rpc.example.org --account deployer

    Parameters are checked before anything is sent. What stands is skipped: run it again after any interruption.
    """
    ensure_contracts(session)
    for name, roles in session.params.roles.items():
        for role, accounts in roles.items():
            for account in accounts:
                ensure_role(session, RoleChange(name, role, account, held=True))
    for name in governed_contracts(session):
        if session.manifest.get("roles", name, ADMIN_ROLE) is None:
            note_roles(session, name)
    for stream in session.params.streams.values():
        ensure_stream(session, stream)
    for feed in session.params.feeds:
        ensure_feed(session, feed)
    for zone, params in session.params.zones.items():
        ensure_zone(session, zone, params)
    ensure_admin(session)
    if not session.is_rehearsal:
        click.echo(f"✓ all of {session.params.source} stands; see {session.manifest.path}")
