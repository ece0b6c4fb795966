"""Device signatures on both curves; the primitives are those of `cryptography` (P-256) and `coincurve` (secp256k1)."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from coincurve import PrivateKey, PublicKey
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from ecdsa import NIST256p, VerifyingKey
from ecdsa.errors import MalformedPointError
from ecdsa.numbertheory import SquareRootError

from gridwitness.domain.devices import KeyType
from gridwitness.encoding.hashing import keccak

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

_ZERO_WORD = bytes(32)
_P256_ORDER_WORD = P256_ORDER.to_bytes(32, "big")
_P256_HALF_ORDER_WORD = (P256_ORDER // 2).to_bytes(32, "big")

_PREHASHED = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
_PREHASHED_DETERMINISTIC = ec.ECDSA(utils.Prehashed(hashes.SHA256()), deterministic_signing=True)


class DeviceKey(Protocol):
    """A device's private key, as a secure element holds it."""

    key_type: KeyType
    device_id: bytes

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest; low s."""
        ...


class P256Key:
    """P-256 key (FIPS 186-5); signatures are `x || y || r || s`, 128 bytes, deterministic (RFC 6979)."""

    key_type = KeyType.P256

    def __init__(self, secret: int) -> None:
        """`secret` is the private scalar, 1 to the group order − 1."""
        self._key = ec.derive_private_key(secret, ec.SECP256R1())
        point = self._key.public_key().public_numbers()
        self.public_key = point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")
        self.device_id = keccak(self.public_key)

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest."""
        r, s = utils.decode_dss_signature(self._key.sign(digest, _PREHASHED_DETERMINISTIC))
        s = min(s, P256_ORDER - s)
        return self.public_key + r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Secp256k1Key:
    """secp256k1 key; signatures are `r || s || v`, 65 bytes, v 27 or 28, deterministic (RFC 6979)."""

    key_type = KeyType.SECP256K1

    def __init__(self, secret: int) -> None:
        """`secret` is the private scalar, 1 to the group order − 1."""
        self._key = PrivateKey.from_int(secret)
        self.device_id = _address_of(self._key.public_key).rjust(32, b"\0")

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest."""
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([signature[64] + 27])


def _address_of(public_key: PublicKey) -> bytes:
    return keccak(public_key.format(compressed=False)[1:])[12:]


@lru_cache(maxsize=65_536)
def _p256_key(key_id: bytes, point: bytes) -> ec.EllipticCurvePublicKey:
    """The key of a point, kept; raises ValueError, which is not, if the id or the curve knows no such point."""
    if keccak(point) != key_id:
        raise ValueError("the point is not that of the id")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + point)


def is_signature_of(key_id: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether `signature` over the 32-byte `digest` is of the key that `key_id` names; same verdict as the registry's.

    The id proves the key, so no registry is asked. Anything malformed is simply not a signature.
    """
    if len(signature) == 128:
        return _is_p256(key_id, digest, signature)
    return signing_key_id(digest, signature) == key_id


def signing_key_id(digest: bytes, signature: bytes) -> bytes | None:
    """Id of the key that made a device's signature over a digest; None if it is not a signature over it."""
    if len(signature) == 128:
        key_id = keccak(signature[:64])
        return key_id if _is_p256(key_id, digest, signature) else None
    signer = recover_signer(digest, signature)
    return None if signer is None else signer.rjust(32, b"\0")


def _is_p256(key_id: bytes, digest: bytes, signature: bytes) -> bool:
    r, s = signature[64:96], signature[96:]
    if not (_ZERO_WORD < r < _P256_ORDER_WORD and _ZERO_WORD < s <= _P256_HALF_ORDER_WORD):
        return False
    body = _der_integer(r) + _der_integer(s)
    try:
        _p256_key(key_id, signature[:64]).verify(b"\x30%c" % len(body) + body, digest, _PREHASHED)
    except (ValueError, InvalidSignature):
        return False
    return True


def _der_integer(word: bytes) -> bytes:
    """DER of a positive integer; encode_dss_signature does the same in three times the time, on the hot path."""
    number = word.lstrip(b"\0")
    if number[0] & 0x80:
        return b"\x02%c\0" % (len(number) + 1) + number
    return b"\x02%c" % len(number) + number


def recover_signer(digest: bytes, signature: bytes) -> bytes | None:
    """Address (20 bytes) that made an `r || s || v` signature over `digest`; None if it is malformed or high-s."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        return None
    if int.from_bytes(signature[32:64], "big") > SECP256K1_ORDER // 2:
        return None
    try:
        recoverable = signature[:64] + bytes([signature[64] - 27])
        return _address_of(PublicKey.from_signature_and_message(recoverable, digest, hasher=None))
    except Exception:  # coincurve raises a bare Exception for unrecoverable values
        return None


def low_s(key_type: KeyType, r: int, s: int) -> bytes | None:
    """`r || s` with the lower of the two s that say the same (contracts take no other); None if out of range."""
    order = P256_ORDER if key_type is KeyType.P256 else SECP256K1_ORDER
    if not (0 < r < order and 0 < s < order):
        return None
    return r.to_bytes(32, "big") + min(s, order - s).to_bytes(32, "big")


def p256_candidates(digest: bytes, scalars: bytes) -> list[bytes]:
    """The P-256 keys (`x || y`, 64 bytes) that can have made the signature `r || s` over a digest, at most two.

    Some milliseconds of Python. SEC 1 section 4.1.6, but for an r above the field less the order: one in 2^128.
    """
    try:
        keys = VerifyingKey.from_public_key_recovery_with_digest(scalars, digest, NIST256p)
    except (SquareRootError, MalformedPointError, AssertionError, ValueError):  # no point has that r
        return []
    points = (key.to_string() for key in keys)
    return [point for point in points if signing_key_id(digest, point + scalars) is not None]
