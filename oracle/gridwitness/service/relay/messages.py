"""Signed schedules as they travel: JSON in the names of the EIP-712 type, bytes and packed orders as 0x-hex.

{"schedule": {"deviceId": "0x…", "account": "0x…", "zone": 1, "day": 17026, "version": 1, "deadline": 1471046399,
"imbalanceLimitWh": 9000, "orders": ["0x…", 12 words in all]}, "signature": "0x…"}: one object or an array of up to 500.
A row that replaces a schedule this relay did not submit has that one as `previous`, without a signature.
"""

from __future__ import annotations

import msgspec
from eth_utils.address import to_checksum_address

from gridwitness.domain.market import Schedule, SignedSchedule
from gridwitness.encoding.packing import pack_orders, unpack_orders
from gridwitness.errors import InputError

MAX_ROWS = 500
# A device's own signature has 65 or 128 bytes; a contract owner's may be longer.
MAX_SIGNATURE_BYTES = 1_024
_ORDER_WORDS = 12
_FIELD_BITS = {"zone": 24, "day": 24, "version": 32, "deadline": 40, "imbalance_limit_wh": 32}


class ScheduleMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A schedule: `device_id` 32 bytes, `account` 20 bytes, `orders` twelve words of up to 32 bytes."""

    device_id: str
    account: str
    zone: int
    day: int
    version: int
    deadline: int
    imbalance_limit_wh: int
    orders: list[str]


class RowMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A signed schedule, and the one it replaces if the relay cannot know that."""

    schedule: ScheduleMessage
    signature: str
    previous: ScheduleMessage | None = None


_MANY = msgspec.json.Decoder(list[msgspec.Raw])
_ROW = msgspec.json.Decoder(RowMessage)


def decode_rows(body: bytes) -> list[RowMessage | InputError]:
    """Rows of an HTTP body, one object or an array; a row of an array that cannot be read is its error.

    Raises InputError if the body is neither, is empty, or holds more than 500 rows.
    """
    if body.lstrip()[:1] != b"[":
        return [decode_row(body)]
    try:
        raws = _MANY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"the body is not an array of signed schedules: {error}") from error
    if not 0 < len(raws) <= MAX_ROWS:
        raise InputError(f"the body holds {len(raws)} schedules; it must hold 1 to {MAX_ROWS}")
    return [_row_or_error(raw) for raw in raws]


def _row_or_error(raw: msgspec.Raw) -> RowMessage | InputError:
    try:
        return decode_row(raw)
    except InputError as error:
        return error


def decode_row(raw: bytes | msgspec.Raw) -> RowMessage:
    """A row from its JSON. Raises InputError."""
    try:
        return _ROW.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"not a signed schedule: {error}") from error


def encode_row(row: RowMessage) -> bytes:
    """A row as JSON."""
    return msgspec.json.encode(row)


def to_row(row: SignedSchedule, previous: Schedule | None = None) -> RowMessage:
    """The message of a signed schedule."""
    replaced = None if previous is None else to_message(previous)
    return RowMessage(to_message(row.schedule), "0x" + row.signature.hex(), replaced)


def to_signed(row: RowMessage) -> SignedSchedule:
    """The signed schedule of a message. Raises InputError naming the field and its limit."""
    text = row.signature
    if len(text) > 2 + 2 * MAX_SIGNATURE_BYTES:
        raise InputError(f"signature has {len(text) // 2 - 1} bytes; at most {MAX_SIGNATURE_BYTES} are taken")
    return SignedSchedule(to_schedule(row.schedule), _hex("signature", text, len(text) // 2 - 1))


def to_message(schedule: Schedule) -> ScheduleMessage:
    """The message of a schedule. Raises InputError if its orders do not fit."""
    return ScheduleMessage(
        "0x" + schedule.device_id.hex(),
        schedule.account,
        schedule.zone,
        schedule.day,
        schedule.version,
        schedule.deadline,
        schedule.imbalance_limit_wh,
        [f"0x{word:064x}" for word in pack_orders(schedule.orders)],
    )


def to_schedule(message: ScheduleMessage) -> Schedule:
    """The schedule of a message. Raises InputError naming the field and its limit."""
    for name, bits in _FIELD_BITS.items():
        value = getattr(message, name)
        if not 0 <= value < 1 << bits:
            raise InputError(f"{name} {value} is outside 0 to {(1 << bits) - 1}")
    if len(message.orders) != _ORDER_WORDS:
        raise InputError(f"orders has {len(message.orders)} words; it must have {_ORDER_WORDS}")
    words = [int.from_bytes(_hex(f"orders[{index}]", text, 32)) for index, text in enumerate(message.orders)]
    return Schedule(
        _hex("deviceId", message.device_id, 32),
        to_checksum_address(_hex("account", message.account, 20)),
        message.zone,
        message.day,
        message.version,
        message.deadline,
        message.imbalance_limit_wh,
        unpack_orders(words),
    )


def _hex(name: str, text: str, length: int) -> bytes:
    """Bytes of a 0x-hex text of exactly that many bytes."""
    try:
        value = bytes.fromhex(text[2:]) if text.startswith("0x") else b""
    except ValueError:
        value = b""
    if len(value) != length or len(text) != 2 + 2 * length:
        raise InputError(f"{name} {text[:80]!r} is not 0x and {length} bytes in hexadecimal")
    return value
