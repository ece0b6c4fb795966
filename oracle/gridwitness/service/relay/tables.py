"""The relay's SQLite file."""

from __future__ import annotations

from gridwitness.errors import StoreError
from gridwitness.store import Database

SCHEMA_VERSION = "relay 1"

# Per device and day at most one version waits and at most one is submitted; `place` is the row's in its batch.
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('schema_version', 'relay 1');
CREATE TABLE schedules (
    device_id BLOB NOT NULL, day INTEGER NOT NULL, version INTEGER NOT NULL, zone INTEGER NOT NULL,
    struct_hash BLOB NOT NULL, row BLOB NOT NULL, closes_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    state TEXT NOT NULL, retry_at INTEGER NOT NULL DEFAULT 0, most_rows INTEGER NOT NULL, problem BLOB,
    batch INTEGER REFERENCES batches (id), place INTEGER,
    PRIMARY KEY (device_id, day, version)
) WITHOUT ROWID;
CREATE INDEX schedules_waiting ON schedules (zone, day, device_id, closes_at, received_at, retry_at)
    WHERE state = 'waiting';
CREATE INDEX schedules_by_batch ON schedules (batch, place) WHERE batch IS NOT NULL;
CREATE TABLE batches (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, calldata BLOB NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0, tx_hash BLOB, block INTEGER
);
CREATE INDEX batches_open ON batches (id) WHERE closed = 0;
"""


class RelayDatabase(Database):
    """A SQLite file with the relay's tables."""

    def _migrate(self) -> None:
        if self._writer.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is None:
            self._writer.executescript("BEGIN IMMEDIATE;" + _SCHEMA + "COMMIT;")
            return
        (version,) = self._writer.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} has schema {version!r}, a relay reads {SCHEMA_VERSION!r}", hint="choose another data_dir"
            )
