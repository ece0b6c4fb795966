"""Bodies as devices, gateways and chargers send them, decoded by their content type.

| content type | body |
|---|---|
| application/json, or none | the native payload, one object or an array of at most 1,000 |
| application/cbor | the same, with byte strings in place of hexadecimal |
| application/cose, with or without parameters | one COSE_Sign1 message around SenML |
| application/x-ocmf, text/x-ocmf | one OCMF record |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from gridwitness.domain.readings import SignedReading
from gridwitness.errors import InputError, ReadingRejected, UnsupportedContent
from gridwitness.sources.cbor import decode_cbor
from gridwitness.sources.cose import SignedDocument, open_cose
from gridwitness.sources.documents import statements
from gridwitness.sources.ocmf import open_ocmf
from gridwitness.sources.payloads import (
    MAX_DOCUMENT_BYTES,
    MAX_READINGS,
    ReadingPayload,
    decode_body,
    to_payload,
)
from gridwitness.sources.signers import Signers

MAX_BODY_BYTES = 1 << 20
JSON, CBOR, COSE, OCMF = "application/json", "application/cbor", "application/cose", "application/x-ocmf"
_OPENERS: Mapping[str, Callable[[bytes], SignedDocument]] = MappingProxyType(
    {COSE: open_cose, OCMF: open_ocmf, "text/x-ocmf": open_ocmf}
)


def is_document(content_type: str) -> bool:
    """Whether bodies of a content type are signed documents; to decode one may take some milliseconds."""
    return _media_type(content_type) in _OPENERS


def decode(body: bytes, content_type: str, signers: Signers) -> list[ReadingPayload]:
    """Payloads of a body, in its order. What a document says and does not count is among them: checks refuse it.

    Raises InputError if the body is not of its type or too large, UnsupportedContent for a type not in the table, or
    ReadingRejected with the reason: then there is none.
    """
    media_type = _media_type(content_type)
    if media_type not in _OPENERS:
        return decode_native(body, content_type)
    _check_size(body)
    return _document(_OPENERS[media_type](body), signers)


def decode_native(body: bytes, content_type: str) -> list[ReadingPayload]:
    """`decode` of what is no document, and so says itself whose it is."""
    _check_size(body)
    media_type = _media_type(content_type)
    if media_type == JSON:
        return decode_body(body)
    if media_type == CBOR:
        return _native_cbor(body)
    raise UnsupportedContent(
        f"content type {content_type[:80]!r} is not read; {JSON}, {CBOR}, {', '.join(_OPENERS)} are"
    )


def _check_size(body: bytes) -> None:
    if len(body) > MAX_BODY_BYTES:
        raise InputError(f"the body has {len(body)} bytes; at most {MAX_BODY_BYTES} are read")


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower() or JSON


def _document(signed: SignedDocument, signers: Signers) -> list[ReadingPayload]:
    if len(signed.document) > MAX_DOCUMENT_BYTES:
        raise ReadingRejected(
            "document_too_large",
            f"the document has {len(signed.document)} bytes; a challenge can be answered with {MAX_DOCUMENT_BYTES}",
        )
    # Before the costly search for the key: does it say anything at all?
    statements(signed.document, signed.device_id)
    device_id, signature = signers.identify(signed)
    said = statements(signed.document, device_id)
    return [to_payload(SignedReading(one.reading, signature, signed.document)) for one in said]


def _native_cbor(body: bytes) -> list[ReadingPayload]:
    item = decode_cbor(body)
    items = item if isinstance(item, list) else [item]
    if not 0 < len(items) <= MAX_READINGS:
        raise InputError(f"the body holds {len(items)} readings; it must hold 1 to {MAX_READINGS}")
    return [payload_of_cbor(one) for one in items]


def payload_of_cbor(item: Any) -> ReadingPayload:
    """The payload of a decoded CBOR map. Raises InputError."""
    if not isinstance(item, dict):
        raise InputError("a CBOR reading is not a map")
    fields = {name: "0x" + value.hex() if isinstance(value, bytes) else value for name, value in item.items()}
    try:
        return msgspec.convert(fields, ReadingPayload)
    except (msgspec.ValidationError, TypeError) as error:
        raise InputError(f"the CBOR map is not a reading: {error}") from error
