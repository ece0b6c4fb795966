"""Decimals to fixed point, once, before anything is computed: the same integer on every machine, from one value alone.

The rule: value × 10^decimals, rounded half to even, `decimals` being a stream's own constant (6 unless it says
otherwise). No minimum, maximum or other figure of the stream is used, so no value says anything about later ones.
"""

from __future__ import annotations

import re
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

from gridwitness.errors import InputError

DEFAULT_DECIMALS = 6
_SHOWN = 40  # characters of a value in an error
# As CSV files have them, +1, 1. and .5 among them; Python's own 1_0 and digits of other scripts are no numbers there.
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE)
# The caller's context may have few digits, and would round once before the rule does.
_EXACT = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)
MAX_FIXED = 10**17
"""Distances of three values in sum stay below 2^62."""


def to_fixed(text: str, decimals: int = DEFAULT_DECIMALS) -> int:
    """A decimal number as an integer of 10^-decimals. Raises InputError if it is none, or beyond ±MAX_FIXED."""
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise InputError(f"value {text[:_SHOWN]!r} is not a decimal number") from error
    if not number.is_finite():
        raise InputError(f"value {text[:_SHOWN]!r} is not finite; leave a missing reading out")
    if not _NUMBER.fullmatch(text):
        raise InputError(f"value {text[:_SHOWN]!r} is not a decimal number")
    # Compared before it is scaled: 1E+999999 would not fit into any memory.
    if number.adjusted() + decimals > 17 or abs(fixed := _round(number, decimals)) > MAX_FIXED:
        raise InputError(
            f"value {text[:_SHOWN]} is beyond ±{to_text(MAX_FIXED, decimals)}, what fits at {decimals} decimals",
            hint="give the stream fewer decimals",
        )
    return fixed


def _round(number: Decimal, decimals: int) -> int:
    if number.adjusted() + decimals < -1:
        return 0
    return int(number.scaleb(decimals, _EXACT).to_integral_value(ROUND_HALF_EVEN, _EXACT))


def to_text(fixed: int, decimals: int = DEFAULT_DECIMALS) -> str:
    """A fixed-point integer as a decimal number without trailing zeros."""
    text = f"{Decimal(fixed).scaleb(-decimals, _EXACT):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
