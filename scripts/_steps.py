"""The steps of a deployment. Each looks at what stands, sends at most one transaction, and is safe to repeat."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import click
from eth_abi.abi import encode
from web3.contract import Contract

from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import schema_of
from gridwitness.errors import ChainError, ConfigError
from scripts._params import ATTESTATION, MARKET, REGISTRY, TEST_TOKEN, StreamParams
from scripts._session import Session, contract_at

TOKEN_DECIMALS = 6


def note_precompile(session: Session) -> None:
    """Say and record whether the registry found the chain's P-256 precompile when it was deployed."""
    found = bool(session.contract(REGISTRY).functions.hasP256Precompile().call())
    cost = "there, 6,900 gas a signature" if found else "not there, about 250,000 gas a signature in Solidity"
    click.echo(f"· P-256 precompile at 0x100: {cost}")
    if session.manifest.get("p256_precompile") != found:
        session.manifest.record(("p256_precompile",), found)


def note_extension(session: Session) -> None:
    """Say and record where the market made its extension, the code it runs for zones' rules and for settlement."""
    address = session.contract(MARKET).functions.extension().call()
    click.echo(f"· {MARKET}'s extension is at {address}")
    if session.manifest.get("contracts", MARKET, "extension") != address:
        session.manifest.record(("contracts", MARKET, "extension"), address)


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


def ensure_contract(
    session: Session, name: str, arguments: Mapping[str, Any], place: tuple[str, str] | None = None
) -> None:
    """Deploy a contract unless it stands; its entry is at `place` in the manifest, or under `contracts` by its name.

    Raises ConfigError if it stands with other arguments, and ChainError.
    """
    artefact = session.artefacts[name]
    values = [session.resolve(value) for value in arguments.values()]
    creation_hash = hashlib.sha256(bytes.fromhex(artefact.creation.removeprefix("0x"))).hexdigest()
    keys = place or ("contracts", name)
    recorded = session.manifest.get(*keys)
    if recorded is not None:
        address = session.contract(name, place).address
        _compare_contract(session, keys[1], address, recorded, values, creation_hash)
        return
    factory = session.web3.eth.contract(abi=artefact.abi, bytecode=artefact.creation)
    entry = {
        "arguments": values,
        "creation_hash": creation_hash,
        "deployer": session.account.address,
        "settings_hash": session.artefacts.settings_hash,
        "solc": session.artefacts.solc,
        "source_commit": session.artefacts.source_commit,
        "source_hash": session.artefacts.source_hash,
    }
    receipt = session.sender.send(keys, entry, factory.constructor(*values).data_in_transaction)
    address = session.manifest.get(*keys, "address")
    click.echo(f"✓ {keys[1]} at {address}, block {receipt['blockNumber']}, {receipt['gasUsed']:,} gas")


def _compare_contract(
    session: Session, name: str, address: str, recorded: Mapping[str, Any], values: list[Any], creation_hash: str
) -> None:
    if recorded["arguments"] != values:
        raise ConfigError(
            f"{name} stands at {address} with arguments {recorded['arguments']}; {session.params.source} has {values}",
            hint="a contract keeps its arguments: restore them, or deploy with another --manifest",
        )
    note = "" if recorded["creation_hash"] == creation_hash else "; its source has changed since"
    click.echo(f"· {name} stands at {address}{note}")


def stream_id(owner: str, name: str) -> bytes:
    """Id of a stream: keccak256(abi.encode(owner, name))."""
    return keccak(encode(["address", "bytes32"], [owner, name.encode().ljust(32, b"\0")]))


def ensure_stream(session: Session, stream: StreamParams) -> None:
    """Open a stream unless it is open. Raises ConfigError if it is open with another schema or committee."""
    attestation = session.contract(ATTESTATION)
    owner = session.manifest.get("streams", stream.name, "owner") or session.account.address
    identity = stream_id(owner, stream.name)
    committee = (stream.threshold, list(stream.members))
    entry = {
        "id": "0x" + identity.hex(),
        "leaf": list(stream.leaf),
        "members": list(stream.members),
        "owner": owner,
        "schema": "0x" + schema_of(stream.leaf).hex(),
        "threshold": stream.threshold,
    }
    if _stream_is_open(attestation, identity, stream, committee):
        if session.manifest.get("streams", stream.name) is None:
            session.manifest.record(("streams", stream.name), entry)
        click.echo(f"· stream {stream.name} is open, {stream.threshold} of {len(stream.members)}")
        return
    name = stream.name.encode().ljust(32, b"\0")
    data = attestation.encode_abi("openStream", [name, schema_of(stream.leaf), committee])
    receipt = session.sender.send(("streams", stream.name), entry, data, attestation.address)
    click.echo(
        f"✓ stream {stream.name} 0x{identity.hex()}, {stream.threshold} of {len(stream.members)}, "
        f"{receipt['gasUsed']:,} gas"
    )


def _stream_is_open(
    attestation: Contract, identity: bytes, stream: StreamParams, committee: tuple[int, list[str]]
) -> bool:
    owner, _, _, config, _, schema, _ = attestation.functions.stream(identity).call()
    if int(owner, 16) == 0:
        return False
    digest = attestation.functions.term(identity, config).call()[0]
    if schema != schema_of(stream.leaf):
        raise ConfigError(f"stream {stream.name} is open with schema 0x{schema.hex()}; its leaf types differ")
    if digest != attestation.functions.committeeDigest(identity, config, committee).call():
        raise ConfigError(
            f"stream {stream.name} is open with a committee other than {stream.threshold} of {list(stream.members)}",
            hint="its owner replaces a committee with DataAttestation.setCommittee",
        )
    return True


def role_id(contract: Contract, role: str) -> bytes:
    """Id of a role by the name of its view."""
    return bytes(contract.functions[role]().call())


def ensure_role(session: Session, name: str, role: str, account: str, *, held: bool) -> None:
    """Grant a role, or revoke it if not `held`, unless that is how it stands. Raises ChainError without the right."""
    contract = session.contract(name)
    identity = role_id(contract, role)
    known = set(session.manifest.get("roles", name, role) or [])
    wanted = sorted(known | {account} if held else known - {account})
    if contract.functions.hasRole(identity, account).call() == held:
        if sorted(known) != wanted:
            session.manifest.record(("roles", name, role), wanted)
        click.echo(f"· {role} of {name} is {'with' if held else 'not with'} {account}")
        return
    governing = contract.functions.getRoleAdmin(identity).call()
    if not contract.functions.hasRole(governing, session.account.address).call():
        raise ChainError(
            f"{session.account.address} may not change {role} of {name}: only the role 0x{governing.hex()} may",
            hint=f"run `ape run roles {'grant' if held else 'revoke'} {role} {account}` with the account that has",
        )
    data = contract.encode_abi("grantRole" if held else "revokeRole", [identity, account])
    receipt = session.sender.send(("roles", name, role), wanted, data, contract.address)
    click.echo(f"✓ {role} of {name} {'granted to' if held else 'revoked from'} {account}, {receipt['gasUsed']:,} gas")
