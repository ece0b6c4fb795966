"""Leaves of OpenZeppelin StandardMerkleTrees: keccak256(keccak256(abi.encode(fields)))."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

import numpy as np

from gridwitness.domain.readings import Profile, ScoredReading, SignedReading
from gridwitness.encoding.batched_keccak import is_quicker, keccak_many
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.packing import energy_bytes, metric_bytes
from gridwitness.errors import InputError

READING_TYPES = ("bytes32", "uint64", "uint64", "bytes32", "int256", "uint16", "bytes32")
PROFILE_TYPES = ("bytes32", "uint32", "uint16", "bytes32", "uint16")
FLEET_TYPES = ("bytes32", "uint8")

# abi.encode of READING_TYPES where the value fits 64 bits: its upper 24 bytes repeat its sign.
_READING = struct.Struct(">32s24xQ24xQ32s24sq30xH32s")
_SIGN = (bytes(24), b"\xff" * 24)
_metric_bytes = lru_cache(1_024)(metric_bytes)


def schema_of(types: tuple[str, ...]) -> bytes:
    """A stream's schema: keccak256 of the leaf's type list."""
    return keccak(",".join(types).encode())


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big", signed=value < 0)


def reading_fields(scored: ScoredReading) -> tuple[bytes, int, int, bytes, int, int, bytes]:
    """Fields of a reading leaf in the order of READING_TYPES."""
    reading = scored.signed.reading
    return (
        reading.device_id,
        reading.counter,
        reading.time,
        _metric_bytes(reading.metric),
        reading.value,
        scored.score.score_bps,
        signature_hash(scored.signed),
    )


def profile_fields(profile: Profile) -> tuple[bytes, int, int, bytes, int]:
    """Fields of a profile leaf in the order of PROFILE_TYPES."""
    return (
        profile.device_id,
        profile.first_slot,
        len(profile.energy_wh),
        keccak(energy_bytes(profile.energy_wh)),
        profile.score_bps,
    )


def signature_hash(signed: SignedReading) -> bytes:
    """What stands in a reading's leaf for the device's signature, and for the document it is over if there is one."""
    if signed.document:
        return document_signature_hash(signed.signature, signed.document)
    return keccak(signed.signature)


def document_signature_hash(signature: bytes, document: bytes) -> bytes:
    """`signatureHash` of a reading taken from a document its device signed (COSE, OCMF), in place of a plain hash.

    Raises InputError for an empty document: a challenge of such a leaf could never be answered.
    """
    if not document:
        raise InputError("a signed document needs at least one byte, got 0")
    return keccak(keccak(signature) + sha256(document).digest())


def leaf_hash(fields: tuple[bytes | int, ...]) -> bytes:
    """Double hash of static fields (bytes32 and integers), as StandardMerkleTree makes it."""
    return keccak(keccak(_encode(fields)))


def _encode(fields: tuple[bytes | int, ...]) -> bytes:
    return b"".join(_word(f) if isinstance(f, int) else f for f in fields)


def reading_leaf(scored: ScoredReading) -> bytes:
    """Leaf hash of a scored reading."""
    return leaf_hash(reading_fields(scored))


def reading_leaves(scored: Sequence[ScoredReading]) -> list[bytes]:
    """`reading_leaf` of each; many at once are hashed together."""
    if not is_quicker(2 * len(scored)):
        return [reading_leaf(one) for one in scored]
    encoded = b"".join(_encode_reading(reading_fields(one)) for one in scored)
    rows = np.frombuffer(encoded, np.uint8).reshape(len(scored), _READING.size)
    return [row.tobytes() for row in keccak_many(keccak_many(rows))]


def _encode_reading(fields: tuple[bytes, int, int, bytes, int, int, bytes]) -> bytes:
    device_id, counter, time, metric, value, score_bps, signature = fields
    if not -(1 << 63) <= value < 1 << 63:
        return _encode(fields)
    return _READING.pack(device_id, counter, time, metric, _SIGN[value < 0], value, score_bps, signature)


def profile_leaf(profile: Profile) -> bytes:
    """Leaf hash of a profile."""
    return leaf_hash(profile_fields(profile))
