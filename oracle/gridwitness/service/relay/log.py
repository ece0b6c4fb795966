"""The relay's log: every schedule acknowledged, what became of it, and every transaction made of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from gridwitness.api.relay import RowProblem
from gridwitness.domain.market import Schedule, SignedSchedule
from gridwitness.encoding.eip712 import schedule_struct_hash
from gridwitness.encoding.hashing import keccak
from gridwitness.service.relay.messages import decode_row, encode_row, to_row, to_signed
from gridwitness.service.relay.tables import RelayDatabase

ANY_ROWS = (1 << 31) - 1


class RowState(StrEnum):
    """Where a schedule is. WAITING and SUBMITTED are the relay's to bring on; the others are as the chain had them."""

    WAITING = "waiting"
    SUBMITTED = "submitted"
    STANDING = "standing"
    REPLACED = "replaced"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A schedule that was checked. `closes_at` (unix seconds) is when it can no longer be submitted; `previous` is what
    stands and it replaces, if anything.
    """

    signed: SignedSchedule
    closes_at: int
    previous: Schedule | None = None


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A schedule of the log. `most_rows` is how many rows a transaction with it may have: fewer after one failed."""

    signed: SignedSchedule
    struct_hash: bytes
    closes_at: int
    received_at: int
    state: RowState
    most_rows: int
    problem: RowProblem | None
    batch: int | None


