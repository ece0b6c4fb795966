"""Streams of a deployment: each opened once, safe to repeat."""

from __future__ import annotations

import click
from eth_abi.abi import encode
from web3.contract import Contract

from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import schema_of
from gridwitness.errors import ConfigError
from scripts._params import ATTESTATION, StreamParams
from scripts._session import Session


def stream_id(owner: str, name: str) -> bytes:
    """Id of a stream: keccak256(abi.encode(owner, name))."""
    return keccak(encode(["address", "bytes32"], [owner, name.encode().ljust(32, b"\0")]))


def ensure_stream(session: Session, stream: StreamParams) -> None:
    """Open a stream unless it is open. Raises ConfigError if it is open with another schema or committee."""
    attestation = session.contract(ATTESTATION)
    owner = session.manifest.get("streams", stream.name, "owner") or session.sender.address
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
    what = f"open stream {stream.name}, {stream.threshold} of {len(stream.members)}"
    session.sender.send(("streams", stream.name), entry, data, attestation.address, what=what)


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
