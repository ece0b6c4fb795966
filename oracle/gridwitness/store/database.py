"""The SQLite file: schema, one writer, many readers, and errors in words.

A transaction is durable once `write()` has been left: WAL with synchronous=FULL syncs the log on every commit.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gridwitness.errors import StoreError

SCHEMA_VERSION = 2
_BUSY_TIMEOUT_MS = 5_000

# Counters and values are 64-bit signed here; ingest refuses what does not fit. `batch_seq` is null until attested.
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('schema_version', '2');
CREATE TABLE readings (
    device_id BLOB NOT NULL, counter INTEGER NOT NULL, time INTEGER NOT NULL, metric TEXT NOT NULL,
    value INTEGER NOT NULL, signature BLOB NOT NULL, received_at INTEGER NOT NULL,
    batch_seq INTEGER, score_bps INTEGER, channel TEXT, reason TEXT,
    PRIMARY KEY (device_id, counter)
) WITHOUT ROWID;
CREATE UNIQUE INDEX readings_by_slot ON readings (device_id, metric, time);
CREATE INDEX readings_by_batch ON readings (batch_seq, time, device_id, counter);
CREATE TABLE device_days (
    day INTEGER NOT NULL, device_id BLOB NOT NULL, attested INTEGER NOT NULL,
    profile_seq INTEGER, score_bps INTEGER,
    PRIMARY KEY (day, device_id)
) WITHOUT ROWID;
CREATE INDEX device_days_open ON device_days (day) WHERE profile_seq IS NULL;
CREATE INDEX device_days_by_batch ON device_days (profile_seq) WHERE profile_seq IS NOT NULL;
CREATE TABLE batches (
    stream BLOB NOT NULL, seq INTEGER NOT NULL, root BLOB NOT NULL, meta BLOB NOT NULL,
    supersedes INTEGER NOT NULL, config INTEGER NOT NULL, digest BLOB NOT NULL, signer_mask BLOB NOT NULL,
    tx_hash BLOB NOT NULL, block INTEGER NOT NULL, status TEXT NOT NULL, slots_to INTEGER NOT NULL, keys TEXT NOT NULL,
    PRIMARY KEY (stream, seq)
) WITHOUT ROWID;
CREATE INDEX batches_superseding ON batches (stream, supersedes) WHERE supersedes > 0;
CREATE TABLE votes (
    stream BLOB NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL, content BLOB NOT NULL,
    valid_from INTEGER NOT NULL, valid_until INTEGER NOT NULL, keys TEXT NOT NULL, signature BLOB NOT NULL,
    PRIMARY KEY (stream, seq, digest)
) WITHOUT ROWID;
CREATE TABLE checkpoints (
    seq INTEGER PRIMARY KEY, state BLOB NOT NULL, state_hash BLOB NOT NULL
);
CREATE TABLE rejections (reason TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE rejection_examples (
    id INTEGER PRIMARY KEY AUTOINCREMENT, reason TEXT NOT NULL, message TEXT NOT NULL, at INTEGER NOT NULL
);
CREATE INDEX rejection_examples_by_reason ON rejection_examples (reason, id);
"""


class Database:
    """One oracle's SQLite file. A second process on the same file is refused: it could sign what this one did not."""

    def __init__(self, path: Path) -> None:
        """Open or create the file at `path`. Raises StoreError if it cannot be used or another process has it."""
        self.path = path
        self._write_lock = threading.Lock()
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock_file = self._claim()
        with self._words():
            self._writer = self._connect()
            self._migrate()

    def close(self) -> None:
        """Close every connection and let go of the file."""
        with self._write_lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._lock_file.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed and synced when the block ends, rolled back when it raises.

        Raises StoreError if the disk is full, the file is locked or broken.
        """
        with self._write_lock, self._words():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection of this thread, for queries; never waits for the writer. Raises StoreError."""
        with self._words():
            connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._connect()
                self._local.connection = connection
            yield connection

    def _claim(self) -> IO[str]:
        lock_path = self.path.with_name(self.path.name + ".lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock_file = lock_path.open("w")
        except OSError as error:
            raise StoreError(f"{lock_path}: {error.strerror}", hint="choose another data_dir") from error
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock_file.close()
            raise StoreError(
                f"{self.path} is in use by another process", hint="stop the other oracle or choose another data_dir"
            ) from error
        return lock_file

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_MS / 1_000
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        self._connections.append(connection)
        return connection

    def _migrate(self) -> None:
        has_meta = self._writer.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
        if has_meta is None:
            self._writer.executescript("BEGIN IMMEDIATE;" + _SCHEMA + "COMMIT;")
            return
        (version,) = self._writer.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        if int(version) != SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} has schema {version}, this version reads {SCHEMA_VERSION}",
                hint="use the gridwitness version that wrote it",
            )

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            hint = ""
            if "full" in str(error):
                hint = "free some disk space; nothing acknowledged is lost, devices send again"
            elif "locked" in str(error):
                hint = "another program holds the file; close it"
            raise StoreError(f"{self.path}: {error}", hint=hint) from error