class BatchKind(StrEnum):
    """What a transaction calls."""

    SUBMIT = "submit"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Batch:
    """A transaction of the relay; `key` is the outbox's, `rows` how many schedules it carries."""

    id: int
    kind: BatchKind
    key: str
    rows: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Schedules that could be submitted now: how many, when the first came, when the first closes (unix seconds)."""

    count: int
    oldest_at: int | None
    closes_at: int | None


class RelayLog:
    """The log in one SQLite file. Every method that writes is one durable transaction. All raise StoreError."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises StoreError if another relay has it."""
        self._database = RelayDatabase(path)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def append(self, candidates: Sequence[Candidate], now: int, most_versions: int) -> list[RowProblem | bool]:
        """Log what is new: True for it, False for what is there already, or why it is refused, in order.

        A version that waits gives way to a higher one. At most `most_versions` of a device's day become transactions.
        """
        with self._database.write() as connection:
            return [_append(connection, candidate, now, most_versions) for candidate in candidates]

    def of_day(self, device_id: bytes, day: int) -> list[StoredRow]:
        """A device's schedules of a day, the newest version first."""
        query = (
            "SELECT row, struct_hash, closes_at, received_at, state, most_rows, problem, batch"
            " FROM schedules WHERE device_id = ? AND day = ? ORDER BY version DESC"
        )
        with self._database.read() as connection:
            return [_row(values) for values in connection.execute(query, (device_id, day))]

    def find(self, device_id: bytes, day: int, version: int) -> StoredRow | None:
        """One version."""
        return next((row for row in self.of_day(device_id, day) if row.signed.schedule.version == version), None)

    def waiting(self, now: int) -> Waiting:
        """What waits and is not put off beyond `now`."""
        query = (
            "SELECT COUNT(*), MIN(received_at), MIN(closes_at) FROM schedules WHERE state = 'waiting' AND retry_at <= ?"
        )
        with self._database.read() as connection:
            return Waiting(*connection.execute(query, (now,)).fetchone())

    def count_waiting(self) -> int:
        """How many rows wait, put off or not."""
        with self._database.read() as connection:
            return int(connection.execute("SELECT COUNT(*) FROM schedules WHERE state = 'waiting'").fetchone()[0])

    def next_rows(self, now: int, limit: int) -> list[StoredRow]:
        """Rows to submit now, those of one zone and day together, the zone and day that closes first before others.

        A version waits until what becomes of the one before it is known.
        """
        query = """
            WITH chosen AS (
                SELECT device_id, day, version, MIN(closes_at) OVER (PARTITION BY zone, day) AS first_closes_at
                FROM schedules AS waits WHERE state = 'waiting' AND retry_at <= ? AND NOT EXISTS (
                    SELECT 1 FROM schedules AS sent WHERE sent.device_id = waits.device_id AND sent.day = waits.day
                    AND sent.state = 'submitted'))
            SELECT row, struct_hash, closes_at, received_at, state, most_rows, problem, batch
            FROM chosen JOIN schedules USING (device_id, day, version)
            ORDER BY first_closes_at, zone, day, device_id LIMIT ?"""
        with self._database.read() as connection:
            return [_row(values) for values in connection.execute(query, (now, limit))]

    def put_off(self, problems: Iterable[tuple[StoredRow, RowProblem]], until: int) -> None:
        """Let rows that wait do so until a time (unix seconds), and say why."""
        self._mark(RowState.WAITING, problems, until)

    def refuse(self, problems: Iterable[tuple[StoredRow, RowProblem]]) -> None:
        """Give rows up that wait."""
        self._mark(RowState.REFUSED, problems, 0)

    def _mark(self, state: RowState, problems: Iterable[tuple[StoredRow, RowProblem]], retry_at: int) -> None:
        values = [
            (state, retry_at, msgspec.json.encode(problem), *_key(row.signed.schedule)) for row, problem in problems
        ]
        if values:
            with self._database.write() as connection:
                connection.executemany(
                    "UPDATE schedules SET state = ?, retry_at = ?, problem = ?"
                    " WHERE device_id = ? AND day = ? AND version = ? AND state = 'waiting'",
                    values,
                )

    def record_batch(self, kind: BatchKind, calldata: bytes, rows: Sequence[StoredRow]) -> Batch | None:
        """Make a transaction of waiting rows, before anything of it is sent; None if one of them waits no more."""
        with self._database.write() as connection:
            cursor = connection.execute("INSERT INTO batches (kind, key, calldata) VALUES (?, '', ?)", (kind, calldata))
            batch_id = int(cursor.lastrowid or 0)
            # The hash keeps keys apart from those of a log that was lost while the outbox was not.
            key = f"relay:{batch_id}:{keccak(calldata)[:8].hex()}"
            connection.execute("UPDATE batches SET key = ? WHERE id = ?", (key, batch_id))
            changed = connection.executemany(
                "UPDATE schedules SET state = 'submitted', batch = ?, place = ?, problem = NULL"
                " WHERE device_id = ? AND day = ? AND version = ? AND state = 'waiting'",
                [(batch_id, place, *_key(row.signed.schedule)) for place, row in enumerate(rows)],
            )
            if changed.rowcount != len(rows):  # a higher version came in between
                connection.execute("UPDATE schedules SET state = 'waiting', batch = NULL WHERE batch = ?", (batch_id,))
                connection.execute("DELETE FROM batches WHERE id = ?", (batch_id,))
                return None
        return Batch(batch_id, kind, key, len(rows))

    def open_batches(self) -> list[Batch]:
        """Transactions whose end is not known, oldest first."""
        query = (
            "SELECT id, kind, key, (SELECT COUNT(*) FROM schedules WHERE batch = batches.id)"
            " FROM batches WHERE closed = 0 ORDER BY id"
        )
        with self._database.read() as connection:
            return [
                Batch(number, BatchKind(kind), *rest) for number, kind, *rest in connection.execute(query).fetchall()
            ]

    def calldata(self, batch: Batch) -> bytes:
        """Calldata of an open transaction."""
        with self._database.read() as connection:
            return bytes(connection.execute("SELECT calldata FROM batches WHERE id = ?", (batch.id,)).fetchone()[0])

    def close_batch(self, batch: Batch, refused: Mapping[int, RowProblem], transaction: bytes, block: int) -> None:
        """Note that a transaction is final: rows stand, but for those refused by their place in it."""
        with self._database.write() as connection:
            connection.execute("UPDATE schedules SET state = 'standing' WHERE batch = ?", (batch.id,))
            connection.executemany(
                "UPDATE schedules SET state = 'refused', problem = ? WHERE batch = ? AND place = ?",
                [(msgspec.json.encode(problem), batch.id, place) for place, problem in refused.items()],
            )
            connection.execute(
                "UPDATE schedules AS old SET state = 'replaced' FROM schedules AS new"
                " WHERE new.batch = ? AND new.state = 'standing' AND old.device_id = new.device_id"
                " AND old.day = new.day AND old.version < new.version AND old.state = 'standing'",
                (batch.id,),
            )
            connection.execute(
                "UPDATE batches SET closed = 1, calldata = X'', tx_hash = ?, block = ? WHERE id = ?",
                (transaction, block, batch.id),
            )

    def return_batch(self, batch: Batch, problem: RowProblem, most_rows: int, retry_at: int) -> None:
        """Let the rows of a transaction that failed wait again, for one of at most `most_rows` rows."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE schedules SET state = 'waiting', batch = NULL, place = NULL, most_rows = ?, retry_at = ?,"
                " problem = ? WHERE batch = ?",
                (most_rows, retry_at, msgspec.json.encode(problem), batch.id),
            )
            connection.execute("UPDATE batches SET closed = 1, calldata = X'' WHERE id = ?", (batch.id,))

    def transaction(self, batch: int) -> tuple[bytes, int] | None:
        """Hash and block of a final transaction."""
        query = "SELECT tx_hash, block FROM batches WHERE id = ? AND tx_hash IS NOT NULL"
        with self._database.read() as connection:
            values: tuple[bytes, int] | None = connection.execute(query, (batch,)).fetchone()
        return values

    def counts(self) -> dict[str, int]:
        """Number of schedules by state."""
        with self._database.read() as connection:
            return dict(connection.execute("SELECT state, COUNT(*) FROM schedules GROUP BY state").fetchall())

    def forget(self, before_day: int) -> None:
        """Delete what ended, of days before one."""
        with self._database.write() as connection:
            connection.execute(
                "DELETE FROM schedules WHERE day < ? AND state NOT IN ('waiting', 'submitted')", (before_day,)
            )
            connection.execute(
                "DELETE FROM batches WHERE closed AND id NOT IN (SELECT batch FROM schedules WHERE batch NOT NULL)"
            )


def _append(connection: sqlite3.Connection, candidate: Candidate, now: int, most_versions: int) -> RowProblem | bool:
    schedule, previous = candidate.signed.schedule, candidate.previous
    struct_hash = schedule_struct_hash(schedule)
    known = connection.execute(
        "SELECT version, struct_hash, state, problem, batch NOT NULL FROM schedules"
        " WHERE device_id = ? AND day = ? ORDER BY version",
        _key(schedule)[:2],
    ).fetchall()
    for version, known_hash, state, problem, _ in known:
        if (version, known_hash) == (schedule.version, struct_hash):
            return msgspec.json.decode(problem, type=RowProblem) if state == RowState.REFUSED else False
    highest = known[-1][0] if known else 0
    if schedule.version <= highest:
        return RowProblem(
            "VersionNotHigher", f"version {schedule.version} is not above {highest}, which is here already"
        )
    if sum(submitted for *_, submitted in known) >= most_versions:
        return RowProblem("TooManyVersions", f"{most_versions} versions were submitted; a relay pays for no more")
    if previous is not None:
        _know_standing(connection, previous, now)
    connection.execute(
        "DELETE FROM schedules WHERE device_id = ? AND day = ? AND state = 'waiting'", _key(schedule)[:2]
    )
    _insert(connection, candidate, now, RowState.WAITING)
    return True


def _know_standing(connection: sqlite3.Connection, previous: Schedule, now: int) -> None:
    """Keep a schedule that stands though this relay did not submit it; another of its version ended otherwise."""
    connection.execute(
        "DELETE FROM schedules WHERE device_id = ? AND day = ? AND version = ? AND struct_hash != ?"
        " AND state NOT IN ('waiting', 'submitted')",
        (*_key(previous), schedule_struct_hash(previous)),
    )
    _insert(connection, Candidate(SignedSchedule(previous, b""), 0), now, RowState.STANDING)


def _insert(connection: sqlite3.Connection, candidate: Candidate, now: int, state: RowState) -> None:
    schedule = candidate.signed.schedule
    connection.execute(
        "INSERT OR IGNORE INTO schedules (device_id, day, version, zone, struct_hash, row, closes_at, received_at,"
        " state, most_rows) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *_key(schedule),
            schedule.zone,
            schedule_struct_hash(schedule),
            encode_row(to_row(candidate.signed)),
            candidate.closes_at,
            now,
            state,
            ANY_ROWS,
        ),
    )


def _key(schedule: Schedule) -> tuple[bytes, int, int]:
    return schedule.device_id, schedule.day, schedule.version


def _row(values: Any) -> StoredRow:
    row, struct_hash, closes_at, received_at, state, most_rows, problem, batch = values
    told = None if problem is None else msgspec.json.decode(problem, type=RowProblem)
    signed = to_signed(decode_row(row))
    return StoredRow(signed, struct_hash, closes_at, received_at, RowState(state), most_rows, told, batch)
