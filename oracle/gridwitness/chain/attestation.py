"""One stream of attested batches: its state, its committee, its history, and what can be proven against it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from web3 import Web3
from web3.contract import Contract

from gridwitness.chain.abi import abi_of
from gridwitness.chain.client import Chain
from gridwitness.chain.events import Event
from gridwitness.chain.followers import BLOCK_RANGE, REORG_DEPTH, LogFollower
from gridwitness.domain.batches import AttestedBatch, Batch, BatchStatus, Proof
from gridwitness.encoding.merkle import MountainRange, range_leaf
from gridwitness.encoding.packing import pack_meta, unpack_meta
from gridwitness.errors import ChainError

_EVENTS = ("CommitteeSet", "CommitteeCompromised", "BatchAttested", "BatchSuperseded")
Leaf = tuple[bytes | int, ...]


class StreamState(NamedTuple):
    """Newest batch's number, the head it makes (20 bytes), number of the committee in force, newest time attested.

    `seq` and `latest_time` (unix seconds) are 0, and `head` is zero, before the first batch. `marks` counts how often
    the stream was convicted of a false reading or of equivocation.
    """

    seq: int
    head: bytes
    config: int
    latest_time: int
    marks: int


class CommitteeState(NamedTuple):
    """Signatures needed, and the members' checksummed addresses in ascending order; nobody after a compromise."""

    threshold: int
    members: tuple[str, ...]


class BatchStanding(NamedTuple):
    """Whether a batch counts, and the number of the batch in its place, or 0."""

    status: BatchStatus
    superseded_by: int


