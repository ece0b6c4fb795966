"""Devices as the registry keeps them. The numbers are those of IDeviceRegistry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag


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


class Scope(IntFlag):
    """What an account may do for a device."""

    TRADE = 1
    DATA = 2
    CONSENT = 4
    PAYMENT = 8


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
class LaterKey:
    """A key that speaks for a device from `valid_from` (unix seconds) on, until a later one does."""

    key_id: bytes
    valid_from: int


@dataclass(frozen=True, slots=True)
class Suspension:
    """A time without authority, in unix seconds: from `since` to before `until`, which is None while it lasts."""

    since: int
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Delegation:
    """What an account (checksummed) may do for a device: `scopes`, from `since` to `expires_at`, both included.

    Unix seconds. `until` is when it was replaced, withdrawn or ended by another owner; None if it was not.
    """

    delegate: str
    scopes: Scope
    since: int
    expires_at: int
    until: int | None = None

    def covers(self, scope: Scope, time: int) -> bool:
        """Whether it gave all of `scope` at a time."""
        ended = time > self.expires_at or (self.until is not None and time >= self.until)
        return self.since <= time and not ended and scope & self.scopes == scope


@dataclass(frozen=True, slots=True)
class Device:
    """A device's record in the registry, with all that changed since it was registered.

    `device_id` is 32 bytes and names its first key too, which `key_type` is of; `owner` a checksummed address, `zone`
    the grid zone (0: none), times unix seconds. `owned_since` is when it was handed over to its owner; 0 if it never
    was, and all it measured is its owner's.
    """

    device_id: bytes
    owner: str
    status: DeviceStatus
    key_type: KeyType
    kind: DeviceKind
    zone: int
    registered_at: int
    later_keys: tuple[LaterKey, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    retired_at: int | None = None
    delegations: tuple[Delegation, ...] = ()
    owned_since: int = 0

    def is_delegate(self, account: str, scope: Scope, time: int) -> bool:
        """Whether an account (checksummed) might act for the device in `scope` at a time."""
        return any(one.delegate == account and one.covers(scope, time) for one in self.delegations)

    def key_at(self, time: int) -> bytes:
        """Id of the key that speaks for the device at a time."""
        spoken = [key.key_id for key in self.later_keys if key.valid_from <= time]
        return spoken[-1] if spoken else self.device_id

    def status_at(self, time: int) -> DeviceStatus:
        """Whether the device had authority at a time."""
        if self.retired_at is not None and time >= self.retired_at:
            return DeviceStatus.RETIRED
        if any(one.since <= time and (one.until is None or time < one.until) for one in self.suspensions):
            return DeviceStatus.SUSPENDED
        return DeviceStatus.ACTIVE


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
