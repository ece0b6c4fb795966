"""What was read from the chain, in SQLite, with the hashes of the blocks it was read up to."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

TABLES = {
    "stream": "stream_id TEXT, owner TEXT, name TEXT",
    "batch": "stream_id TEXT, seq INTEGER, root TEXT, readings INTEGER, flagged INTEGER, time_to INTEGER",
    "superseded": "stream_id TEXT, seq INTEGER, superseded_by INTEGER",
    "cleared": "zone INTEGER, slot INTEGER, price_per_kwh INTEGER, volume_wh INTEGER",
}
Row = Mapping[str, Any]  # a table's columns, and the event's block and log_index


class Store:
    """An index. What is in it was true of one chain, the one that its newest checkpoint is a block of."""

    def __init__(self, path: Path) -> None:
        """Open, or begin, an index."""
        self._db = sqlite3.connect(path)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("CREATE TABLE IF NOT EXISTS checkpoint (block INTEGER PRIMARY KEY, hash BLOB NOT NULL)")
        for table, columns in TABLES.items():
            key = "block INTEGER, log_index INTEGER, PRIMARY KEY (block, log_index)"
            self._db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns}, {key})")

    def checkpoints(self) -> Iterator[tuple[int, bytes]]:
        """Number and hash of the blocks that were read up to, newest first."""
        yield from self._db.execute("SELECT block, hash FROM checkpoint ORDER BY block DESC")

    def add(self, block: int, block_hash: bytes, rows: Iterable[tuple[str, Row]]) -> None:
        """Rows up to and with a block, and that block as a checkpoint: all of it or, when killed, nothing."""
        with self._db:
            for table, row in rows:
                names = ", ".join(row)
                values = ", ".join(f":{name}" for name in row)
                self._db.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", dict(row))  # noqa: S608
            self._db.execute("INSERT INTO checkpoint VALUES (?, ?)", (block, block_hash))

    def roll_back(self, block: int) -> None:
        """Forget everything after a block."""
        with self._db:
            for table in ("checkpoint", *TABLES):
                self._db.execute(f"DELETE FROM {table} WHERE block > ?", (block,))  # noqa: S608
