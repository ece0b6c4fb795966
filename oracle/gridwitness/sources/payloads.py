"""The native JSON payload: {"device_id": "0x…", "counter": 1, "time": 1466640000, "metric": "1-0:16.29.0",
"value": 412, "signature": "0x…"}, one object or an array of at most 1,000.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from gridwitness.domain.readings import Reading, SignedReading
from gridwitness.errors import InputError, ReadingRejected
from gridwitness.sources.quantities import shown

MAX_READINGS = 1_000
# A challenge is answered with the whole document, in one transaction that nodes still pass on (at most 128 KiB), and
# at 40 gas a byte it must stay cheap beside the stake.
MAX_DOCUMENT_BYTES = 16 << 10
_SIGNATURE_BYTES = (65, 128)
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1


class ReadingPayload(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """A signed reading as it travels: `device_id` 32 and `signature` 65 or 128 bytes, hexadecimal with 0x.

    `document` is what the device signed if that was a document, `gateway_signature` 65 bytes of who keeps its key.
    """

    device_id: str
    counter: int
    time: int
    metric: str
    value: int
    signature: str
    document: str = ""
    gateway_signature: str = ""


_MANY = msgspec.json.Decoder(list[ReadingPayload])
_ONE = msgspec.json.Decoder(ReadingPayload)


def decode_body(body: bytes) -> list[ReadingPayload]:
    """Payloads of an HTTP body, one object or an array.

    Raises InputError if it is not JSON of that shape, empty, or holds more than 1,000 readings.
    """
    try:
        payloads = _MANY.decode(body) if body.lstrip()[:1] == b"[" else [_ONE.decode(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"the body is not a reading or an array of readings: {error}") from error
    if not 0 < len(payloads) <= MAX_READINGS:
        raise InputError(f"the body holds {len(payloads)} readings; it must hold 1 to {MAX_READINGS}")
    return payloads


def to_signed(payload: ReadingPayload) -> SignedReading:
    """The signed reading of a payload.

    Raises ReadingRejected: `malformed` for identifiers, signatures, metrics and times no device can mean,
    `value_out_of_range` for numbers that do not fit 64 bits, `document_too_large` for what no challenge could carry.
    """
    device_id = _hex("device_id", payload.device_id, (32,))
    signature = _hex("signature", payload.signature, _SIGNATURE_BYTES)
    if not (payload.metric.isascii() and payload.metric.isprintable() and 0 < len(payload.metric) <= 32):
        raise ReadingRejected("malformed", f"metric {payload.metric[:40]!r} is not 1 to 32 printable ASCII characters")
    for name, value, low in (
        ("counter", payload.counter, 0),
        ("time", payload.time, 0),
        ("value", payload.value, _INT64_MIN),
    ):
        if not low <= value <= _INT64_MAX:
            raise ReadingRejected("value_out_of_range", f"{name} {shown(value)} is outside {low} to {_INT64_MAX}")
    reading = Reading(device_id, payload.counter, payload.time, payload.metric, payload.value)
    document = _document(payload.document) if payload.document else b""
    gateway_signature = (
        _hex("gateway_signature", payload.gateway_signature, (65,)) if payload.gateway_signature else b""
    )
    return SignedReading(reading, signature, document, gateway_signature)


def to_payload(signed: SignedReading) -> ReadingPayload:
    """The payload of a signed reading."""
    reading = signed.reading
    return ReadingPayload(
        "0x" + reading.device_id.hex(),
        reading.counter,
        reading.time,
        reading.metric,
        reading.value,
        "0x" + signed.signature.hex(),
        "0x" + signed.document.hex() if signed.document else "",
        "0x" + signed.gateway_signature.hex() if signed.gateway_signature else "",
    )


def encode_body(readings: Iterable[SignedReading]) -> bytes:
    """An HTTP body with an array of readings."""
    return msgspec.json.encode([to_payload(signed) for signed in readings])


def _document(text: str) -> bytes:
    size = (len(text) - 2) // 2
    if size > MAX_DOCUMENT_BYTES:
        raise ReadingRejected(
            "document_too_large", f"the document has {size} bytes; a challenge is answered with {MAX_DOCUMENT_BYTES}"
        )
    return _hex("document", text, (size,))


def _hex(name: str, text: str, lengths: Sequence[int]) -> bytes:
    wanted = " or ".join(str(length) for length in lengths)
    if not text.startswith("0x") or len(text) - 2 not in [2 * length for length in lengths]:
        raise ReadingRejected(
            "malformed",
            f"{name} {text[:80]!r} has {len(text)} characters; it must be 0x and {wanted} bytes in hexadecimal",
        )
    try:
        return bytes.fromhex(text[2:])
    except ValueError as error:
        raise ReadingRejected("malformed", f"{name} {text[:80]!r} is not hexadecimal") from error
