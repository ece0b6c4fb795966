"""Contracts of a deployment: made once, at an address that does not depend on the chain where that can be had."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
from web3.exceptions import ContractLogicError

from gridwitness.errors import ConfigError
from scripts._artefacts import TIMELOCK, Artefact
from scripts._create2 import FACTORY, create2_address, find_creation, has_factory
from scripts._params import FEED, REGISTRY, TEST_TOKEN
from scripts._parts import note_parts
from scripts._session import Session, contract_at

TOKEN_DECIMALS = 6
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Creation:
    """A contract about to be made: ABI values, creation code with them, and its address if that is known before."""

    artefact: Artefact
    values: list[Any]
    code: str
    salt: bytes | None

    @classmethod
    def of(cls, session: Session, name: str, arguments: Mapping[str, Any]) -> Creation:
        """Of a contract with parameters, whose references must stand."""
        artefact = session.artefacts[name]
        values = [session.resolve(value) for value in arguments.values()]
        factory = session.web3.eth.contract(abi=artefact.abi, bytecode=artefact.creation)
        salt = session.params.salt if has_factory(session.web3) else None
        return cls(artefact, values, str(factory.constructor(*values).data_in_transaction), salt)

    @property
    def address(self) -> str | None:
        """Where the CREATE2 factory puts it; None if it is made without."""
        return create2_address(self.salt, bytes.fromhex(self.code[2:])) if self.salt is not None else None

    @property
    def factory_data(self) -> str:
        """What the CREATE2 factory is sent."""
        return f"0x{(self.salt or b'').hex()}{self.code[2:]}"

    @property
    def creation_hash(self) -> str:
        """sha256 hex of the creation code without its arguments."""
        return hashlib.sha256(bytes.fromhex(self.artefact.creation.removeprefix("0x"))).hexdigest()


def ensure_contract(session: Session, name: str, arguments: Mapping[str, Any], place: Place | None = None) -> None:
    """Deploy a contract unless it stands; its entry is at `place` in the manifest, or under `contracts` by its name.

    Without an entry a contract is found by its CREATE2 address. Raises ConfigError if it stands with other arguments,
    and ChainError.
    """
    keys = place or ("contracts", name)
    creation = Creation.of(session, name, arguments)
    recorded = session.manifest.get(*keys)
    if recorded is not None and session.web3.eth.get_code(recorded["address"]):
        _compare(session, keys[1], recorded, creation)
    elif creation.address is not None and session.web3.eth.get_code(creation.address):  # type: ignore[arg-type]
        _adopt(session, keys, creation, creation.address)
    else:
        if recorded is not None:
            click.echo(f"! {keys[1]} is gone from {recorded['address']}: a reorganisation took it; it is made again")
        _make(session, keys, creation)
    _note_version(session, name, keys)


def _make(session: Session, keys: Place, creation: Creation) -> None:
    what, entry = f"deploy {keys[1]}", _entry(session, creation)
    if creation.address is None:
        session.sender.send(keys, entry, creation.code, what=what)
    else:
        entry["address"] = creation.address
        what += f" to {creation.address}"
        session.sender.send(keys, entry, creation.factory_data, FACTORY, what=what, probe=creation.code)


def _adopt(session: Session, keys: Place, creation: Creation, address: str) -> None:
    """Record what the manifest has lost: code at a CREATE2 address can be of these very bytes and arguments only."""
    found = find_creation(session.web3, address, creation.factory_data)
    entry = {**_entry(session, creation), "address": address, **found}
    # Salt and code are public, so a stranger may have made it: who did says nothing about whose deployment this is.
    if entry.get("created_by") == entry["deployer"]:
        del entry["created_by"]
    if session.manifest.get("deployer") is None:
        session.manifest.record(("deployer",), session.deployer)
    session.manifest.record(keys, entry)
    note = f"since block {found['block']}" if found else "since a block that this node does not remember"
    click.echo(f"· {keys[1]} stands at {address} {note}")


def _entry(session: Session, creation: Creation) -> dict[str, Any]:
    """What a manifest says of a contract before it is mined."""
    made = session.artefacts
    entry: dict[str, Any] = {
        "arguments": creation.values,
        "creation_hash": creation.creation_hash,
        "deployer": session.sender.address,
    }
    if creation.salt is not None:
        entry["salt"] = f"0x{creation.salt.hex()}"
    if creation.artefact.package:
        return {**entry, "package": creation.artefact.package}
    if made.source_dirty:
        entry["source_dirty"] = True
    return {
        **entry,
        "settings_hash": made.settings_hash,
        "solc": made.compiler["solc"],
        "source_commit": made.source_commit,
        "source_hash": made.source_hash,
    }


def _compare(session: Session, name: str, recorded: Mapping[str, Any], creation: Creation) -> None:
    address = recorded["address"]
    if recorded["arguments"] != creation.values:
        raise ConfigError(
            f"{name} stands at {address} with arguments {recorded['arguments']}; {session.params.source} has "
            f"{creation.values}",
            hint="a contract keeps its arguments: restore them, or deploy with another --manifest",
        )
    note = "" if recorded["creation_hash"] == creation.creation_hash else "; its source has changed since"
    click.echo(f"· {name} stands at {address}{note}")


def _note_version(session: Session, name: str, keys: Place) -> None:
    """Record what the contract says its interface's version is, if it says any."""
    abi = session.artefacts[name].abi
    if session.manifest.get(*keys, "version") is None and any(entry.get("name") == "version" for entry in abi):
        try:
            version = session.contract(name, keys).functions.version().call()
        except ContractLogicError:
            return  # made from a source that had none
        session.manifest.record((*keys, "version"), version)


