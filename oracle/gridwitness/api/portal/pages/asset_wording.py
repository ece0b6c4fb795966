"""Shares, cash and ratings as people read them. Whole numbers all the way: cash has as many decimals as its token."""

from __future__ import annotations

from datetime import UTC, datetime

from gridwitness.api.portal.asset_views import AssetBriefView, ProductionDayView
from gridwitness.api.portal.countries import country_name
from gridwitness.api.portal.pages import wording
from gridwitness.domain.slots import SECONDS_PER_DAY

_CENT_DECIMALS = 2
_MILLIONTHS_DECIMALS = 6
# A token may say up to 255, and a page is only so wide.
_MOST_DECIMALS = 18
_PARTS = {
    "availability": ("Availability", "quarter hours with an attested reading, of all"),
    "forecast": ("Forecast", "how near its signed schedules were to what was metered"),
    "anomalies": ("Anomalies", "readings the oracles flagged, beyond the one in a hundred of normal ones"),
    "payment": ("Payment", "days paid to the shares, of those that had to be; late ones count less"),
    "reserve": ("Reserve", "age of the newest attested reserve, against what the terms allow"),
}
_HEIGHT = 100

__all__ = ["country_name", "day", "fixed", "money", "part_name", "part_words", "per_share", "production_bars", "shares"]


def fixed(amount: int, decimals: int, shown: int | None = None) -> str:
    """A whole number of smallest units with its decimal point; cut to `shown` decimals, towards zero."""
    sign, size = ("−" if amount < 0 else ""), abs(amount)
    whole, part = divmod(size, 10**decimals)
    digits = f"{part:0{decimals}}" if decimals else ""
    digits = digits if shown is None else digits[:shown].ljust(shown, "0")
    text = f"{whole:,}" + (f".{digits}" if digits else "")
    return text if not text.strip("0.,") else sign + text


def money(amount: int, asset: AssetBriefView) -> str:
    """Cash of an asset, to the cent; an amount below one in full."""
    is_small = 0 < abs(amount) < 10 ** max(asset.cash_decimals - _CENT_DECIMALS, 0)
    shown = min(asset.cash_decimals, _MOST_DECIMALS) if is_small else _CENT_DECIMALS
    return f"{fixed(amount, asset.cash_decimals, shown)} {asset.cash_symbol}"


def per_share(millionths: int, asset: AssetBriefView) -> str:
    """Cash for one share, given in millionths of the token's unit: to six decimals of the token."""
    return f"{fixed(millionths, asset.cash_decimals + _MILLIONTHS_DECIMALS, _MILLIONTHS_DECIMALS)} {asset.cash_symbol}"


def shares(amount: int, asset: AssetBriefView) -> str:
    """Shares with as many decimals as they have."""
    return fixed(amount, asset.decimals)


def day(number: int) -> str:
    """A UTC day in words."""
    return f"{datetime.fromtimestamp(number * SECONDS_PER_DAY, UTC):%-d %b %Y}"


def part_name(part: str) -> str:
    """A part of a rating."""
    return _PARTS[part][0]


def part_words(part: str) -> str:
    """What a part of a rating measures."""
    return _PARTS[part][1]


def production_bars(days: list[ProductionDayView]) -> tuple[list[tuple[ProductionDayView, float, float]], str]:
    """Days with the heights, of 100, of what was read and what was sold; and a sentence that says the same."""
    most = max((max(one.read_wh or 0, one.sold_wh or 0) for one in days), default=0)
    scale = _HEIGHT / most if most else 0
    bars = [(one, round((one.read_wh or 0) * scale, 2), round((one.sold_wh or 0) * scale, 2)) for one in days]
    read, sold = sum(one.read_wh or 0 for one in days), sum(one.sold_wh or 0 for one in days)
    span = wording.count(len(days), "day")
    words = f"{wording.kwh(read)} fed in by attested readings and {wording.kwh(sold)} sold, over {span}."
    return bars, words
