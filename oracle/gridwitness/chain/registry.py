"""The registry's devices, followed through its events."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace

from gridwitness.chain.client import Chain
from gridwitness.chain.events import Event
from gridwitness.chain.followers import BLOCK_RANGE, REORG_DEPTH, LogFollower
from gridwitness.domain.devices import (
    Delegation,
    Device,
    DeviceKind,
    DeviceStatus,
    KeyType,
    LaterKey,
    Scope,
    Suspension,
)
from gridwitness.errors import ChainError

# The authorization (IDeviceRegistry.Authorization) that an account needs which calls itself.
BY_ITSELF = (0, b"")
_EVENTS = (
    "DeviceRegistered",
    "DevicesRegistered",
    "DeviceRetired",
    "DeviceSuspended",
    "DeviceReinstated",
    "KeyRotated",
    "DeviceTransferred",
    "DelegateSet",
)


class RegistryFollower:
    """Devices of the registry as of the last {sync}; may be used from several threads.

    `head_time` is the timestamp (unix seconds) of the newest block read; no block to come has one as low.
    """

    def __init__(self, chain: Chain, *, block_range: int = BLOCK_RANGE, reorg_depth: int = REORG_DEPTH) -> None:
        """`block_range` bounds one request for events; see LogFollower for `reorg_depth`."""
        self._chain = chain
        self._logs = LogFollower(chain, "DeviceRegistry", _EVENTS, block_range=block_range, reorg_depth=reorg_depth)
        self.head_time = 0
        self._devices: dict[bytes, Device] = {}
        self._key_owners: dict[bytes, bytes] = {}  # devices by their later keys
        self._block_times: dict[bytes, int] = {}
        self._folded = 0  # number of events that the devices stand for
        self._lock = threading.Lock()

    def sync(self) -> None:
        """Read the registry's events up to the head. Raises ChainError if the node does not answer."""
        with self._lock:
            if self._logs.sync() < self._folded:  # reorganised: build anew, however often it takes
                self._folded = 0
            devices = self._devices.copy() if self._folded else {}
            fresh = self._logs.events[self._folded :]
            for event in fresh:
                self._apply(event, devices)
            # Readers see either the old or the new devices, never something in between.
            self._devices = devices
            self._key_owners |= {
                event.args["newKeyId"]: event.args["deviceId"] for event in fresh if event.name == "KeyRotated"
            }
            self.head_time = self._logs.head_time
            self._folded += len(fresh)

    def _apply(self, event: Event, devices: dict[bytes, Device]) -> None:
        if event.name == "DeviceRegistered":
            self._enter(event, [event.args["deviceId"]], devices)
        elif event.name == "DevicesRegistered":
            self._enter(event, event.args["deviceIds"], devices)
        else:
            device_id = event.args["deviceId"]
            devices[device_id] = self._changed(devices[device_id], event)

    def _enter(self, event: Event, device_ids: Iterable[bytes], devices: dict[bytes, Device]) -> None:
        args = event.args
        for device_id in device_ids:
            devices[device_id] = Device(
                device_id=device_id,
                owner=args["owner"],
                status=DeviceStatus.ACTIVE,
                key_type=KeyType(args["keyType"]),
                kind=DeviceKind(args["kind"]),
                zone=args["zone"],
                registered_at=self._block_time(event),
            )

    def _changed(self, device: Device, event: Event) -> Device:
        match event.name:
            case "KeyRotated":
                begun = [key for key in device.later_keys if key.valid_from <= self._block_time(event)]
                key = LaterKey(event.args["newKeyId"], event.args["validFrom"])
                return replace(device, later_keys=(*begun, key))
            case "DeviceTransferred":
                now = self._block_time(event)
                ended = _ended(device.delegations, now)
                return replace(device, owner=event.args["to"], delegations=ended, owned_since=now)
            case "DelegateSet":
                return replace(device, delegations=self._delegated(device, event))
            case "DeviceSuspended":
                suspensions = (*device.suspensions, Suspension(self._block_time(event)))
                return replace(device, status=DeviceStatus.SUSPENDED, suspensions=suspensions)
            case "DeviceReinstated":
                *earlier, last = device.suspensions
                suspensions = (*earlier, replace(last, until=self._block_time(event)))
                return replace(device, status=DeviceStatus.ACTIVE, suspensions=suspensions)
            case _:  # DeviceRetired
                return replace(device, status=DeviceStatus.RETIRED, retired_at=self._block_time(event))

    def _delegated(self, device: Device, event: Event) -> tuple[Delegation, ...]:
        args, now = event.args, self._block_time(event)
        kept = [one for one in device.delegations if one.delegate != args["delegate"]]
        replaced = _ended([one for one in device.delegations if one.delegate == args["delegate"]], now)
        return (*kept, *replaced, Delegation(args["delegate"], Scope(args["scopes"]), now, args["expiresAt"]))

    def _block_time(self, event: Event) -> int:
        """When an event happened. Raises ChainError if its block is another by now: the events are read again."""
        if event.block_hash not in self._block_times:
            block = self._chain.node.block(event.block_number)
            if block is None or block.hash != event.block_hash:
                raise ChainError(f"block {event.block_number} changed while its events were read")
            self._block_times[event.block_hash] = block.time
        return self._block_times[event.block_hash]

    def device(self, device_id: bytes) -> Device | None:
        """A device's record; None if it was never registered."""
        return self._devices.get(device_id)

    def device_of_key(self, key_id: bytes) -> bytes | None:
        """Id of the device that a key speaks or spoke for; None if there is none. Its first key is its for good."""
        if key_id in self._devices:
            return key_id
        device_id = self._key_owners.get(key_id)
        device = None if device_id is None else self._devices.get(device_id)
        is_owner = device is not None and any(key.key_id == key_id for key in device.later_keys)
        return device_id if is_owner else None

    def devices(self, zone: int) -> list[Device]:
        """Devices of a zone, suspended and retired ones too, in ascending order of id."""
        return sorted(
            (device for device in self._devices.values() if device.zone == zone), key=lambda device: device.device_id
        )


def _ended(delegations: Iterable[Delegation], at: int) -> tuple[Delegation, ...]:
    return tuple(one if one.until is not None else replace(one, until=at) for one in delegations)