def ensure_contracts(session: Session) -> None:
    """Deploy the token, the contracts and the timelock of the parameters, and record how they were compiled."""
    ensure_token(session)
    for name, arguments in session.params.contracts.items():
        ensure_contract(session, name, arguments)
    governance = session.params.governance
    if governance is not None and governance.timelock is not None:
        ensure_contract(session, TIMELOCK, governance.timelock)
    if session.manifest.get("compiler") != session.artefacts.compiler:
        session.manifest.record(("compiler",), session.artefacts.compiler)
    note_precompile(session)
    note_parts(session)


def ensure_feed(session: Session, name: str) -> None:
    """Deploy a feed of the parameters. Raises ConfigError if there is none of this name."""
    if name not in session.params.feeds:
        known = ", ".join(session.params.feeds) or "none"
        raise ConfigError(f"{session.params.source}: feeds.{name} is missing; there are {known}")
    ensure_contract(session, FEED, session.params.feeds[name], ("feeds", name))


def ensure_token(session: Session) -> None:
    """Deploy the test token, or look at the one that was given. Raises ConfigError if it is no six-decimals ERC-20."""
    if not session.params.token:
        ensure_contract(session, TEST_TOKEN, {})
        return
    token = contract_at(session.web3, session.params.token, session.artefacts[TEST_TOKEN].abi)
    if not session.web3.eth.get_code(token.address):
        raise ConfigError(f"{session.params.source}: token.address is {token.address}; there is no contract")
    if (decimals := token.functions.decimals().call()) != TOKEN_DECIMALS:
        raise ConfigError(f"{session.params.source}: the token has {decimals} decimals; expected {TOKEN_DECIMALS}")
    if session.manifest.get("contracts", "Token", "address") != token.address:
        session.manifest.record(("contracts", "Token"), {"address": token.address})


def note_precompile(session: Session) -> None:
    """Say and record whether the registry found the chain's P-256 precompile when it was deployed."""
    found = bool(session.contract(REGISTRY).functions.hasP256Precompile().call())
    cost = "there, 6,900 gas a signature" if found else "not there, about 250,000 gas a signature in Solidity"
    click.echo(f"· P-256 precompile at 0x100: {cost}")
    if session.manifest.get("p256_precompile") != found:
        session.manifest.record(("p256_precompile",), found)
