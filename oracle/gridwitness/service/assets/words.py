"""Amounts of smallest units as people read and write them, exactly; and names that others chose."""

from __future__ import annotations

import re

from gridwitness.errors import InputError

_MOST_SHOWN = 80
_AMOUNT = re.compile(r"([0-9]{1,30})(?:\.([0-9]{1,30}))?")


def display(units: int, decimals: int) -> str:
    """An amount of smallest units with its decimals: 1_234_567 with 6 is 1.234567."""
    digits = str(abs(units)).rjust(decimals + 1, "0")
    whole, fraction = (digits[:-decimals], digits[-decimals:]) if decimals else (digits, "")
    return f"{'-' if units < 0 else ''}{whole}{'.' if fraction else ''}{fraction}"


def parse_amount(text: str, decimals: int, what: str) -> int:
    """Smallest units of an amount such as 2.5. Raises InputError for anything else: 0, too many decimals."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise InputError(f"{what} {text!r} is not an amount such as 2.5")
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > decimals:
        raise InputError(f"{what} {text!r} has more decimals than {decimals}")
    units = int(whole + fraction.ljust(decimals, "0"))
    if units == 0:
        raise InputError(f"{what} {text!r} is nothing")
    return units


def clean(text: str) -> str:
    """Text that others chose, such as an asset's name, on one line, short and without control characters."""
    return "".join(character if character.isprintable() else " " for character in text).strip()[:_MOST_SHOWN]
