"""Views of streams and their batches, and a reading's way into one."""

from __future__ import annotations

from gridwitness.api.portal.views import BatchView, Page, ReadingView, StreamView, TrailStepView, TrailView
from gridwitness.service.portal.sources import Site, hexed, interval_end
from gridwitness.store.log_reader import LoggedBatch

_NO_COMMITTEE: tuple[int, list[str]] = (0, [])


class Streams:
    """The site's two streams."""

    def __init__(self, site: Site) -> None:
        self._site = site
        options = site.options
        self._names = {site.readings_stream: options.readings_stream, site.profiles_stream: options.profiles_stream}

    def views(self, problem: str) -> list[StreamView]:
        """Both streams with committee and newest batch."""
        return [self._view(stream_id, name, problem) for stream_id, name in self._names.items()]

    def _view(self, stream_id: bytes, name: str, problem: str) -> StreamView:
        newest = self._site.log.batches_before(stream_id, 1 << 62, 1)
        threshold, members = self._committee(stream_id, None)
        return StreamView(
            stream_id=hexed(stream_id),
            name=name,
            seq=newest[0].seq if newest else 0,
            final_seq=self._site.log.newest_final(stream_id),
            latest_time=newest[0].meta.time_to if newest else None,
            threshold=threshold,
            members=members,
            problem=problem,
        )

    def page(self, stream_id: bytes, *, cursor: str, limit: int) -> Page[BatchView]:
        """Batches of a stream, newest first."""
        site, listing = self._site, ("batches", stream_id)
        place = site.cursors.open(listing, cursor)
        if stream_id not in self._names:
            return Page([])
        batches = site.log.batches_before(stream_id, int(place[0]) if place else 1 << 62, limit + 1)
        more = site.cursors.make(listing, (batches[limit - 1].seq,)) if len(batches) > limit else ""
        return Page(self._batches(batches[:limit]), more)

    def batch(self, stream_id: bytes, seq: int) -> BatchView | None:
        """One batch as it stands on chain."""
        found = [] if stream_id not in self._names else self._site.log.batches_before(stream_id, seq + 1, 1)
        return self._batches(found)[0] if found and found[0].seq == seq else None

    def _batches(self, batches: list[LoggedBatch]) -> list[BatchView]:
        times = self._site.index.block_times([batch.block_number for batch in batches])
        return [self._batch(batch, times.get(batch.block_number)) for batch in batches]

    def _batch(self, batch: LoggedBatch, block_time: int | None) -> BatchView:
        threshold, members = self._committee(batch.stream_id, batch.config)
        return BatchView(
            stream_id=hexed(batch.stream_id),
            seq=batch.seq,
            digest=hexed(batch.digest),
            root=hexed(batch.root),
            count=batch.meta.count,
            time_from=batch.meta.time_from,
            time_to=batch.meta.time_to,
            flagged=batch.meta.flagged_count,
            model_hash=hexed(batch.meta.model_hash),
            signers=[member for place, member in enumerate(members) if batch.signer_mask >> place & 1],
            threshold=threshold,
            members=len(members),
            transaction=hexed(batch.transaction),
            block_number=batch.block_number,
            block_time=block_time,
            status=batch.status,
        )

    def _committee(self, stream_id: bytes, config: int | None) -> tuple[int, list[str]]:
        """(signatures needed, members) of a committee by its number, or of the one in force."""
        clause = "WHERE stream = ? AND name = 'CommitteeSet'"
        if config is None:
            logs = self._site.index.logs(f"{clause} ORDER BY seq DESC LIMIT 1", (stream_id,))
        else:
            logs = self._site.index.logs(f"{clause} AND seq = ? ORDER BY block DESC LIMIT 1", (stream_id, config))
        return (logs[0].args["threshold"], list(logs[0].args["members"])) if logs else _NO_COMMITTEE

    def trail(self, reading: ReadingView) -> TrailView:
        """A reading's way: what has happened, when, and where it can be looked up."""
        stream_id = self._site.readings_stream
        batch = None if reading.batch_seq is None else self.batch(stream_id, reading.batch_seq)
        proposed_at = None if batch is None else self._noted("SELECT valid_from FROM proposals", batch.seq)
        final_at = None if batch is None else self._final_at(batch)
        steps = [
            _step("signed", interval_end(reading.time, reading.metric), f"counter {reading.counter}, by the device"),
            _step("accepted", reading.received_at, "verified, and on this oracle's disk"),
            *_batch_steps(reading, batch, proposed_at, final_at),
        ]
        return TrailView(reading=reading, batch=batch, steps=steps)

    def _final_at(self, batch: BatchView) -> int | None:
        """When a batch had its confirmations; None while it has not."""
        if batch.status != "final":
            return None
        return (
            batch.block_time
            if not self._site.options.confirmations
            else self._noted("SELECT at FROM finals", batch.seq)
        )

    def _noted(self, query: str, seq: int) -> int | None:
        """A time noted for a batch of readings."""
        rows = self._site.index.rows(f"{query} WHERE stream = ? AND seq = ?", (self._site.readings_stream, seq))
        return rows[0][0] if rows else None


def _batch_steps(
    reading: ReadingView, batch: BatchView | None, proposed_at: int | None, final_at: int | None
) -> list[TrailStepView]:
    """What the committee and the chain did. Scoring and batching are one with the proposal to sign."""
    if batch is None or reading.score_bps is None:
        return [_step(name, None, "") for name in ("scored", "batched", "co-signed", "mined", "final")]
    prepared_at = batch.block_time if proposed_at is None else proposed_at
    latest = "" if proposed_at is not None else "; at the latest"
    mined = f"block {batch.block_number}"
    return [
        _step("scored", prepared_at, f"{reading.score_bps} of 10,000: {reading.reason or 'nothing unusual'}{latest}"),
        _step("batched", prepared_at, f"batch {batch.seq} with {batch.count} readings{latest}"),
        _step("co-signed", prepared_at, f"{len(batch.signers)} of {batch.members} oracles{latest}"),
        _step("mined", batch.block_time, mined, batch),
        _step("final", final_at, "awaits confirmations" if final_at is None else mined, batch),
    ]


def _step(name: str, at: int | None, detail: str, batch: BatchView | None = None) -> TrailStepView:
    return TrailStepView(
        name=name,
        at=at,
        detail=detail,
        transaction="" if batch is None else batch.transaction,
        block_number=None if batch is None else batch.block_number,
    )
