"""Grant, revoke and list the roles of the contracts, and hand the right to do so over."""

from __future__ import annotations

from pathlib import Path

import click

from scripts._command import SessionCommand, role_arguments, safe_batch_option, session_options, transaction_options
from scripts._governance import final_admin, finish_handover, request
from scripts._roles import RoleChange, account_argument, contract_with, governed_contracts, note_roles
from scripts._session import Session


@click.group()
def cli() -> None:
    """Who may do what on which contract. Changes need the role's admin (DEFAULT_ADMIN_ROLE).

    \b
    ape run roles grant ZONE_OPERATOR_ROLE 0x… --network ethereum:sepolia:<URL> --account admin
    ape run roles grant STEWARD_ROLE 0x… --network ethereum:sepolia:<URL> --safe-batch grant.json
    """


@cli.command(cls=SessionCommand)
@role_arguments
@transaction_options
def grant(session: Session, role: str, account_address: str, contract: str | None, safe_batch: Path | None) -> None:
    """Give ROLE to ACCOUNT."""
    change = RoleChange(contract_with(session, role, contract), role, account_argument(account_address), held=True)
    request(session, [change], safe_batch)


@cli.command(cls=SessionCommand)
@role_arguments
@transaction_options
def revoke(session: Session, role: str, account_address: str, contract: str | None, safe_batch: Path | None) -> None:
    """Take ROLE from ACCOUNT."""
    change = RoleChange(contract_with(session, role, contract), role, account_argument(account_address), held=False)
    request(session, [change], safe_batch)


@cli.command("handover", cls=SessionCommand)
@safe_batch_option
@transaction_options
def hand_over(session: Session, safe_batch: Path | None) -> None:
    """Second step of the handover: the final admin takes DEFAULT_ADMIN_ROLE from the deployer.

    With its own --account, with a proposer's if it is a timelock (to schedule, then to execute), or by --safe-batch.
    """
    finish_handover(session, final_admin(session), safe_batch)


@cli.command("list", cls=SessionCommand)
@session_options
def list_roles(session: Session) -> None:
    """Show who has which role, as the chain's events tell, and put it in the manifest."""
    with session.manifest.locked():
        for name in governed_contracts(session):
            for role, accounts in note_roles(session, name).items():
                click.echo(f"{name} {role}: {', '.join(accounts) or 'nobody'}")
