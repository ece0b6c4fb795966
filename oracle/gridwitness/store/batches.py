"""Attested batches, the votes this oracle cast, and the scorer's checkpoints."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gridwitness.domain.batches import AttestedBatch
from gridwitness.domain.readings import NET_ENERGY_METRIC, ScoredReading
from gridwitness.domain.slots import SECONDS_PER_DAY, SLOT_SECONDS
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.packing import pack_meta, unpack_meta
from gridwitness.errors import StoreError
from gridwitness.store.database import Database
from gridwitness.store.readings import recount_waiting

# Deep enough to score again after any reorganisation a chain will plausibly make.
CHECKPOINTS_KEPT = 64


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch that stands on chain. `status` is attested (mined) or final; `keys` names its content, as JSON."""

    batch: AttestedBatch
    status: str
    keys: str


@dataclass(frozen=True, slots=True)
class Vote:
    """What this oracle signed for a stream's sequence number, and when that may be attested (unix seconds, inclusive).

    `content` is a hash of what the batch says, wherever and whenever it stands; `keys` names it, as JSON, which may be
    as much as half a megabyte.
    """

    stream: bytes
    seq: int
    digest: bytes
    content: bytes
    valid_from: int
    valid_until: int
    keys: str
    signature: bytes


def _attested(row: tuple[bytes, int, bytes, bytes, int, int, bytes, bytes, bytes, int]) -> AttestedBatch:
    stream, seq, root, meta, supersedes, config, digest, signer_mask, transaction, block_number = row
    return AttestedBatch(
        stream_id=stream,
        seq=seq,
        root=root,
        meta=unpack_meta(int.from_bytes(meta, "big")),
        supersedes=supersedes,
        config=config,
        digest=digest,
        signer_mask=int.from_bytes(signer_mask, "big"),
        transaction=transaction,
        block_number=block_number,
    )


_ATTESTED_COLUMNS = "stream, seq, root, meta, supersedes, config, digest, signer_mask, tx_hash, block"
_COLUMNS = f"{_ATTESTED_COLUMNS}, status, keys"

_VOTE_COLUMNS = "stream, seq, digest, content, valid_from, valid_until, keys, signature"


def insert_batch(connection: sqlite3.Connection, stored: StoredBatch, slots_to: int = 0) -> None:
    """Insert a batch within a transaction of the caller, and forget votes for batches long attested.

    `slots_to` is the end (unix seconds) of the newest delivery slot in a batch of readings.
    """
    batch = stored.batch
    connection.execute(
        f"INSERT INTO batches ({_COLUMNS}, slots_to) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            batch.stream_id,
            batch.seq,
            batch.root,
            pack_meta(batch.meta).to_bytes(32, "big"),
            batch.supersedes,
            batch.config,
            batch.digest,
            batch.signer_mask.to_bytes(32, "big"),
            batch.transaction,
            batch.block_number,
            stored.status,
            stored.keys,
            slots_to,
        ),
    )
    connection.execute(
        "DELETE FROM votes WHERE stream = ? AND seq <= ?", (batch.stream_id, batch.seq - CHECKPOINTS_KEPT)
    )


