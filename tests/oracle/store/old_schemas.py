"""Files as earlier versions of the log made them: their schemas word for word, and a few rows of every table."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gridwitness.domain.readings import SignedReading

_READINGS = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('schema_version', '{version}');
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
CREATE TABLE checkpoints (
    seq INTEGER PRIMARY KEY, state BLOB NOT NULL, state_hash BLOB NOT NULL
);
CREATE TABLE rejections (reason TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE rejection_examples (
    id INTEGER PRIMARY KEY AUTOINCREMENT, reason TEXT NOT NULL, message TEXT NOT NULL, at INTEGER NOT NULL
);
CREATE INDEX rejection_examples_by_reason ON rejection_examples (reason, id);
"""
_STREAMS_1 = """
CREATE TABLE batches (
    stream BLOB NOT NULL, seq INTEGER NOT NULL, root BLOB NOT NULL, previous BLOB NOT NULL, meta BLOB NOT NULL,
    config INTEGER NOT NULL, digest BLOB NOT NULL, signer_mask BLOB NOT NULL, tx_hash BLOB NOT NULL,
    block INTEGER NOT NULL, status TEXT NOT NULL, slots_to INTEGER NOT NULL, keys TEXT NOT NULL,
    PRIMARY KEY (stream, seq)
) WITHOUT ROWID;
CREATE TABLE votes (
    stream BLOB NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL, keys TEXT NOT NULL, signature BLOB NOT NULL,
    voted_at REAL NOT NULL,
    PRIMARY KEY (stream, seq, digest)
) WITHOUT ROWID;
INSERT INTO batches VALUES (x'01', 1, x'0a', x'0b', :meta, 1, x'0d', x'01', x'0e', 7, 'final', 900, '{}');
INSERT INTO votes VALUES (x'01', 2, x'0d', '{}', x'0f', 1.5);
"""
_STREAMS_2 = """
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
INSERT INTO batches VALUES (x'01', 1, x'0a', :meta, 0, 1, x'0d', x'01', x'0e', 7, 'final', 900, '{}');
INSERT INTO votes VALUES (x'01', 2, x'0d', x'0c', 100, 220, '{}', x'0f');
"""


def make_old_file(path: Path, version: int, attested: list[SignedReading], waiting: list[SignedReading]) -> None:
    """A file of schema 1 or 2 with readings in batch 1 and waiting, that batch, a vote, a checkpoint and rejections."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    streams = (_STREAMS_1 if version == 1 else _STREAMS_2).replace(":meta", f"x'{bytes(32).hex()}'")
    connection.executescript(_READINGS.replace("{version}", str(version)) + streams)
    for batch_seq, readings in ((1, attested), (None, waiting)):
        for signed in readings:
            one = signed.reading
            score = (1, 50, "level", "as usual") if batch_seq else (None, None, None, None)
            connection.execute(
                "INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (one.device_id, one.counter, one.time, one.metric, one.value, signed.signature, 1_000, *score),
            )
    connection.execute("INSERT INTO checkpoints VALUES (1, x'aa', x'bb')")
    connection.execute("INSERT INTO rejections VALUES ('malformed', 3)")
    connection.execute("INSERT INTO rejection_examples (reason, message, at) VALUES ('malformed', 'no JSON', 5)")
    connection.commit()
    connection.close()
