"""Delivery slots: quarter hours counted from the Unix epoch, so daylight saving never makes or loses one."""

from __future__ import annotations

SLOT_SECONDS = 900
SLOTS_PER_DAY = 96
SECONDS_PER_DAY = SLOT_SECONDS * SLOTS_PER_DAY


def slot_of(time: int) -> int:
    """Delivery slot that contains the instant `time` (unix seconds)."""
    return time // SLOT_SECONDS


def slot_start(slot: int) -> int:
    """First second (unix) of a delivery slot."""
    return slot * SLOT_SECONDS


def slot_end(slot: int) -> int:
    """First second (unix) after a delivery slot."""
    return (slot + 1) * SLOT_SECONDS


def day_of(slot: int) -> int:
    """Delivery day (UTC, days since the epoch) that contains a slot."""
    return slot // SLOTS_PER_DAY


def slots_of_day(day: int) -> range:
    """The 96 delivery slots of a delivery day."""
    return range(day * SLOTS_PER_DAY, (day + 1) * SLOTS_PER_DAY)
