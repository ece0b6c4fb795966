"""An oracle's log for those who only look: pages of readings and batches by keyset, beside the oracle that writes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from weakref import WeakSet

from gridwitness.domain.batches import BatchMeta
from gridwitness.domain.readings import NET_ENERGY_METRIC
from gridwitness.encoding.packing import unpack_meta
from gridwitness.errors import StoreError
from gridwitness.store.database import Connection, Database, schema_version
from gridwitness.store.deadletters import rejection_report
from gridwitness.store.rows import COLUMNS, StoredReading, stored_reading
from gridwitness.store.schema import SCHEMA_VERSION

_BUSY_TIMEOUT_S = 5.0
_READING = f"SELECT received_at, {COLUMNS} FROM signed_readings"  # noqa: S608 (constant)
_DEVICE = "(SELECT id FROM devices WHERE device_id = ?)"
# More times than these do not wait at once unless attesting has stood still for weeks.
_WAITING_TIMES = 2_000
_BATCH = "SELECT stream, seq, digest, root, meta, config, signer_mask, tx_hash, block, status FROM batches"


@dataclass(frozen=True, slots=True)
class LoggedReading:
    """A reading, and when (unix seconds by the oracle's clock) it was received."""

    stored: StoredReading
    received_at: int


@dataclass(frozen=True, slots=True)
class LoggedBatch:
    """A batch without the keys of its content."""

    stream_id: bytes
    seq: int
    digest: bytes
    root: bytes
    meta: BatchMeta
    config: int
    signer_mask: int
    transaction: bytes
    block_number: int
    status: str


class LogReader(Database):
    """The log at a path, which an oracle may be writing. Has nothing to write with, and holds no lock."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError if the file is not there, of another schema, or cannot be read."""
        if not path.is_file():
            raise StoreError(f"{path} is not there", hint="the oracle makes it when it first runs")
        self.path = path
        self._local = threading.local()
        self._connections: WeakSet[sqlite3.Connection] = WeakSet()
        self._connections_lock = threading.Lock()
        with self.read() as connection:
            version = schema_version(connection)
        if version != SCHEMA_VERSION:
            hint = "start the oracle once: it brings the file to its own schema"
            raise StoreError(f"{path} has schema {version}, this version reads {SCHEMA_VERSION}", hint=hint)

    def close(self) -> None:
        """Close every connection."""
        with self._connections_lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def write(self) -> NoReturn:
        """Refused. Raises StoreError."""
        raise StoreError(f"{self.path} is open for reading only")

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_S, factory=Connection
        )
        with self._connections_lock:
            self._connections.add(connection)
        return connection

    def reading(self, device_id: bytes, counter: int) -> LoggedReading | None:
        """One reading."""
        rows = self._readings(f"WHERE device = {_DEVICE} AND counter = ?", (device_id, counter))
        return rows[0] if rows else None

    def readings_of(self, device_id: bytes, counters: range, time_from: int, time_to: int) -> list[LoggedReading]:
        """Readings with their counter in a range and time_from ≤ time < time_to, in order of time and counter."""
        return self._readings(
            f"WHERE device = {_DEVICE} AND counter >= ? AND counter < ? AND time >= ? AND time < ?"
            " ORDER BY time, counter",
            (device_id, counters.start, counters.stop, time_from, time_to),
        )

    def newest_readings(self, device_id: bytes, limit: int) -> list[LoggedReading]:
        """The newest readings of a device by counter, the newest first."""
        return self._readings(f"WHERE device = {_DEVICE} ORDER BY counter DESC LIMIT ?", (device_id, limit))

    def waiting_readings(self, device_id: bytes, time_from: int, time_to: int) -> list[LoggedReading]:
        """Readings of a device with time_from ≤ time < time_to that are not attested, in order of time and counter."""
        with self.read() as connection:
            slots = connection.execute(
                "SELECT time, metric FROM waiting WHERE time >= ? AND time < ? ORDER BY time LIMIT ?",
                (time_from, time_to, _WAITING_TIMES),
            ).fetchall()
        found = []
        for time, metric in slots:
            found += self._readings(
                f"WHERE time = ? AND metric_number = ? AND device = {_DEVICE} AND batch_seq IS NULL",
                (time, metric, device_id),
            )
        return found

    def readings_attested_after(self, device_id: bytes, seq: int, time_from: int, time_to: int) -> list[LoggedReading]:
        """Readings of a device in batches above a number, with time_from ≤ time < time_to, in order of time."""
        # With each plus SQLite looks through these few batches, and not through all that the device ever sent.
        return self._readings(
            f"WHERE batch_seq > ? AND +device = {_DEVICE} AND +time >= ? AND +time < ? ORDER BY +time, counter",
            (seq, device_id, time_from, time_to),
        )

    def values_of_day(self, device_id: bytes, slot_starts: Sequence[int]) -> dict[int, int]:
        """Attested net energies (Wh) of a device by slot start, for some slots."""
        marks = ", ".join("?" * len(slot_starts))
        with self.read() as connection:
            rows = connection.execute(
                f"SELECT time, value FROM readings WHERE device = {_DEVICE} AND batch_seq IS NOT NULL"  # noqa: S608
                f" AND metric = (SELECT id FROM metrics WHERE name = ?) AND time IN ({marks})",
                (device_id, NET_ENERGY_METRIC, *slot_starts),
            ).fetchall()
        return dict(rows)

    def batches_before(self, stream_id: bytes, seq: int, limit: int) -> list[LoggedBatch]:
        """Batches of a stream with a number below `seq`, the newest first."""
        return self._batches("WHERE stream = ? AND seq < ? ORDER BY seq DESC LIMIT ?", (stream_id, seq, limit))

    def batches_after(self, stream_id: bytes, seq: int, limit: int) -> list[LoggedBatch]:
        """Batches of a stream with a number above `seq`, the oldest first."""
        return self._batches("WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?", (stream_id, seq, limit))

    def newest_final(self, stream_id: bytes) -> int:
        """Number of the newest batch of a stream that is final; 0 without any."""
        found = self._batches("WHERE stream = ? AND status = 'final' ORDER BY seq DESC LIMIT 1", (stream_id,))
        return found[0].seq if found else 0

    def rejections(self) -> dict[str, dict[str, object]]:
        """Per reason: how many were refused, and the last messages, newest first."""
        with self.read() as connection:
            return rejection_report(connection)

    def refused(self) -> dict[str, int]:
        """How many were refused, by reason."""
        with self.read() as connection:
            return dict(connection.execute("SELECT reason, count FROM rejections ORDER BY reason").fetchall())

    def received_within(self, seconds: int) -> tuple[int, int]:
        """(readings accepted, readings rejected and kept) in the last `seconds` before the newest of either."""
        with self.read() as connection:
            newest = connection.execute("SELECT received_at FROM readings ORDER BY id DESC LIMIT 1").fetchone()
            refused = connection.execute("SELECT at FROM dead_letters ORDER BY id DESC LIMIT 1").fetchone()
            last = max([row[0] for row in (newest, refused) if row is not None], default=None)
            if last is None:
                return 0, 0
            since = last - seconds
            return (
                _ids_after(connection, "readings", "received_at", since),
                _ids_after(connection, "dead_letters", "at", since),
            )

    def _readings(self, clause: str, arguments: tuple[object, ...]) -> list[LoggedReading]:
        with self.read() as connection:
            rows = connection.execute(f"{_READING} {clause}", arguments).fetchall()
        return [LoggedReading(stored_reading(row[1:]), row[0]) for row in rows]

    def _batches(self, clause: str, arguments: tuple[object, ...]) -> list[LoggedBatch]:
        with self.read() as connection:
            rows = connection.execute(f"{_BATCH} {clause}", arguments).fetchall()
        return [
            LoggedBatch(
                stream_id=stream,
                seq=seq,
                digest=digest,
                root=root,
                meta=unpack_meta(int.from_bytes(meta, "big")),
                config=config,
                signer_mask=int.from_bytes(mask, "big"),
                transaction=transaction,
                block_number=block,
                status=status,
            )
            for stream, seq, digest, root, meta, config, mask, transaction, block, status in rows
        ]


def _ids_after(connection: sqlite3.Connection, table: str, column: str, since: int) -> int:
    """How many rows came after a time, by ids, which grow with it: halving finds the first without counting rows."""
    # Each for itself: SQLite finds one end by the index, but walks the whole table for both at once.
    (low,) = connection.execute(f"SELECT MIN(id) FROM {table}").fetchone()  # noqa: S608 (constants)
    (high,) = connection.execute(f"SELECT MAX(id) FROM {table}").fetchone()  # noqa: S608 (constants)
    if high is None:
        return 0
    newest, first = high, high + 1
    while low <= high:
        middle = (low + high) // 2
        row = connection.execute(
            f"SELECT id, {column} FROM {table} WHERE id >= ? ORDER BY id LIMIT 1",  # noqa: S608 (constants)
            (middle,),
        ).fetchone()
        if row is not None and row[1] <= since:
            low = row[0] + 1
        else:
            first, high = (first if row is None else min(first, row[0])), middle - 1
    return int(newest - first + 1)
