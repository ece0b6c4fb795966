"""An oracle's log and streams as JSON documents."""

from __future__ import annotations

from gridwitness.chain.outbox import Outbox
from gridwitness.encoding.eip712 import Domain
from gridwitness.service.evidence import gateway_of
from gridwitness.service.following import Follower
from gridwitness.service.messages import to_hex
from gridwitness.store import BatchLog, ReadingLog, StoredReading


def reading_document(stored: StoredReading, domain: Domain) -> dict[str, object]:
    """A reading with what became of it; `batch`, `score_bps`, `channel` and `reason` are null until attested.

    `gateway` is the address of who keeps the device's key, null if the device signed itself; `domain` the registry's.
    """
    reading, score = stored.signed.reading, stored.score
    return {
        "device_id": to_hex(reading.device_id),
        "counter": reading.counter,
        "time": reading.time,
        "metric": reading.metric,
        "value": reading.value,
        "signature": to_hex(stored.signed.signature),
        "signed_document": to_hex(stored.signed.document) if stored.signed.document else None,
        "gateway": gateway_of(domain, stored.signed) or None,
        "batch": stored.batch_seq,
        "score_bps": None if score is None else score.score_bps,
        "channel": None if score is None else score.channel,
        "reason": None if score is None else score.reason,
    }


def describe_readings(readings: ReadingLog, now: int) -> dict[str, object]:
    """How many readings are stored and attested, and how old the oldest one is that waits (seconds by the clock)."""
    _, oldest, _ = readings.waiting()
    return {
        **readings.counts(),
        "oldest_unattested_time": oldest,
        "oldest_unattested_age_s": None if oldest is None else now - oldest,
    }


def describe_account(outbox: Outbox | None) -> dict[str, object]:
    """Money for gas: balance, what a day takes of it (wei) and for how many days it lasts; empty in a dry run."""
    left = None if outbox is None else outbox.runway()
    if outbox is None or left is None:
        return {}
    return {
        "balance_wei": left.balance_wei,
        "spent_wei_per_day": left.spent_wei_per_day,
        "runway_days": None if left.days is None else round(left.days, 1),
        "halted": outbox.halted,
    }


def describe_stream(follower: Follower, batches: BatchLog) -> dict[str, object]:
    """Newest batch of a stream in the log, its committee, and what keeps the oracle from following."""
    head = batches.head(follower.kind.stream_id)
    return {
        "id": to_hex(follower.kind.stream_id),
        "seq": 0 if head is None else head.batch.seq,
        "head": None if head is None else to_hex(head.batch.digest),
        "block": None if head is None else head.batch.block_number,
        "status": None if head is None else head.status,
        "latest_time": None if head is None else head.batch.meta.time_to,
        "threshold": follower.committee.threshold,
        "members": list(follower.committee.members),
        "marks": follower.marks,
        "problem": follower.problem,
    }
