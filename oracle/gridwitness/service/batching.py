"""What a batch is made of, for each kind of stream, and when one is due.

A batch's content is named by *keys*, canonical JSON that peers exchange and the log keeps. From the keys, the batches
before and the signed readings, every oracle computes the same scores, leaves, root and meta.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeVar

import msgspec
import structlog

from gridwitness.domain.batches import AttestedBatch, Batch, BatchMeta
from gridwitness.domain.readings import Profile, ScoredReading, SignedReading
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import signature_hash
from gridwitness.encoding.packing import pack_meta
from gridwitness.errors import InputError
from gridwitness.service.messages import BatchNumber
from gridwitness.store import StoredBatch

# uint24, as the market has it; the log's columns can hold the slots of any.
Day = Annotated[int, msgspec.Meta(ge=0, lt=1 << 24)]
# Device, counter and what stands in the leaf for the signature: the very reading, not another one with its counter.
ReadingKeyJson = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a batch is to stand: its number, the stream's head before it (20 bytes), the committee's number."""

    seq: int
    previous: bytes
    config: int


@dataclass(frozen=True, slots=True)
class Window:
    """When a batch may be attested: both ends included, unix seconds of the chain."""

    valid_from: int
    valid_until: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """What batch `seq` of a stream says, computed from its keys, ready to be signed or compared with the chain's."""

    stream_id: bytes
    seq: int
    root: bytes
    meta: BatchMeta
    keys: str
    scored: tuple[ScoredReading, ...] = ()
    profiles: tuple[Profile, ...] = ()
    checkpoint: bytes = b""

    @property
    def content(self) -> bytes:
        """Hash of root and meta: where it differs, so do the batches (IStreamBonds.proveEquivocation)."""
        return keccak(self.root + pack_meta(self.meta).to_bytes(32, "big"))

    def batch(self, place: Place, window: Window) -> Batch:
        """The batch to be signed. Oracles never supersede: a batch that must go is the committee's to judge."""
        return Batch(
            stream_id=self.stream_id,
            seq=self.seq,
            root=self.root,
            previous=place.previous,
            meta=self.meta,
            supersedes=0,
            valid_from=window.valid_from,
            valid_until=window.valid_until,
            config=place.config,
        )


@dataclass(frozen=True, slots=True)
class BatchRules:
    """When batches close. Times in seconds of the oracle's clock.

    `grace_s` after a slot's end its batch closes without those who have not reported; `max_wait_s` after it was
    received a reading goes into a batch whatever slot it is of; `max_readings` closes one at once and is the most a
    batch holds; `profile_grace_s` after a day's end its profiles go out without those that are incomplete.
    """

    grace_s: int = 300
    max_wait_s: int = 900
    max_readings: int = 4_096
    profile_grace_s: int = 3_600


def batch_in_log(stream: str, seq: int) -> AbstractContextManager[None]:
    """Within it, every log line carries the `batch` it is about, `<stream>:<seq>`; threads started from it too."""
    return structlog.contextvars.bound_contextvars(batch=f"{stream}:{seq}")


class BatchKind(Protocol):
    """How one kind of stream makes its batches. Methods block; call them off the event loop."""

    name: str
    stream_id: bytes

    def due(self, now: int) -> str | None:
        """Keys of the batch that should be proposed at time `now`; None if nothing is due."""
        ...

    def missing(self, keys: str, attached: Mapping[bytes, SignedReading]) -> list[ReadingKeyJson]:
        """Keys of readings neither in the log nor attached. Raises InputError if the keys are malformed."""
        ...

    def behind(self, keys: str) -> str:
        """Why this oracle cannot judge the keys yet; empty if it can."""
        ...

    def objection(self, keys: str) -> str:
        """Why this oracle does not agree to a proposal of these keys; empty if it does."""
        ...

    def prepare(self, seq: int, keys: str, attached: Mapping[bytes, SignedReading]) -> Prepared:
        """Compute batch `seq`. Raises InputError if the content cannot be a batch."""
        ...

    def opaque(self, item: AttestedBatch) -> Prepared:
        """A batch on chain whose content no oracle has, to be recorded as it stands; it touches no reading."""
        ...

    def commit(self, prepared: Prepared, stored: StoredBatch) -> None:
        """Record that the batch stands on chain."""
        ...

    def roll_back(self, seq: int) -> None:
        """Take back all batches after `seq`."""
        ...

    def readings_of(self, keys: str) -> list[SignedReading] | None:
        """The signed readings keys name, if the log has exactly those."""
        ...


class ReadingKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of a reading batch: its readings, and the zone's active devices that have none in it.

    The scorer judges a slot by all of the zone's meters, so who is absent is part of what is agreed on.
    """

    absent: list[str]
    readings: list[ReadingKeyJson]


class ProfileKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of a profile batch: a UTC day, as attested by the readings stream up to a batch."""

    day: Day
    readings_seq: BatchNumber


K = TypeVar("K", ReadingKeys, ProfileKeys)


def encode_keys(keys: ReadingKeys | ProfileKeys) -> str:
    """Canonical JSON of keys."""
    return msgspec.json.encode(keys).decode()


def decode_keys(keys: str, kind: type[K]) -> K:
    """Keys of JSON. Raises InputError if it is not of that shape."""
    try:
        return msgspec.json.decode(keys, type=kind)
    except msgspec.MsgspecError as error:
        raise InputError(f"the batch's keys are malformed: {error}") from error


def reading_id(signed: SignedReading) -> bytes:
    """What tells a signed reading from every other: hash of device, counter and what stands for the signature."""
    counter = signed.reading.counter.to_bytes(8, "big")
    return keccak(signed.reading.device_id + counter + signature_hash(signed))


def key_of(signed: SignedReading) -> ReadingKeyJson:
    """The key that names a signed reading."""
    reading = signed.reading
    return "0x" + reading.device_id.hex(), reading.counter, "0x" + signature_hash(signed).hex()


def id_of_key(key: ReadingKeyJson) -> bytes:
    """`reading_id` of the reading a key names. Raises InputError if the key is malformed."""
    device_id, counter, signed_hash = key
    return keccak(hex32(device_id) + counter_bytes(counter) + hex32(signed_hash))


def hex32(text: str) -> bytes:
    """32 bytes of 0x-hexadecimal. Raises InputError."""
    return _from_hex(text, 32)


def hex20(text: str) -> bytes:
    """20 bytes of 0x-hexadecimal. Raises InputError."""
    return _from_hex(text, 20)


def _from_hex(text: str, length: int) -> bytes:
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        value = b""
    if len(value) != length:
        raise InputError(f"{text[:80]!r} is not {length} bytes in hexadecimal")
    return value


def counter_bytes(counter: int) -> bytes:
    """A counter as 8 bytes. Raises InputError if it is out of range."""
    if not 0 <= counter < 1 << 63:
        raise InputError(f"counter {counter} is outside 0 to {(1 << 63) - 1}")
    return counter.to_bytes(8, "big")


def attach(readings: Sequence[SignedReading]) -> dict[bytes, SignedReading]:
    """Readings by `reading_id`."""
    return {reading_id(signed): signed for signed in readings}
