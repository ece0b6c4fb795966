"""Numbers and units of foreign formats as our integers: a metric's name says its unit, unless that is Wh.

| unit read | metric's suffix | integers of |
|---|---|---|
| J, Wh, kWh, MWh | none | Wh |
| varh, kvarh; VAh, kVAh | :varh; :VAh | varh; VAh |
| W, kW; var, kvar; VA, kVA | :mW; :mvar; :mVA | milliwatts and alike |
| V, mV, kV; A, mA; Hz | :mV; :mA; :mHz | millivolts and alike |
| Cel; K; %RH | :mCel; :mK; :m%RH | thousandths |
| / ; % | :ppm | millionths of the whole |
| m3, l; Pa; s; count | :ml; :Pa; :ms; :count | millilitres, pascals, milliseconds, pieces |

(SenML's names, RFC 8428 section 12.1 and RFC 8798.) A value that is no whole number of its unit is refused, never
rounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from gridwitness.domain.readings import NET_ENERGY_METRIC
from gridwitness.errors import ReadingRejected

_THOUSAND, _MILLION = Fraction(1_000), Fraction(1_000_000)
UNITS: Mapping[str, tuple[Fraction, str]] = MappingProxyType(
    {
        "J": (Fraction(1, 3_600), ""),
        "Wh": (Fraction(1), ""),
        "kWh": (_THOUSAND, ""),
        "MWh": (_MILLION, ""),
        "varh": (Fraction(1), ":varh"),
        "kvarh": (_THOUSAND, ":varh"),
        "VAh": (Fraction(1), ":VAh"),
        "kVAh": (_THOUSAND, ":VAh"),
        "W": (_THOUSAND, ":mW"),
        "kW": (_MILLION, ":mW"),
        "var": (_THOUSAND, ":mvar"),
        "kvar": (_MILLION, ":mvar"),
        "VA": (_THOUSAND, ":mVA"),
        "kVA": (_MILLION, ":mVA"),
        "V": (_THOUSAND, ":mV"),
        "mV": (Fraction(1), ":mV"),
        "kV": (_MILLION, ":mV"),
        "A": (_THOUSAND, ":mA"),
        "mA": (Fraction(1), ":mA"),
        "Hz": (_THOUSAND, ":mHz"),
        "Cel": (_THOUSAND, ":mCel"),
        "K": (_THOUSAND, ":mK"),
        "%RH": (_THOUSAND, ":m%RH"),
        "/": (_MILLION, ":ppm"),
        "%": (Fraction(10_000), ":ppm"),
        "m3": (_MILLION, ":ml"),
        "l": (_THOUSAND, ":ml"),
        "Pa": (Fraction(1), ":Pa"),
        "s": (_THOUSAND, ":ms"),
        "count": (Fraction(1), ":count"),
    }
)
MILLIWATT_HOURS = ":mWh"
_SUFFIXES = {suffix for _, suffix in UNITS.values() if suffix} | {MILLIWATT_HOURS}
_LIMIT = 1 << 63
# 10 to this power is far beyond 64 bits, whichever way: larger exponents are not even worth computing.
_MAX_EXPONENT = 40
_NAME = re.compile(r"[!-~]{1,32}")


def shown(value: object) -> str:
    """A stranger's value in a message: short, whatever it is."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    return repr(value)[:40] if isinstance(value, (str, bytes, int, float, Decimal)) else type(value).__name__


def unit_of(metric: str) -> str:
    """Unit of a metric's values: what its name ends in, Wh for net energies, or nothing if it is not known."""
    if metric == NET_ENERGY_METRIC:
        return "Wh"
    suffix = metric[metric.rfind(":") :]
    return suffix[1:] if suffix in _SUFFIXES else ""


def metric_name(name: str, suffix: str) -> str:
    """A metric's name with its unit's suffix. Raises ReadingRejected unless it is 1 to 32 visible ASCII characters."""
    metric = name + suffix
    if not name or not _NAME.fullmatch(metric):
        raise ReadingRejected("malformed", f"metric {metric[:40]!r} is not 1 to 32 visible ASCII characters")
    return metric


def exact(value: int | float | Decimal, what: str) -> Fraction:
    """A number as it was meant: floats are the shortest decimal that rounds to them, in single precision if they fit.

    Raises ReadingRejected if it is not finite or far outside 64 bits.
    """
    if isinstance(value, int):
        if not -_LIMIT <= value < _LIMIT:
            raise ReadingRejected("value_out_of_range", f"{what} has {value.bit_length()} bits; 63 are read")
        return Fraction(value)
    number = _shortest(value) if isinstance(value, float) else value
    if not number.is_finite():
        raise ReadingRejected("malformed", f"{what} is {number}; it must be a number")
    if (number and abs(number.adjusted()) > _MAX_EXPONENT) or len(number.as_tuple().digits) > 2 * _MAX_EXPONENT:
        raise ReadingRejected("value_out_of_range", f"{what} has a decimal exponent beyond {_MAX_EXPONENT}")
    return Fraction(number)


def _shortest(value: float) -> Decimal:
    # CBOR encoders shorten 21.7 to single precision, and in double precision that is 21.700000762939453.
    if abs(value) < 1e9 and not value.is_integer() and float(np.float32(value)) == value:
        return Decimal(str(np.float32(value)))
    return Decimal(repr(value))


def in_unit(value: Fraction, factor: Fraction, what: str) -> int:
    """`value × factor` as an integer. Raises ReadingRejected `inexact_value` if it is none, or is out of range."""
    scaled = value * factor
    if scaled.denominator != 1:
        raise ReadingRejected("inexact_value", f"{what} is {float(scaled)!r} of our unit; it must be a whole number")
    if not -_LIMIT <= scaled.numerator < _LIMIT:
        raise ReadingRejected("value_out_of_range", f"{what} does not fit 64 bits in our unit")
    return scaled.numerator
