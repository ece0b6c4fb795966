"""What keeps a reading out of the log: another one with its counter or its slot."""

from __future__ import annotations

import sqlite3
from enum import Enum

from gridwitness.domain.readings import Reading
from gridwitness.store.deadletters import Rejection
from gridwitness.store.rows import COLUMNS, ReadingRow, StoredReading, stored_reading


class Append(Enum):
    """A reading that is in the log: stored just now, or found there."""

    STORED = "stored"
    DUPLICATE = "duplicate"


_LAST_ID = (1 << 63) - 1


def readings_in_the_way(
    connection: sqlite3.Connection, row: ReadingRow, last_id: int = _LAST_ID
) -> list[StoredReading]:
    """Readings with a row's counter, or its metric and time, of its device; none stored after `last_id`."""
    device_id, counter, time, metric = row[:4]
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM signed_readings WHERE device_id = ?1 AND counter = ?2 AND id <= ?5"  # noqa: S608 (constant columns)
        f" UNION SELECT {COLUMNS} FROM signed_readings"
        " WHERE device_id = ?1 AND metric = ?3 AND time = ?4 AND id <= ?5",
        (device_id, counter, metric, time, last_id),
    ).fetchall()
    return [stored_reading(row) for row in rows]


def judge_conflict(connection: sqlite3.Connection, row: ReadingRow, last_id: int) -> Append | Rejection:
    """Whether a row that could not be inserted after `last_id` was there already, or else why not."""
    new = Reading(*row[:5])
    others = [other.signed.reading for other in readings_in_the_way(connection, row, last_id)]
    if new in others:
        return Append.DUPLICATE
    old = next((other for other in others if other.counter == new.counter), others[0])
    if old.counter == new.counter:
        return Rejection(
            "replayed_counter",
            f"counter {new.counter} was used for {old.metric} = {old.value} at {old.time}; "
            f"this one says {new.metric} = {new.value} at {new.time}",
        )
    return Rejection(
        "slot_already_reported",
        f"{new.metric} at {new.time} was reported with counter {old.counter}; this one has {new.counter}",
    )
