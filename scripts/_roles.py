"""Roles of AccessControl contracts: who has them, and how that is changed."""

from __future__ import annotations

from dataclasses import dataclass

import click
from web3.contract import Contract

from gridwitness.errors import ChainError, ConfigError
from scripts._abi import AbiChecker, role_names
from scripts._events import events_of
from scripts._session import Session

ADMIN_ROLE = "DEFAULT_ADMIN_ROLE"


@dataclass(frozen=True, slots=True)
class RoleChange:
    """A role that somebody is to have, or not to have any more (`held`)."""

    contract: str
    role: str
    account: str
    held: bool

    @property
    def what(self) -> str:
        """The change in words."""
        verb, word = ("grant", "to") if self.held else ("revoke", "from")
        return f"{verb} {self.role} of {self.contract} {word} {self.account}"


def governed_contracts(session: Session) -> list[str]:
    """Contracts of the parameters that have roles."""
    return [name for name in session.params.contracts if role_names(session.artefacts[name].abi)]


def contract_with(session: Session, role: str, contract: str | None) -> str:
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


def account_argument(value: str) -> str:
    """An address from the command line. Raises ConfigError."""
    return str(AbiChecker("the command line", {}).value("address", value, "ACCOUNT"))


def read_roles(session: Session, name: str) -> dict[str, list[str]]:
    """Accounts of each role, ascending. Candidates come from RoleGranted events, the answer from `hasRole`."""
    contract = session.contract(name)
    granted = events_of(session.web3, contract.events.RoleGranted(), session.manifest.get("contracts", name, "block"))
    candidates = {event["args"]["account"] for event in granted}
    return {
        role: sorted(a for a in candidates if contract.functions.hasRole(role_id(contract, role), a).call())
        for role in role_names(session.artefacts[name].abi)
    }


def note_roles(session: Session, name: str) -> dict[str, list[str]]:
    """Read the roles of a contract and put them in the manifest."""
    roles = read_roles(session, name)
    if session.manifest.get("roles", name) != roles:
        session.manifest.record(("roles", name), roles)
    return roles


def role_id(contract: Contract, role: str) -> bytes:
    """Id of a role by the name of its view."""
    return bytes(contract.functions[role]().call())


def has_role(session: Session, name: str, role: str, account: str) -> bool:
    """Whether the account has the role now."""
    contract = session.contract(name)
    return bool(contract.functions.hasRole(role_id(contract, role), account).call())


def role_call(session: Session, change: RoleChange, actor: str) -> tuple[str, str]:
    """Contract and calldata for a change. Raises ChainError if `actor` has no right to it."""
    contract = session.contract(change.contract)
    identity = role_id(contract, change.role)
    governing = contract.functions.getRoleAdmin(identity).call()
    if not contract.functions.hasRole(governing, actor).call():
        verb = "grant" if change.held else "revoke"
        raise ChainError(
            f"{actor} may not change {change.role} of {change.contract}: only the role 0x{governing.hex()} may",
            hint=f"run `ape run roles {verb} {change.role} {change.account}` with the account that has, or write its "
            "Safe a --safe-batch",
        )
    return contract.address, contract.encode_abi(
        "grantRole" if change.held else "revokeRole", [identity, change.account]
    )


def ensure_role(session: Session, change: RoleChange) -> None:
    """Grant a role, or revoke it, unless that is how it stands. Raises ChainError without the right."""
    known = set(session.manifest.get("roles", change.contract, change.role) or [])
    wanted = sorted(known | {change.account} if change.held else known - {change.account})
    keys = ("roles", change.contract, change.role)
    if has_role(session, change.contract, change.role, change.account) == change.held:
        if sorted(known) != wanted:
            session.manifest.record(keys, wanted)
        click.echo(f"· {change.role} of {change.contract} is {'with' if change.held else 'not with'} {change.account}")
        return
    to, data = role_call(session, change, session.sender.address)
    session.sender.send(keys, wanted, data, to, what=change.what)
