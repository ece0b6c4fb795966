"""Old readings out of the log: read in the order of time for an export, and pruned for good.

Both work beside a running oracle: no read lasts long enough to hold its log of changes up, no transaction long enough
to hold its writer up.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from gridwitness.domain.slots import SECONDS_PER_DAY, SLOTS_PER_DAY
from gridwitness.errors import StoreError
from gridwitness.store.rows import COLUMNS, StoredReading, stored_reading

_CHUNK = 5_000
_PAGES_FREED_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class ArchivedReading:
    """A reading of an export, and when (unix seconds) it was received."""

    stored: StoredReading
    received_at: int


def readings_between(connection: sqlite3.Connection, time_from: int, time_to: int) -> Iterator[list[ArchivedReading]]:
    """Readings with time_from ≤ time < time_to in the order of time, some thousands at once."""
    place = (time_from, -1, -1)
    while True:
        rows = connection.execute(
            f"SELECT time, metric_number, device, received_at, {COLUMNS} FROM signed_readings"  # noqa: S608
            " WHERE (time, metric_number, device) > (?, ?, ?) AND time < ? ORDER BY time, metric_number, device"
            " LIMIT ?",
            (*place, time_to, _CHUNK),
        ).fetchall()
        if not rows:
            return
        place = rows[-1][:3]
        yield [ArchivedReading(stored_reading(row[4:]), row[3]) for row in rows]


def count_before(connection: sqlite3.Connection, time: int) -> int:
    """Number of readings older than `time`. It counts: for once-in-a-while commands only."""
    (count,) = connection.execute("SELECT COUNT(*) FROM readings WHERE time < ?", (time,)).fetchone()
    return int(count)


def check_prunable(connection: sqlite3.Connection, stream: bytes, before: int) -> None:
    """Raise StoreError if a reading of before that time is still needed: not attested, not final, or not profiled."""
    waiting, oldest = connection.execute(
        "SELECT COALESCE(SUM(readings), 0), MIN(time) FROM waiting WHERE time < ?", (before,)
    ).fetchone()
    if waiting:
        raise StoreError(f"{waiting} readings from {oldest} on are not attested yet", hint="prune up to an earlier day")
    pending = connection.execute(
        "SELECT seq FROM batches WHERE stream = ? AND status <> 'final' ORDER BY seq LIMIT 1", (stream,)
    ).fetchone()
    if pending is not None:
        row = connection.execute(
            "SELECT batch_seq FROM readings WHERE batch_seq >= ? AND time < ? LIMIT 1", (pending[0], before)
        ).fetchone()
        if row is not None:
            raise StoreError(f"batch {row[0]}, with readings of before, is not final yet", hint="try again in a while")
    open_day = connection.execute(
        "SELECT MIN(day) FROM device_days WHERE profile_seq IS NULL AND attested >= ? AND day < ?",
        (SLOTS_PER_DAY, before // SECONDS_PER_DAY),
    ).fetchone()[0]
    if open_day is not None:
        raise StoreError(
            f"profiles of day {open_day} (since the epoch) are not attested yet", hint="prune up to an earlier day"
        )


def prune(connection: sqlite3.Connection, stream: bytes, before: int) -> Iterator[int]:
    """Delete readings older than `before` for good, some thousands at once; yields how many are gone.

    From the first step on the log refuses readings of that time, and counters up to the highest that goes: nothing
    pruned can be taken, and attested, again. Raises StoreError as `check_prunable` does.
    """
    highest = connection.execute(
        "SELECT MAX(counter), device FROM readings WHERE time < ? GROUP BY device", (before,)
    ).fetchall()
    with _transaction(connection):
        check_prunable(connection, stream, before)
        connection.execute("UPDATE counters SET value = MAX(value, ?) WHERE name = 'pruned_before'", (before,))
        connection.executemany("UPDATE devices SET pruned_counter = MAX(pruned_counter, ?) WHERE id = ?", highest)
    gone = 0
    while True:
        with _transaction(connection):
            deleted = connection.execute(
                "DELETE FROM readings WHERE id IN (SELECT id FROM readings INDEXED BY readings_by_slot WHERE time < ?"
                " LIMIT ?)",
                (before, _CHUNK),
            ).rowcount
            connection.executemany(
                "UPDATE counters SET value = value + ? WHERE name = ?",
                [(-deleted, "stored"), (-deleted, "attested"), (deleted, "pruned")],
            )
        if not deleted:
            break
        gone += deleted
        yield gone
    with _transaction(connection):
        connection.execute("DELETE FROM documents WHERE id NOT IN (SELECT document FROM readings WHERE document > 0)")


def shrink(connection: sqlite3.Connection) -> int:
    """Give the file's free pages back to the disk; returns how many stay in it (all, in a file of schema 1 or 2)."""
    free = _free_pages(connection)
    while free:
        connection.execute(f"PRAGMA incremental_vacuum({_PAGES_FREED_AT_ONCE})").fetchall()
        left = _free_pages(connection)
        if left >= free:
            break
        free = left
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    return free


def _free_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


class _transaction:  # noqa: N801 (used like a function)
    """BEGIN IMMEDIATE to COMMIT, rolled back if it raises."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")
