"""The registry's devices, followed through its events."""

from __future__ import annotations

import threading
from dataclasses import replace

from gridwitness.chain.client import Chain
from gridwitness.chain.events import Event
from gridwitness.chain.followers import BLOCK_RANGE, REORG_DEPTH, LogFollower
from gridwitness.domain.devices import Device, DeviceKind, DeviceStatus, KeyType

_EVENTS = ("DeviceRegistered", "DeviceRetired", "DelegateSet")


class RegistryFollower:
    """Devices of the registry as of the last {sync}; may be used from several threads."""

    def __init__(self, chain: Chain, *, block_range: int = BLOCK_RANGE, reorg_depth: int = REORG_DEPTH) -> None:
        """`block_range` bounds one request for events; see LogFollower for `reorg_depth`."""
        self._chain = chain
        self._logs = LogFollower(chain, "DeviceRegistry", _EVENTS, block_range=block_range, reorg_depth=reorg_depth)
        self._devices: dict[bytes, Device] = {}
        self._delegates: dict[tuple[bytes, str, str], int] = {}
        self._block_times: dict[bytes, int] = {}
        self._folded = 0  # number of events that devices and delegates stand for
        self._lock = threading.Lock()

    def sync(self) -> None:
        """Read the registry's events up to the head. Raises ChainError if the node does not answer."""
        with self._lock:
            if self._logs.sync() < self._folded:  # reorganised: build anew
                self._folded, devices, delegates = 0, {}, {}
            else:
                devices, delegates = self._devices.copy(), self._delegates.copy()
            fresh = self._logs.events[self._folded :]
            for event in fresh:
                self._apply(event, devices, delegates)
            # Readers see either the old or the new devices, never something in between.
            self._devices, self._delegates = devices, delegates
            self._folded += len(fresh)

    def _apply(self, event: Event, devices: dict[bytes, Device], delegates: dict[tuple[bytes, str, str], int]) -> None:
        args = event.args
        device_id = args["deviceId"]
        if event.name == "DeviceRegistered":
            devices[device_id] = Device(
                device_id=device_id,
                owner=args["owner"],
                status=DeviceStatus.ACTIVE,
                key_type=KeyType(args["keyType"]),
                kind=DeviceKind(args["kind"]),
                zone=args["zone"],
                registered_at=self._block_time(event),
            )
        elif event.name == "DeviceRetired":
            devices[device_id] = replace(devices[device_id], status=DeviceStatus.RETIRED)
        else:
            delegates[device_id, args["owner"], args["delegate"]] = args["expiresAt"]

    def _block_time(self, event: Event) -> int:
        if event.block_hash not in self._block_times:
            block = self._chain.node.block(event.block_number)
            self._block_times[event.block_hash] = block.time if block is not None else 0
        return self._block_times[event.block_hash]

    def device(self, device_id: bytes) -> Device | None:
        """A device's record; None if it was never registered."""
        return self._devices.get(device_id)

    def devices(self, zone: int) -> list[Device]:
        """Devices of a zone, retired ones too, in ascending order of id."""
        return sorted(
            (device for device in self._devices.values() if device.zone == zone), key=lambda device: device.device_id
        )

    def delegate_expiry(self, device_id: bytes, delegate: str) -> int:
        """Last second (unix) until which a checksummed address may sign for a device under its owner; 0 if never."""
        device = self._devices.get(device_id)
        return 0 if device is None else self._delegates.get((device_id, device.owner, delegate), 0)
