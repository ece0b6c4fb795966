"""Devices with a key, a counter and a clock, in three formats; and what they send when they are broken."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, SignedReading
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.encoding.eip712 import Domain, reading_digest
from gridwitness.encoding.keys import DeviceKey, P256Key, Secp256k1Key
from gridwitness.sources.decoding import COSE, JSON, OCMF
from gridwitness.sources.payloads import encode_body
from tests.integration.chain.parties import GENESIS_TIME
from tests.oracle.sources.documents import cose, ocmf, ocmf_reading, read, senml_json

_METRICS = ("1-0:16.7.0:mW", "1-0:32.7.0:mV", "1-0:31.7.0:mA")
_FIRST_SLOT = GENESIS_TIME // SLOT_SECONDS - 20_000
_SLOT_EVERY = 4  # parcels
MALFORMED, METER_ERROR = "malformed", "meter_error"


@dataclass(frozen=True, slots=True)
class Parcel:
    """One body and the readings it stands for; `reason` is why all of it must be refused, empty if it must not."""

    body: bytes
    content_type: str
    readings: tuple[Reading, ...]
    reason: str = ""


@dataclass
class Device:
    """A device. `style` is its content type, `skew_s` how far its clock is off.

    `is_strict`: it sends to every honest oracle, and waits for all of them before it goes on.
    """

    key: DeviceKey
    domain: Domain
    style: str = JSON
    way: str = "http"
    skew_s: int = 0
    is_strict: bool = False
    counter: int = 0
    last_time: int = 0
    parcels: int = 0
    last: tuple[Reading, ...] = field(default=())

    def next(self, chain_time: int) -> Parcel | None:
        """The next parcel; None while its clock stands still."""
        time = max(self.last_time + 1, chain_time - 1 + self.skew_s)
        if time > chain_time + self.skew_s + 20:
            return None
        self.last_time = time
        self.parcels += 1
        make: Callable[[int], Parcel] = {JSON: self._json, COSE: self._cose, OCMF: self._ocmf}[self.style]
        parcel = make(time)
        self.last = parcel.readings
        return replace(parcel, reason="future_time") if self.skew_s > 60 else parcel

    def sign(self, reading: Reading) -> SignedReading:
        return SignedReading(reading, self.key.sign(reading_digest(self.domain, reading)))

    def _next_counter(self) -> int:
        self.counter += 1
        return self.counter

    def _json(self, time: int) -> Parcel:
        readings = [
            Reading(self.key.device_id, self._next_counter(), time, metric, 1_000 + (time * 7 + index) % 97)
            for index, metric in enumerate(_METRICS)
        ]
        if self.skew_s <= 0 and self.parcels % _SLOT_EVERY == 0:
            slot_start = (_FIRST_SLOT + self.parcels // _SLOT_EVERY) * SLOT_SECONDS
            readings.append(
                Reading(self.key.device_id, self._next_counter(), slot_start, NET_ENERGY_METRIC, 100 + self.parcels % 9)
            )
        return Parcel(encode_body([self.sign(one) for one in readings]), JSON, tuple(readings))

    def _cose(self, time: int) -> Parcel:
        records = [{"n": name, "u": "W", "t": time, "v": 20 + time % 5} for name in ("1-0:36.7.0", "1-0:56.7.0")]
        body = cose(self.key, senml_json(*records), counter=self.counter + 1)
        self.counter += len(records)
        return Parcel(body, COSE, self._read(body, COSE))

    def _ocmf(self, time: int, **changes: object) -> Parcel:
        self.counter += 1
        moment = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S,000+0000 S")
        body = ocmf(self.key, ocmf_reading(self.counter / 1_000, TM=moment, **changes), page=f"T{self.counter}")
        return Parcel(body, OCMF, self._read(body, OCMF))

    def _read(self, body: bytes, content_type: str) -> tuple[Reading, ...]:
        return tuple(signed.reading for signed in read(body, content_type, self.key))

    def broken(self, rng: random.Random, known: tuple[Reading, ...]) -> Parcel:
        """Something to be refused. `known` are readings of this device that the one it is sent to has."""
        if self.style == OCMF:
            self.last_time += 1
            return replace(self._ocmf(self.last_time, ST="F"), reason=METER_ERROR)
        if self.style == COSE:
            return Parcel(b"\xd2\x84\x41", COSE, (), MALFORMED)
        if self.way != "http":  # a reason of its own, as nobody knows how often a broker delivers
            return self._broken("unaligned_time", known)
        reasons = [MALFORMED, "wrong_signature", "unknown_device", "value_out_of_range"]
        reasons += ["counter_far_ahead", "replayed_counter", "slot_already_reported"] if known else []
        return self._broken(rng.choice(reasons), known)

    def _broken(self, reason: str, known: tuple[Reading, ...]) -> Parcel:
        if reason == MALFORMED:
            return Parcel(b'{"device_id": "0x12", "counter"', JSON, (), MALFORMED)
        if known and reason in ("replayed_counter", "slot_already_reported"):
            is_replay = reason == "replayed_counter"
            other = replace(known[0], value=known[0].value + 1)
            return self._signed(other if is_replay else replace(other, counter=self._next_counter()), reason)
        start = _FIRST_SLOT * SLOT_SECONDS - SLOT_SECONDS
        good = Reading(self.key.device_id, self._next_counter(), start, NET_ENERGY_METRIC, 5)
        if reason == "unaligned_time":
            return self._signed(replace(good, time=start + 1), reason)
        if reason == "value_out_of_range":
            return self._signed(replace(good, value=1 << 40), reason)
        if reason == "unknown_device":
            stranger = Secp256k1Key(0xBAD)
            reading = replace(good, device_id=stranger.device_id)
            signed = SignedReading(reading, stranger.sign(reading_digest(self.domain, reading)))
            return Parcel(encode_body([signed]), JSON, (reading,), reason)
        counter = good.counter + (10_000_000 if reason == "counter_far_ahead" else 0)
        forged = SignedReading(replace(good, counter=counter), self.sign(replace(good, value=6)).signature)
        return Parcel(encode_body([forged]), JSON, (forged.reading,), reason)

    def _signed(self, reading: Reading, reason: str) -> Parcel:
        return Parcel(encode_body([self.sign(reading)]), JSON, (reading,), reason)


def make_keys(number: int) -> list[DeviceKey]:
    """Keys of a fleet, of both curves."""
    return [P256Key(1_000 + index) if index % 3 else Secp256k1Key(1_000 + index) for index in range(number)]


def make_fleet(keys: list[DeviceKey], domain: Domain) -> list[Device]:
    """Who sends what, and how."""
    fleet = []
    for index, key in enumerate(keys):
        device = Device(key, domain)
        match index % 12:
            case 0 | 1 | 9 | 10:
                device.is_strict = True
            case 2 | 3:
                device.style = COSE
            case 4:
                device.style = OCMF
            case 5:
                device.skew_s = 3_600
            case 6:
                device.skew_s = -3_600
            case 7 | 8:
                device.way = "mqtt"
        fleet.append(device)
    return fleet
