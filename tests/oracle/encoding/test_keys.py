"""Device signatures on both curves: its own are accepted, everything else is simply not a signature."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from eth_keys.datatypes import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import (
    P256_ORDER,
    SECP256K1_ORDER,
    DeviceKey,
    P256Key,
    Secp256k1Key,
    is_signature_of,
    recover_signer,
)
from tests.oracle.encoding.strategies import words

DIGEST = keccak(b"a reading")
CURVES = pytest.mark.parametrize("curve", [P256Key, Secp256k1Key])
keys = st.one_of(
    st.builds(P256Key, st.integers(1, P256_ORDER - 1)), st.builds(Secp256k1Key, st.integers(1, SECP256K1_ORDER - 1))
)


def scalar(value: int) -> bytes:
    return value.to_bytes(32, "big")


@given(keys, words)
def test_check_signature__own__holds_for_its_digest_and_device_alone(key: DeviceKey, digest: bytes) -> None:
    signature = key.sign(digest)
    assert is_signature_of(key.device_id, digest, signature)
    assert not is_signature_of(key.device_id, keccak(digest), signature)
    assert not is_signature_of(keccak(key.device_id), digest, signature)


@given(keys, words, st.data())
def test_check_signature__one_bit_flipped__fails(key: DeviceKey, digest: bytes, data: st.DataObject) -> None:
    signature = bytearray(key.sign(digest))
    bit = data.draw(st.integers(0, 8 * len(signature) - 1))
    signature[bit // 8] ^= 1 << bit % 8
    assert not is_signature_of(key.device_id, digest, bytes(signature))


@given(st.integers(1, P256_ORDER - 1), words)
def test_sign_p256__any__verifies_with_cryptography_and_has_low_s(secret: int, digest: bytes) -> None:
    signature = P256Key(secret).sign(digest)
    r, s = int.from_bytes(signature[64:96], "big"), int.from_bytes(signature[96:], "big")
    assert s <= P256_ORDER // 2
    public = ec.derive_private_key(secret, ec.SECP256R1()).public_key()
    public.verify(utils.encode_dss_signature(r, s), digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))


@given(st.integers(1, SECP256K1_ORDER - 1), words)
def test_sign_secp256k1__any__is_recovered_by_eth_keys(secret: int, digest: bytes) -> None:
    key, reference = Secp256k1Key(secret), PrivateKey(scalar(secret))
    signature = key.sign(digest)
    assert recover_signer(digest, signature) == reference.public_key.to_canonical_address()
    assert key.device_id == reference.public_key.to_canonical_address().rjust(32, b"\0")
    assert signature[:64] == reference.sign_msg_hash(digest).to_bytes()[:64]


@CURVES
def test_check_signature__high_s__fails_on_both_curves(curve: type[P256Key | Secp256k1Key]) -> None:
    key = curve(7)
    signature = key.sign(DIGEST)
    if isinstance(key, P256Key):
        high = signature[:96] + scalar(P256_ORDER - int.from_bytes(signature[96:], "big"))
    else:
        flipped_v = bytes([27 + 28 - signature[64]])
        high = signature[:32] + scalar(SECP256K1_ORDER - int.from_bytes(signature[32:64], "big")) + flipped_v
    assert not is_signature_of(key.device_id, DIGEST, high)


@CURVES
@pytest.mark.parametrize("length", [0, 1, 64, 66, 127, 129, 256])
def test_check_signature__wrong_length__fails(curve: type[P256Key | Secp256k1Key], length: int) -> None:
    key = curve(7)
    assert not is_signature_of(key.device_id, DIGEST, (key.sign(DIGEST) * 4)[:length])


@pytest.mark.parametrize(
    ("r", "s"),
    [(0, 1), (1, 0), (P256_ORDER, 1), (1, P256_ORDER), ((1 << 256) - 1, 1)],
)
def test_check_signature__p256_scalar_out_of_range__fails(r: int, s: int) -> None:
    key = P256Key(7)
    assert not is_signature_of(key.device_id, DIGEST, key.public_key + scalar(r) + scalar(s))


def test_check_signature__point_not_on_the_curve__fails() -> None:
    point = scalar(1) + scalar(1)
    assert not is_signature_of(keccak(point), DIGEST, point + scalar(1) + scalar(1))


@pytest.mark.parametrize("v", [0, 1, 26, 29, 255])
def test_recover_signer__other_v__is_nobody(v: int) -> None:
    assert recover_signer(DIGEST, Secp256k1Key(7).sign(DIGEST)[:64] + bytes([v])) is None


@pytest.mark.parametrize("r", [0, SECP256K1_ORDER, (1 << 256) - 1])
def test_recover_signer__r_that_is_no_point__is_nobody(r: int) -> None:
    assert recover_signer(DIGEST, scalar(r) + scalar(1) + b"\x1b") is None


def test_check_signature__zero_device__is_not_matched_by_a_failed_recovery() -> None:
    assert not is_signature_of(bytes(32), DIGEST, bytes(65))
    assert not is_signature_of(bytes(32), DIGEST, bytes(128))
