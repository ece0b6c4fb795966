"""Figures of readings in a site's index, added up batch by batch so that no page ever has to go through readings."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from gridwitness.domain.readings import NET_ENERGY_METRIC
from gridwitness.domain.slots import SECONDS_PER_DAY, SLOT_SECONDS, SLOTS_PER_DAY
from gridwitness.store.log_reader import LogReader
from gridwitness.store.site_index import mark_dirty

SCORE_BUCKET_BPS = 500
SCORE_BUCKETS = 20
_TABLES = ("device_days", "slot_energy", "scores", "flag_channels", "flags")

_PER_DEVICE_DAY = f"""
SELECT d.device_id, r.time / {SECONDS_PER_DAY},
    SUM(CASE WHEN r.metric = ?1 THEN MAX(r.value, 0) ELSE 0 END),
    SUM(CASE WHEN r.metric = ?1 THEN MAX(-r.value, 0) ELSE 0 END),
    SUM(r.metric = ?1), COUNT(*), SUM(r.score_bps > ?2), MIN(r.counter), MAX(r.counter)
FROM readings r JOIN devices d ON d.id = r.device WHERE {{where}} GROUP BY 1, 2
"""  # noqa: S608 (constant)
_PER_SLOT = f"""
SELECT r.time / {SLOT_SECONDS}, d.device_id, r.value
FROM readings r JOIN devices d ON d.id = r.device WHERE r.metric = ?1 AND {{where}}
"""  # noqa: S608 (constant)
_PER_BUCKET = f"""
SELECT r.time / {SECONDS_PER_DAY}, MIN(r.score_bps / {SCORE_BUCKET_BPS}, {SCORE_BUCKETS - 1}), COUNT(*)
FROM readings r WHERE {{where}} GROUP BY 1, 2
"""  # noqa: S608 (constant)
_FLAGGED = """
SELECT r.time, d.device_id, r.counter, r.channel
FROM readings r JOIN devices d ON d.id = r.device WHERE r.score_bps > ?2 AND {where}
"""
_OF_BATCH = "r.batch_seq = ?3"
_OF_DAYS = "r.time >= ?3 AND r.time < ?4 AND r.batch_seq <= ?5"


def add_batch(
    log: LogReader, connection: sqlite3.Connection, seq: int, flag_above_bps: int, homes: Collection[bytes]
) -> None:
    """Add a batch of readings to all figures, within a transaction of the caller on the index."""
    _add(log, connection, _OF_BATCH, (flag_above_bps, seq), homes)


def add_days_again(
    log: LogReader,
    connection: sqlite3.Connection,
    days: range,
    up_to_seq: int,
    flag_above_bps: int,
    homes: Collection[bytes],
) -> None:
    """Make the figures of some days anew from the batches up to a number, after the chain took later ones back."""
    spans = {
        "device_days": ("day", days.start, days.stop),
        "scores": ("day", days.start, days.stop),
        "flag_channels": ("day", days.start, days.stop),
        "slot_energy": ("slot", days.start * SLOTS_PER_DAY, days.stop * SLOTS_PER_DAY),
        "flags": ("time", days.start * SECONDS_PER_DAY, days.stop * SECONDS_PER_DAY),
    }
    stale = connection.execute(
        "SELECT day, device FROM device_days WHERE day >= ? AND day < ?", (days.start, days.stop)
    ).fetchall()
    mark_dirty(connection, stale)
    query = "SELECT channels, time, device, counter FROM flags WHERE time >= ? AND time < ?"
    explained = connection.execute(query, spans["flags"][1:]).fetchall()
    for table in _TABLES:
        column, start, stop = spans[table]
        connection.execute(f"DELETE FROM {table} WHERE {column} >= ? AND {column} < ?", (start, stop))  # noqa: S608
    span = (days.start * SECONDS_PER_DAY, days.stop * SECONDS_PER_DAY)
    _add(log, connection, _OF_DAYS, (flag_above_bps, *span, up_to_seq), homes)
    connection.executemany("UPDATE flags SET channels = ? WHERE time = ? AND device = ? AND counter = ?", explained)


def _add(
    log: LogReader, connection: sqlite3.Connection, where: str, arguments: tuple[int, ...], homes: Collection[bytes]
) -> None:
    with log.read() as source:
        metric = source.execute("SELECT id FROM metrics WHERE name = ?", (NET_ENERGY_METRIC,)).fetchone()
        values = (-1 if metric is None else metric[0], *arguments)
        days = source.execute(_PER_DEVICE_DAY.format(where=where), values).fetchall()
        slots = source.execute(_PER_SLOT.format(where=where), values).fetchall()
        buckets = source.execute(_PER_BUCKET.format(where=where), values).fetchall()
        flagged = source.execute(_FLAGGED.format(where=where), values).fetchall()
    connection.executemany(
        "INSERT INTO device_days VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " import_wh = import_wh + excluded.import_wh, export_wh = export_wh + excluded.export_wh,"
        " slots = slots + excluded.slots, readings = readings + excluded.readings,"
        " flagged = flagged + excluded.flagged, low_counter = MIN(low_counter, excluded.low_counter),"
        " high_counter = MAX(high_counter, excluded.high_counter)",
        days,
    )
    connection.executemany(
        "INSERT INTO slot_energy VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET import_wh = import_wh +"
        " excluded.import_wh, export_wh = export_wh + excluded.export_wh, homes = homes + 1",
        [(slot, max(wh, 0), max(-wh, 0)) for slot, device, wh in slots if device in homes],
    )
    connection.executemany(
        "INSERT INTO scores VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count", buckets
    )
    connection.executemany(
        "INSERT OR IGNORE INTO flags (time, device, counter) VALUES (?, ?, ?)", [row[:3] for row in flagged]
    )
    connection.executemany(
        "INSERT INTO flag_channels VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
        [(row[0] // SECONDS_PER_DAY, row[3]) for row in flagged],
    )
    mark_dirty(connection, [(day, device) for device, day, *_ in days])
