"""Independent statements of what gridwitness.encoding computes, in eth-account, eth-abi and plain definitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from eth_abi.abi import encode
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

Types = list[dict[str, str]]

REGISTER: Types = [
    {"name": "deviceId", "type": "bytes32"},
    {"name": "owner", "type": "address"},
    {"name": "kind", "type": "uint8"},
    {"name": "zone", "type": "uint24"},
    {"name": "deadline", "type": "uint256"},
]
ACTIVATE: Types = [*REGISTER[:-1], {"name": "fleetId", "type": "bytes32"}, REGISTER[-1]]
SIGNED_ONCE: Types = [{"name": "nonce", "type": "uint256"}, {"name": "deadline", "type": "uint256"}]
DEVICE: Types = [{"name": "deviceId", "type": "bytes32"}]
OWNER_ACTIONS: dict[str, Types] = {
    "Rotate": [
        *DEVICE,
        {"name": "newKeyId", "type": "bytes32"},
        {"name": "validFrom", "type": "uint40"},
        *SIGNED_ONCE,
    ],
    "Retire": [*DEVICE, *SIGNED_ONCE],
    "OfferTransfer": [
        *DEVICE,
        {"name": "to", "type": "address"},
        {"name": "expiresAt", "type": "uint40"},
        *SIGNED_ONCE,
    ],
    "AcceptTransfer": [
        *DEVICE,
        {"name": "from", "type": "address"},
        {"name": "to", "type": "address"},
        *SIGNED_ONCE,
    ],
    "SetDelegate": [
        *DEVICE,
        {"name": "delegate", "type": "address"},
        {"name": "scopes", "type": "uint32"},
        {"name": "expiresAt", "type": "uint40"},
        *SIGNED_ONCE,
    ],
    "SetPayee": [*DEVICE, {"name": "payee", "type": "address"}, *SIGNED_ONCE],
}
READING: Types = [
    {"name": "deviceId", "type": "bytes32"},
    {"name": "counter", "type": "uint64"},
    {"name": "time", "type": "uint64"},
    {"name": "metric", "type": "bytes32"},
    {"name": "value", "type": "int256"},
]
BATCH: Types = [
    {"name": "streamId", "type": "bytes32"},
    {"name": "seq", "type": "uint32"},
    {"name": "root", "type": "bytes32"},
    {"name": "previous", "type": "bytes20"},
    {"name": "meta", "type": "uint256"},
    {"name": "supersedes", "type": "uint32"},
    {"name": "validFrom", "type": "uint40"},
    {"name": "validUntil", "type": "uint40"},
    {"name": "config", "type": "uint24"},
]
SCHEDULE: Types = [
    {"name": "deviceId", "type": "bytes32"},
    {"name": "account", "type": "address"},
    {"name": "zone", "type": "uint24"},
    {"name": "day", "type": "uint24"},
    {"name": "version", "type": "uint32"},
    {"name": "deadline", "type": "uint40"},
    {"name": "imbalanceLimitWh", "type": "uint32"},
    {"name": "orders", "type": "uint256[12]"},
]


class TypedData(NamedTuple):
    """The three hashes of an EIP-712 message."""

    separator: bytes
    struct_hash: bytes
    digest: bytes


def typed_data(
    contract_name: str, chain_id: int, contract: str, primary: str, types: Types, values: dict[str, Any]
) -> TypedData:
    """EIP-712 hashes by eth-account."""
    domain = {"name": contract_name, "version": "1", "chainId": chain_id, "verifyingContract": contract}
    message = encode_typed_data(domain_data=domain, message_types={primary: types}, message_data=values)
    digest = keccak(b"\x19" + message.version + message.header + message.body)
    return TypedData(bytes(message.header), bytes(message.body), bytes(digest))


def typed_data_digest(
    contract_name: str, chain_id: int, contract: str, primary: str, types: Types, values: dict[str, Any]
) -> bytes:
    """EIP-712 digest by eth-account."""
    return typed_data(contract_name, chain_id, contract, primary, types, values).digest


def type_string(primary: str, types: Types) -> str:
    """EIP-712's encodeType of a struct without structs in it."""
    return f"{primary}({','.join(field['type'] + ' ' + field['name'] for field in types)})"


def standard_leaf(types: Sequence[str], values: Sequence[Any]) -> bytes:
    """Leaf hash of a StandardMerkleTree by eth-abi."""
    return bytes(keccak(keccak(encode(list(types), list(values)))))


def packed(values: Sequence[int], bits: int) -> int:
    """Fields of equal width in one integer, the first one most significant; negative ones in two's complement."""
    word = 0
    for value in values:
        word = word << bits | value % (1 << bits)
    return word


def mountain_peaks(leaves: Sequence[bytes]) -> dict[int, bytes]:
    """Peaks by height, straight from the definition: one perfect tree per set bit of the length, tallest first."""
    peaks, start = {}, 0
    for height in reversed(range(len(leaves).bit_length())):
        if len(leaves) >> height & 1:
            peaks[height] = _perfect_root(leaves[start : start + (1 << height)])
            start += 1 << height
    return peaks


def mountain_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Siblings of a leaf from the bottom up to its peak, straight from the definition."""
    start = 0
    for height in reversed(range(len(leaves).bit_length())):
        end = start + (len(leaves) & 1 << height)
        if index < end:
            return _siblings(leaves[start:end], index - start)
        start = end
    raise IndexError(index)


def range_root(leaves: Sequence[bytes]) -> bytes:
    """Peaks folded from the smallest mountain to the tallest, straight from the definition."""
    folded, *taller = [peak for _, peak in sorted(mountain_peaks(leaves).items())]
    for peak in taller:
        folded = even(keccak(peak + folded))
    return folded


def even(node: bytes) -> bytes:
    """A node of the mountain range: its lowest bit is 0."""
    return (int.from_bytes(node, "big") // 2 * 2).to_bytes(32, "big")


def _perfect_root(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return even(leaves[0])
    half = len(leaves) // 2
    return even(keccak(_perfect_root(leaves[:half]) + _perfect_root(leaves[half:])))


def _siblings(leaves: Sequence[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    half = len(leaves) // 2
    near, far = (leaves[:half], leaves[half:]) if index < half else (leaves[half:], leaves[:half])
    return [*_siblings(near, index % half), _perfect_root(far)]
