"""Numbers and times as people read them, in the time zone of the site: kWh, euros, cents, "4 minutes ago"."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

_UNITS_PER_EUR = 1_000_000
_UNITS_PER_CENT = 10_000
_WEI_PER_ETHER = 10**18
_WEI_PER_GWEI = 10**9
_LEAST_ETHER, _ROUND_ETHER, _ROUND_GWEI = 0.001, 100, 100
_BPS_PER_PERCENT = 100
_AGES_S = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
# Below two of a unit the next smaller one says more.
_FEWEST_OF_A_UNIT = 2


def grouped(number: float, decimals: int = 0) -> str:
    """A number with thousands separated and a true minus sign; nothing is ever "−0"."""
    text = f"{number:,.{decimals}f}"
    if text.startswith("-"):
        text = text[1:] if not text.strip("-0.,") else "−" + text[1:]
    return text


def kwh(energy_wh: int) -> str:
    """Energy as kWh: two decimals below 10 kWh, one below 1,000, none above."""
    size = abs(energy_wh)
    decimals = 2 if size < 10_000 else 1 if size < 1_000_000 else 0
    return f"{grouped(energy_wh / 1000, decimals)} kWh"


def wh(energy_wh: int) -> str:
    """Energy of a single slot."""
    return f"{grouped(energy_wh)} Wh"


def measured(value: int, unit: str) -> str:
    """A reading's value as the device said it, in its metric's unit if that is known."""
    return f"{grouped(value)} {unit}".rstrip()


def euros(amount: int) -> str:
    """An amount in 1e-6 EUR, to the cent."""
    text = grouped(amount / _UNITS_PER_EUR, 2)
    return f"−€{text[1:]}" if text.startswith("−") else f"€{text}"


def cents(price_per_kwh: int) -> str:
    """A price in 1e-6 EUR per kWh, as cents."""
    return f"{grouped(price_per_kwh / _UNITS_PER_CENT, 2)} ct/kWh"


def better(saved: int) -> str:
    """An amount saved, in words that stay true when it is a loss."""
    return f"{euros(abs(saved))} {'better' if saved >= 0 else 'worse'}"


def percent(share_bps: int) -> str:
    """A share given in basis points, to a tenth of a percent."""
    return f"{grouped(share_bps / _BPS_PER_PERCENT, 1)} %"


def ether(amount_wei: int) -> str:
    """An amount of the chain's own coin; below a thousandth of it in gwei."""
    amount = amount_wei / _WEI_PER_ETHER
    if abs(amount) < _LEAST_ETHER and amount_wei:
        return gwei(amount_wei)
    return f"{grouped(amount, 0 if abs(amount) >= _ROUND_ETHER else 4)} ETH"


def gwei(amount_wei: int) -> str:
    """A small amount, such as a price of gas; below a gwei in wei."""
    if abs(amount_wei) < _WEI_PER_GWEI:
        return f"{grouped(amount_wei)} wei"
    amount = amount_wei / _WEI_PER_GWEI
    return f"{grouped(amount, 0 if amount >= _ROUND_GWEI else 2)} gwei"


def count(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun, in the plural where due."""
    return f"{grouped(number)} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """A span of time in the largest unit of which there are two: "90 seconds", "3 hours"."""
    whole = max(0, round(seconds))
    for size, noun in _AGES_S:
        if whole >= size * _FEWEST_OF_A_UNIT:
            return count(whole // size, noun)
    return count(whole, "second")


def short(text: str) -> str:
    """A hash or address, shortened in the middle."""
    return text if len(text) <= 14 else f"{text[:8]}…{text[-4:]}"


def work_of(key: str) -> str:
    """What a transaction is for, from its key in the outbox: the words before the first hash."""
    return " ".join(takewhile(lambda part: not part.startswith("0x"), key.split(":")))


def channel(name: str) -> str:
    """A channel of the scorer in words."""
    return name.replace("_", " ")


class SiteClock:
    """Unix times in the time zone of a site."""

    def __init__(self, time_zone: str) -> None:
        self.zone = ZoneInfo(time_zone)

    def local(self, unix_time: int) -> datetime:
        """The local time with its offset."""
        return datetime.fromtimestamp(unix_time, UTC).astimezone(self.zone)

    def clock(self, unix_time: int) -> str:
        """Time of day; with the zone's abbreviation in the hour that comes twice when clocks go back."""
        local = self.local(unix_time)
        comes_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
        return f"{local:%H:%M %Z}" if comes_twice else f"{local:%H:%M}"

    def date(self, unix_time: int) -> str:
        """Date in words."""
        return f"{self.local(unix_time):%-d %B %Y}"

    def moment(self, unix_time: int) -> str:
        """Date and time of day, with the zone's abbreviation, which tells the two hours apart when clocks go back."""
        return f"{self.local(unix_time):%-d %b %Y, %H:%M %Z}"

    def seconds(self, unix_time: int) -> str:
        """{moment} to the second."""
        return f"{self.local(unix_time):%-d %b %Y, %H:%M:%S %Z}"

    def iso(self, unix_time: int) -> str:
        """For `<time datetime>`."""
        return self.local(unix_time).isoformat()
