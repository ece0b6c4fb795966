"""Batches of readings: closed slot by slot, scored from the checkpoint of the batch before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from gridwitness.domain.batches import AttestedBatch, BatchMeta
from gridwitness.domain.devices import Device, DeviceStatus
from gridwitness.domain.readings import NET_ENERGY_METRIC, Score, ScoredReading, SignedReading
from gridwitness.domain.slots import SECONDS_PER_DAY, SLOT_SECONDS
from gridwitness.encoding.batched_keccak import load_in_background
from gridwitness.encoding.leaves import reading_leaves
from gridwitness.encoding.merkle import StandardMerkleTree
from gridwitness.errors import InputError, StoreError
from gridwitness.scoring import FLAG_SCORE_BPS, OtherModelError, Scorer
from gridwitness.service.admission import interval_seconds
from gridwitness.service.batching import (
    BatchRules,
    Prepared,
    ReadingKeyJson,
    ReadingKeys,
    counter_bytes,
    decode_keys,
    encode_keys,
    hex32,
    id_of_key,
    key_of,
    reading_id,
)
from gridwitness.service.fleet import Fleet
from gridwitness.store import BatchLog, ReadingLog, StoredBatch, StoredReading

_log = structlog.get_logger()

# What a scorer of another model sees before it goes on, so that it need not judge strangers: more than its history.
LEARNING_S = 7 * SECONDS_PER_DAY
# A proposal with every reading attached has to pass as one message between oracles, which may have 8 MiB.
_MAX_DOCUMENT_BYTES = 2 << 20
# Where batches get this large, hashing them one by one would take a tenth of the time that verifying them takes.
_MANY_READINGS = 1_024


class ReadingBatches:
    """The zone's stream of readings. Methods block; call them off the event loop."""

    name = "readings"

    def __init__(
        self, stream_id: bytes, readings: ReadingLog, batches: BatchLog, fleet: Fleet, rules: BatchRules
    ) -> None:
        self.stream_id = stream_id
        self._readings = readings
        self._batches = batches
        self._fleet = fleet
        self._rules = rules

    def due(self, now: int) -> str | None:
        """All unattested readings up to the newest slot that can close; None if none can.

        A slot that is newer than any attested closes when every active device has reported it or its grace is over.
        Late readings wait for the next such slot, but not longer than `max_wait_s`.
        """
        closing = self._closing_time(now)
        if closing is None:
            return None
        waiting = self._readings.unattested(closing, self._rules.max_readings)
        if not waiting:
            return None
        signed = _that_fit_a_message([stored.signed for stored in waiting])
        reporting = {one.reading.device_id for one in signed}
        absent = sorted(self._fleet.active() - reporting)
        return encode_keys(ReadingKeys(["0x" + one.hex() for one in absent], [key_of(one) for one in signed]))

    def _closing_time(self, now: int) -> int | None:
        count, oldest, received_at = self._readings.waiting()
        if oldest is None or received_at is None:
            return None
        if count >= self._rules.max_readings or now >= received_at + self._rules.max_wait_s:
            return now
        active = len(self._fleet.active())
        # The end of the newest slot attested is the start of the first one that is not.
        newer = self._batches.slots_to(self.stream_id) - 1
        closed = [
            time
            for time, reported in self._readings.waiting_per_time(NET_ENERGY_METRIC, newer)
            if reported >= active or now >= time + SLOT_SECONDS + self._rules.grace_s
        ]
        return closed[-1] if closed else None

    def missing(self, keys: str, attached: Mapping[bytes, SignedReading]) -> list[ReadingKeyJson]:
        """Keys of readings neither in the log nor attached."""
        wanted = decode_keys(keys, ReadingKeys).readings
        found = self._find(wanted, attached)
        return [key for key, signed in zip(wanted, found, strict=True) if signed is None]

    def behind(self, keys: str) -> str:
        """Never: readings come with the proposal if they are not here."""
        return ""

    def objection(self, keys: str) -> str:
        """Non-empty where another set of active devices is named absent than this oracle sees."""
        named = decode_keys(keys, ReadingKeys)
        absent = {hex32(device_id) for device_id in named.absent}
        expected = self._fleet.active() - {hex32(device_id) for device_id, _, _ in named.readings}
        if absent == expected:
            return ""
        differing = sorted("0x" + device_id.hex() for device_id in absent ^ expected)
        return f"absent devices differ from the registry's: {', '.join(differing[:5])}"

    def prepare(self, seq: int, keys: str, attached: Mapping[bytes, SignedReading]) -> Prepared:
        """Score the readings from the checkpoint before, and build root and meta."""
        named = decode_keys(keys, ReadingKeys)
        readings = [signed for signed in self._find(named.readings, attached) if signed is not None]
        if len(readings) != len(named.readings):
            raise InputError(f"{len(named.readings) - len(readings)} of {len(named.readings)} readings are missing")
        if not 0 < len(readings) <= self._rules.max_readings:
            raise InputError(f"the batch holds {len(readings)} readings; it must hold 1 to {self._rules.max_readings}")
        if len({(one.reading.device_id, one.reading.counter) for one in readings}) != len(readings):
            raise InputError("the batch holds a reading twice")
        readings.sort(key=_canonical_order)
        absent = [hex32(device_id) for device_id in named.absent]
        scores, checkpoint, model_hash = self._score(seq, readings, absent)
        scored = tuple(ScoredReading(signed, score) for signed, score in zip(readings, scores, strict=True))
        if len(scored) >= _MANY_READINGS:
            load_in_background()
        root = StandardMerkleTree(reading_leaves(scored)).root
        meta = _meta(scored, model_hash)
        return Prepared(self.stream_id, seq, root, meta, keys, scored=scored, checkpoint=checkpoint)

    def opaque(self, item: AttestedBatch) -> Prepared:
        """A batch without known readings; the scorer's state stays what it was."""
        checkpoint = self._batches.checkpoint(item.seq - 1) or Scorer().checkpoint()
        keys = encode_keys(ReadingKeys([], []))
        return Prepared(self.stream_id, item.seq, item.root, item.meta, keys, checkpoint=checkpoint)

    def commit(self, prepared: Prepared, stored: StoredBatch) -> None:
        """Record the batch with its scores and the scorer's new state."""
        self._batches.commit_readings(stored, prepared.scored, prepared.checkpoint)

    def roll_back(self, seq: int) -> None:
        """Let the readings of all batches after `seq` wait again."""
        self._batches.roll_back_readings(self.stream_id, seq)

    def readings_of(self, keys: str) -> list[SignedReading] | None:
        """The readings keys name, if the log has exactly those."""
        found = self._find(decode_keys(keys, ReadingKeys).readings, {}, attested_too=True)
        return None if None in found else [signed for signed in found if signed is not None]

    def _find(
        self,
        keys: Sequence[ReadingKeyJson],
        attached: Mapping[bytes, SignedReading],
        *,
        attested_too: bool = False,
    ) -> list[SignedReading | None]:
        rows = self._readings.find((hex32(key[0]), int.from_bytes(counter_bytes(key[1]), "big")) for key in keys)
        return [
            self._choose(key, row, attached, attested_too=attested_too) for key, row in zip(keys, rows, strict=True)
        ]

    @staticmethod
    def _choose(
        key: ReadingKeyJson,
        row: StoredReading | None,
        attached: Mapping[bytes, SignedReading],
        *,
        attested_too: bool,
    ) -> SignedReading | None:
        wanted = id_of_key(key)
        if row is not None and row.batch_seq is not None and not attested_too:
            raise InputError(f"reading {key[1]} of device {key[0]} is attested already, in batch {row.batch_seq}")
        if row is not None and reading_id(row.signed) == wanted:
            return row.signed
        return attached.get(wanted)

    def _score(
        self, seq: int, readings: Sequence[SignedReading], absent: Sequence[bytes]
    ) -> tuple[list[Score], bytes, bytes]:
        scorer = self._scorer_after(seq - 1)
        scores = scorer.score([one.reading for one in readings], self._devices(readings, absent))
        return scores, scorer.checkpoint(), scorer.model_hash

    def _scorer_after(self, seq: int) -> Scorer:
        checkpoint = self._batches.checkpoint(seq)
        if checkpoint is None:
            return Scorer()
        try:
            return Scorer.restore(checkpoint)
        except OtherModelError:
            scorer = self._learn_anew(seq)
            self._batches.replace_checkpoint(seq, scorer.checkpoint())
            return scorer

    def _learn_anew(self, seq: int) -> Scorer:
        """A scorer that has seen the batches of the days up to batch `seq`, which every member of the committee has."""
        learnt: list[StoredBatch] = []
        newest = self._stored(seq).batch.meta.time_to
        while seq and (stored := self._stored(seq)).batch.meta.time_to > newest - LEARNING_S:
            learnt.append(stored)
            seq -= 1
        scorer = Scorer()
        _log.info("learning_anew", batches=len(learnt), model=scorer.model_hash.hex()[:24])
        for stored in reversed(learnt):
            readings = self.readings_of(stored.keys)
            if readings is None:
                raise StoreError(
                    f"{self.name}: the readings of batch {stored.batch.seq} are not in the log any more, and"
                    f" a new scorer learns from {LEARNING_S // SECONDS_PER_DAY} days of them",
                    hint="go on with the version before until readings of so many days are kept",
                )
            absent = [hex32(device_id) for device_id in decode_keys(stored.keys, ReadingKeys).absent]
            readings.sort(key=_canonical_order)
            scorer.score([one.reading for one in readings], self._devices(readings, absent))
        return scorer

    def _stored(self, seq: int) -> StoredBatch:
        stored = self._batches.get(self.stream_id, seq)
        if stored is None:
            raise StoreError(f"{self.name}: batch {seq} is not in the log")
        return stored

    def _devices(self, readings: Sequence[SignedReading], absent: Sequence[bytes]) -> dict[bytes, Device]:
        """The fleet as agreed on in the keys. A device retired since then still counts as it did."""
        wanted = {one.reading.device_id for one in readings} | set(absent)
        devices = self._fleet.of(wanted)
        for device_id in wanted - devices.keys():
            raise InputError(f"device 0x{device_id.hex()} is not registered")
        return {device_id: replace(device, status=DeviceStatus.ACTIVE) for device_id, device in devices.items()}


def _canonical_order(signed: SignedReading) -> tuple[int, bytes, int]:
    return signed.reading.time, signed.reading.device_id, signed.reading.counter


def _meta(scored: Sequence[ScoredReading], model_hash: bytes) -> BatchMeta:
    scores = [one.score.score_bps for one in scored]
    readings = [one.signed.reading for one in scored]
    return BatchMeta(
        count=len(scored),
        flagged_count=sum(score > FLAG_SCORE_BPS for score in scores),
        max_score_bps=max(scores),
        time_from=min(reading.time for reading in readings),
        time_to=max(reading.time + interval_seconds(reading.metric) for reading in readings),
        model_hash=model_hash[:12],
    )


def _that_fit_a_message(readings: Sequence[SignedReading]) -> list[SignedReading]:
    """The first readings whose documents (in hexadecimal twice as long) leave room in a proposal; at least one."""
    fitting: list[SignedReading] = []
    left_bytes = _MAX_DOCUMENT_BYTES
    for signed in readings:
        left_bytes -= len(signed.document)
        if fitting and left_bytes < 0:
            break
        fitting.append(signed)
    return fitting
