"""The log of readings against a dictionary, whatever is done to it and in whatever order."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gridwitness.domain.batches import AttestedBatch, BatchMeta
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score, ScoredReading, SignedReading
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.service.archive import prune_all
from gridwitness.store import Append, BatchLog, Database, ReadingLog, Rejection, StoredBatch, row_of

STREAM = b"\x01" * 32
METRICS = (NET_ENERGY_METRIC, "1-0:1.8.0")
readings = st.builds(
    Reading,
    device_id=st.sampled_from([bytes([n]) * 32 for n in range(1, 4)]),
    counter=st.integers(0, 12),
    time=st.integers(0, 8).map(lambda slot: slot * SLOT_SECONDS),
    metric=st.sampled_from(METRICS),
    value=st.integers(0, 2),
)


@dataclass
class Kept:
    """A reading as the model has it."""

    reading: Reading
    received_at: int
    batch: int | None = None


def signed(reading: Reading) -> SignedReading:
    """The log does not verify: any signature will do, if it is one of the reading's own."""
    return SignedReading(reading, repr(reading).encode(), document=reading.metric.encode() * (reading.value == 2))


class LogMachine(RuleBasedStateMachine):
    """The model: readings by (device, counter), and what was pruned."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.kept: dict[tuple[bytes, int], Kept] = {}
        self.pruned = 0
        self.pruned_before = 0
        self.pruned_counters: dict[bytes, int] = {}
        self.seq = 0
        self.now = 100
        self.open()

    def open(self) -> None:
        self.database = Database(self.directory / "oracle.sqlite")
        self.log, self.batches = ReadingLog(self.database), BatchLog(self.database)

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.directory)

    def expected(self, reading: Reading) -> str:
        if reading.time < self.pruned_before or reading.counter <= self.pruned_counters.get(reading.device_id, -1):
            return "already_pruned"
        same = self.kept.get((reading.device_id, reading.counter))
        if same is not None:
            return "duplicate" if same.reading == reading else "replayed_counter"
        if any(self.slot(one.reading) == self.slot(reading) for one in self.kept.values()):
            return "slot_already_reported"
        return "stored"

    @staticmethod
    def slot(reading: Reading) -> tuple[bytes, str, int]:
        return reading.device_id, reading.metric, reading.time

    def final(self) -> set[int]:
        stored = (self.batches.get(STREAM, batch.seq) for batch in self.batches.since(STREAM, 0))
        return {one.batch.seq for one in stored if one is not None and one.status == "final"}

    @rule(posted=st.lists(readings, min_size=1, max_size=6))
    def append(self, posted: list[Reading]) -> None:
        self.now += 1
        outcomes = self.log.append([row_of(signed(one)) for one in posted], self.now)
        for reading, outcome in zip(posted, outcomes, strict=True):
            expected = self.expected(reading)
            assert (outcome.reason if isinstance(outcome, Rejection) else outcome.value) == expected
            if outcome is Append.STORED:
                self.kept[reading.device_id, reading.counter] = Kept(reading, self.now)

    @rule(reading=readings)
    def adopt(self, reading: Reading) -> None:
        self.now += 1
        refused = self.log.adopt([signed(reading)], self.now)
        expected = self.expected(reading)
        in_the_way = [
            key
            for key, one in self.kept.items()
            if key == (reading.device_id, reading.counter) or self.slot(one.reading) == self.slot(reading)
        ]
        if expected == "already_pruned":
            assert refused == [signed(reading)]
        elif expected == "duplicate":
            assert refused == []
        elif any(self.kept[key].batch is not None for key in in_the_way):
            assert refused == [signed(reading)]
        else:
            assert refused == []
            for key in in_the_way:
                del self.kept[key]
            self.kept[reading.device_id, reading.counter] = Kept(reading, self.now)

    @rule(time_to=st.integers(0, 8), limit=st.integers(1, 5))
    def attest(self, time_to: int, limit: int) -> None:
        waiting = self.log.unattested(time_to * SLOT_SECONDS, limit)
        expected = sorted(
            (
                one.reading
                for one in self.kept.values()
                if one.batch is None and one.reading.time <= time_to * SLOT_SECONDS
            ),
            key=lambda reading: (reading.time, reading.device_id, reading.counter),
        )
        assert [one.signed for one in waiting] == [signed(reading) for reading in expected[:limit]]
        if not waiting:
            return
        self.seq += 1
        scored = [ScoredReading(one.signed, Score(7, "level", "as usual")) for one in waiting]
        meta = BatchMeta(len(scored), 0, 7, 0, 0, bytes(12))
        batch = AttestedBatch(
            stream_id=STREAM, seq=self.seq, root=bytes(32), meta=meta, supersedes=0, config=1, digest=bytes(32),
            signer_mask=1, transaction=bytes(32), block_number=self.seq,
        )  # fmt: skip
        self.batches.commit_readings(StoredBatch(batch, "attested", "{}"), scored, b"checkpoint")
        for one in waiting:
            self.kept[one.signed.reading.device_id, one.signed.reading.counter].batch = self.seq

    @rule(count=st.integers(1, 3))
    def roll_back(self, count: int) -> None:
        self.seq = max(max(self.final(), default=0), self.seq - count)
        self.batches.roll_back_readings(STREAM, self.seq)
        for one in self.kept.values():
            if one.batch is not None and one.batch > self.seq:
                one.batch = None

    @rule()
    def finalise(self) -> None:
        self.batches.finalise(STREAM, self.seq)

    @rule(before=st.integers(0, 8))
    def prune(self, before: int) -> None:
        time = before * SLOT_SECONDS
        old = {key: one for key, one in self.kept.items() if one.reading.time < time}
        if any(one.batch not in self.final() for one in old.values()):
            return
        assert sum(1 for _ in prune_all(self.database.path, STREAM, time)) == bool(old)
        self.pruned += len(old)
        self.pruned_before = max(self.pruned_before, time)
        for device_id, counter in old:
            self.pruned_counters[device_id] = max(counter, self.pruned_counters.get(device_id, -1))
            del self.kept[device_id, counter]

    @rule()
    def reopen(self) -> None:
        self.database.close()
        self.open()

    @invariant()
    def counts_and_contents_agree(self) -> None:
        attested = sum(one.batch is not None for one in self.kept.values())
        stored = len(self.kept)
        assert self.log.counts() == {
            "stored": stored, "attested": attested, "unattested": stored - attested, "pruned": self.pruned,
        }  # fmt: skip
        waiting = [one for one in self.kept.values() if one.batch is None]
        oldest = min((one.reading.time for one in waiting), default=None)
        received_at = min((one.received_at for one in waiting), default=None)
        assert self.log.waiting() == (len(waiting), oldest, received_at)
        found = self.log.find(self.kept)
        assert [one and (one.signed, one.batch_seq) for one in found] == [
            (signed(one.reading), one.batch) for one in self.kept.values()
        ]
        for metric in METRICS:
            times = [one.reading.time for one in waiting if one.reading.metric == metric]
            assert self.log.waiting_per_time(metric, -1) == [(time, times.count(time)) for time in sorted(set(times))]


TestLog = LogMachine.TestCase
TestLog.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
