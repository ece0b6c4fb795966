"""The registry's devices, followed through its events."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace

from gridwitness.chain.client import Chain
from gridwitness.chain.events import Event
from gridwitness.chain.followers import BLOCK_RANGE, REORG_DEPTH, LogFollower
from gridwitness.domain.devices import Device, DeviceKind, DeviceStatus, KeyType, LaterKey, Suspension

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
        self._block_times: dict[bytes, int] = {}
        self._folded = 0  # number of events that the devices stand for
        self._lock = threading.Lock()

    def sync(self) -> None:
        """Read the registry's events up to the head. Raises ChainError if the node does not answer."""
        with self._lock:
            if self._logs.sync() < self._folded:  # reorganised: build anew
                self._folded, devices = 0, {}
            else:
                devices = self._devices.copy()
            fresh = self._logs.events[self._folded :]
            for event in fresh:
                self._apply(event, devices)
            # Readers see either the old or the new devices, never something in between.
            self._devices = devices
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
                return replace(device, owner=event.args["to"])
            case "DeviceSuspended":
                suspensions = (*device.suspensions, Suspension(self._block_time(event)))
                return replace(device, status=DeviceStatus.SUSPENDED, suspensions=suspensions)
            case "DeviceReinstated":
                *earlier, last = device.suspensions
                suspensions = (*earlier, replace(last, until=self._block_time(event)))
                return replace(device, status=DeviceStatus.ACTIVE, suspensions=suspensions)
            case _:  # DeviceRetired
                return replace(device, status=DeviceStatus.RETIRED, retired_at=self._block_time(event))

    def _block_time(self, event: Event) -> int:
        if event.block_hash not in self._block_times:
            block = self._chain.node.block(event.block_number)
            self._block_times[event.block_hash] = block.time if block is not None else 0
        return self._block_times[event.block_hash]

    def device(self, device_id: bytes) -> Device | None:
        """A device's record; None if it was never registered."""
        return self._devices.get(device_id)

    def devices(self, zone: int) -> list[Device]:
        """Devices of a zone, suspended and retired ones too, in ascending order of id."""
        return sorted(
            (device for device in self._devices.values() if device.zone == zone), key=lambda device: device.device_id
        )
