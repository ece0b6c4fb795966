"""Readings in the log: appended once each, and found by key, slot or batch."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from gridwitness.domain.readings import Reading, SignedReading
from gridwitness.store.conflicts import Append, judge_conflict, readings_in_the_way
from gridwitness.store.database import Database
from gridwitness.store.deadletters import DEADLETTERS_KEPT, Rejection, record_rejections, rejection_report
from gridwitness.store.names import Names
from gridwitness.store.rows import COLUMNS, ReadingKey, ReadingRow, StoredReading, row_of, stored_reading

_INSERT = (
    "INSERT INTO readings (device, counter, time, metric, value, received_at, signature, document, gateway_signature)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
ALREADY_PRUNED = "already_pruned"
_CANONICAL = "ORDER BY time, device_id, counter"


class ReadingLog:
    """Every reading acknowledged. Methods block; call them off the event loop."""

    def __init__(self, database: Database, deadletters_kept: int = DEADLETTERS_KEPT) -> None:
        """`deadletters_kept` bounds what is kept of refused readings; the oldest go first."""
        self._database = database
        self._deadletters_kept = deadletters_kept
        self._names = Names()

    def append(
        self,
        rows: Sequence[ReadingRow],
        received_at: int,
        rejections: Sequence[Rejection] = (),
        *,
        body_of: Callable[[int], bytes] = lambda _: b"",
        source_of: Callable[[int], str] = lambda _: "",
        offsets: Sequence[tuple[str, int]] = (),
    ) -> list[Append | Rejection]:
        """Append verified readings and count what is refused, `rejections` too, in one durable transaction.

        Outcomes in order; refused are `replayed_counter` (same counter, other content), `slot_already_reported`
        (same metric and time, other counter) and `already_pruned`. `body_of` and `source_of` say for a row's index
        what its dead letter holds. `offsets` say how far consumers (name, position) have then come.
        Raises StoreError, and then nothing was kept.
        """
        try:
            with self._database.write() as connection:
                outcomes = self._append(connection, rows, received_at)
                conflicts = [
                    Rejection(one.reason, one.message, body_of(index), source_of(index))
                    for index, one in enumerate(outcomes)
                    if isinstance(one, Rejection)
                ]
                record_rejections(connection, [*rejections, *conflicts], received_at, self._deadletters_kept)
                connection.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?)", offsets)
        except BaseException:
            self._names.forget()
            raise
        return outcomes

    def probe(self) -> None:
        """See whether the disk takes anything. Raises StoreError if it does not."""
        self._database.probe()

    def offset(self, consumer: str) -> int | None:
        """Position of a consumer at its last append; None before its first."""
        with self._database.read() as connection:
            row = connection.execute("SELECT position FROM offsets WHERE consumer = ?", (consumer,)).fetchone()
        return None if row is None else int(row[0])

    def _append(self, connection: sqlite3.Connection, rows: Sequence[ReadingRow], at: int) -> list[Append | Rejection]:
        if not rows:
            return []
        pruned_before = self._names.pruned_before(connection)
        if pruned_before:
            return self._append_unpruned(connection, rows, at, pruned_before)
        return self._append_all(connection, rows, at)

    def _append_unpruned(
        self, connection: sqlite3.Connection, rows: Sequence[ReadingRow], at: int, pruned_before: int
    ) -> list[Append | Rejection]:
        refused = [self._pruned(row, pruned_before) for row in rows]
        good = [row for row, reason in zip(rows, refused, strict=True) if reason is None]
        appended = iter(self._append_all(connection, good, at) if good else ())
        return [next(appended) if reason is None else reason for reason in refused]

    def _pruned(self, row: ReadingRow, pruned_before: int) -> Rejection | None:
        device_id, counter, time = row[:3]
        if time < pruned_before:
            return Rejection(ALREADY_PRUNED, f"time {time} is before {pruned_before}: the log was pruned up to there")
        highest = self._names.pruned_counters.get(device_id, -1)
        if counter <= highest:
            return Rejection(ALREADY_PRUNED, f"counter {counter} is not above {highest}, the highest that was pruned")
        return None

    def _append_all(
        self, connection: sqlite3.Connection, rows: Sequence[ReadingRow], at: int
    ) -> list[Append | Rejection]:
        (before,) = connection.execute("SELECT MAX(id) FROM readings").fetchone()
        if self._insert(connection, rows, at) == len(rows):
            self._count_stored(connection, rows, at)
            return [Append.STORED] * len(rows)
        found = connection.execute(
            "SELECT device_id, counter, time, metric, value, id FROM signed_readings WHERE id > ?", (before or 0,)
        )
        fresh = {tuple(fields): stored_id for *fields, stored_id in found.fetchall()}
        last_id = before or 0
        outcomes: list[Append | Rejection] = []
        stored: list[ReadingRow] = []
        for row in rows:
            if row[:5] in fresh:
                last_id = fresh.pop(row[:5])
                stored.append(row)
                outcomes.append(Append.STORED)
            else:
                outcomes.append(judge_conflict(connection, row, last_id))
        self._count_stored(connection, stored, at)
        return outcomes

    def _insert(self, connection: sqlite3.Connection, rows: Sequence[ReadingRow], at: int) -> int:
        """Insert what is new; returns how many were."""
        names = self._names
        names.enter(connection, {row[0] for row in rows}, {row[3] for row in rows})
        devices, metrics = names.devices, names.metrics
        return connection.executemany(
            _INSERT,
            [
                (
                    devices[device_id],
                    counter,
                    time,
                    metrics[metric],
                    value,
                    at,
                    signature,
                    names.document(connection, document) if document else None,
                    gateway_signature or None,
                )
                for device_id, counter, time, metric, value, signature, document, gateway_signature in rows
            ],
        ).rowcount

    def _count_stored(self, connection: sqlite3.Connection, rows: Sequence[ReadingRow], at: int) -> None:
        metrics = self._names.metrics
        connection.executemany(
            "INSERT INTO waiting VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET readings = readings + excluded.readings,"
            " received_at = MIN(received_at, excluded.received_at)",
            [
                (time, metrics[metric], number, at)
                for (time, metric), number in Counter([(row[2], row[3]) for row in rows]).items()
            ],
        )
        connection.execute("UPDATE counters SET value = value + ? WHERE name = 'stored'", (len(rows),))

    def adopt(self, readings: Sequence[SignedReading], received_at: int) -> list[SignedReading]:
        """Take the committee's version of readings, in place of unattested ones with the same counter or slot.

        A device that signs two readings for one slot gives different oracles different ones; without this it could
        keep them from ever agreeing. Returns those that could not be adopted because another is already attested, or
        was pruned.
        """
        refused: list[SignedReading] = []
        try:
            with self._database.write() as connection:
                for signed in readings:
                    if not self._adopt(connection, signed, received_at):
                        refused.append(signed)
        except BaseException:
            self._names.forget()
            raise
        return refused

    def _adopt(self, connection: sqlite3.Connection, signed: SignedReading, at: int) -> bool:
        row = row_of(signed)
        outcome = self._append(connection, [row], at)[0]
        if isinstance(outcome, Rejection) and outcome.reason == ALREADY_PRUNED:
            return False
        if outcome is Append.STORED:
            return True
        others = readings_in_the_way(connection, row)
        if [other.signed for other in others] == [signed]:
            return True
        if any(other.batch_seq is not None for other in others):
            return False
        for other in others:
            old = other.signed.reading
            self._remove(connection, old)
            message = (
                f"device 0x{old.device_id.hex()} signed twice: counter {old.counter}, {old.value} at {old.time} "
                f"gave way to counter {row[1]}, {row[4]} at {row[2]}"
            )
            record_rejections(connection, [Rejection("equivocation", message)], at, self._deadletters_kept)
        self._append(connection, [row], at)
        return True

    @staticmethod
    def _remove(connection: sqlite3.Connection, old: Reading) -> None:
        device, metric = connection.execute(
            "SELECT device, metric_number FROM signed_readings WHERE device_id = ? AND counter = ?",
            (old.device_id, old.counter),
        ).fetchone()
        connection.execute("DELETE FROM readings WHERE device = ? AND counter = ?", (device, old.counter))
        connection.execute("UPDATE counters SET value = value - 1 WHERE name = 'stored'")
        recount_waiting(connection, [(old.time, metric)])

    def find(self, keys: Iterable[ReadingKey]) -> list[StoredReading | None]:
        """Readings by (device, counter), in the order of `keys`; None where there is none."""
        with self._database.read() as connection:
            found = []
            for key in keys:
                row = connection.execute(
                    f"SELECT {COLUMNS} FROM signed_readings WHERE device_id = ? AND counter = ?",  # noqa: S608
                    key,
                ).fetchone()
                found.append(None if row is None else stored_reading(row))
        return found

    def highest_counter(self, device_id: bytes) -> int | None:
        """The highest counter stored of a device; None without readings."""
        with self._database.read() as connection:
            (counter,) = connection.execute(
                "SELECT MAX(counter) FROM readings WHERE device = (SELECT id FROM devices WHERE device_id = ?)",
                (device_id,),
            ).fetchone()
        return None if counter is None else int(counter)

    def at(self, device_id: bytes, metric: str, time: int) -> StoredReading | None:
        """The reading of a device for a metric and time."""
        rows = self._select("WHERE device_id = ? AND metric = ? AND time = ?", (device_id, metric, time))
        return rows[0] if rows else None

    def of_device(self, device_id: bytes, time_from: int, time_to: int, after: int, limit: int) -> list[StoredReading]:
        """Readings of a device with time_from ≤ time < time_to and counter > `after`, by counter, at most `limit`."""
        return self._select(
            "WHERE device = (SELECT id FROM devices WHERE device_id = ?) AND time >= ? AND time < ? AND counter > ?"
            " ORDER BY counter LIMIT ?",
            (device_id, time_from, time_to, after, limit),
        )

    def unattested(self, time_to: int, limit: int) -> list[StoredReading]:
        """Readings not in any batch with time ≤ `time_to` in canonical order, at most `limit`."""
        slots: list[tuple[int, int]] = []
        total = 0
        with self._database.read() as connection:
            for time, metric, number in connection.execute(
                "SELECT time, metric, readings FROM waiting WHERE time <= ? ORDER BY time", (time_to,)
            ):
                if total >= limit and time != slots[-1][0]:
                    break
                slots.append((time, metric))
                total += number
            rows = [
                row
                for slot in slots
                for row in connection.execute(
                    f"SELECT {COLUMNS} FROM signed_readings WHERE time = ? AND metric_number = ?"  # noqa: S608
                    " AND batch_seq IS NULL",
                    slot,
                )
            ]
        rows.sort(key=lambda row: (row[2], row[0], row[1]))
        return [stored_reading(row) for row in rows[:limit]]

    def of_batch(self, seq: int) -> list[StoredReading]:
        """Readings of a batch in canonical order."""
        return self._select(f"WHERE batch_seq = ? {_CANONICAL}", (seq,))

    def waiting_per_time(self, metric: str, after: int) -> list[tuple[int, int]]:
        """(time, number of unattested readings of `metric`) for times > `after`, oldest first."""
        with self._database.read() as connection:
            return connection.execute(
                "SELECT time, readings FROM waiting WHERE time > ? AND metric = (SELECT id FROM metrics WHERE name = ?)"
                " ORDER BY time",
                (after, metric),
            ).fetchall()

    def waiting(self) -> tuple[int, int | None, int | None]:
        """(number unattested, time of the oldest, when the one waiting longest was received)."""
        with self._database.read() as connection:
            count, oldest, received_at = connection.execute(
                "SELECT COALESCE(SUM(readings), 0), MIN(time), MIN(received_at) FROM waiting"
            ).fetchone()
        return count, oldest, received_at

    def counts(self) -> dict[str, int]:
        """Number of readings stored, attested, waiting, and pruned."""
        with self._database.read() as connection:
            counters = dict(connection.execute("SELECT name, value FROM counters").fetchall())
        stored, attested = counters["stored"], counters["attested"]
        return {"stored": stored, "attested": attested, "unattested": stored - attested, "pruned": counters["pruned"]}

    def deadletters(self) -> int:
        """Number of dead letters kept."""
        with self._database.read() as connection:
            (kept,) = connection.execute("SELECT COUNT(*) FROM dead_letters").fetchone()
        return int(kept)

    def rejections(self) -> dict[str, dict[str, object]]:
        """Per reason: how many were refused, and the last messages, newest first."""
        with self._database.read() as connection:
            return rejection_report(connection)

    def _select(self, clause: str, arguments: tuple[object, ...]) -> list[StoredReading]:
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {COLUMNS} FROM signed_readings {clause}",  # noqa: S608 (constant columns)
                arguments,
            ).fetchall()
        return [stored_reading(row) for row in rows]


def recount_waiting(connection: sqlite3.Connection, slots: Iterable[tuple[int, int]]) -> None:
    """Count anew what waits at (time, metric number), within a transaction of the caller."""
    for time, metric in set(slots):
        connection.execute("DELETE FROM waiting WHERE time = ? AND metric = ?", (time, metric))
        connection.execute(
            "INSERT INTO waiting SELECT time, metric, COUNT(*), MIN(received_at) FROM readings"
            " WHERE time = ? AND metric = ? AND batch_seq IS NULL GROUP BY time, metric",
            (time, metric),
        )
