"""What the parties of a test do: devices sign and register, the committee co-signs batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from eth_account.signers.local import LocalAccount

from gridwitness.chain.attestation import encode_attest
from gridwitness.chain.client import Chain
from gridwitness.chain.registry import BY_ITSELF
from gridwitness.domain.batches import Batch, BatchMeta, Proof
from gridwitness.domain.devices import DeviceKind, Registration, Rotation
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score, ScoredReading, SignedReading
from gridwitness.encoding.eip712 import (
    Domain,
    attestation_domain,
    batch_digest,
    head_of,
    reading_digest,
    register_digest,
    registry_domain,
    rotate_digest,
)
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import DeviceKey, Secp256k1Key
from gridwitness.encoding.merkle import MountainRange, StandardMerkleTree, range_leaf
from gridwitness.encoding.packing import pack_meta

GENESIS_TIME = 1_469_000_000
FAR_FUTURE = 1 << 40
VALIDITY_S = 120


def register(chain: Chain, carrier: LocalAccount, owner: str, key: DeviceKey, kind: DeviceKind, zone: int) -> None:
    """Register a device with a proof of possession."""
    registration = Registration(key.device_id, owner, kind, zone, FAR_FUTURE)
    domain = registry_domain(chain.chain_id, chain.manifest.address("DeviceRegistry"))
    signature = key.sign(register_digest(domain, registration))
    fields = (key.device_id, owner, int(kind), zone, FAR_FUTURE)
    chain.transact(carrier, chain.contract("DeviceRegistry").functions.register(fields, signature))


def register_batch(
    chain: Chain, carrier: LocalAccount, owner: str, keys: Sequence[DeviceKey], kind: DeviceKind, zone: int
) -> None:
    """Register devices together, each with its own proof of possession."""
    domain = registry_domain(chain.chain_id, chain.manifest.address("DeviceRegistry"))
    registrations = [Registration(key.device_id, owner, kind, zone, FAR_FUTURE) for key in keys]
    digests = [register_digest(domain, registration) for registration in registrations]
    signatures = b"".join(key.sign(digest) for key, digest in zip(keys, digests, strict=True))
    fields = (owner, int(kind), zone, FAR_FUTURE, [key.device_id for key in keys])
    chain.transact(carrier, chain.contract("DeviceRegistry").functions.registerBatch(fields, signatures))


def rotate(chain: Chain, owner: LocalAccount, device_id: bytes, key: DeviceKey, valid_from: int, nonce: int) -> None:
    """Give a device a new key; its owner calls."""
    domain = registry_domain(chain.chain_id, chain.manifest.address("DeviceRegistry"))
    rotation = Rotation(device_id, key.device_id, valid_from, FAR_FUTURE)
    signature = key.sign(rotate_digest(domain, rotation, nonce))
    fields = (device_id, key.device_id, valid_from, FAR_FUTURE)
    chain.transact(owner, chain.contract("DeviceRegistry").functions.rotate(fields, signature, BY_ITSELF))


def scored_reading(
    chain: Chain, key: DeviceKey, counter: int, time: int, value: int, score_bps: int, device_id: bytes = b""
) -> ScoredReading:
    """A reading as a key signs it for its own device or another, with a score."""
    reading = Reading(device_id or key.device_id, counter, time, NET_ENERGY_METRIC, value)
    domain = registry_domain(chain.chain_id, chain.manifest.address("DeviceRegistry"))
    signed = SignedReading(reading, key.sign(reading_digest(domain, reading)))
    return ScoredReading(signed, Score(score_bps, "seasonal", "higher than on other days at this hour"))


@dataclass
class Committee:
    """Members in ascending order, of whom `threshold` must sign; keeps what it attested. `newest` is a digest."""

    chain: Chain
    stream_id: bytes
    members: Sequence[LocalAccount]
    threshold: int
    config: int = 1
    newest: bytes = bytes(32)
    trees: list[tuple[StandardMerkleTree, BatchMeta]] = field(default_factory=list)

    def attest(
        self, carrier: LocalAccount, leaves: Sequence[bytes], signers: Sequence[int] = (0, 1), supersedes: int = 0
    ) -> Batch:
        """Attest leaves as the next batch, signed by some members."""
        batch = replace(self.draft(leaves), supersedes=supersedes)
        self.send(carrier, batch, signers)
        self.newest = batch_digest(self._domain(), batch)
        self.trees.append((StandardMerkleTree(leaves), batch.meta))
        return batch

    def draft(self, leaves: Sequence[bytes]) -> Batch:
        """The next batch over leaves, to be attested within two minutes from the head."""
        time = self.chain.head_time()
        return Batch(
            stream_id=self.stream_id,
            seq=len(self.trees) + 1,
            root=StandardMerkleTree(leaves).root,
            previous=head_of(self.newest),
            meta=BatchMeta(len(leaves), 0, 0, time - 900, time, bytes(12)),
            supersedes=0,
            valid_from=time,
            valid_until=time + VALIDITY_S,
            config=self.config,
        )

    def send(self, carrier: LocalAccount, batch: Batch, signers: Sequence[int] = (0, 1)) -> None:
        """Have a batch signed by some members and mined. Raises Reverted."""
        transaction = self.chain.node.rpc("eth_sendRawTransaction", self._signed(carrier, batch, signers))
        self.chain.wait([bytes.fromhex(transaction[2:])])

    def _signed(self, carrier: LocalAccount, batch: Batch, signers: Sequence[int]) -> str:
        digest = batch_digest(self._domain(), batch)
        signatures = [Secp256k1Key(int.from_bytes(self.members[index].key, "big")).sign(digest) for index in signers]
        others = [member.address for index, member in enumerate(self.members) if index not in signers]
        mask = sum(1 << index for index in signers)
        transaction = {
            "to": self.chain.manifest.address("DataAttestation"),
            "data": "0x" + encode_attest(batch, self.threshold, mask, signatures, others).hex(),
            "chainId": self.chain.chain_id,
            "nonce": self.chain.node.transaction_count(carrier.address),
            "gas": 300_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 10**9,
            "value": 0,
        }
        return "0x" + bytes(carrier.sign_transaction(transaction).raw_transaction).hex()

    def _domain(self) -> Domain:
        return attestation_domain(self.chain.chain_id, self.chain.manifest.address("DataAttestation"))

    def mountain_range(self) -> MountainRange:
        """The mountain range of all batches so far."""
        mountains = MountainRange()
        for seq, (tree, meta) in enumerate(self.trees, start=1):
            mountains.append(range_leaf(seq, tree.root, pack_meta(meta)))
        return mountains

    def proof(self, seq: int, index: int) -> Proof:
        """Proof of a leaf of a batch, for the present length."""
        tree, meta = self.trees[seq - 1]
        return Proof(self.stream_id, seq, meta, tree.proof(index), self.mountain_range().proof(seq - 1))


def open_strangers_stream(chain: Chain, stranger: LocalAccount, schema: bytes) -> Committee:
    """A stream that somebody opened for themselves on the same contract, and the committee of it: they alone."""
    name = b"own".ljust(32, b"\0")
    chain.transact(
        stranger, chain.contract("DataAttestation").functions.openStream(name, schema, (1, [stranger.address]))
    )
    return Committee(chain, keccak(bytes.fromhex(stranger.address[2:]).rjust(32, b"\0") + name), [stranger], 1)


def supply(chain: Chain) -> int:
    """Test euros there are."""
    return int(chain.call(chain.contract("EuroToken").functions.totalSupply()))
