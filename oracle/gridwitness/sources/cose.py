"""COSE_Sign1 (RFC 9052) around SenML, signed with ES256 (RFC 9053) or ES256K (RFC 8812).

The document is the Sig_structure of section 4.4: what the device signed, and all that a statement needs. So what
decides must be in the protected header: the algorithm (1), and the counter of the first measurement (-65537, from the
private range, since neither COSE nor SenML has one). The key id (4) is the device's id; where there is none, the
signature names the device by its key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cbor2

from gridwitness.domain.devices import KeyType
from gridwitness.errors import InputError, ReadingRejected
from gridwitness.sources.cbor import SIGN1_TAG, decode_cbor
from gridwitness.sources.quantities import shown
from gridwitness.sources.senml import read_senml
from gridwitness.sources.statements import MAX_STATEMENTS, Statement

ALGORITHM, CRITICAL, CONTENT_TYPE, KEY_ID = 1, 2, 3, 4
FIRST_COUNTER = -65_537
KEY_TYPES = {-7: KeyType.P256, -47: KeyType.SECP256K1}
_UNDERSTOOD = (ALGORITHM, CRITICAL, CONTENT_TYPE, KEY_ID, FIRST_COUNTER)
# CoAP content formats and media types of SenML (RFC 8428 sections 12.3 and 12.4).
_SENML_TYPES = (110, 112, "application/senml+json", "application/senml+cbor")
_CONTEXT = "Signature1"
_MAX_COUNTER = (1 << 63) - 1 - MAX_STATEMENTS


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """A document with the signature under it; `device_id` is empty where the message does not name the device.

    `hint` tells signers apart well enough to remember their keys by.
    """

    document: bytes
    key_type: KeyType
    r: int
    s: int
    hint: bytes
    device_id: bytes = b""


def open_cose(message: bytes) -> SignedDocument:
    """The document of a COSE_Sign1 message, tagged or not. Raises InputError."""
    parts = decode_cbor(message.removeprefix(SIGN1_TAG))
    if not isinstance(parts, list) or len(parts) != 4 or not isinstance(parts[1], dict):
        raise InputError("the message is not COSE_Sign1: an array of protected, unprotected, payload and signature")
    protected, unprotected, payload, signature = parts
    if not all(isinstance(part, bytes) for part in (protected, payload, signature)):
        raise InputError("protected header, payload and signature of COSE_Sign1 must be byte strings")
    header = _read_protected(protected)
    key_type = _key_type(header)
    if len(signature) != 64:
        raise InputError(f"the COSE signature has {len(signature)} bytes; it must have 64")
    key_id = header.get(KEY_ID, unprotected.get(KEY_ID, b""))
    if not isinstance(key_id, bytes) or len(key_id) not in (0, 32):
        raise InputError("the COSE key id is not the device's id of 32 bytes")
    return SignedDocument(
        document=cbor2.dumps([_CONTEXT, protected, b"", payload]),
        key_type=key_type,
        r=int.from_bytes(signature[:32], "big"),
        s=int.from_bytes(signature[32:], "big"),
        hint=b"cose" + key_id,
        device_id=key_id,
    )


def read_cose(document: bytes, device_id: bytes) -> list[Statement]:
    """What a Sig_structure says. Raises InputError, ReadingRejected."""
    parts = decode_cbor(document)
    if not isinstance(parts, list) or len(parts) != 4 or parts[0] != _CONTEXT or parts[2] != b"":
        raise InputError("the document is not the Sig_structure of a COSE_Sign1 without external data")
    if not isinstance(parts[1], bytes) or not isinstance(parts[3], bytes):
        raise InputError("protected header and payload of a Sig_structure must be byte strings")
    header = _read_protected(parts[1])
    _key_type(header)
    if header.get(CONTENT_TYPE, _SENML_TYPES[0]) not in _SENML_TYPES:
        raise InputError(f"COSE content type {shown(header[CONTENT_TYPE])} is not read; SenML is")
    first_counter = header.get(FIRST_COUNTER)
    if type(first_counter) is not int or not 0 <= first_counter <= _MAX_COUNTER:
        raise InputError(f"the protected header has no counter ({FIRST_COUNTER}) from 0 to {_MAX_COUNTER}")
    return read_senml(parts[3], device_id, first_counter)


def _read_protected(protected: bytes) -> dict[Any, Any]:
    header = decode_cbor(protected) if protected else {}
    if not isinstance(header, dict):
        raise InputError("the protected header of COSE_Sign1 is not a map")
    critical = header.get(CRITICAL, [])
    if not isinstance(critical, list) or any(label not in _UNDERSTOOD for label in critical):
        raise InputError("a critical header parameter is not understood here")
    return header


def _key_type(header: dict[Any, Any]) -> KeyType:
    algorithm = header.get(ALGORITHM)
    if type(algorithm) is not int or algorithm not in KEY_TYPES:
        raise ReadingRejected(
            "unsupported_algorithm",
            f"COSE algorithm {shown(algorithm)} is not read; ES256 (-7) and ES256K (-47) are, if protected",
        )
    return KEY_TYPES[algorithm]
