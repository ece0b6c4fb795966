"""A bonded stream, the readings it attests, and the doubts about them."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import ape
from eth_abi import encode

from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading
from gridwitness.encoding.eip712 import Domain, reading_digest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import DeviceKey
from gridwitness.encoding.leaves import document_signature_hash, leaf_hash
from gridwitness.encoding.packing import metric_bytes
from tests.actors import Feed, proof_args

HOUR = 3_600
WINDOW = 2 * HOUR
STAKE = 500_000
BOND = 1_000_000_000
UINT128_MAX = 2**128 - 1
NONE, OPEN, ANSWERED, CONVICTED = range(4)
STANDING, SUPERSEDED, BATCH_CONVICTED, COMPROMISED = range(1, 5)

Leaf = tuple[bytes, int, int, bytes, int, int, bytes]


@dataclass(frozen=True)
class Evidence:
    """A reading's leaf, and what answers for it."""

    leaf: Leaf
    signature: bytes
    document: bytes = b""

    @property
    def leaf_hash(self) -> bytes:
        """StandardMerkleTree hash of the leaf."""
        return leaf_hash(self.leaf)


def leaf_of(reading: Reading, signature_hash: bytes) -> Leaf:
    """Fields of a leaf with any hash in the signature's place."""
    metric = metric_bytes(reading.metric)
    return (reading.device_id, reading.counter, reading.time, metric, reading.value, 17, signature_hash)


def reading_of(device_id: bytes, counter: int = 1, time: int = 1_700_000_000) -> Reading:
    """A reading of usual size."""
    return Reading(device_id, counter, time, NET_ENERGY_METRIC, -250)


def signed(domain: Domain, key: DeviceKey, reading: Reading) -> Evidence:
    """A native reading with the signature `key` makes over it."""
    signature = key.sign(reading_digest(domain, reading))
    return Evidence(leaf_of(reading, keccak(signature)), signature)


def in_document(key: DeviceKey, reading: Reading, document: bytes) -> Evidence:
    """A reading taken from a document that `key` signed over SHA-256."""
    signature = key.sign(sha256(document).digest())
    return Evidence(leaf_of(reading, document_signature_hash(signature, document)), signature, document)


class BondedStream:
    """A stream of readings with terms; what is attested, challenged and answered on it."""

    def __init__(self, feed: Feed, token: Any, owner: Any) -> None:
        """The stream must have its terms in `token` set."""
        self.feed = feed
        self.token = token
        self.owner = owner
        self.contract = feed.attestation
        self.stream_id = bytes(feed.stream_id)

    @property
    def bond(self) -> Any:
        """What the contract says of the bond."""
        return self.contract.bond(self.stream_id)

    @property
    def marks(self) -> int:
        """How often the stream was convicted."""
        return int(self.contract.stream(self.stream_id).marks)

    def fund(self, account: Any, amount: int) -> Any:
        """Give an account tokens that the contract may take; returns the account."""
        self.token.mint(account, amount, sender=account)
        self.token.approve(self.contract, UINT128_MAX, sender=account)
        return account

    def deposit(self, amount: int = BOND) -> Any:
        """Add to the bond from the owner's pocket."""
        self.fund(self.owner, amount)
        return self.contract.depositBond(self.stream_id, amount, sender=self.owner)

    def attest(self, *evidence: Evidence) -> int:
        """Attest a batch of these readings; returns its number."""
        self.feed.attest([item.leaf_hash for item in evidence])
        return len(self.feed.batches)

    def challenge_id(self, evidence: Evidence, seq: int) -> bytes:
        """Id of a challenge, as the interface defines it."""
        return keccak(encode(["bytes32", "uint32", "bytes32"], [self.stream_id, seq, evidence.leaf_hash]))

    def challenge_args(self, evidence: Evidence, seq: int, index: int = 0) -> tuple[Any, ...]:
        """Arguments of `challenge`."""
        return (evidence.leaf, proof_args(self.feed.proof(seq, index)), UINT128_MAX)

    def challenge(self, evidence: Evidence, seq: int, challenger: Any, index: int = 0) -> bytes:
        """Challenge a leaf, with the stake to hand; returns the challenge's id."""
        self.fund(challenger, self.bond.stake << (self.bond.openChallenges // 4))
        self.contract.challenge(*self.challenge_args(evidence, seq, index), sender=challenger)
        return self.challenge_id(evidence, seq)

    def answer(self, challenge_id: bytes, evidence: Evidence, answerer: Any) -> Any:
        """Answer with the evidence; returns the receipt."""
        return self.contract.answer(challenge_id, evidence.leaf, evidence.signature, evidence.document, sender=answerer)

    def convict_in_silence(self, challenge_id: bytes, sender: Any) -> Any:
        """Let the time to answer pass, and convict."""
        ape.chain.mine(timestamp=self.contract.challengeOf(challenge_id).deadline + 1)
        return self.contract.convict(challenge_id, sender=sender)

    def status(self, challenge_id: bytes) -> int:
        """Where a challenge stands."""
        return int(self.contract.challengeOf(challenge_id).status)

    def payout(self, account: Any) -> int:
        """What an account has won."""
        return int(self.contract.payout(self.token, account))

    def batch_status(self, seq: int) -> int:
        """Whether a batch counts."""
        return int(self.contract.batchStatus(self.stream_id, seq)[0])

    def is_proven(self, evidence: Evidence, seq: int, index: int = 0) -> bool:
        """Whether a reading verifies."""
        return bool(self.contract.verifyReading(evidence.leaf, proof_args(self.feed.proof(seq, index))))
