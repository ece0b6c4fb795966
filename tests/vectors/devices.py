"""The devices of the vectors: their keys, and what they sign with them."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from tests.vectors.typed_data import hexed, word

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def sign(secret: int, key_type: str, digest: bytes) -> bytes:
    """A device's signature over a digest, low s, RFC 6979."""
    if key_type == "secp256k1":
        signature = PrivateKey(secret.to_bytes(32, "big")).sign_msg_hash(digest)
        return signature.to_bytes()[:64] + bytes([signature.v + 27])
    key = ec.derive_private_key(secret, ec.SECP256R1())
    algorithm = ec.ECDSA(utils.Prehashed(hashes.SHA256()), deterministic_signing=True)
    r, s = utils.decode_dss_signature(key.sign(digest, algorithm))
    return p256_point(secret) + r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")


def p256_point(secret: int) -> bytes:
    """x || y of a P-256 public key."""
    point = ec.derive_private_key(secret, ec.SECP256R1()).public_key().public_numbers()
    return point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")


def device_id(secret: int, key_type: str) -> bytes:
    """The id that a key gives its device."""
    if key_type == "p256":
        return keccak(p256_point(secret))
    return PrivateKey(secret.to_bytes(32, "big")).public_key.to_canonical_address().rjust(32, b"\0")


def devices() -> list[dict[str, Any]]:
    """Two devices of each curve."""
    keys = [("p256", 1), ("p256", P256_ORDER - 2), ("secp256k1", 1), ("secp256k1", 0xC0FFEE << 200)]
    return [
        {"key_type": kind, "secret": word(secret), "device_id": hexed(device_id(secret, kind))} for kind, secret in keys
    ]
