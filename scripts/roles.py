"""Grant, revoke and list the roles of the market."""

from __future__ import annotations

import click

from gridwitness.errors import ConfigError
from scripts._abi import AbiChecker, role_names
from scripts._params import MARKET
from scripts._roles import read_roles
from scripts._session import Session, SessionCommand, session_options
from scripts._steps import ensure_role


@click.group()
def cli() -> None:
    """Who may do what on the market. Changes need the role's admin (DEFAULT_ADMIN_ROLE)."""


def _change(session: Session, role: str, account: str, *, held: bool) -> None:
    known = role_names(session.artefacts[MARKET].abi)
    if role not in known:
        raise ConfigError(f"ROLE is {role}; {MARKET} has {', '.join(known)}")
    checked = AbiChecker("the command line", {}).value("address", account, "ACCOUNT")
    ensure_role(session, MARKET, role, checked, held=held)


@cli.command(cls=SessionCommand)
@click.argument("role")
@click.argument("account_address", metavar="ACCOUNT")
@session_options
def grant(session: Session, role: str, account_address: str) -> None:
    """Give ROLE to ACCOUNT.

    \b
    ape run roles grant ZONE_OPERATOR_ROLE 0x… --network ethereum:sepolia:node --account admin
    """
    _change(session, role, account_address, held=True)


@cli.command(cls=SessionCommand)
@click.argument("role")
@click.argument("account_address", metavar="ACCOUNT")
@session_options
def revoke(session: Session, role: str, account_address: str) -> None:
    """Take ROLE from ACCOUNT."""
    _change(session, role, account_address, held=False)


@cli.command("list", cls=SessionCommand)
@session_options
def list_roles(session: Session) -> None:
    """Show who has which role, as the chain's events tell, and put it in the manifest."""
    roles = read_roles(session, MARKET)
    if session.manifest.get("roles", MARKET) != roles:
        session.manifest.record(("roles", MARKET), roles)
    for role, accounts in roles.items():
        click.echo(f"{role}: {', '.join(accounts) or 'nobody'}")
