"""Readings in the log: appended once each, found by key, slot or batch; and what was refused, counted by reason."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from gridwitness.domain.readings import Reading, Score, ScoredReading, SignedReading
from gridwitness.errors import StoreError
from gridwitness.store.database import Database

_COLUMNS = "device_id, counter, time, metric, value, signature, batch_seq, score_bps, channel, reason"
_CANONICAL = "ORDER BY time, device_id, counter"
_EXAMPLES_KEPT = 20

ReadingKey = tuple[bytes, int]


class Append(Enum):
    """A reading that is in the log: stored just now, or found there."""

    STORED = "stored"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A reading that was refused: the reason it is counted under and a line naming value and limit."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class StoredReading:
    """A reading in the log; `batch_seq` and `score` are None until it is attested."""

    signed: SignedReading
    batch_seq: int | None
    score: Score | None

    @property
    def scored(self) -> ScoredReading:
        """The reading as attested. Raises StoreError if it is not."""
        if self.score is None:
            reading = self.signed.reading
            raise StoreError(f"reading {reading.counter} of device 0x{reading.device_id.hex()} is not attested yet")
        return ScoredReading(self.signed, self.score)


def _stored(row: tuple[object, ...]) -> StoredReading:
    device_id, counter, time, metric, value, signature, batch_seq, score_bps, channel, reason = row
    reading = Reading(device_id, counter, time, metric, value)  # type: ignore[arg-type]
    score = None if score_bps is None else Score(score_bps, channel, reason)  # type: ignore[arg-type]
    return StoredReading(SignedReading(reading, signature), batch_seq, score)  # type: ignore[arg-type]


def _insert(connection: sqlite3.Connection, signed: SignedReading, received_at: int) -> bool:
    reading = signed.reading
    cursor = connection.execute(
        "INSERT OR IGNORE INTO readings (device_id, counter, time, metric, value, signature, received_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            reading.device_id,
            reading.counter,
            reading.time,
            reading.metric,
            reading.value,
            signed.signature,
            received_at,
        ),
    )
    return cursor.rowcount == 1


class ReadingLog:
    """Every reading acknowledged. Methods block; call them off the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(
        self, readings: Sequence[SignedReading], received_at: int, rejections: Sequence[Rejection] = ()
    ) -> list[Append | Rejection]:
        """Append verified readings and count what is refused, `rejections` too, in one durable transaction.

        Outcomes in order; refused are `replayed_counter` (same counter, other content) and `slot_already_reported`
        (same metric and time, other counter).
        """
        with self._database.write() as connection:
            outcomes = [self._append_one(connection, signed, received_at) for signed in readings]
            conflicts = [outcome for outcome in outcomes if isinstance(outcome, Rejection)]
            self._count(connection, [*rejections, *conflicts], received_at)
        return outcomes

    def adopt(self, readings: Sequence[SignedReading], received_at: int) -> list[SignedReading]:
        """Take the committee's version of readings, in place of unattested ones with the same counter or slot.

        A device that signs two readings for one slot gives different oracles different ones; without this it could
        keep them from ever agreeing. Returns those that could not be adopted because another is already attested.
        """
        refused: list[SignedReading] = []
        with self._database.write() as connection:
            for signed in readings:
                if _insert(connection, signed, received_at):
                    continue
                others = self._in_the_way(connection, signed.reading)
                if [other.signed for other in others] == [signed]:
                    continue
                if any(other.batch_seq is not None for other in others):
                    refused.append(signed)
                    continue
                self._replace(connection, others, signed, received_at)
        return refused

    @staticmethod
    def _in_the_way(connection: sqlite3.Connection, reading: Reading) -> list[StoredReading]:
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM readings WHERE device_id = ?1 AND counter = ?2"  # noqa: S608 (constant columns)
            f" UNION SELECT {_COLUMNS} FROM readings WHERE device_id = ?1 AND metric = ?3 AND time = ?4",
            (reading.device_id, reading.counter, reading.metric, reading.time),
        ).fetchall()
        return [_stored(row) for row in rows]

    def _replace(
        self, connection: sqlite3.Connection, others: list[StoredReading], signed: SignedReading, received_at: int
    ) -> None:
        reading = signed.reading
        for other in others:
            old = other.signed.reading
            connection.execute("DELETE FROM readings WHERE device_id = ? AND counter = ?", (old.device_id, old.counter))
            message = (
                f"device 0x{reading.device_id.hex()} signed twice: counter {old.counter}, {old.value} at {old.time} "
                f"gave way to counter {reading.counter}, {reading.value} at {reading.time}"
            )
            self._count(connection, [Rejection("equivocation", message)], received_at)
        _insert(connection, signed, received_at)

    def _append_one(self, connection: sqlite3.Connection, signed: SignedReading, at: int) -> Append | Rejection:
        if _insert(connection, signed, at):
            return Append.STORED
        new = signed.reading
        others = [other.signed.reading for other in self._in_the_way(connection, new)]
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

    @staticmethod
    def _count(connection: sqlite3.Connection, rejections: Sequence[Rejection], at: int) -> None:
        connection.executemany(
            "INSERT INTO rejections VALUES (?, 1) ON CONFLICT (reason) DO UPDATE SET count = count + 1",
            [(rejection.reason,) for rejection in rejections],
        )
        connection.executemany(
            "INSERT INTO rejection_examples (reason, message, at) VALUES (?, ?, ?)",
            [(rejection.reason, rejection.message, at) for rejection in rejections],
        )
        connection.executemany(
            "DELETE FROM rejection_examples WHERE reason = ?1 AND id <="
            " (SELECT id FROM rejection_examples WHERE reason = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            [(reason, _EXAMPLES_KEPT) for reason in {rejection.reason for rejection in rejections}],
        )

    def find(self, keys: Iterable[ReadingKey]) -> list[StoredReading | None]:
        """Readings by (device, counter), in the order of `keys`; None where there is none."""
        with self._database.read() as connection:
            found = []
            for key in keys:
                row = connection.execute(
                    f"SELECT {_COLUMNS} FROM readings WHERE device_id = ? AND counter = ?",  # noqa: S608
                    key,
                ).fetchone()
                found.append(None if row is None else _stored(row))
        return found

    def at(self, device_id: bytes, metric: str, time: int) -> StoredReading | None:
        """The reading of a device for a metric and time."""
        rows = self._select("WHERE device_id = ? AND metric = ? AND time = ?", (device_id, metric, time))
        return rows[0] if rows else None

    def of_device(self, device_id: bytes, time_from: int, time_to: int, after: int, limit: int) -> list[StoredReading]:
        """Readings of a device with time_from ≤ time < time_to and counter > `after`, by counter, at most `limit`."""
        return self._select(
            "WHERE device_id = ? AND time >= ? AND time < ? AND counter > ? ORDER BY counter LIMIT ?",
            (device_id, time_from, time_to, after, limit),
        )

    def unattested(self, time_to: int, limit: int) -> list[StoredReading]:
        """Readings not in any batch with time ≤ `time_to` in canonical order, at most `limit`."""
        return self._select(f"WHERE batch_seq IS NULL AND time <= ? {_CANONICAL} LIMIT ?", (time_to, limit))

    def of_batch(self, seq: int) -> list[StoredReading]:
        """Readings of a batch in canonical order."""
        return self._select(f"WHERE batch_seq = ? {_CANONICAL}", (seq,))

    def waiting_per_time(self, metric: str, after: int) -> list[tuple[int, int]]:
        """(time, number of unattested readings of `metric`) for times > `after`, oldest first."""
        with self._database.read() as connection:
            return connection.execute(
                "SELECT time, COUNT(*) FROM readings WHERE batch_seq IS NULL AND time > ? AND metric = ?"
                " GROUP BY time ORDER BY time",
                (after, metric),
            ).fetchall()

    def waiting(self) -> tuple[int, int | None, int | None]:
        """(number unattested, time of the oldest, when the one waiting longest was received)."""
        with self._database.read() as connection:
            count, oldest, received_at = connection.execute(
                "SELECT COUNT(*), MIN(time), MIN(received_at) FROM readings WHERE batch_seq IS NULL"
            ).fetchone()
        return count, oldest, received_at

    def counts(self) -> dict[str, int]:
        """Number of readings stored and attested."""
        with self._database.read() as connection:
            (stored,) = connection.execute("SELECT COUNT(*) FROM readings").fetchone()
            (waiting,) = connection.execute("SELECT COUNT(*) FROM readings WHERE batch_seq IS NULL").fetchone()
        return {"stored": stored, "attested": stored - waiting, "unattested": waiting}

    def rejections(self) -> dict[str, dict[str, object]]:
        """Per reason: how many were refused, and the last messages, newest first."""
        with self._database.read() as connection:
            counts = connection.execute("SELECT reason, count FROM rejections ORDER BY reason").fetchall()
            report: dict[str, dict[str, object]] = {}
            for reason, count in counts:
                examples = connection.execute(
                    "SELECT message FROM rejection_examples WHERE reason = ? ORDER BY id DESC LIMIT ?",
                    (reason, _EXAMPLES_KEPT),
                ).fetchall()
                report[reason] = {"count": count, "last": [message for (message,) in examples]}
        return report

    def _select(self, clause: str, arguments: tuple[object, ...]) -> list[StoredReading]:
        with self._database.read() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM readings {clause}", arguments).fetchall()  # noqa: S608
        return [_stored(row) for row in rows]
