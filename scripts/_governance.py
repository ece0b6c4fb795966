"""Who governs at last: handed over in two steps, so that a mistyped address locks nobody out.

The deployer makes the final admin an admin beside himself. The final admin, and nobody else, then takes the deployer's
right away, which proves that it can act: from its account, as a Safe, or as a timelock whose proposers schedule it.
"""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path
from typing import NamedTuple

import click
from web3.contract import Contract
from web3.exceptions import ContractLogicError

from gridwitness.errors import ChainError, ConfigError
from scripts._artefacts import TIMELOCK
from scripts._roles import ADMIN_ROLE, RoleChange, ensure_role, governed_contracts, has_role, note_roles, role_call
from scripts._safe import SafeTransaction, write_batch
from scripts._session import Session, contract_at

_WORD_BYTES = 32


class Operation(NamedTuple):
    """Arguments of TimelockController's scheduleBatch without the delay, of executeBatch and hashOperationBatch."""

    targets: list[str]
    values: list[int]
    payloads: list[bytes]
    predecessor: bytes
    salt: bytes


def ensure_admin(session: Session) -> None:
    """First step of the handover: the final admin gets DEFAULT_ADMIN_ROLE. Says what is left to do."""
    names = governed_contracts(session)
    governance = session.params.governance
    if governance is None:
        if not session.provider.network.is_dev:
            click.echo(
                f"! {', '.join(names)}: {session.deployer} alone governs; `governance` in the parameters hands over"
            )
        return
    admin = str(session.resolve(governance.admin))
    entry = {"admin": admin} | ({"timelock": admin} if governance.timelock is not None else {})
    if session.manifest.get("governance") != entry:
        session.manifest.record(("governance",), entry)
    for name in names:
        ensure_role(session, RoleChange(name, ADMIN_ROLE, admin, held=True))
    if handover(session, admin):
        click.echo(
            f"! {session.deployer} governs still, beside {admin}: `ape run roles handover` is the second step, see "
            "docs/deploy.md"
        )


def handover(session: Session, admin: str) -> list[RoleChange]:
    """Second step: what the final admin has to take away from the deployer. Empty if it is done."""
    if admin == session.deployer:
        return []
    return [
        RoleChange(name, ADMIN_ROLE, session.deployer, held=False)
        for name in governed_contracts(session)
        if has_role(session, name, ADMIN_ROLE, session.deployer)
    ]


def final_admin(session: Session) -> str:
    """The admin that the manifest has. Raises ConfigError if there was no first step."""
    admin = session.manifest.get("governance", "admin")
    if admin is None:
        raise ConfigError(
            f"{session.manifest.path}: governance is missing",
            hint="put `governance` into the parameters and run `ape run deploy`, which is the first step",
        )
    return str(admin)


def finish_handover(session: Session, admin: str, safe_batch: Path | None) -> None:
    """Second step, by the admin, by its timelock, or into a file.

    Raises ChainError if it is somebody else's to do, or if others than the two govern.
    """
    changes = handover(session, admin)
    if not changes:
        for name in governed_contracts(session):  # a run that was killed may have left them as they were before
            _require_alone(admin, name, note_roles(session, name)[ADMIN_ROLE])
        click.echo(f"· {admin} governs, and {session.deployer} does not")
    elif safe_batch is not None:
        write_safe_batch(session, changes, admin, safe_batch)
    else:
        _carry_out(session, changes, admin)


def _require_alone(admin: str, name: str, holders: list[str]) -> None:
    """Raise ChainError if others than the final admin govern a contract, whoever deployed it."""
    if holders != [admin]:
        raise ChainError(
            f"{ADMIN_ROLE} of {name} is with {', '.join(holders) or 'nobody'}; expected {admin} alone",
            hint=f"`ape run roles revoke {ADMIN_ROLE} ACCOUNT --contract {name}` takes it from others",
        )


def request(session: Session, changes: list[RoleChange], safe_batch: Path | None) -> None:
    """Change roles: by the account if it may, else by the timelock that governs, or into a file for a Safe."""
    if safe_batch is not None:
        write_safe_batch(session, changes, final_admin(session), safe_batch)
        return
    admin = session.manifest.get("governance", "admin")
    may = all(has_role(session, change.contract, ADMIN_ROLE, session.sender.address) for change in changes)
    stands = all(has_role(session, one.contract, one.role, one.account) == one.held for one in changes)
    if admin is None or may or stands or timelock_at(session, admin) is None:
        for change in changes:
            ensure_role(session, change)
    else:
        _carry_out(session, changes, admin)


