"""Days of a site: local days, whose slots daylight saving makes 92, 96 or 100, and the market's, which are UTC days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.errors import InputError

_DAY_S = 86_400
_EPOCH = date(1970, 1, 1)
# What `datetime` can hold in any zone, and more than a meter needs.
_FIRST, _LAST = date(1970, 1, 2), date(9_000, 1, 1)


@dataclass(frozen=True, slots=True)
class LocalDay:
    """A calendar day in a time zone."""

    date: date
    zone: ZoneInfo

    @property
    def begin(self) -> int:
        """Its midnight, unix seconds."""
        return _midnight(self.date, self.zone)

    @property
    def end(self) -> int:
        """The next midnight."""
        return _midnight(self.date + timedelta(days=1), self.zone)

    @property
    def slots(self) -> int:
        """How many delivery slots it has."""
        return (self.end - self.begin) // SLOT_SECONDS

    @property
    def market_day(self) -> int:
        """The market's day of the same date, days since the epoch."""
        return (self.date - _EPOCH).days

    @property
    def previous(self) -> LocalDay:
        """The day before."""
        return LocalDay(self.date - timedelta(days=1), self.zone)

    @property
    def next(self) -> LocalDay:
        """The day after."""
        return LocalDay(self.date + timedelta(days=1), self.zone)

    @property
    def words(self) -> str:
        """As people write it."""
        return f"{self.date:%A, %-d %B %Y}"

    @property
    def market_days(self) -> tuple[int, ...]:
        """The market's days that have a slot in it."""
        return tuple(range(self.begin // _DAY_S, (self.end - 1) // _DAY_S + 1))


def local_day_of(unix_time: int, zone: ZoneInfo) -> LocalDay:
    """The local day a moment is in."""
    return LocalDay(datetime.fromtimestamp(unix_time, UTC).astimezone(zone).date(), zone)


def parse_day(text: str, zone: ZoneInfo) -> LocalDay:
    """A day as ISO date. Raises InputError."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InputError(f"day {text[:20]!r} is not a date", hint="write 2016-08-13") from None
    if not _FIRST <= day <= _LAST:
        raise InputError(f"day {day} is outside {_FIRST} to {_LAST}")
    return LocalDay(day, zone)


def day_of_market(market_day: int, zone: ZoneInfo) -> LocalDay:
    """The local day with the date of a market day."""
    return LocalDay(_EPOCH + timedelta(days=market_day), zone)


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp())
