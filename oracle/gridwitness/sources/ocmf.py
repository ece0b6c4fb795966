"""Open Charge Metering Format of S.A.F.E. e.V., versions 1.x: `OCMF|{payload}|{signature}` as chargers emit it.

The document is the JSON payload section, byte for byte as it was signed, without white space around it. Its rules here:

- Counter: pagination `T<n>` and `F<n>` count apart, so reading i of a record has counter `(2 n + (1 for F)) × 256 + i`.
- Metric: the reading's OBIS code with `:mWh`, since meters show energy in steps of 1 Wh, 0.1 Wh or 0.01 Wh.
- Time: the second it lies in. `U` (unsynchronised) is refused; `I`, `R` and `S` count.
- Status other than `G`, any error flag, and transaction state `X` (time or energy no longer usable) are meter errors.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gridwitness.domain.devices import KeyType
from gridwitness.domain.readings import Reading
from gridwitness.errors import InputError, ReadingRejected
from gridwitness.sources.cose import SignedDocument
from gridwitness.sources.quantities import MILLIWATT_HOURS, exact, metric_name, shown
from gridwitness.sources.statements import MAX_STATEMENTS, Statement, make_statement
from gridwitness.sources.strict_json import decode_json

KEY_TYPES = {"ECDSA-secp256r1-SHA256": KeyType.P256, "ECDSA-secp256k1-SHA256": KeyType.SECP256K1}
_DEFAULT_ALGORITHM = "ECDSA-secp256r1-SHA256"
_FACTORS = {"kWh": Fraction(1_000_000), "Wh": Fraction(1_000)}
_PAGINATION = re.compile(r"([TF])(0|[1-9][0-9]{0,15})", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[,.]\d{1,9})?([+-]\d{4}|Z) ([UIRS])", re.ASCII)


def open_ocmf(message: bytes) -> SignedDocument:
    """The document of an OCMF record. Raises InputError."""
    sections = message.strip().split(b"|")
    if len(sections) != 3 or sections[0] != b"OCMF":
        raise InputError(f"the record has {len(sections)} sections; it must be OCMF|payload|signature")
    document = sections[1].strip()
    payload, signature = _object(document, "OCMF payload"), _object(sections[2], "OCMF signature")
    algorithm = _text(signature, "SA", _DEFAULT_ALGORITHM)
    if algorithm not in KEY_TYPES:
        raise ReadingRejected(
            "unsupported_algorithm", f"OCMF algorithm {algorithm[:40]!r} is not read; {', '.join(KEY_TYPES)} are"
        )
    if _text(signature, "SM", "application/x-der") != "application/x-der":
        raise InputError("OCMF signatures are read as application/x-der")
    r, s = _der(_text(signature, "SD"), _text(signature, "SE", "hex"))
    names = "|".join(_text(payload, name)[:80] for name in ("GI", "GS", "MS"))
    return SignedDocument(document, KEY_TYPES[algorithm], r, s, b"ocmf" + names.encode())


def read_ocmf(document: bytes, device_id: bytes) -> list[Statement]:
    """What a payload section says. Raises InputError."""
    payload = _object(document, "OCMF payload")
    version = _text(payload, "FV", "1.0")
    if not version.startswith("1."):
        raise InputError(f"OCMF version {version[:20]!r} is not read; 1.x is")
    page = _PAGINATION.fullmatch(_text(payload, "PG"))
    if page is None:
        raise InputError(f"OCMF pagination {_text(payload, 'PG')[:20]!r} is not T or F and a number")
    readings = payload.get("RD")
    if not isinstance(readings, list) or not 0 < len(readings) <= MAX_STATEMENTS:
        raise InputError(f"OCMF RD must be an array of 1 to {MAX_STATEMENTS} readings")
    first = (2 * int(page[2]) + (page[1] == "F")) * MAX_STATEMENTS
    return [_statement(one, device_id, first + index) for index, one in enumerate(readings)]


def _statement(fields: Any, device_id: bytes, counter: int) -> Statement:
    if not isinstance(fields, dict):
        raise InputError("an OCMF reading is not an object")
    time, state = _time(_text(fields, "TM"))
    value = fields.get("RV")
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise InputError("an OCMF reading has no number RV")
    unit, code = _text(fields, "RU"), _text(fields, "RI")
    if unit not in _FACTORS:
        raise InputError(f"OCMF unit {unit[:20]!r} is not read; {' and '.join(_FACTORS)} are")
    reading = Reading(device_id, counter, time, metric_name(code, MILLIWATT_HOURS), 0)
    return make_statement(
        reading, exact(value, "RV"), _FACTORS[unit], f"{code} = {shown(value)} {unit}", _flaw(fields, state)
    )


def _flaw(fields: dict[str, Any], clock_state: str) -> ReadingRejected | None:
    status, flags, transaction = _text(fields, "ST"), _text(fields, "EF"), _text(fields, "TX")
    if status != "G" or flags or transaction == "X":
        return ReadingRejected(
            "meter_error",
            f"the meter's status is {status[:8]!r}, its error flags {flags[:8]!r}, the transaction {transaction[:8]!r};"
            " a reading counts with status 'G', no flags and not with 'X'",
        )
    if clock_state == "U":
        return ReadingRejected("unsynchronised_clock", "the charger's clock is unsynchronised (U); I, R and S count")
    return None


def _time(text: str) -> tuple[int, str]:
    """Unix seconds and the clock's state."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise InputError(f"OCMF time {text[:40]!r} is not as 2018-07-24T13:22:04,000+0200 S")
    try:
        moment = datetime.fromisoformat(found[1] + found[2])
        seconds = int(moment.timestamp())
    except (ValueError, OverflowError) as error:
        raise InputError(f"OCMF time {text[:40]!r} is no date: {error}") from error
    if seconds < 0:
        raise InputError(f"OCMF time {text[:40]!r} lies before 1970")
    return seconds, found[3]


def _der(text: str, encoding: str) -> tuple[int, int]:
    try:
        if encoding == "hex":
            data = bytes.fromhex(text)
        elif encoding == "base64":
            data = base64.b64decode(text, validate=True)
        else:
            raise InputError(f"OCMF signature encoding {encoding[:20]!r} is not read; hex and base64 are")
        return decode_dss_signature(data)
    except (ValueError, binascii.Error) as error:
        raise InputError(f"OCMF signature data is no DER signature in {encoding}: {str(error)[:80]}") from error


def _object(section: bytes, what: str) -> dict[str, Any]:
    value = decode_json(section, what)
    if not isinstance(value, dict):
        raise InputError(f"{what} is not a JSON object")
    return value


def _text(table: dict[str, Any], name: str, default: str = "") -> str:
    value = table.get(name, default)
    if value is None:
        return default
    if not isinstance(value, str):
        raise InputError(f"OCMF field {name} is not text")
    return value
