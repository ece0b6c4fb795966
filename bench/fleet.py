"""A fleet whose gateways post 100 readings at once, slot by slot, and the oracle's way from such a body to its log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gridwitness.domain.devices import Device, DeviceKind, DeviceStatus
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, SignedReading
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.encoding.eip712 import reading_digest, registry_domain
from gridwitness.encoding.keys import DeviceKey
from gridwitness.service.admission import Admission
from gridwitness.service.clock import SystemClock
from gridwitness.service.evidence import Decoder
from gridwitness.service.fleet import Fleet
from gridwitness.service.ingest import Ingest
from gridwitness.sources.payloads import encode_body
from gridwitness.store import Database, ReadingLog

POST = 100
CHAIN_ID, REGISTRY = 31_337, "0x" + "11" * 20
DOMAIN = registry_domain(CHAIN_ID, REGISTRY)
_ZONE = 1
_FIRST_SLOT = 1_900_000
_OWNER = "0x" + "22" * 20


class Devices:
    """A registry of active devices; nothing changes in it."""

    head_time = 1 << 40

    def __init__(self, keys: list[DeviceKey]) -> None:
        self._devices = {
            key.device_id: Device(
                key.device_id, _OWNER, DeviceStatus.ACTIVE, key.key_type, DeviceKind.CONSUMPTION, _ZONE, 0
            )
            for key in keys
        }

    def sync(self) -> None:
        """Nothing to read."""

    def device(self, device_id: bytes) -> Device | None:
        """One device."""
        return self._devices.get(device_id)

    def devices(self, zone: int) -> list[Device]:
        """All of them."""
        return list(self._devices.values())


def make_keys(kind: Callable[[int], DeviceKey], count: int) -> list[DeviceKey]:
    """Keys of `count` devices."""
    return [kind(10_000 + number) for number in range(count)]


def make_posts(keys: list[DeviceKey], slots: int) -> list[list[SignedReading]]:
    """Posts of 100 readings of one slot of 100 devices each, in the order of time."""
    posts = []
    for slot in range(slots):
        signed = []
        for number, key in enumerate(keys):
            # Devices are of different age: their counters do not run side by side.
            reading = Reading(
                key.device_id,
                number * 997 % 100_000 + slot,
                (_FIRST_SLOT + slot) * SLOT_SECONDS,
                NET_ENERGY_METRIC,
                412 + slot,
            )
            signed.append(SignedReading(reading, key.sign(reading_digest(DOMAIN, reading))))
        posts += [signed[start : start + POST] for start in range(0, len(signed), POST)]
    return posts


def make_bodies(posts: list[list[SignedReading]]) -> list[bytes]:
    """The posts as JSON."""
    return [encode_body(post) for post in posts]


class Intake:
    """Everything between a body and the disk, as a node has it."""

    def __init__(self, path: Path, keys: list[DeviceKey], workers: int = 0) -> None:
        fleet, clock = Fleet(Devices(keys), _ZONE), SystemClock()
        self.database = Database(path)
        self.admission = Admission(fleet, clock, DOMAIN, workers)
        self.decoder, self.log = Decoder(fleet), ReadingLog(self.database)
        self.ingest = Ingest(self.admission, self.decoder, self.log, clock)

    def close(self) -> None:
        """Stop workers and close the log."""
        self.admission.close()
        self.database.close()
