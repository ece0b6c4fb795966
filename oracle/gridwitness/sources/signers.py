"""Who signed a document: formats of others carry no public key, and our signatures must name theirs.

ECDSA lets the few keys be computed that can have made a signature. The one that a registered device has is it; it is
remembered, so that the next document of that device costs one ordinary verification.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import sha256
from typing import Protocol

from gridwitness.domain.devices import KeyType
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import low_s, p256_candidates, recover_signer, signing_key_id
from gridwitness.errors import Overloaded, ReadingRejected
from gridwitness.sources.cose import SignedDocument

_REMEMBERED = 65_536
_SEARCH_PATIENCE_S = 0.5


class Keyring(Protocol):
    """Which device has a key."""

    def device_of_key(self, key_id: bytes) -> bytes | None:
        """Id of the registered device that a key speaks or spoke for."""
        ...


class Signers:
    """Finds devices and their signatures in our form; may be used from several threads."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._points: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._searching = threading.Lock()

    def identify(self, signed: SignedDocument) -> tuple[bytes, bytes]:
        """(device id, signature as `x || y || r || s` or `r || s || v`) of a signed document.

        Some milliseconds where a P-256 key is not known yet. Raises ReadingRejected: `wrong_signature` if no key can
        have made it, `unknown_device` if none of those that can is a registered device's. Raises Overloaded while
        others' keys are being searched for.
        """
        digest = sha256(signed.document).digest()
        scalars = low_s(signed.key_type, signed.r, signed.s)
        if scalars is None:
            raise ReadingRejected("wrong_signature", "r or s of the document's signature is not in the curve's range")
        if signed.key_type is KeyType.SECP256K1:
            candidates = [scalars + v for v in (b"\x1b", b"\x1c") if recover_signer(digest, scalars + v) is not None]
            return self._choose(signed, digest, candidates)
        known = self._recall(signed.hint)
        if known is not None and signing_key_id(digest, known + scalars) is not None:
            return self._choose(signed, digest, [known + scalars])
        if signed.device_id and self._keyring.device_of_key(signed.device_id) is None:
            raise _unknown([signed.device_id])  # before anything costly is done for a stranger
        device_id, signature = self._choose(signed, digest, self._search(digest, scalars))
        self._remember(signed.hint, signature[:64])
        return device_id, signature

    def _search(self, digest: bytes, scalars: bytes) -> list[bytes]:
        """Signatures with each P-256 key that can have made them; one search at a time, so that strangers' documents
        take no more than one core from everybody else.
        """
        if not self._searching.acquire(timeout=_SEARCH_PATIENCE_S):
            raise Overloaded("signers of other documents are being searched for; those known are not held up", 1)
        try:
            return [point + scalars for point in p256_candidates(digest, scalars)]
        finally:
            self._searching.release()

    def _choose(self, signed: SignedDocument, digest: bytes, signatures: list[bytes]) -> tuple[bytes, bytes]:
        if not signatures:
            raise ReadingRejected("wrong_signature", "no key can have made the document's signature")
        key_ids = [keccak(one[:64]) if len(one) == 128 else signing_key_id(digest, one) or b"" for one in signatures]
        for key_id, signature in zip(key_ids, signatures, strict=True):
            device_id = self._keyring.device_of_key(key_id)
            if device_id is not None and signed.device_id in (b"", device_id):
                return device_id, signature
        if signed.device_id and self._keyring.device_of_key(signed.device_id) is not None:
            raise ReadingRejected(
                "wrong_signature", f"no key of device 0x{signed.device_id.hex()} can have signed the document"
            )
        raise _unknown([signed.device_id] if signed.device_id else key_ids)

    def _recall(self, hint: bytes) -> bytes | None:
        with self._lock:
            point = self._points.get(hint)
            if point is not None:
                self._points.move_to_end(hint)
            return point

    def _remember(self, hint: bytes, point: bytes) -> None:
        with self._lock:
            self._points[hint] = point
            if len(self._points) > _REMEMBERED:
                self._points.popitem(last=False)


def _unknown(key_ids: list[bytes]) -> ReadingRejected:
    names = " or ".join("0x" + key_id.hex() for key_id in key_ids)
    return ReadingRejected("unknown_device", f"the document was signed by {names}, which no registered device has")
