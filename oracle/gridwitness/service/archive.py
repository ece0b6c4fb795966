"""Readings to Parquet, and out of the log once they are there.

A file has the columns of a payload (device_id, counter, time, metric, value, signature, document, gateway_signature;
bytes as 0x-hex, empty where there is none), so `gridwitness replay` reads it, and what became of the reading:
received_at (unix seconds), batch (null until attested), score_bps, channel and reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from gridwitness.errors import InputError
from gridwitness.sources.files import Document, read_items
from gridwitness.sources.payloads import to_payload, to_signed
from gridwitness.store.archive import ArchivedReading, count_before, prune, readings_between, shrink
from gridwitness.store.database import beside
from gridwitness.store.rows import COLUMNS

_SCHEMA = pa.schema(
    [
        pa.field("device_id", pa.string(), nullable=False),
        pa.field("counter", pa.int64(), nullable=False),
        pa.field("time", pa.int64(), nullable=False),
        pa.field("metric", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("value", pa.int64(), nullable=False),
        pa.field("signature", pa.string(), nullable=False),
        pa.field("document", pa.string(), nullable=False),
        pa.field("gateway_signature", pa.string(), nullable=False),
        pa.field("received_at", pa.int64(), nullable=False),
        pa.field("batch", pa.int64()),
        pa.field("score_bps", pa.int32()),
        pa.field("channel", pa.string()),
        pa.field("reason", pa.string()),
    ]
)


def export(log: Path, time_from: int, time_to: int, out: Path) -> Iterator[int]:
    """Write readings with time_from ≤ time < time_to to a Parquet file, row group by row group; yields how many so far.

    The file appears when it is whole. Raises StoreError, InputError if the file is there already.
    """
    if out.exists():
        raise InputError(f"{out} exists already", hint="choose another name or remove it")
    draft = out.with_name(out.name + ".part")
    done = 0
    with beside(log, is_read_only=True) as connection, pq.ParquetWriter(draft, _SCHEMA, compression="zstd") as writer:
        for readings in readings_between(connection, time_from, time_to):
            writer.write_table(_table(readings))
            done += len(readings)
            yield done
    draft.replace(out)


def prune_exported(log: Path, stream: bytes, before: int, exported: Sequence[Path]) -> Iterator[int]:
    """Prune readings older than `before` after seeing that the exported files have them all; yields how many are gone.

    Raises StoreError if one is still needed, InputError if one is not in the files.
    """
    with beside(log, is_read_only=True) as connection:
        wanted = count_before(connection, before)
    found = sum(_count_exported(log, path, before) for path in exported)
    if found < wanted:
        files = ", ".join(str(path) for path in exported)
        raise InputError(
            f"{files} has {found} of the {wanted} readings to be pruned", hint="export them all, or say --yes"
        )
    yield from prune_all(log, stream, before)


def prune_all(log: Path, stream: bytes, before: int) -> Iterator[int]:
    """Prune readings older than `before`; yields how many are gone. Raises StoreError if one is still needed."""
    with beside(log, is_read_only=False) as connection:
        yield from prune(connection, stream, before)
        shrink(connection)


def _count_exported(log: Path, path: Path, before: int) -> int:
    """How many readings of a file are those in the log, and older than `before`."""
    count = 0
    with beside(log, is_read_only=True) as connection:
        for payload in read_items(path):
            if isinstance(payload, Document):
                raise InputError(f"{path} is no export: it holds documents, not readings")
            signed = to_signed(payload)
            reading = signed.reading
            if reading.time >= before:
                continue
            row = connection.execute(
                f"SELECT {COLUMNS} FROM signed_readings WHERE device_id = ? AND counter = ?",  # noqa: S608
                (reading.device_id, reading.counter),
            ).fetchone()
            count += row is not None and row[5] == signed.signature
    return count


def _table(readings: Sequence[ArchivedReading]) -> pa.Table:
    rows = []
    for one in readings:
        score = one.stored.score
        rows.append(
            {
                **msgspec.structs.asdict(to_payload(one.stored.signed)),
                "received_at": one.received_at,
                "batch": one.stored.batch_seq,
                "score_bps": None if score is None else score.score_bps,
                "channel": None if score is None else score.channel,
                "reason": None if score is None else score.reason,
            }
        )
    return pa.Table.from_pylist(rows, _SCHEMA)
