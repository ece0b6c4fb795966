"""How long an account's money lasts at the rate at which it was spent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

WINDOW_S = 7 * 86_400
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Spending:
    """Gas that a settled transaction used, at a price in wei; `at` is when it was settled, unix seconds."""

    at: float
    gas_used: int
    price_wei: int


@dataclass(frozen=True, slots=True)
class Runway:
    """Balance and what a day takes of it, wei; `days` None while nothing was spent."""

    balance_wei: int
    spent_wei_per_day: int
    days: float | None


def runway(balance_wei: int, spendings: Iterable[Spending], now: float) -> Runway:
    """Runway by the spendings of the last seven days; of a younger account by its age, but by a day at least."""
    recent = [one for one in spendings if now - WINDOW_S <= one.at]
    spent_wei = sum(one.gas_used * one.price_wei for one in recent)
    if spent_wei == 0:
        return Runway(balance_wei, 0, None)
    age_s = max(_DAY_S, now - min(one.at for one in recent))
    per_day_wei = int(spent_wei * _DAY_S / age_s)
    return Runway(balance_wei, per_day_wei, balance_wei / per_day_wei if per_day_wei else None)


def runway_warnings(left: Runway | None, address: str, alarm_days: float) -> list[str]:
    """A line if an account's money lasts for less than `alarm_days`."""
    if left is None or left.days is None or left.days >= alarm_days:
        return []
    return [f"{address} has money for {left.days:.1f} days; the alarm is at {alarm_days:g}"]
