"""The tables of a site's index: what its pages need of chain and log, in the order in which they ask for it.

All of it can be made anew from the chain and the oracle's log, and is if the version changes. Positions of happenings
begin at the time (milliseconds) the file was made: they only grow, also when it is made anew.
"""

from __future__ import annotations

SITE_SCHEMA_VERSION = 5

# `device`, `day`, `account`, `zone`, `slot`, `stream` and `seq` are there where an event has them; the account, in
# lower case, only of submitted schedules. `args` is JSON.
SITE_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE blocks (number INTEGER PRIMARY KEY, hash BLOB NOT NULL, time INTEGER NOT NULL);
CREATE TABLE logs (
    block INTEGER NOT NULL, log_index INTEGER NOT NULL, block_hash BLOB NOT NULL, tx BLOB NOT NULL, name TEXT NOT NULL,
    device BLOB, day INTEGER, account TEXT, zone INTEGER, slot INTEGER, stream BLOB, seq INTEGER, args TEXT NOT NULL,
    PRIMARY KEY (block, log_index)
) WITHOUT ROWID;
CREATE INDEX logs_by_device_day ON logs (device, day) WHERE device IS NOT NULL;
CREATE INDEX logs_by_schedule ON logs (day, device) WHERE name = 'ScheduleSubmitted';
CREATE INDEX logs_by_account ON logs (account, day, device) WHERE account IS NOT NULL;
CREATE INDEX logs_by_slot ON logs (zone, slot) WHERE name = 'SlotCleared';
CREATE INDEX logs_by_zone ON logs (zone, name) WHERE zone IS NOT NULL AND slot IS NULL;
CREATE INDEX logs_of_new_zones ON logs (zone) WHERE name = 'ZoneOpened';
CREATE INDEX logs_by_stream ON logs (stream, name, seq) WHERE stream IS NOT NULL;
CREATE TABLE schedules (hash BLOB PRIMARY KEY, zone INTEGER NOT NULL, imbalance_limit_wh INTEGER NOT NULL,
    orders BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE proposals (stream BLOB NOT NULL, seq INTEGER NOT NULL, valid_from INTEGER NOT NULL,
    PRIMARY KEY (stream, seq)) WITHOUT ROWID;
CREATE TABLE finals (stream BLOB NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (stream, seq)) WITHOUT ROWID;
CREATE TABLE books (
    zone INTEGER NOT NULL, slot INTEGER NOT NULL, bids_wh BLOB NOT NULL, offers_wh BLOB NOT NULL,
    PRIMARY KEY (zone, slot)
) WITHOUT ROWID;
CREATE TABLE folded (
    seq INTEGER PRIMARY KEY, digest BLOB NOT NULL, time_from INTEGER NOT NULL, time_to INTEGER NOT NULL
);
CREATE TABLE device_days (
    device BLOB NOT NULL, day INTEGER NOT NULL, import_wh INTEGER NOT NULL, export_wh INTEGER NOT NULL,
    slots INTEGER NOT NULL, readings INTEGER NOT NULL, flagged INTEGER NOT NULL,
    low_counter INTEGER NOT NULL, high_counter INTEGER NOT NULL,
    PRIMARY KEY (device, day)
) WITHOUT ROWID;
CREATE INDEX device_days_by_day ON device_days (day);
CREATE TABLE slot_energy (
    slot INTEGER PRIMARY KEY, import_wh INTEGER NOT NULL, export_wh INTEGER NOT NULL, homes INTEGER NOT NULL
);
CREATE TABLE scores (day INTEGER NOT NULL, bucket INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (day, bucket))
    WITHOUT ROWID;
CREATE TABLE flag_channels (
    day INTEGER NOT NULL, channel TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (day, channel)
) WITHOUT ROWID;
CREATE TABLE flags (
    time INTEGER NOT NULL, device BLOB NOT NULL, counter INTEGER NOT NULL, channels TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (time, device, counter)
) WITHOUT ROWID;
CREATE INDEX flags_by_device ON flags (device, time, counter);
CREATE TABLE home_days (
    day INTEGER NOT NULL, device BLOB NOT NULL, account TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL,
    import_wh INTEGER NOT NULL, export_wh INTEGER NOT NULL, traded_wh INTEGER, bill INTEGER, grid_only INTEGER,
    PRIMARY KEY (day, device)
) WITHOUT ROWID;
CREATE INDEX home_days_held ON home_days (day, device) WHERE status = 'held';
CREATE TABLE shared_days (
    day INTEGER PRIMARY KEY, shared_wh INTEGER NOT NULL, import_wh INTEGER NOT NULL
);
CREATE TABLE dirty (day INTEGER NOT NULL, device BLOB NOT NULL, PRIMARY KEY (day, device)) WITHOUT ROWID;
CREATE TABLE happenings (
    position INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, at INTEGER NOT NULL, document TEXT NOT NULL
);
"""
