"""Devices, metrics and documents by the small numbers that rows of the log have in their place."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from hashlib import sha256

# A device that never had a reading here is one registered by somebody: their number is bounded by the registry's.
_DOCUMENTS_KEPT = 1_000


class Names:
    """Numbers by name, kept in memory; to be used within write transactions only, and forgotten if one fails."""

    def __init__(self) -> None:
        self.devices: dict[bytes, int] = {}
        self.metrics: dict[str, int] = {}
        self.pruned_counters: dict[bytes, int] = {}
        self._documents: dict[bytes, int] = {}
        self._pruned_before = 0
        self._data_version: int | None = None

    def forget(self) -> None:
        """Start anew: what was entered last may not have been committed."""
        self.devices.clear()
        self.metrics.clear()
        self._documents.clear()

    def enter(self, connection: sqlite3.Connection, devices: Iterable[bytes], metrics: Iterable[str]) -> None:
        """See that all of the given devices and metrics have a number."""
        for device_id in devices - self.devices.keys() if isinstance(devices, set) else devices:
            if device_id not in self.devices:
                self.devices[device_id] = _number(connection, "devices", "device_id", device_id)
        for metric in metrics:
            if metric not in self.metrics:
                self.metrics[metric] = _number(connection, "metrics", "name", metric)

    def document(self, connection: sqlite3.Connection, content: bytes) -> int | None:
        """Number of a document, which is stored once whatever many readings it has; None for an empty one."""
        if not content:
            return None
        digest = sha256(content).digest()
        number = self._documents.get(digest)
        if number is None:
            connection.execute("INSERT OR IGNORE INTO documents (sha256, content) VALUES (?, ?)", (digest, content))
            (number,) = connection.execute("SELECT id FROM documents WHERE sha256 = ?", (digest,)).fetchone()
            if len(self._documents) >= _DOCUMENTS_KEPT:
                self._documents.clear()
            self._documents[digest] = number
        return number

    def pruned_before(self, connection: sqlite3.Connection) -> int:
        """Time before which everything was pruned; brings `pruned_counters` up to date.

        Pruning is another connection's work, and takes documents away even if it prunes no further than the one before:
        so whenever another connection has written, what is remembered is looked up anew.
        """
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != self._data_version:
            (self._pruned_before,) = connection.execute(
                "SELECT value FROM counters WHERE name = 'pruned_before'"
            ).fetchone()
            rows = connection.execute("SELECT device_id, pruned_counter FROM devices WHERE pruned_counter >= 0")
            self.pruned_counters = dict(rows.fetchall())
            self._documents.clear()
            self._data_version = version
        return self._pruned_before


def _number(connection: sqlite3.Connection, table: str, column: str, name: bytes | str) -> int:
    connection.execute(f"INSERT OR IGNORE INTO {table} ({column}) VALUES (?)", (name,))  # noqa: S608
    (number,) = connection.execute(f"SELECT id FROM {table} WHERE {column} = ?", (name,)).fetchone()  # noqa: S608
    return int(number)
