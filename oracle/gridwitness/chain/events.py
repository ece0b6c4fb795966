"""Events and receipts, decoded by the contracts' ABIs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import decode
from eth_utils.address import to_checksum_address

from gridwitness.chain.abi import abi_of, canonical_type
from gridwitness.encoding.hashing import keccak

Json = Any  # whatever an ABI may hold
_HASHED = ("string", "bytes")  # indexed arguments of these types are only there as their hash


@dataclass(frozen=True, slots=True)
class Event:
    """One decoded event: `args` by name, structs as tuples, addresses checksummed; hashes are 32 bytes."""

    name: str
    args: Mapping[str, Any]
    block_number: int
    block_hash: bytes
    log_index: int
    transaction: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """Receipt of a mined transaction; `logs` as the node gave them, see {decode_logs}."""

    transaction: bytes
    block_number: int
    gas_used: int
    logs: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _EventType:
    name: str
    indexed: tuple[tuple[str, str], ...]
    data: tuple[tuple[str, str], ...]


@cache
def _event_types(contract: str) -> dict[bytes, _EventType]:
    table = {}
    for entry in abi_of(contract):
        if entry["type"] == "event":
            inputs = [(part["name"], canonical_type(part), part["indexed"]) for part in entry["inputs"]]
            topic = keccak(f"{entry['name']}({','.join(kind for _, kind, _ in inputs)})".encode())
            indexed = tuple((name, kind) for name, kind, is_indexed in inputs if is_indexed)
            data = tuple((name, kind) for name, kind, is_indexed in inputs if not is_indexed)
            table[topic] = _EventType(entry["name"], indexed, data)
    return table


def topic_of(contract: str, event: str) -> bytes:
    """First topic of an event's logs."""
    return next(topic for topic, kind in _event_types(contract).items() if kind.name == event)


def decode_log(contract: str, raw: Mapping[str, Any]) -> Event | None:
    """An event of a contract (named as in the manifest) from a raw JSON-RPC log; None if it is of another kind."""
    topics = [bytes.fromhex(topic[2:]) for topic in raw["topics"]]
    kind = _event_types(contract).get(topics[0]) if topics else None
    if kind is None:
        return None
    args: dict[str, Any] = {}
    for (name, solidity_type), topic in zip(kind.indexed, topics[1:], strict=True):
        args[name] = topic if solidity_type in _HASHED else _value(solidity_type, decode([solidity_type], topic)[0])
    values = decode([solidity_type for _, solidity_type in kind.data], bytes.fromhex(raw["data"][2:]))
    for (name, solidity_type), value in zip(kind.data, values, strict=True):
        args[name] = _value(solidity_type, value)
    return Event(
        name=kind.name,
        args=args,
        block_number=int(raw["blockNumber"], 16),
        block_hash=bytes.fromhex(raw["blockHash"][2:]),
        log_index=int(raw["logIndex"], 16),
        transaction=bytes.fromhex(raw["transactionHash"][2:]),
    )


def decode_logs(contract: str, address: str, receipt: Receipt) -> list[Event]:
    """Events of the contract at `address` in a receipt, in order."""
    logs = (log for log in receipt.logs if log["address"].lower() == address.lower())
    return [event for log in logs if (event := decode_log(contract, log)) is not None]


def read_receipt(raw: Mapping[str, Any]) -> Receipt:
    """A receipt from its JSON-RPC form."""
    return Receipt(
        transaction=bytes.fromhex(raw["transactionHash"][2:]),
        block_number=int(raw["blockNumber"], 16),
        gas_used=int(raw["gasUsed"], 16),
        logs=tuple(raw["logs"]),
    )


def _value(solidity_type: str, value: Json) -> Json:
    if solidity_type == "address":
        return to_checksum_address(value)
    if solidity_type == "address[]":
        return tuple(to_checksum_address(item) for item in value)
    return value
