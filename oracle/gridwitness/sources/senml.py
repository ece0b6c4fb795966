"""SenML (RFC 8428) as statements of one device.

Base fields are resolved as section 4.6 says. Our rules on top: times are absolute, and the second counts they lie in;
a record's metric is its name, without the base name if that is a URN (which names the device, and the key does that);
numbers are exact (see quantities). The k-th measurement of a document has counter `first_counter + k`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gridwitness.domain.readings import Reading
from gridwitness.errors import InputError, ReadingRejected
from gridwitness.sources.cbor import decode_cbor
from gridwitness.sources.quantities import UNITS, exact, metric_name, shown
from gridwitness.sources.statements import MAX_STATEMENTS, Statement, make_statement
from gridwitness.sources.strict_json import decode_json

# RFC 8428 table 4: labels of CBOR.
_NAMES = ("bs", "bv", "bu", "bt", "bn", "bver", "n", "u", "v", "vs", "vb", "s", "t", "ut", "vd")
_LABELS: Mapping[object, str] = dict(zip(range(-6, 9), _NAMES, strict=True))
_BASE = ("bver", "bn", "bt", "bu", "bv", "bs")
_VERSION = 10
# Below this a time is relative to now (RFC 8428 section 4.5.3), and what is signed must not depend on when it is read.
_FIRST_ABSOLUTE_TIME = 1 << 28

_Record = Mapping[str, Any]


def read_senml(payload: bytes, device_id: bytes, first_counter: int) -> list[Statement]:
    """Statements of a SenML pack, JSON if it begins with a bracket, else CBOR.

    Raises InputError if it is none, or ReadingRejected if a record has no time or name we could read.
    """
    records = _records(payload)
    base: dict[str, Any] = {}
    statements: list[Statement] = []
    for record in records:
        base |= {name: value for name, value in record.items() if name in _BASE}
        if _is_base_only(record):
            continue
        statements.append(_statement(record, base, device_id, first_counter + len(statements)))
    if not 0 < len(statements) <= MAX_STATEMENTS:
        raise InputError(f"the SenML pack holds {len(statements)} measurements; it must hold 1 to {MAX_STATEMENTS}")
    return statements


def _records(payload: bytes) -> list[_Record]:
    is_json = payload.lstrip()[:1] == b"["
    pack = decode_json(payload, "the SenML pack") if is_json else decode_cbor(payload)
    if not isinstance(pack, list) or not all(isinstance(record, dict) for record in pack):
        raise InputError("the SenML pack is not an array of records")
    if is_json:
        return pack
    return [{_LABELS.get(key, key): value for key, value in one.items()} for one in pack]


def _is_base_only(record: _Record) -> bool:
    return bool(record) and all(name in _BASE for name in record)


def _statement(record: _Record, base: _Record, device_id: bytes, counter: int) -> Statement:
    for name in record:
        if not isinstance(name, str) or name.endswith("_"):
            raise InputError(f"SenML field {shown(name)} must be understood, and is not")
    if _number(base, "bver", _VERSION) > _VERSION:
        raise InputError(f"SenML version {shown(base['bver'])} is not read; {_VERSION} is")
    name = _text(record, "n") if _text(base, "bn").startswith("urn:") else _text(base, "bn") + _text(record, "n")
    time = exact(_number(base, "bt"), "bt") + exact(_number(record, "t"), "t")
    if time < _FIRST_ABSOLUTE_TIME:
        raise InputError(f"SenML time {float(time)} is relative; seconds since 1970 are read")
    unit = _text(record, "u") or _text(base, "bu")
    if unit not in UNITS:
        raise InputError(f"SenML unit {unit[:20]!r} is not read; {', '.join(UNITS)} are")
    factor, suffix = UNITS[unit]
    reading = Reading(device_id, counter, int(time), metric_name(name, suffix), 0)
    flaw = None
    if "v" not in record:
        flaw = ReadingRejected("malformed", f"SenML record {counter} has no numeric value v")
    value = exact(_number(base, "bv"), "bv") + exact(_number(record, "v"), "v")
    return make_statement(reading, value, factor, f"{name} of counter {counter}", flaw)


def _text(record: _Record, name: str) -> str:
    value = record.get(name, "")
    if not isinstance(value, str):
        raise InputError(f"SenML field {name} is not text")
    return value


def _number(record: _Record, name: str, default: int = 0) -> int | float | Decimal:
    value = record.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise InputError(f"SenML field {name} is not a number")
    return value
