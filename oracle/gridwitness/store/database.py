"""The SQLite file: schema, one writer, many readers, and errors in words.

A transaction is durable once `write()` has been left: WAL with synchronous=FULL syncs the log on every commit.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from weakref import WeakSet

from gridwitness.errors import StoreError, StoreFull
from gridwitness.store.schema import SCHEMA_VERSION, creation_script, migration_script

_BUSY_TIMEOUT_MS = 5_000
# A page that changes again and again is copied into the file once per so many pages (of 4 KiB) of log.
_CHECKPOINT_PAGES = 8_000
_CACHE_KIB = 65_536
PROBE_BYTES = 1 << 20
_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")


class Connection(sqlite3.Connection):
    """One that can be referred to weakly, which sqlite3's own cannot."""


class _Held:
    """A thread's connection: closed as soon as the thread has ended, or short-lived threads used up all descriptors."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


class Database:
    """One oracle's SQLite file. A second process on the same file is refused: it could sign what this one did not.

    `on_commit` is told how long each commit took with its sync, in seconds.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file at `path`. Raises StoreError if it cannot be used or another process has it."""
        self.path = path
        self.on_commit: Callable[[float], None] = lambda _: None
        self._write_lock = threading.Lock()
        self._local = threading.local()
        self._connections: WeakSet[sqlite3.Connection] = WeakSet()
        self._lock_file = self._claim()
        with self._words():
            self._writer = self._connect()
            self._writer.execute(f"PRAGMA cache_size = {-_CACHE_KIB}")
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
                started = time.perf_counter()
                self._writer.execute("COMMIT")
                self.on_commit(time.perf_counter() - started)
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection of this thread, for queries; never waits for the writer. Raises StoreError."""
        with self._words():
            held: _Held | None = getattr(self._local, "held", None)
            if held is None:
                held = self._local.held = _Held(self._connect())
            yield held.connection

    def probe(self) -> None:
        """Write, sync and take back PROBE_BYTES. Raises StoreError if the disk has no room for them."""
        with self.write() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('probe', zeroblob(?))", (PROBE_BYTES,))
        with self.write() as connection:
            connection.execute("DELETE FROM meta WHERE key = 'probe'")

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
            self.path,
            isolation_level=None,
            check_same_thread=False,
            timeout=_BUSY_TIMEOUT_MS / 1_000,
            factory=Connection,
        )
        if not self.path.stat().st_size:  # for a file with tables it would be a write, which a reader must not need
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        self._connections.add(connection)
        return connection

    def _migrate(self) -> None:
        has_meta = self._writer.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
        if has_meta is None:
            self._writer.executescript(creation_script())
            return
        version = schema_version(self._writer)
        if version == SCHEMA_VERSION:
            return
        script = migration_script(version)
        if script is None:
            raise StoreError(
                f"{self.path} has schema {version}, this version reads 1 to {SCHEMA_VERSION}",
                hint="use the gridwitness version that wrote it",
            )
        try:
            self._writer.executescript(script)
        except sqlite3.Error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error


@contextmanager
def beside(path: Path, *, is_read_only: bool) -> Iterator[sqlite3.Connection]:
    """A connection to a log that an oracle may be using at the same time; whoever writes keeps transactions short.

    Raises StoreError if the file is not there, of another schema, or cannot be read.
    """
    if not path.is_file():
        raise StoreError(f"{path} is not there", hint="give the oracle's settings with --config")
    connection = None
    try:
        mode = "ro" if is_read_only else "rw"
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_MS / 1_000)
        connection.execute("PRAGMA synchronous = FULL")
        version = schema_version(connection)
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{path} has schema {version}, this command reads {SCHEMA_VERSION}",
                hint="start the oracle once: it brings the file to its own schema",
            )
        yield connection
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    finally:
        if connection is not None:
            connection.close()


def schema_version(connection: sqlite3.Connection) -> int:
    """Version a file says it has. Raises sqlite3.Error if it is no log."""
    (version,) = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    return int(version)


def store_error(path: Path, error: sqlite3.Error) -> StoreError:
    """What went wrong with the file, in words."""
    if getattr(error, "sqlite_errorname", "") in _FULL:
        return StoreFull(f"{path}: {error}", hint="free some disk space; nothing acknowledged is lost")
    hint = "another program holds the file; close it" if "locked" in str(error) else ""
    return StoreError(f"{path}: {error}", hint=hint)
