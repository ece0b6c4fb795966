"""Parties that act on the contracts in tests: a device, an oracle committee, and a stream's feed.

They use the real package (gridwitness.encoding), so each call also compares Python with Solidity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import ape
from ape.exceptions import CustomError
from eth_utils import to_checksum_address

from gridwitness.chain.attestation import batch_tuple
from gridwitness.domain.batches import Batch, BatchMeta, Proof
from gridwitness.domain.devices import DeviceKind, Registration
from gridwitness.encoding.eip712 import Domain, activate_digest, batch_digest, head_of, register_digest
from gridwitness.encoding.keys import DeviceKey, Secp256k1Key
from gridwitness.encoding.merkle import MountainRange, StandardMerkleTree, range_leaf
from gridwitness.encoding.packing import pack_meta

HOUR_SECONDS = 3600
MODEL_HASH = bytes.fromhex("a1b2c3d4e5f60718293a4b5c")


@contextmanager
def refused(error: type[CustomError], **inputs: object) -> Iterator[None]:
    """Expect the custom error `error` of a deployed contract with exactly these inputs, and nothing else."""
    with ape.reverts() as info:
        yield
    raised = info.value
    assert isinstance(raised, CustomError), f"expected {error.__name__}, got {raised!r}"
    assert (type(raised).__name__, raised.inputs) == (error.__name__, inputs)


@dataclass(frozen=True)
class Device:
    """A device with its key, entered for `owner`."""

    key: DeviceKey
    registry: Any
    domain: Domain

    @property
    def device_id(self) -> bytes:
        """Id in the registry, 32 bytes."""
        return self.key.device_id

    def registration(
        self, owner: Any, kind: DeviceKind = DeviceKind.PROSUMER, zone: int = 7, deadline: int | None = None
    ) -> Registration:
        """Fields to sign; the deadline is an hour away unless given."""
        if deadline is None:
            deadline = ape.chain.pending_timestamp + HOUR_SECONDS
        return Registration(self.device_id, str(owner), kind, zone, deadline)

    def sign_registration(self, registration: Registration) -> bytes:
        """Signature over `Register`."""
        return self.key.sign(register_digest(self.domain, registration))

    def sign_activation(self, registration: Registration, fleet: bytes) -> bytes:
        """Signature over `Activate` for the fleet of that id."""
        return self.key.sign(activate_digest(self.domain, registration, fleet))

    def register(self, owner: Any, carrier: Any | None = None, **fields: Any) -> Any:
        """Register for the account `owner`; returns the receipt."""
        registration = self.registration(owner, **fields)
        return self.registry.register(
            registration_args(registration), self.sign_registration(registration), sender=carrier or owner
        )


def registration_args(registration: Registration) -> tuple[bytes, str, int, int, int]:
    """A registration as the contract takes it."""
    return (
        registration.device_id,
        registration.owner,
        int(registration.kind),
        registration.zone,
        registration.deadline,
    )


def proof_args(proof: Proof) -> tuple[bytes, int, int, list[bytes], list[bytes]]:
    """A proof as the contract takes it."""
    return (
        proof.stream_id,
        proof.seq,
        pack_meta(proof.meta),
        list(proof.tree_proof),
        list(proof.range_proof),
    )


class Committee:
    """Oracles that co-sign; members stand in ascending order of address."""

    def __init__(self, secrets: Sequence[int], threshold: int) -> None:
        """`secrets` are the members' private scalars."""
        keys = [Secp256k1Key(secret) for secret in secrets]
        self.keys = sorted(keys, key=lambda key: key.device_id)
        self.members = [to_checksum_address(key.device_id[12:]) for key in self.keys]
        self.threshold = threshold

    @property
    def args(self) -> tuple[int, list[str]]:
        """The committee as the contract takes it."""
        return (self.threshold, self.members)

    def sign(self, digest: bytes, signers: Sequence[int]) -> tuple[int, int, bytes, list[str]]:
        """The quorum over `digest` as the contract takes it, of the members at the positions `signers` (ascending)."""
        mask = sum(1 << signer for signer in signers)
        signatures = b"".join(self.keys[signer].sign(digest) for signer in signers)
        others = [member for i, member in enumerate(self.members) if i not in signers]
        return (self.threshold, mask, signatures, others)


class Feed:
    """One stream followed off chain: makes, signs and sends batches, and proves their leaves."""

    def __init__(
        self, attestation: Any, domain: Domain, stream_id: bytes, committee: Committee, transmitter: Any
    ) -> None:
        """The stream must be open with `committee` in force as its first."""
        self.attestation = attestation
        self.domain = domain
        self.stream_id = stream_id
        self.committee = committee
        self.transmitter = transmitter
        self.config = 1
        self.batches: list[Batch] = []
        self.trees: list[StandardMerkleTree] = []
        self.range = MountainRange()

    @property
    def head(self) -> bytes:
        """Head of the stream, 20 bytes, zero before the first batch."""
        return head_of(batch_digest(self.domain, self.batches[-1])) if self.batches else bytes(20)

    def draft(self, root: bytes, **changes: Any) -> Batch:
        """The next batch over `root`, valid for an hour, with `changes` to its fields."""
        now = ape.chain.pending_timestamp
        meta = BatchMeta(1, 0, 0, now - 900, now, MODEL_HASH)
        seq = len(self.batches) + 1
        batch = Batch(self.stream_id, seq, root, self.head, meta, 0, now, now + HOUR_SECONDS, self.config)
        return replace(batch, **changes)

    def call(self, batch: Batch, signers: Sequence[int] = (0, 1, 2)) -> tuple[Any, ...]:
        """All arguments of `attest` for `batch`."""
        return (batch_tuple(batch), self.committee.sign(batch_digest(self.domain, batch), signers))

    def attest(self, leaves: Sequence[bytes], signers: Sequence[int] = (0, 1, 2), **changes: Any) -> Any:
        """Attest the next batch over leaf hashes, with `changes` to its fields; returns the receipt."""
        tree = StandardMerkleTree(leaves)
        batch = self.draft(tree.root, **changes)
        batch = replace(batch, meta=replace(batch.meta, count=len(leaves)))
        receipt = self.attestation.attest(*self.call(batch, signers), sender=self.transmitter)
        self.trees.append(tree)
        self.batches.append(batch)
        self.range.append(range_leaf(batch.seq, batch.root, pack_meta(batch.meta)))
        return receipt

    def proof(self, seq: int, index: int = 0) -> Proof:
        """Proof of leaf `index` of batch `seq` for the stream's present length."""
        return Proof(
            self.stream_id,
            seq,
            self.batches[seq - 1].meta,
            self.trees[seq - 1].proof(index),
            self.range.proof(seq - 1),
        )


OpenFeed = Callable[..., Feed]
