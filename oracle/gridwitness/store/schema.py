"""The tables of the log, and how files of earlier versions become files of this one.

Readings lie in the order they came in, so that appending touches few pages; devices, metrics and documents are named
by small integers. Of the two unique indexes, the one by slot begins with the time: readings of one slot come together
from all devices. What waits to be attested is counted in `waiting`, per time and metric, and all totals in
`counters`: nothing ever has to count rows. Counters and values are 64-bit signed; ingest refuses what does not fit.
"""

from __future__ import annotations

SCHEMA_VERSION = 3

_STREAMS = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
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
"""

_BATCHES_AND_VOTES = """
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
"""

# `batch_seq` and the score are null until attested. `pruned_counter` is the highest counter of a device whose reading
# was pruned, -1 if none: that one and those below are never taken again.
_LOG = """
CREATE TABLE devices (
    id INTEGER PRIMARY KEY, device_id BLOB NOT NULL UNIQUE, pruned_counter INTEGER NOT NULL DEFAULT -1
);
CREATE TABLE metrics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE documents (id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, content BLOB NOT NULL);
CREATE TABLE readings (
    id INTEGER PRIMARY KEY, device INTEGER NOT NULL, counter INTEGER NOT NULL, time INTEGER NOT NULL,
    metric INTEGER NOT NULL, value INTEGER NOT NULL, received_at INTEGER NOT NULL, signature BLOB NOT NULL,
    document INTEGER, gateway_signature BLOB, batch_seq INTEGER, score_bps INTEGER, channel TEXT, reason TEXT
);
CREATE UNIQUE INDEX readings_by_counter ON readings (device, counter);
CREATE UNIQUE INDEX readings_by_slot ON readings (time, metric, device);
CREATE INDEX readings_by_batch ON readings (batch_seq) WHERE batch_seq IS NOT NULL;
CREATE INDEX readings_by_document ON readings (document) WHERE document IS NOT NULL;
CREATE TABLE waiting (
    time INTEGER NOT NULL, metric INTEGER NOT NULL, readings INTEGER NOT NULL, received_at INTEGER NOT NULL,
    PRIMARY KEY (time, metric)
) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('stored', 0), ('attested', 0), ('pruned', 0), ('pruned_before', 0);
CREATE TABLE offsets (consumer TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, reason TEXT NOT NULL, message TEXT NOT NULL, at INTEGER NOT NULL,
    source TEXT NOT NULL, content_type TEXT NOT NULL, body BLOB NOT NULL, is_whole INTEGER NOT NULL
);
CREATE INDEX dead_letters_by_reason ON dead_letters (reason, id);
CREATE VIEW signed_readings AS
    SELECT r.id, r.device, d.device_id, r.counter, r.time, m.name AS metric, r.value, r.signature,
        COALESCE(c.content, x'') AS document, COALESCE(r.gateway_signature, x'') AS gateway_signature,
        r.batch_seq, r.score_bps, r.channel, r.reason, r.received_at, r.metric AS metric_number
    FROM readings r JOIN devices d ON d.id = r.device JOIN metrics m ON m.id = r.metric
        LEFT JOIN documents c ON c.id = r.document;
"""

# Version 1 voted under a contract whose batches had no window: such a vote binds to nothing today.
_FROM_1 = f"""
DROP TABLE votes;
ALTER TABLE batches RENAME TO batches_1;
{_BATCHES_AND_VOTES}
INSERT INTO batches SELECT stream, seq, root, meta, 0, config, digest, signer_mask, tx_hash, block, status, slots_to,
    keys FROM batches_1;
DROP TABLE batches_1;
"""  # noqa: S608 (constant)

_FROM_2 = f"""
DROP INDEX readings_by_slot;
DROP INDEX readings_by_batch;
ALTER TABLE readings RENAME TO readings_2;
{_LOG}
INSERT INTO devices (device_id) SELECT DISTINCT device_id FROM readings_2;
INSERT INTO metrics (name) SELECT DISTINCT metric FROM readings_2;
INSERT INTO readings (device, counter, time, metric, value, received_at, signature, batch_seq, score_bps, channel,
    reason)
    SELECT d.id, r.counter, r.time, m.id, r.value, r.received_at, r.signature, r.batch_seq, r.score_bps, r.channel,
        r.reason
    FROM readings_2 r JOIN devices d ON d.device_id = r.device_id JOIN metrics m ON m.name = r.metric
    ORDER BY r.time, d.id;
INSERT INTO waiting SELECT time, metric, COUNT(*), MIN(received_at) FROM readings WHERE batch_seq IS NULL
    GROUP BY time, metric;
UPDATE counters SET value = (SELECT COUNT(*) FROM readings) WHERE name = 'stored';
UPDATE counters SET value = (SELECT COUNT(*) FROM readings WHERE batch_seq IS NOT NULL) WHERE name = 'attested';
INSERT INTO dead_letters (reason, message, at, source, content_type, body, is_whole)
    SELECT reason, message, at, '', '', x'', 0 FROM rejection_examples ORDER BY id;
DROP TABLE readings_2;
DROP TABLE rejection_examples;
"""  # noqa: S608 (constant)

_SAY_VERSION = f"INSERT OR REPLACE INTO meta VALUES ('schema_version', '{SCHEMA_VERSION}');"  # noqa: S608
_MIGRATIONS = {1: _FROM_1 + _FROM_2, 2: _FROM_2}


def creation_script() -> str:
    """Makes all tables in an empty file, in one transaction."""
    return f"BEGIN IMMEDIATE; {_STREAMS} {_BATCHES_AND_VOTES} {_LOG} {_SAY_VERSION} COMMIT;"


def migration_script(version: int) -> str | None:
    """Brings a file of an earlier version to this one, in one transaction; None if it is no such version."""
    steps = _MIGRATIONS.get(version)
    return None if steps is None else f"BEGIN IMMEDIATE; {steps} {_SAY_VERSION} COMMIT;"
