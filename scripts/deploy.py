"""Deploy everything a network's parameters name, on any network; safe to run again after any interruption."""

from __future__ import annotations

import click

from gridwitness.errors import ConfigError
from scripts._params import FEED
from scripts._roles import ADMIN_ROLE, governed_contracts, read_roles
from scripts._session import Session, SessionCommand, session_options
from scripts._steps import ensure_contract, ensure_role, ensure_stream, ensure_token, note_extension, note_precompile
from scripts._zone_steps import ensure_zone


@click.command(cls=SessionCommand)
@click.option("--fresh", is_flag=True, help="Forget what the manifest has; development chains only.")
@session_options
def cli(session: Session, fresh: bool) -> None:
    """Deploy contracts, grant roles, open streams, feeds and zones.

    \b
    ape run deploy --network ethereum:local:http://127.0.0.1:8545
    ape run deploy --network ethereum:sepolia:node --account deployer
    ape run deploy --network ethereum:sepolia:https://rpc.example.org --account deployer

    Parameters are checked before anything is sent. What stands is skipped: run it again after any interruption.
    """
    if fresh:
        if not session.provider.network.is_dev:
            raise ConfigError(f"--fresh is for development chains, not for {session.provider.network.name}")
        session.manifest.clear()
    ensure_token(session)
    for name, arguments in session.params.contracts.items():
        ensure_contract(session, name, arguments)
    note_precompile(session)
    note_extension(session)
    governed = governed_contracts(session)
    if session.params.admin != session.account.address:
        names = ", ".join(governed)
        click.echo(f"! {names}: governed by {session.params.admin}, who grants roles with `ape run roles grant`")
    for name, roles in session.params.roles.items():
        for role, accounts in roles.items():
            for account in accounts:
                ensure_role(session, name, role, account, held=True)
    for name in governed:
        if session.manifest.get("roles", name, ADMIN_ROLE) is None:
            session.manifest.record(("roles", name), read_roles(session, name))
    for stream in session.params.streams.values():
        ensure_stream(session, stream)
    for name, arguments in session.params.feeds.items():
        ensure_contract(session, FEED, arguments, ("feeds", name))
    for zone, params in session.params.zones.items():
        ensure_zone(session, zone, params)
    click.echo(f"✓ all of {session.params.source} stands; see {session.manifest.path}")
