"""Leaves of OpenZeppelin StandardMerkleTrees: keccak256(keccak256(abi.encode(fields)))."""

from __future__ import annotations

from hashlib import sha256

from gridwitness.domain.readings import Profile, ScoredReading, SignedReading
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.packing import energy_bytes, metric_bytes
from gridwitness.errors import InputError

READING_TYPES = ("bytes32", "uint64", "uint64", "bytes32", "int256", "uint16", "bytes32")
PROFILE_TYPES = ("bytes32", "uint32", "uint16", "bytes32", "uint16")
FLEET_TYPES = ("bytes32", "uint8")


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
        metric_bytes(reading.metric),
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
    return keccak(keccak(b"".join(_word(f) if isinstance(f, int) else f for f in fields)))


def reading_leaf(scored: ScoredReading) -> bytes:
    """Leaf hash of a scored reading."""
    return leaf_hash(reading_fields(scored))


def profile_leaf(profile: Profile) -> bytes:
    """Leaf hash of a profile."""
    return leaf_hash(profile_fields(profile))