class BatchLog:
    """Batches, votes and checkpoints. Methods block; call them off the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self, stream: bytes) -> StoredBatch | None:
        """The newest batch of a stream."""
        rows = self._select("WHERE stream = ? ORDER BY seq DESC LIMIT 1", (stream,))
        return rows[0] if rows else None

    def get(self, stream: bytes, seq: int) -> StoredBatch | None:
        """A batch by stream and number."""
        rows = self._select("WHERE stream = ? AND seq = ?", (stream, seq))
        return rows[0] if rows else None

    def since(self, stream: bytes, seq: int) -> Iterator[AttestedBatch]:
        """Batches of a stream after number `seq`, oldest first; read one by one, and without what names their content,
        since for a stream of years that is more than memory should hold.
        """
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {_ATTESTED_COLUMNS} FROM batches WHERE stream = ? AND seq > ? ORDER BY seq",  # noqa: S608
                (stream, seq),
            )
            for row in rows:
                yield _attested(row)

    def superseding(self, stream: bytes, seq: int) -> int:
        """Number of the batch that took the place of batch `seq`; 0 if none did."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT seq FROM batches WHERE stream = ? AND supersedes = ? AND supersedes > 0", (stream, seq)
            ).fetchone()
        return 0 if row is None else row[0]

    def slots_to(self, stream: bytes) -> int:
        """End (unix seconds) of the newest delivery slot that any batch of readings covers; 0 without batches."""
        with self._database.read() as connection:
            (end,) = connection.execute("SELECT MAX(slots_to) FROM batches WHERE stream = ?", (stream,)).fetchone()
        return end or 0

    def commit_readings(self, stored: StoredBatch, scored: Sequence[ScoredReading], checkpoint: bytes) -> None:
        """Record an attested batch of readings: batch, scores, day counts and the scorer's state, at once."""
        with self._database.write() as connection:
            times = [one.signed.reading.time for one in scored if one.signed.reading.metric == NET_ENERGY_METRIC]
            insert_batch(connection, stored, max(times) + SLOT_SECONDS if times else 0)
            _mark_attested(connection, stored.batch.seq, scored)
            connection.executemany(
                "INSERT INTO device_days (day, device_id, attested) VALUES (?, ?, 1)"
                " ON CONFLICT (day, device_id) DO UPDATE SET attested = attested + 1",
                [
                    (item.signed.reading.time // SECONDS_PER_DAY, item.signed.reading.device_id)
                    for item in scored
                    if item.signed.reading.metric == NET_ENERGY_METRIC
                ],
            )
            connection.execute(
                "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)",
                (stored.batch.seq, checkpoint, keccak(checkpoint)),
            )
            connection.execute("DELETE FROM checkpoints WHERE seq <= ?", (stored.batch.seq - CHECKPOINTS_KEPT,))

    def roll_back_readings(self, stream: bytes, seq: int) -> None:
        """Take back every reading batch after `seq`: its readings wait again. For chain reorganisations."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE device_days SET attested = attested - undone.number FROM (SELECT time / ?1 AS of_day, device_id"
                " AS of_device, COUNT(*) AS number FROM signed_readings WHERE batch_seq > ?2 AND metric = ?3"
                " GROUP BY 1, 2) AS undone WHERE day = undone.of_day AND device_id = undone.of_device",
                (SECONDS_PER_DAY, seq, NET_ENERGY_METRIC),
            )
            slots = connection.execute(
                "SELECT DISTINCT time, metric FROM readings WHERE batch_seq > ?", (seq,)
            ).fetchall()
            undone = connection.execute(
                "UPDATE readings SET batch_seq = NULL, score_bps = NULL, channel = NULL, reason = NULL"
                " WHERE batch_seq > ?",
                (seq,),
            ).rowcount
            recount_waiting(connection, slots)
            connection.execute("UPDATE counters SET value = value - ? WHERE name = 'attested'", (undone,))
            connection.execute("DELETE FROM checkpoints WHERE seq > ?", (seq,))
            connection.execute("DELETE FROM batches WHERE stream = ? AND seq > ?", (stream, seq))

    def newest_final(self, stream: bytes) -> int:
        """Number of the newest batch that is final; 0 without any."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT seq FROM batches WHERE stream = ? AND status = 'final' ORDER BY seq DESC LIMIT 1", (stream,)
            ).fetchone()
        return 0 if row is None else int(row[0])

    def finalise(self, stream: bytes, up_to_block: int) -> list[int]:
        """Mark batches mined at or before a block as final; returns the numbers of those that became so."""
        with self._database.read() as connection:
            waiting = connection.execute(
                "SELECT 1 FROM batches WHERE stream = ? AND block <= ? AND status = 'attested' LIMIT 1",
                (stream, up_to_block),
            ).fetchone()
        if waiting is None:
            return []
        with self._database.write() as connection:
            found = connection.execute(
                "UPDATE batches SET status = 'final' WHERE stream = ? AND block <= ? AND status = 'attested'"
                " RETURNING seq",
                (stream, up_to_block),
            ).fetchall()
        return sorted(seq for (seq,) in found)

    def checkpoint(self, seq: int) -> bytes | None:
        """The scorer's state after batch `seq`; None before the first. Raises StoreError if it is gone or altered."""
        if seq == 0:
            return None
        with self._database.read() as connection:
            row = connection.execute("SELECT state, state_hash FROM checkpoints WHERE seq = ?", (seq,)).fetchone()
        if row is None:
            raise StoreError(f"the checkpoint of batch {seq} is not kept; the last {CHECKPOINTS_KEPT} are")
        state, state_hash = row
        if keccak(state) != state_hash:
            raise StoreError(f"the checkpoint of batch {seq} was altered: its hash is not 0x{state_hash.hex()}")
        return bytes(state)

    def replace_checkpoint(self, seq: int, checkpoint: bytes) -> None:
        """Put another state of the scorer in the place of that after batch `seq`."""
        with self._database.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (seq, checkpoint, keccak(checkpoint))
            )

    def vote(self, vote: Vote) -> None:
        """Record a vote, durably, before its signature leaves.

        Of a number's votes for one content only the last keeps the keys: while others of a committee are away, whoever
        is there votes anew each time a window ends.
        """
        with self._database.write() as connection:
            connection.execute(
                "UPDATE votes SET keys = '' WHERE stream = ? AND seq = ? AND content = ? AND keys != ''",
                (vote.stream, vote.seq, vote.content),
            )
            connection.execute(
                f"INSERT INTO votes ({_VOTE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (
                    vote.stream,
                    vote.seq,
                    vote.digest,
                    vote.content,
                    vote.valid_from,
                    vote.valid_until,
                    vote.keys,
                    vote.signature,
                ),
            )

    def votes(self, stream: bytes, seq: int) -> list[Vote]:
        """The last vote for each content of a stream's number, the one whose validity ends last in front."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {_VOTE_COLUMNS} FROM votes WHERE stream = ? AND seq = ? AND keys != ''"  # noqa: S608
                " ORDER BY valid_until DESC, digest",
                (stream, seq),
            ).fetchall()
        return [Vote(*row) for row in rows]

    def standing_vote(self, stream: bytes, seq: int, at: int) -> Vote | None:
        """Of the votes for a stream's number that are valid at `at` (unix seconds) or later, the one whose validity
        ends last; None if there is none.
        """
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT stream, seq, digest, content, valid_from, valid_until, (SELECT keys FROM votes AS named"
                " WHERE named.stream = last.stream AND named.seq = last.seq AND named.content = last.content"
                " AND named.keys != '' LIMIT 1), signature"
                " FROM (SELECT stream, seq, digest, content, valid_from, valid_until, signature FROM votes"
                " WHERE stream = ? AND seq = ? AND valid_until >= ? ORDER BY valid_until DESC, digest LIMIT 1) AS last",
                (stream, seq, at),
            ).fetchone()
        return None if row is None else Vote(*row)

    def vote_against(self, stream: bytes, seq: int, content: bytes, at: int) -> tuple[bytes, int] | None:
        """Digest and end (unix seconds) of the vote for another content of a stream's number whose validity ends last,
        at `at` or later; None if there is none.
        """
        with self._database.read() as connection:
            row: tuple[bytes, int] | None = connection.execute(
                "SELECT digest, valid_until FROM votes WHERE stream = ? AND seq = ? AND content != ?"
                " AND valid_until >= ? ORDER BY valid_until DESC, digest LIMIT 1",
                (stream, seq, content, at),
            ).fetchone()
        return row

    def vote_signature(self, stream: bytes, seq: int, digest: bytes) -> bytes | None:
        """The signature of a vote, if there is one for that digest."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT signature FROM votes WHERE stream = ? AND seq = ? AND digest = ?", (stream, seq, digest)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def _select(self, clause: str, arguments: tuple[object, ...]) -> list[StoredBatch]:
        with self._database.read() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM batches {clause}", arguments).fetchall()  # noqa: S608
        return [StoredBatch(_attested(row[:-2]), *row[-2:]) for row in rows]


def _mark_attested(connection: sqlite3.Connection, seq: int, scored: Sequence[ScoredReading]) -> None:
    marked = connection.executemany(
        "UPDATE readings SET batch_seq = ?, score_bps = ?, channel = ?, reason = ?"
        " WHERE device = (SELECT id FROM devices WHERE device_id = ?) AND counter = ? AND batch_seq IS NULL",
        [_score_row(seq, item) for item in scored],
    ).rowcount
    if marked != len(scored):
        raise StoreError(f"batch {seq} has {len(scored)} readings, {marked} of them wait in the log")
    metrics = dict(connection.execute("SELECT name, id FROM metrics").fetchall())
    readings = [item.signed.reading for item in scored]
    recount_waiting(connection, [(reading.time, metrics[reading.metric]) for reading in readings])
    connection.execute("UPDATE counters SET value = value + ? WHERE name = 'attested'", (marked,))


def _score_row(seq: int, item: ScoredReading) -> tuple[int, int, str, str, bytes, int]:
    score, reading = item.score, item.signed.reading
    return seq, score.score_bps, score.channel, score.reason, reading.device_id, reading.counter