def _carry_out(session: Session, changes: list[RoleChange], admin: str) -> None:
    """Send changes as the admin, or have its timelock make them, which takes two calls with the delay in between."""
    if session.sender.address == admin:
        for change in changes:
            ensure_role(session, change)
    elif (timelock := timelock_at(session, admin)) is not None:
        _through_timelock(session, changes, timelock)
    else:
        raise ChainError(
            f"this is for the final admin {admin} to do, not for {session.sender.address}",
            hint="use its --account, or for a Safe --safe-batch FILE",
        )


def _through_timelock(session: Session, changes: list[RoleChange], timelock: Contract) -> None:
    """Schedule the changes, or execute them if they were scheduled and are due."""
    operation = operation_of(session, changes, timelock)
    due = int(timelock.functions.getTimestamp(timelock.functions.hashOperationBatch(*operation).call()).call())
    now = int(session.web3.eth.get_block("latest")["timestamp"])
    what = "; ".join(change.what for change in changes)
    if due == 0:
        delay = int(timelock.functions.getMinDelay().call())
        data = timelock.encode_abi("scheduleBatch", [*operation, delay])
        session.sender.send(("governance",), None, data, timelock.address, what=f"schedule in {delay:,} s: {what}")
    elif due > now:
        raise ChainError(
            f"the timelock {timelock.address} waits until {_utc(due)}, {due - now:,} s from now",
            hint="run the same command then",
        )
    else:
        data = timelock.encode_abi("executeBatch", list(operation))
        session.sender.send(("governance",), None, data, timelock.address, what=f"execute: {what}")
        for name in {change.contract for change in changes}:
            note_roles(session, name)


def write_safe_batch(session: Session, changes: list[RoleChange], admin: str, path: Path) -> None:
    """Write changes for the Safe Transaction Builder: for a Safe that is the admin, or that proposes to the timelock.

    For a timelock two files: one to schedule, one to execute after its delay. Raises ChainError if `admin` may not.
    """
    chain_id, what = session.params.chain_id, "; ".join(change.what for change in changes)
    timelock = timelock_at(session, admin)
    if timelock is None:
        calls = [SafeTransaction(*role_call(session, change, admin)) for change in changes]
        write_batch(path, chain_id, what, calls, admin)
        click.echo(f"✓ {path}: for the Safe {admin} to {what}")
        return
    operation = operation_of(session, changes, timelock)
    delay = int(timelock.functions.getMinDelay().call())
    schedule = SafeTransaction(admin, timelock.encode_abi("scheduleBatch", [*operation, delay]))
    execute = SafeTransaction(admin, timelock.encode_abi("executeBatch", list(operation)))
    later = path.with_name(f"{path.stem}-execute{path.suffix}")
    write_batch(path, chain_id, f"schedule in {delay:,} s: {what}", [schedule])
    write_batch(later, chain_id, f"execute {delay:,} s later: {what}", [execute])
    click.echo(f"✓ {path}: for a Safe that proposes to the timelock {admin}, to {what}")
    click.echo(f"✓ {later}: for a Safe that executes, {delay:,} s after that")


def operation_of(session: Session, changes: list[RoleChange], timelock: Contract) -> Operation:
    """What the timelock is to do. Same changes, same operation, until it is done: a later run finds it scheduled."""
    calls = [role_call(session, change, timelock.address) for change in changes]
    payloads = [bytes.fromhex(data.removeprefix("0x")) for _, data in calls]
    for number in count():
        operation = Operation(
            [to for to, _ in calls], [0] * len(calls), payloads, bytes(32), number.to_bytes(32, "big")
        )
        if not timelock.functions.isOperationDone(timelock.functions.hashOperationBatch(*operation).call()).call():
            break
    return operation


def timelock_at(session: Session, address: str) -> Contract | None:
    """The timelock at an address; None if what is there is none."""
    timelock = contract_at(session.web3, address, session.artefacts[TIMELOCK].abi)
    try:
        # Raw, as a Safe answers anything with no bytes at all, in which web3 sees a zero.
        answer = session.web3.eth.call({"to": timelock.address, "data": timelock.encode_abi("getMinDelay")})
    except ContractLogicError:
        return None
    return timelock if len(answer) == _WORD_BYTES else None


def _utc(time_s: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(time_s))
