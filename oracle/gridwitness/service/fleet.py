"""The devices an oracle serves, as the registry has them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Protocol

from gridwitness.domain.devices import Device, DeviceStatus
from gridwitness.errors import ChainError

# A stranger who posts unknown devices must not make us ask the node for every one of them.
_REFRESH_AT_MOST_EVERY_S = 0.1


class Registry(Protocol):
    """What the fleet needs of chain.RegistryFollower."""

    @property
    def head_time(self) -> int:
        """Timestamp of the newest block read."""

    def sync(self) -> None:
        """Read new events."""

    def device(self, device_id: bytes) -> Device | None:
        """One device."""

    def device_of_key(self, key_id: bytes) -> bytes | None:
        """The device a key speaks or spoke for."""

    def devices(self, zone: int) -> list[Device]:
        """Devices of a zone."""


class Fleet:
    """Devices of one zone. Reading never blocks; `refresh` asks the chain."""

    def __init__(self, registry: Registry, zone: int) -> None:
        self.zone = zone
        self._registry = registry
        self._lock = asyncio.Lock()
        self._started_at = float("-inf")
        self._answered_from = float("-inf")  # start of the last read that came to an end
        self._failure: ChainError | None = None

    def device(self, device_id: bytes) -> Device | None:
        """A device of any zone; None if it was not registered at the last refresh."""
        return self._registry.device(device_id)

    def device_of_key(self, key_id: bytes) -> bytes | None:
        """Id of the device, of any zone, that a key speaks or spoke for; None if it was none at the last refresh."""
        return self._registry.device_of_key(key_id)

    @property
    def head_time(self) -> int:
        """Timestamp (unix seconds) of the newest block at the last refresh."""
        return self._registry.head_time

    def active(self) -> set[bytes]:
        """Ids of the zone's active devices."""
        return {d.device_id for d in self._registry.devices(self.zone) if d.status is DeviceStatus.ACTIVE}

    def of(self, device_ids: Iterable[bytes]) -> dict[bytes, Device]:
        """Records of those of the given devices that are registered."""
        found = ((device_id, self._registry.device(device_id)) for device_id in device_ids)
        return {device_id: device for device_id, device in found if device is not None}

    async def refresh(self) -> None:
        """Read the registry anew. Callers that come while it is read wait, and get an answer begun after they asked.

        Raises ChainError.
        """
        asked_at = time.monotonic()
        async with self._lock:
            if self._answered_from >= asked_at:
                if self._failure is not None:  # or devices would be refused as unknown because the node was away
                    raise self._failure
                return
            await asyncio.sleep(max(0.0, self._started_at + _REFRESH_AT_MOST_EVERY_S - time.monotonic()))
            started_at = self._started_at = time.monotonic()
            try:
                await asyncio.to_thread(self._registry.sync)
                self._failure = None
            except ChainError as error:
                self._failure = error
            self._answered_from = started_at  # not where whoever asked was cancelled: nobody knows what came of it
            if self._failure is not None:
                raise self._failure
