"""A site's index on disk, its events of the chain first: kept in step with the chain by {ChainIndexer}."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from gridwitness.store.database import Database
from gridwitness.store.site_schema import SITE_SCHEMA, SITE_SCHEMA_VERSION

HAPPENINGS_KEPT = 10_000
_LOG = "block, log_index, block_hash, tx, name, device, day, account, zone, slot, stream, seq, args"
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


class ChainLog(NamedTuple):
    """An event of the chain as the index holds it; see site_schema. `args` are JSON values, bytes as 0x-hex."""

    block_number: int
    log_index: int
    block_hash: bytes
    transaction: bytes
    name: str
    device: bytes | None
    day: int | None
    account: str | None
    zone: int | None
    slot: int | None
    stream: bytes | None
    seq: int | None
    args: dict[str, Any]


class Happening(NamedTuple):
    """Something for those who watch: public figures only."""

    position: int
    kind: str
    at: int
    document: dict[str, Any]


class SiteIndex(Database):
    """The index file of one site, for one process. Reads never wait for the one writer."""

    def _migrate(self) -> None:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version == SITE_SCHEMA_VERSION:
            return
        drops = "".join(f"DROP TABLE {name};" for (name,) in self._writer.execute(_TABLES).fetchall())
        self._writer.executescript(
            f"BEGIN IMMEDIATE; {drops} {SITE_SCHEMA} PRAGMA user_version = {SITE_SCHEMA_VERSION}; COMMIT;"
        )
        with self.write() as connection:
            first = int(time.time() * 1_000)
            connection.execute("DELETE FROM sqlite_sequence WHERE name = 'happenings'")
            connection.execute("INSERT INTO sqlite_sequence VALUES ('happenings', ?)", (first,))
            put_meta(connection, "cursor_key", secrets.token_hex(32))

    def meta(self, key: str) -> str:
        """A value noted under a key; empty if there is none."""
        with self.read() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return "" if row is None else str(row[0])

    def logs(self, clause: str, arguments: Sequence[object]) -> list[ChainLog]:
        """Events by a clause of SQL, which names their order."""
        with self.read() as connection:
            rows = connection.execute(f"SELECT {_LOG} FROM logs {clause}", arguments).fetchall()  # noqa: S608
        return [ChainLog._make((*row[:-1], json.loads(row[-1]))) for row in rows]

    def block_times(self, numbers: Iterable[int]) -> dict[int, int]:
        """Times (unix seconds) of blocks that hold events; others are left out."""
        wanted = sorted(set(numbers))
        marks = ", ".join("?" * len(wanted))
        with self.read() as connection:
            query = f"SELECT number, time FROM blocks WHERE number IN ({marks})"  # noqa: S608 (marks)
            return dict(connection.execute(query, wanted).fetchall())

    def rows(self, query: str, arguments: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query of the index."""
        with self.read() as connection:
            return connection.execute(query, arguments).fetchall()

    def happenings(self, after: int, limit: int) -> list[Happening]:
        """What happened after a position, oldest first."""
        query = "SELECT position, kind, at, document FROM happenings WHERE position > ? ORDER BY position LIMIT ?"
        return [
            Happening(position, kind, at, json.loads(text))
            for position, kind, at, text in self.rows(query, (after, limit))
        ]

    def latest_position(self) -> int:
        """Position of the newest happening, or where the first will follow."""
        ((position,),) = self.rows("SELECT seq FROM sqlite_sequence WHERE name = 'happenings'")
        return int(position)


def put_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Note a value under a key, within a transaction of the caller."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def insert_logs(connection: sqlite3.Connection, logs: Iterable[ChainLog]) -> None:
    """Put events into the index, within a transaction of the caller."""
    connection.executemany(
        f"INSERT INTO logs ({_LOG}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        [(*log[:-1], json.dumps(log.args)) for log in logs],
    )


def mark_dirty(connection: sqlite3.Connection, home_days: Iterable[tuple[int, bytes]]) -> None:
    """Note (day, device) whose figures are to be reckoned anew, within a transaction of the caller."""
    connection.executemany("INSERT OR IGNORE INTO dirty VALUES (?, ?)", home_days)


def record_happenings(connection: sqlite3.Connection, happenings: Iterable[tuple[str, int, dict[str, Any]]]) -> None:
    """Note (kind, time, document) and forget all but the newest, within a transaction of the caller."""
    rows = [(kind, at, json.dumps(document)) for kind, at, document in happenings][-HAPPENINGS_KEPT:]
    if not rows:
        return
    connection.executemany("INSERT INTO happenings (kind, at, document) VALUES (?, ?, ?)", rows)
    connection.execute(
        "DELETE FROM happenings WHERE position <= (SELECT MAX(position) FROM happenings) - ?", (HAPPENINGS_KEPT,)
    )
