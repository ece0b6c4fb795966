"""EIP-712 digests of everything devices, owners and oracles sign.

Written out by hand because the reading digest is on the hot path (eth-account's general encoder is some fifty times
slower); the tests compare each digest with eth-account's and with the contracts'.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridwitness.domain.batches import Batch
from gridwitness.domain.devices import Registration
from gridwitness.domain.market import Schedule
from gridwitness.domain.readings import Reading
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.packing import metric_bytes, pack_meta, pack_orders

_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_REGISTER_TYPE = keccak(b"Register(bytes32 deviceId,address owner,uint8 kind,uint24 zone,uint256 deadline)")
_ACTIVATE_TYPE = keccak(
    b"Activate(bytes32 deviceId,address owner,uint8 kind,uint24 zone,bytes32 fleetRoot,uint256 deadline)"
)
_READING_TYPE = keccak(b"Reading(bytes32 deviceId,uint64 counter,uint64 time,bytes32 metric,int256 value)")
_BATCH_TYPE = keccak(b"Batch(bytes32 streamId,uint32 seq,bytes32 root,bytes32 previous,uint256 meta,uint24 config)")
_SCHEDULE_TYPE = keccak(
    b"Schedule(bytes32 deviceId,address account,uint24 zone,uint24 day,uint32 version,uint256[12] orders)"
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

    def digest(self, struct_hash: bytes) -> bytes:
        """Digest of a struct hash under this domain, 32 bytes."""
        return keccak(b"\x19\x01" + self.separator + struct_hash)


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


def activate_digest(domain: Domain, registration: Registration, fleet_root: bytes) -> bytes:
    """Digest a device signs to be activated from a fleet."""
    return domain.digest(keccak(_ACTIVATE_TYPE + _identity(registration) + fleet_root + _uint(registration.deadline)))


def _identity(registration: Registration) -> bytes:
    return registration.device_id + _address(registration.owner) + _uint(registration.kind) + _uint(registration.zone)


def reading_digest(domain: Domain, reading: Reading) -> bytes:
    """Digest a device signs for a reading, under the registry's domain."""
    return domain.digest(
        keccak(
            _READING_TYPE
            + reading.device_id
            + _uint(reading.counter)
            + _uint(reading.time)
            + metric_bytes(reading.metric)
            + _int(reading.value)
        )
    )


def batch_digest(domain: Domain, batch: Batch) -> bytes:
    """Digest the committee signs for a batch; also what the next batch names as `previous`."""
    return domain.digest(
        keccak(
            _BATCH_TYPE
            + batch.stream_id
            + _uint(batch.seq)
            + batch.root
            + batch.previous
            + _uint(pack_meta(batch.meta))
            + _uint(batch.config)
        )
    )


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
        + orders
    )


def schedule_digest(domain: Domain, schedule: Schedule) -> bytes:
    """Digest a device, its owner or a delegate signs for a schedule."""
    return domain.digest(schedule_struct_hash(schedule))
