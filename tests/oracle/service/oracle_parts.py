"""One oracle's log, fleet and streams without a chain: everything real but the node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gridwitness.domain.batches import AttestedBatch
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.readings import SignedReading
from gridwitness.encoding.eip712 import attestation_domain, batch_digest
from gridwitness.encoding.keys import DeviceKey, P256Key
from gridwitness.service.admission import Admission
from gridwitness.service.batching import BatchKind, BatchRules, Place, Prepared, Window, attach
from gridwitness.service.clock import ChainTime
from gridwitness.service.evidence import Decoder
from gridwitness.service.fleet import Fleet
from gridwitness.service.ingest import Ingest
from gridwitness.service.profile_batches import ProfileBatches
from gridwitness.service.reading_batches import ReadingBatches
from gridwitness.store import BatchLog, Database, ProfileLog, ReadingLog, StoredBatch, row_of
from tests.oracle.signers import REGISTRY, ZONE, Registry, home_key, plant_key

ATTESTATION = attestation_domain(31337, "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512")
READINGS_STREAM, PROFILES_STREAM = b"\x01" * 32, b"\x02" * 32
RULES = BatchRules(grace_s=300, max_wait_s=7_200, max_readings=500, profile_grace_s=3_600)


@dataclass
class SetClock:
    """A clock that stands until it is set; `head_time` is what a refresh finds."""

    time: int = 0
    head_time: int | None = None

    def now(self) -> int:
        return self.time

    def observe(self, head_time: int) -> None:
        self.time = head_time

    async def refresh(self) -> int:
        self.time = self.head_time or self.time
        return self.time


@dataclass
class Parts:
    """A zone with a home, a plant and a feeder, and the oracle's parts around one SQLite file."""

    path: Path
    clock: SetClock = field(default_factory=SetClock)
    registry: Registry = field(default_factory=Registry)

    def __post_init__(self) -> None:
        self.keys: list[DeviceKey] = [home_key(), plant_key(), P256Key(103)]
        for key, kind in zip(
            self.keys, (DeviceKind.CONSUMPTION, DeviceKind.GENERATION, DeviceKind.FEEDER), strict=True
        ):
            self.registry.register(key, kind)
        self.registry.sync()
        self.chain_time = ChainTime(self.clock, 0)
        self.fleet = Fleet(self.registry, ZONE)
        self.database = Database(self.path)
        self.readings, self.batches = ReadingLog(self.database), BatchLog(self.database)
        self.profiles = ProfileLog(self.database)
        self.admission = Admission(self.fleet, self.clock, REGISTRY)
        self.ingest = Ingest(self.admission, Decoder(self.fleet), self.readings, self.clock)
        self.reading_batches = ReadingBatches(READINGS_STREAM, self.readings, self.batches, self.fleet, RULES)
        self.profile_batches = ProfileBatches(
            PROFILES_STREAM, READINGS_STREAM, self.profiles, self.batches, self.fleet, RULES
        )

    def close(self) -> None:
        self.admission.close()
        self.database.close()

    def append(self, readings: Sequence[SignedReading], received_at: int) -> None:
        """Have readings in the log as if they had been posted and found good."""
        self.readings.append([row_of(signed) for signed in readings], received_at)

    def next_seq(self, kind: BatchKind) -> int:
        head = self.batches.head(kind.stream_id)
        return 1 if head is None else head.batch.seq + 1

    def attest(self, kind: BatchKind, keys: str, attached: Sequence[SignedReading] = ()) -> Prepared:
        """Commit a batch as if it stood on chain."""
        prepared = kind.prepare(self.next_seq(kind), keys, attach(attached))
        kind.commit(prepared, StoredBatch(as_attested(prepared), "attested", keys))
        return prepared


def as_attested(prepared: Prepared, block_number: int = 1) -> AttestedBatch:
    """A batch as it would stand on chain as the first of its stream, signed by one member."""
    batch = prepared.batch(Place(prepared.seq, bytes(20), 1), Window(0, 0))
    return AttestedBatch(
        stream_id=batch.stream_id,
        seq=batch.seq,
        root=batch.root,
        meta=batch.meta,
        supersedes=0,
        config=1,
        digest=batch_digest(ATTESTATION, batch),
        signer_mask=1,
        transaction=b"\x09" * 32,
        block_number=block_number,
    )
