"""EIP-712 digests of everything devices, owners and oracles sign.

Written out by hand because the reading digest is on the hot path (eth-account's general encoder is some fifty times
slower); the tests compare each digest with eth-account's and with the contracts'.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from gridwitness.domain.assets import Ask
from gridwitness.domain.batches import Batch
from gridwitness.domain.devices import Registration, Rotation
from gridwitness.domain.market import Schedule
from gridwitness.domain.readings import Reading, SignedReading
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.packing import metric_bytes, pack_meta, pack_orders

_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_REGISTER_TYPE = keccak(b"Register(bytes32 deviceId,address owner,uint8 kind,uint24 zone,uint256 deadline)")
_ACTIVATE_TYPE = keccak(
    b"Activate(bytes32 deviceId,address owner,uint8 kind,uint24 zone,bytes32 fleetId,uint256 deadline)"
)
_ROTATE_TYPE = keccak(b"Rotate(bytes32 deviceId,bytes32 newKeyId,uint40 validFrom,uint256 nonce,uint256 deadline)")
_RETIRE_TYPE = keccak(b"Retire(bytes32 deviceId,uint256 nonce,uint256 deadline)")
_OFFER_TYPE = keccak(b"OfferTransfer(bytes32 deviceId,address to,uint40 expiresAt,uint256 nonce,uint256 deadline)")
_ACCEPT_TYPE = keccak(b"AcceptTransfer(bytes32 deviceId,address from,address to,uint256 nonce,uint256 deadline)")
_DELEGATE_TYPE = keccak(
    b"SetDelegate(bytes32 deviceId,address delegate,uint32 scopes,uint40 expiresAt,uint256 nonce,uint256 deadline)"
)
_PAYEE_TYPE = keccak(b"SetPayee(bytes32 deviceId,address payee,uint256 nonce,uint256 deadline)")
_READING_TYPE = keccak(b"Reading(bytes32 deviceId,uint64 counter,uint64 time,bytes32 metric,int256 value)")
_BATCH_TYPE = keccak(
    b"Batch(bytes32 streamId,uint32 seq,bytes32 root,bytes20 previous,uint256 meta,uint32 supersedes,"
    b"uint40 validFrom,uint40 validUntil,uint24 config)"
)
_SCHEDULE_TYPE = keccak(
    b"Schedule(bytes32 deviceId,address account,uint24 zone,uint24 day,uint32 version,uint40 deadline,"
    b"uint32 imbalanceLimitWh,uint256[12] orders)"
)

_ASK_TYPE = keccak(
    b"Ask(address shares,address seller,address buyer,address cash,uint64 amount,uint64 pricePerShare,"
    b"uint64 number,uint40 expiresAt)"
)


def _uint(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _int(value: int) -> bytes:
    return value.to_bytes(32, "big", signed=True)


def _address(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x")).rjust(32, b"\0")


@dataclass(frozen=True, slots=True)
class Domain:
    """An EIP-712 domain: which contract on which chain a signature is for."""

    separator: bytes

    def preimage(self, struct_hash: bytes) -> bytes:
        """What is hashed to the digest of a struct hash under this domain, 66 bytes."""
        return b"\x19\x01" + self.separator + struct_hash

    def digest(self, struct_hash: bytes) -> bytes:
        """Digest of a struct hash under this domain, 32 bytes."""
        return keccak(self.preimage(struct_hash))


def _domain(name: str, chain_id: int, contract: str) -> Domain:
    fields = _DOMAIN_TYPE + keccak(name.encode()) + keccak(b"1") + _uint(chain_id) + _address(contract)
    return Domain(keccak(fields))


def registry_domain(chain_id: int, registry: str) -> Domain:
    """Domain of DeviceRegistry at address `registry`."""
    return _domain("Gridwitness DeviceRegistry", chain_id, registry)


def attestation_domain(chain_id: int, attestation: str) -> Domain:
    """Domain of DataAttestation at address `attestation`."""
    return _domain("Gridwitness DataAttestation", chain_id, attestation)


def market_domain(chain_id: int, market: str) -> Domain:
    """Domain of EnergyMarket at address `market`."""
    return _domain("Gridwitness EnergyMarket", chain_id, market)


def register_digest(domain: Domain, registration: Registration) -> bytes:
    """Digest a device signs to be registered."""
    return domain.digest(keccak(_REGISTER_TYPE + _identity(registration) + _uint(registration.deadline)))


def fleet_id(manufacturer: str, root: bytes) -> bytes:
    """Id of the fleet that `manufacturer` enrolled under a StandardMerkleTree root."""
    return keccak(_address(manufacturer) + root)


def activate_digest(domain: Domain, registration: Registration, fleet: bytes) -> bytes:
    """Digest a device signs to be activated from the fleet of that id."""
    return domain.digest(keccak(_ACTIVATE_TYPE + _identity(registration) + fleet + _uint(registration.deadline)))


def _identity(registration: Registration) -> bytes:
    return registration.device_id + _address(registration.owner) + _uint(registration.kind) + _uint(registration.zone)


def rotate_digest(domain: Domain, rotation: Rotation, nonce: int) -> bytes:
    """Digest a new key, and an owner who does not call, sign for it to become a device's."""
    fields = rotation.device_id + rotation.new_key_id + _uint(rotation.valid_from)
    return domain.digest(keccak(_ROTATE_TYPE + fields + _uint(nonce) + _uint(rotation.deadline)))


