"""An oracle's log and streams as JSON documents."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from gridwitness.chain.node import Block
from gridwitness.chain.outbox import Outbox, OutboxRules
from gridwitness.encoding.eip712 import Domain
from gridwitness.encoding.packing import pack_meta
from gridwitness.errors import StoreError
from gridwitness.service.evidence import gateway_of
from gridwitness.service.following import Follower
from gridwitness.service.messages import BatchContent, encode_message, to_hex
from gridwitness.sources.payloads import to_payload
from gridwitness.store import BatchLog, ReadingLog, StoredReading

# When a sender may come again that found a service stopping: by then it runs again, or another takes its place.
STOPPING_RETRY_S = 5


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


def batch_document(follower: Follower, batches: BatchLog, seq: int) -> bytes | None:
    """An attested batch with its content, as JSON; None if it does not stand or is not all here."""
    stored = batches.get(follower.kind.stream_id, seq)
    readings = None if stored is None else follower.kind.readings_of(stored.keys)
    if stored is None or readings is None:
        return None
    batch = stored.batch
    content = BatchContent(
        stream=to_hex(batch.stream_id),
        kind=follower.kind.name,
        seq=batch.seq,
        keys=stored.keys,
        readings=[to_payload(signed) for signed in readings],
        digest=to_hex(batch.digest),
        root=to_hex(batch.root),
        meta=to_hex(pack_meta(batch.meta).to_bytes(32, "big")),
        config=batch.config,
        signer_mask=batch.signer_mask,
        transaction=to_hex(batch.transaction),
        block=batch.block_number,
        status=stored.status,
    )
    return encode_message(content)


def describe_disk(log: Path) -> dict[str, int]:
    """Room on the disk of a log, and what the log takes of it, bytes. Raises StoreError if it cannot be asked."""
    try:
        parts = [log, log.with_name(log.name + "-wal")]
        sizes = [part.stat().st_size for part in parts if part.exists()]
        return {"free_bytes": shutil.disk_usage(log.parent).free, "log_bytes": sum(sizes)}
    except OSError as error:
        raise StoreError(f"{log}: {error.strerror}") from error


def describe_fees(head: Block, rules: OutboxRules) -> dict[str, int]:
    """What gas costs in the newest block, and the most that is offered for it, wei."""
    return {"base_fee_wei": head.base_fee_wei, "cap_wei": rules.max_fee_per_gas_wei}


def describe_readings(readings: ReadingLog, now: int) -> dict[str, object]:
    """How many readings are stored and attested, and how old the oldest one is that waits (seconds by the clock)."""
    _, oldest, _ = readings.waiting()
    return {
        **readings.counts(),
        "deadletters": readings.deadletters(),
        "oldest_unattested_time": oldest,
        "oldest_unattested_age_s": None if oldest is None else now - oldest,
    }


def describe_account(outbox: Outbox | None) -> dict[str, object]:
    """What is under way, and money for gas: balance, what a day takes of it (wei) and for how many days it lasts.

    Empty in a dry run; without money before the outbox's first step.
    """
    if outbox is None:
        return {}
    left, signed_at = outbox.runway(), outbox.oldest_in_flight_at()
    money: dict[str, object] = {}
    if left is not None:
        days = None if left.days is None else round(left.days, 1)
        money = {"balance_wei": left.balance_wei, "spent_wei_per_day": left.spent_wei_per_day, "runway_days": days}
    return {
        **money,
        "halted": outbox.halted,
        "oldest_in_flight_age_s": None if signed_at is None else round(time.time() - signed_at, 1),
        "leased": outbox.is_leased,
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
        "final_seq": batches.newest_final(follower.kind.stream_id),
        "latest_time": None if head is None else head.batch.meta.time_to,
        "threshold": follower.committee.threshold,
        "members": list(follower.committee.members),
        "marks": follower.marks,
        "problem": follower.problem,
    }
