"""Grant, revoke and list the roles of the contracts."""

from __future__ import annotations

from collections.abc import Callable

import click

from gridwitness.errors import ConfigError
from scripts._abi import AbiChecker, role_names
from scripts._roles import governed_contracts, read_roles
from scripts._session import Session, SessionCommand, session_options
from scripts._steps import ensure_role


@click.group()
def cli() -> None:
    """Who may do what on which contract. Changes need the role's admin (DEFAULT_ADMIN_ROLE)."""


def _change(session: Session, role: str, account: str, contract: str | None, *, held: bool) -> None:
    checked = AbiChecker("the command line", {}).value("address", account, "ACCOUNT")
    ensure_role(session, _contract_with(session, role, contract), role, checked, held=held)


def _contract_with(session: Session, role: str, contract: str | None) -> str:
    """The contract that has the role. Raises ConfigError if none has, or more than one and none was named."""
    known = {name: role_names(session.artefacts[name].abi) for name in governed_contracts(session)}
    if contract is not None and contract not in known:
        raise ConfigError(f"--contract is {contract}; {', '.join(known)} have roles")
    having = [name for name in known if role in known[name] and contract in (None, name)]
    if not having:
        have = "; ".join(f"{name} has {', '.join(roles)}" for name, roles in known.items())
        raise ConfigError(f"ROLE is {role}; {have}")
    if len(having) > 1:
        raise ConfigError(f"ROLE is {role}, of {' and '.join(having)}", hint="say whose with --contract")
    return having[0]


def _role_arguments(function: Callable[..., None]) -> Callable[..., None]:
    function = click.option("--contract", metavar="NAME", help="Where more than one has the role.")(function)
    return click.argument("role")(click.argument("account_address", metavar="ACCOUNT")(function))


@cli.command(cls=SessionCommand)
@_role_arguments
@session_options
def grant(session: Session, role: str, account_address: str, contract: str | None) -> None:
    """Give ROLE to ACCOUNT.

    \b
    ape run roles grant ZONE_OPERATOR_ROLE 0x… --network ethereum:sepolia:node --account admin
    ape run roles grant STEWARD_ROLE 0x… --network ethereum:sepolia:node --account admin
    """
    _change(session, role, account_address, contract, held=True)


@cli.command(cls=SessionCommand)
@_role_arguments
@session_options
def revoke(session: Session, role: str, account_address: str, contract: str | None) -> None:
    """Take ROLE from ACCOUNT."""
    _change(session, role, account_address, contract, held=False)


@cli.command("list", cls=SessionCommand)
@session_options
def list_roles(session: Session) -> None:
    """Show who has which role, as the chain's events tell, and put it in the manifest."""
    for name in governed_contracts(session):
        roles = read_roles(session, name)
        if session.manifest.get("roles", name) != roles:
            session.manifest.record(("roles", name), roles)
        for role, accounts in roles.items():
            click.echo(f"{name} {role}: {', '.join(accounts) or 'nobody'}")