def retire_digest(domain: Domain, device_id: bytes, *, nonce: int, deadline: int) -> bytes:
    """Digest an owner signs to retire a device."""
    return domain.digest(keccak(_RETIRE_TYPE + device_id + _uint(nonce) + _uint(deadline)))


def offer_transfer_digest(
    domain: Domain, device_id: bytes, to: str, expires_at: int, *, nonce: int, deadline: int
) -> bytes:
    """Digest an owner signs to offer a device to another."""
    fields = device_id + _address(to) + _uint(expires_at)
    return domain.digest(keccak(_OFFER_TYPE + fields + _uint(nonce) + _uint(deadline)))


def accept_transfer_digest(
    domain: Domain, device_id: bytes, owner: str, to: str, *, nonce: int, deadline: int
) -> bytes:
    """Digest the account `to` signs to take a device over from `owner`."""
    fields = device_id + _address(owner) + _address(to)
    return domain.digest(keccak(_ACCEPT_TYPE + fields + _uint(nonce) + _uint(deadline)))


def set_delegate_digest(
    domain: Domain, device_id: bytes, delegate: str, scopes: int, expires_at: int, *, nonce: int, deadline: int
) -> bytes:
    """Digest an owner signs to let `delegate` act for a device."""
    fields = device_id + _address(delegate) + _uint(scopes) + _uint(expires_at)
    return domain.digest(keccak(_DELEGATE_TYPE + fields + _uint(nonce) + _uint(deadline)))


def set_payee_digest(domain: Domain, device_id: bytes, payee: str, *, nonce: int, deadline: int) -> bytes:
    """Digest an owner signs to name who is paid for a device."""
    return domain.digest(keccak(_PAYEE_TYPE + device_id + _address(payee) + _uint(nonce) + _uint(deadline)))


def signed_digest(domain: Domain, signed: SignedReading) -> bytes:
    """Digest that the signatures of a reading are over: of the document it came out of, or else of the reading."""
    return sha256(signed.document).digest() if signed.document else reading_digest(domain, signed.reading)


def reading_digest(domain: Domain, reading: Reading) -> bytes:
    """Digest a device signs for a reading, under the registry's domain."""
    return reading_fields_digest(
        domain, reading.device_id, reading.counter, reading.time, reading.metric, reading.value
    )


def reading_fields_digest(domain: Domain, device_id: bytes, counter: int, time: int, metric: str, value: int) -> bytes:
    """`reading_digest` of a reading given by its fields."""
    fields = (
        _READING_TYPE
        + device_id
        + counter.to_bytes(32, "big")
        + time.to_bytes(32, "big")
        + _metric_word(metric)
        + value.to_bytes(32, "big", signed=True)
    )
    return domain.digest(keccak(fields))


# A fleet reports a handful of metrics; strangers may name any.
_metric_word = lru_cache(maxsize=1_024)(metric_bytes)


def batch_digest(domain: Domain, batch: Batch) -> bytes:
    """Digest the committee signs for a batch; the next batch names its `head_of` as `previous`."""
    return keccak(batch_preimage(domain, batch))


def batch_preimage(domain: Domain, batch: Batch) -> bytes:
    """What is hashed to {batch_digest}: for signers that hash what they are given."""
    return domain.preimage(
        keccak(
            _BATCH_TYPE
            + batch.stream_id
            + _uint(batch.seq)
            + batch.root
            + batch.previous.ljust(32, b"\0")
            + _uint(pack_meta(batch.meta))
            + _uint(batch.supersedes)
            + _uint(batch.valid_from)
            + _uint(batch.valid_until)
            + _uint(batch.config)
        )
    )


def head_of(digest: bytes) -> bytes:
    """Head of a stream whose newest batch has that digest: its first 20 bytes."""
    return digest[:20]


def schedule_struct_hash(schedule: Schedule) -> bytes:
    """EIP-712 struct hash of a schedule."""
    orders = keccak(b"".join(_uint(word) for word in pack_orders(schedule.orders)))
    return keccak(
        _SCHEDULE_TYPE
        + schedule.device_id
        + _address(schedule.account)
        + _uint(schedule.zone)
        + _uint(schedule.day)
        + _uint(schedule.version)
        + _uint(schedule.deadline)
        + _uint(schedule.imbalance_limit_wh)
        + orders
    )


def schedule_digest(domain: Domain, schedule: Schedule) -> bytes:
    """Digest a device, its owner or a delegate signs for a schedule."""
    return domain.digest(schedule_struct_hash(schedule))


def share_market_domain(chain_id: int, market: str) -> Domain:
    """Domain of ShareMarket at address `market`."""
    return _domain("Gridwitness ShareMarket", chain_id, market)


def ask_preimage(domain: Domain, ask: Ask) -> bytes:
    """What is hashed to the digest that a seller signs for an ask: for signers that hash what they are given."""
    addresses = b"".join(_address(one) for one in (ask.shares, ask.seller, ask.buyer, ask.cash))
    numbers = b"".join(_uint(one) for one in (ask.amount, ask.price_per_share, ask.number, ask.expires_at))
    return domain.preimage(keccak(_ASK_TYPE + addresses + numbers))


def ask_digest(domain: Domain, ask: Ask) -> bytes:
    """Digest a seller signs for an ask."""
    return keccak(ask_preimage(domain, ask))
