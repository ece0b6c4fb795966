"""Who signed readings, found without any registry: what workers do, and the oracle when it looks at their work."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

from gridwitness.encoding.eip712 import Domain, reading_fields_digest
from gridwitness.encoding.keys import signing_key_id
from gridwitness.errors import InputError
from gridwitness.service.scaleout.messages import KEY_ID_BYTES, NO_KEY
from gridwitness.sources.payloads import ReadingPayload


def signers_of(domain: Domain, payloads: Sequence[ReadingPayload]) -> bytes:
    """Ids of the keys that signed readings or their documents, 32 bytes each; zeros for what nobody can have signed.

    A fleet's readings pass here one by one, so nothing is looked at but the signature: all else is for admission.
    """
    return b"".join([_signer_of(domain, payload) for payload in payloads])


def split(signers: bytes) -> list[bytes]:
    """The ids one by one."""
    return [signers[start : start + KEY_ID_BYTES] for start in range(0, len(signers), KEY_ID_BYTES)]


def _signer_of(domain: Domain, payload: ReadingPayload) -> bytes:
    try:
        if payload.document:
            digest = sha256(bytes.fromhex(payload.document[2:])).digest()
        else:
            device_id = _bytes_of_id(payload.device_id)
            digest = reading_fields_digest(
                domain, device_id, payload.counter, payload.time, payload.metric, payload.value
            )
        return signing_key_id(digest, bytes.fromhex(payload.signature[2:])) or NO_KEY
    except (ValueError, OverflowError, InputError):  # no hexadecimal, or no number or metric a digest has room for
        return NO_KEY


@lru_cache(maxsize=65_536)
def _bytes_of_id(text: str) -> bytes:
    device_id = bytes.fromhex(text[2:])
    if len(device_id) != KEY_ID_BYTES:
        raise ValueError("no device id")
    return device_id