class StreamView:
    """A stream as the node's chain has it; may be used from several threads."""

    def __init__(
        self, chain: Chain, stream_id: bytes, *, block_range: int = BLOCK_RANGE, reorg_depth: int = REORG_DEPTH
    ) -> None:
        """`stream_id` is 32 bytes; see LogFollower for the ranges."""
        self.stream_id = stream_id
        self._chain = chain
        self._contract = chain.contract("DataAttestation")
        self._logs = LogFollower(
            chain,
            "DataAttestation",
            _EVENTS,
            topics=["0x" + stream_id.hex()],
            block_range=block_range,
            reorg_depth=reorg_depth,
        )
        self._batches: list[AttestedBatch] = []
        self._committees: list[CommitteeState] = []
        self._superseded: dict[int, int] = {}  # number of a batch → number of the batch it takes the place of
        self._folded = 0  # number of events that these stand for
        self._lock = threading.Lock()

    def state(self) -> StreamState:
        """The stream's state at the head. Raises ChainError if it was never opened."""
        owner, seq, latest_time, config, marks, _, head = self._chain.call(
            self._contract.functions.stream(self.stream_id)
        )
        if int(owner, 16) == 0:
            raise ChainError(f"stream 0x{self.stream_id.hex()} is not open", hint="ape run open_stream opens one")
        return StreamState(seq, bytes(head), config, latest_time, marks)

    def standing(self, seq: int) -> BatchStanding:
        """Whether a batch counts, at the head."""
        status, superseded_by = self._chain.call(self._contract.functions.batchStatus(self.stream_id, seq))
        return BatchStanding(BatchStatus(status), superseded_by)

    def committee(self) -> CommitteeState:
        """The committee in force at the head. Raises ChainError if the stream was never opened."""
        with self._lock:
            self._sync()
        if not self._committees:
            raise ChainError(f"stream 0x{self.stream_id.hex()} is not open", hint="ape run open_stream opens one")
        return self._committees[-1]

    def attested(self, since_seq: int) -> list[AttestedBatch]:
        """Batches with numbers above `since_seq`, in order."""
        with self._lock:
            self._sync()
            return self._batches[since_seq:]

    def peak(self, height: int) -> bytes:
        """Peak of the mountain of `height`, or what was there before where that bit of the stream's length is clear."""
        return bytes(self._chain.call(self._contract.functions.peak(self.stream_id, height)))

    def mountain_range(self) -> MountainRange:
        """The stream's mountain range, rebuilt from all its batches: anyone can make a fresh range proof from it."""
        peaks = MountainRange()
        for attested in self.attested(0):
            peaks.append(range_leaf(attested.seq, attested.root, pack_meta(attested.meta)))
        return peaks

    def verify_reading(self, fields: Leaf, proof: Proof) -> bool:
        """Whether the contract finds the reading attested; `fields` as encoding.leaves.reading_fields gives them."""
        return self.verify_readings([(fields, proof)])[0]

    def verify_readings(self, leaves: Sequence[tuple[Leaf, Proof]]) -> list[bool]:
        """{verify_reading} for many, in few exchanges with the node."""
        return self._verify("verifyReading", leaves)

    def verify_profile(self, fields: Leaf, proof: Proof) -> bool:
        """Whether the contract finds the profile attested; `fields` as encoding.leaves.profile_fields gives them."""
        return self.verify_profiles([(fields, proof)])[0]

    def verify_profiles(self, leaves: Sequence[tuple[Leaf, Proof]]) -> list[bool]:
        """{verify_profile} for many, in few exchanges with the node."""
        return self._verify("verifyProfile", leaves)

    def _verify(self, view: str, leaves: Sequence[tuple[Leaf, Proof]]) -> list[bool]:
        function = self._contract.functions[view]
        return self._chain.call_many([function(fields, proof_tuple(proof)) for fields, proof in leaves])

    def _sync(self) -> None:
        if self._logs.sync() < self._folded:  # reorganised
            self._batches, self._committees, self._superseded, self._folded = [], [], {}, 0
        for event in self._logs.events[self._folded :]:
            self._apply(event)
            self._folded += 1

    def _apply(self, event: Event) -> None:
        args = event.args
        if event.name == "CommitteeSet":
            self._committees.append(CommitteeState(args["threshold"], args["members"]))
        elif event.name == "CommitteeCompromised":
            if args["config"] == len(self._committees):  # the one in force: none follows it until another is set
                self._committees.append(CommitteeState(0, ()))
        elif event.name == "BatchSuperseded":
            self._superseded[args["supersededBy"]] = args["seq"]
        else:
            self._append(event)

    def _append(self, event: Event) -> None:
        args = event.args
        if args["seq"] != len(self._batches) + 1:
            raise ChainError(
                f"the node's events of stream 0x{self.stream_id.hex()} have a gap before {args['seq']}",
                hint="use a node that keeps all logs",
            )
        self._batches.append(
            AttestedBatch(
                stream_id=self.stream_id,
                seq=args["seq"],
                root=args["root"],
                meta=unpack_meta(args["meta"]),
                supersedes=self._superseded.get(args["seq"], 0),
                config=len(self._committees),
                digest=args["digest"],
                signer_mask=args["signerMask"],
                transaction=event.transaction,
                block_number=event.block_number,
            )
        )


def proof_tuple(proof: Proof) -> tuple[bytes, int, int, list[bytes], list[bytes]]:
    """A proof as the contracts take it (IDataAttestation.Proof)."""
    return proof.stream_id, proof.seq, pack_meta(proof.meta), list(proof.tree_proof), list(proof.range_proof)


def encode_attest(
    batch: Batch, threshold: int, signer_mask: int, signatures: Sequence[bytes], non_signers: Sequence[str]
) -> bytes:
    """Calldata of IDataAttestation.attest.

    `signatures` are 65 bytes each, of the members whose bit is set in `signer_mask`, in ascending order of members;
    `non_signers` are the addresses of the others, ascending.
    """
    quorum = (threshold, signer_mask, b"".join(signatures), list(non_signers))
    return bytes.fromhex(_codec().encode_abi("attest", args=[batch_tuple(batch), quorum])[2:])


def batch_tuple(batch: Batch) -> tuple[bytes, int, bytes, bytes, int, int, int, int]:
    """A batch as IDataAttestation.Batch, for ABI encoding."""
    return (
        batch.stream_id,
        batch.seq,
        batch.root,
        batch.previous,
        pack_meta(batch.meta),
        batch.supersedes,
        batch.valid_from,
        batch.valid_until,
    )


@cache
def _codec() -> type[Contract]:
    return Web3().eth.contract(abi=abi_of("DataAttestation"))
