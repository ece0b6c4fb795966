"""Numbers and times as people read them: kWh, euros, cents, UTC."""

from __future__ import annotations

import pandas as pd

TOKEN_UNITS_PER_EUR = 1_000_000


def grouped(number: float, decimals: int = 0) -> str:
    """A number with thousands separated and a true minus sign; nothing is ever "−0"."""
    text = f"{number:,.{decimals}f}"
    if text.startswith("-"):
        text = text[1:] if not text.strip("-0.,") else "−" + text[1:]
    return text


def kwh(energy_wh: float) -> str:
    """Energy given in Wh, as kWh with one decimal below 1,000 kWh and none above."""
    return f"{grouped(energy_wh / 1000, 1 if abs(energy_wh) < 1_000_000 else 0)} kWh"


def euros(amount: float) -> str:
    """An amount in EUR to the cent."""
    text = grouped(amount, 2)
    return f"−€{text[1:]}" if text.startswith("−") else f"€{text}"


def exact_euros(token_units: int) -> str:
    """An amount in token units (1e-6 EUR), every digit shown."""
    whole, rest = divmod(abs(token_units), TOKEN_UNITS_PER_EUR)
    return f"{'−' if token_units < 0 else ''}€{whole:,}.{rest:06d}"


def cents(price_eur_per_kwh: float) -> str:
    """A price in EUR per kWh, as cents."""
    return f"{grouped(price_eur_per_kwh * 100, 2)} ct/kWh"


def percent(share: float) -> str:
    """A share given in percent, to a tenth."""
    return f"{grouped(share, 1)} %"


def better(saved: float) -> str:
    """An amount saved in EUR, in words that stay true when it is a loss."""
    return f"{euros(abs(saved))} {'better' if saved >= 0 else 'worse'}"


def clock(time: pd.Timestamp, *, day: bool = False) -> str:
    """A time of day, with its date if `day`; always UTC."""
    return f"{time:%d %b %H:%M}" if day else f"{time:%H:%M}"


def count(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun, in the plural where due."""
    return f"{grouped(number)} {noun if number == 1 else plural or noun + 's'}"
