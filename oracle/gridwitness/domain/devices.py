"""Devices as the registry keeps them. The numbers are those of IDeviceRegistry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class DeviceStatus(IntEnum):
    """Stage of a device's life."""

    UNKNOWN = 0
    ACTIVE = 1
    SUSPENDED = 2
    RETIRED = 3


class KeyType(IntEnum):
    """Curve of a device's key."""

    NONE = 0
    P256 = 1
    SECP256K1 = 2


class DeviceKind(IntEnum):
    """What a device measures."""

    UNSPECIFIED = 0
    CONSUMPTION = 1
    PROSUMER = 2
    GENERATION = 3
    STORAGE = 4
    CHARGER = 5
    FEEDER = 6
    SENSOR = 7


@dataclass(frozen=True, slots=True)
class Device:
    """A device's record in the registry.

    `device_id` is 32 bytes, `owner` a checksummed address, `zone` the grid zone (0: none),
    `registered_at` unix seconds.
    """

    device_id: bytes
    owner: str
    status: DeviceStatus
    key_type: KeyType
    kind: DeviceKind
    zone: int
    registered_at: int


@dataclass(frozen=True, slots=True)
class Registration:
    """What a device signs to enter the registry; `deadline` is unix seconds."""

    device_id: bytes
    owner: str
    kind: DeviceKind
    zone: int
    deadline: int


@dataclass(frozen=True, slots=True)
class Rotation:
    """A change of a device's key: `new_key_id` speaks for it from `valid_from` on. Times are unix seconds."""

    device_id: bytes
    new_key_id: bytes
    valid_from: int
    deadline: int
