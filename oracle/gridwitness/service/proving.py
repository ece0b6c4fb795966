"""Proofs of what is attested, for the present length of its stream."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from gridwitness.chain.manifest import Manifest
from gridwitness.domain.batches import Proof
from gridwitness.domain.readings import Profile, ScoredReading
from gridwitness.encoding.leaves import profile_leaf, reading_leaf
from gridwitness.encoding.merkle import MountainRange, StandardMerkleTree, range_leaf
from gridwitness.encoding.packing import pack_meta
from gridwitness.errors import ProofError, StoreError
from gridwitness.service.profile_batches import ProfileBatches
from gridwitness.service.proofs import ProofFile, profile_proof, reading_proof
from gridwitness.store import BatchLog, ProfileLog, ReadingLog, StoredBatch, StoredReading

_TREES_KEPT = 64


class StreamRange:
    """Mountain range of one stream, grown from the log as batches are attested and rebuilt after a reorganisation."""

    def __init__(self, stream_id: bytes, batches: BatchLog) -> None:
        self._stream_id = stream_id
        self._batches = batches
        self._range = MountainRange()
        self._head = b""

    def current(self) -> MountainRange:
        """The range of all batches in the log."""
        length = len(self._range)
        last = self._batches.get(self._stream_id, length) if length else None
        if length and (last is None or last.batch.digest != self._head):
            self._range = MountainRange()
        for batch in self._batches.since(self._stream_id, len(self._range)):
            self._range.append(range_leaf(batch.seq, batch.root, pack_meta(batch.meta)))
            self._head = batch.digest
        return self._range


class Prover:
    """Makes proof files. Methods block and are for one thread at a time."""

    def __init__(
        self,
        manifest: Manifest,
        readings_stream: bytes,
        profile_batches: ProfileBatches,
        readings: ReadingLog,
        profiles: ProfileLog,
        batches: BatchLog,
    ) -> None:
        self._manifest = manifest
        self._readings_stream = readings_stream
        self._profile_batches = profile_batches
        self._readings = readings
        self._profiles = profiles
        self._batches = batches
        streams = (readings_stream, profile_batches.stream_id)
        self._ranges = {stream: StreamRange(stream, batches) for stream in streams}
        self._trees: OrderedDict[bytes, StandardMerkleTree] = OrderedDict()

    def reading(self, device_id: bytes, counter: int) -> ProofFile:
        """Proof of a reading by its counter. Raises ProofError if there is none or it is not attested yet."""
        return self._prove_reading(
            self._readings.find([(device_id, counter)])[0], f"reading {counter} of device 0x{device_id.hex()}"
        )

    def reading_at(self, device_id: bytes, metric: str, time: int) -> ProofFile:
        """Proof of a reading by its time (unix seconds). Raises ProofError."""
        what = f"reading of {metric} at {time} of device 0x{device_id.hex()}"
        return self._prove_reading(self._readings.at(device_id, metric, time), what)

    def profile(self, device_id: bytes, day: int) -> ProofFile:
        """Proof of a profile of a UTC day (days since the epoch). Raises ProofError."""
        seq = self._profiles.batch_of(device_id, day)
        if seq is None:
            raise ProofError(f"profile of day {day} of device 0x{device_id.hex()} is not attested")
        stored = self._stored(self._profile_batches.stream_id, seq)
        profiles = self._profile_batches.rebuild(stored.keys, seq)
        index = [profile.device_id for profile in profiles].index(device_id)
        tree = self._tree(stored, profiles)
        proof = self._proof(stored, tree, index)
        return profile_proof(self._manifest, profiles[index], stored.batch.root, proof, self._length(stored))

    def _prove_reading(self, reading: StoredReading | None, what: str) -> ProofFile:
        if reading is None:
            raise ProofError(f"{what} is not here")
        if reading.batch_seq is None:
            raise ProofError(f"{what} is not attested yet", hint="ask again in a while")
        stored = self._stored(self._readings_stream, reading.batch_seq)
        scored = [one.scored for one in self._readings.of_batch(reading.batch_seq)]
        tree = self._tree(stored, scored)
        proof = self._proof(stored, tree, scored.index(reading.scored))
        return reading_proof(self._manifest, reading.scored, stored.batch.root, proof, self._length(stored))

    def _stored(self, stream: bytes, seq: int) -> StoredBatch:
        stored = self._batches.get(stream, seq)
        if stored is None:
            raise ProofError(f"batch {seq} was taken back by a reorganisation of the chain", hint="ask again")
        superseding = self._batches.superseding(stream, seq)
        if superseding:
            raise ProofError(f"batch {seq} no longer counts: batch {superseding} took its place")
        return stored

    def _tree(self, stored: StoredBatch, items: Sequence[ScoredReading] | Sequence[Profile]) -> StandardMerkleTree:
        tree = self._trees.get(stored.batch.digest)
        if tree is None:
            leaves = [profile_leaf(one) if isinstance(one, Profile) else reading_leaf(one) for one in items]
            tree = StandardMerkleTree(leaves)
            if tree.root != stored.batch.root:
                raise StoreError(f"the log's content of batch {stored.batch.seq} does not give its root")
            self._trees[stored.batch.digest] = tree
            while len(self._trees) > _TREES_KEPT:
                self._trees.popitem(last=False)
        return tree

    def _length(self, stored: StoredBatch) -> int:
        return len(self._ranges[stored.batch.stream_id].current())

    def _proof(self, stored: StoredBatch, tree: StandardMerkleTree, index: int) -> Proof:
        batch = stored.batch
        range_proof = self._ranges[batch.stream_id].current().proof(batch.seq - 1)
        return Proof(batch.stream_id, batch.seq, batch.meta, tree.proof(index), range_proof)
