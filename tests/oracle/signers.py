"""Devices that sign, and a registry that lists them, for tests without a chain."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from gridwitness.domain.devices import Delegation, Device, DeviceKind, DeviceStatus, LaterKey, Suspension
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, SignedReading
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.encoding.eip712 import Domain, reading_digest, registry_domain
from gridwitness.encoding.keys import DeviceKey, P256Key, Secp256k1Key

ZONE = 1
REGISTRY = registry_domain(31337, "0x5FbDB2315678afecb367f032d93F642f64180aa3")
OWNER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
FIRST_SLOT = 1_469_000_700 // SLOT_SECONDS


def sign(key: DeviceKey, reading: Reading, domain: Domain = REGISTRY) -> SignedReading:
    return SignedReading(reading, key.sign(reading_digest(domain, reading)))


def net_energy(key: DeviceKey, counter: int, slot: int, energy_wh: int) -> SignedReading:
    return sign(key, Reading(key.device_id, counter, slot * SLOT_SECONDS, NET_ENERGY_METRIC, energy_wh))


@dataclass
class Registry:
    """Devices by id; `sync` makes those visible that were registered since."""

    registered: dict[bytes, Device] = field(default_factory=dict)
    synced: dict[bytes, Device] = field(default_factory=dict)
    head_time: int = 1 << 40

    def register(self, key: DeviceKey, kind: DeviceKind = DeviceKind.CONSUMPTION, zone: int = ZONE) -> None:
        device = Device(key.device_id, OWNER, DeviceStatus.ACTIVE, key.key_type, kind, zone, 0)
        self.registered[key.device_id] = device

    def retire(self, key: DeviceKey, at: int) -> None:
        self._change(key, status=DeviceStatus.RETIRED, retired_at=at)

    def suspend(self, key: DeviceKey, since: int, until: int | None = None) -> None:
        status = DeviceStatus.SUSPENDED if until is None else DeviceStatus.ACTIVE
        self._change(key, status=status, suspensions=(Suspension(since, until),))

    def rotate(self, key: DeviceKey, new: DeviceKey, valid_from: int) -> None:
        later_keys = (*self.registered[key.device_id].later_keys, LaterKey(new.device_id, valid_from))
        self._change(key, later_keys=later_keys)

    def delegate(self, key: DeviceKey, delegation: Delegation) -> None:
        self._change(key, delegations=(*self.registered[key.device_id].delegations, delegation))

    def _change(self, key: DeviceKey, **changes: Any) -> None:
        self.registered[key.device_id] = replace(self.registered[key.device_id], **changes)

    def sync(self) -> None:
        self.synced = dict(self.registered)

    def device(self, device_id: bytes) -> Device | None:
        return self.synced.get(device_id)

    def device_of_key(self, key_id: bytes) -> bytes | None:
        return next((one.device_id for one in self.synced.values() if key_id in (one.device_id, *_key_ids(one))), None)

    def devices(self, zone: int) -> list[Device]:
        return [device for device in self.synced.values() if device.zone == zone]


def _key_ids(device: Device) -> list[bytes]:
    return [key.key_id for key in device.later_keys]


def home_key() -> P256Key:
    return P256Key(101)


def plant_key() -> Secp256k1Key:
    return Secp256k1Key(102)
