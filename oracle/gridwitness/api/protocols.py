"""What the HTTP interface needs of an oracle. `Document` is anything JSON can hold; bytes are 0x-hex strings in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

Document = Mapping[str, object]


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What became of one reading posted: status accepted, duplicate (stored once before) or rejected with a reason."""

    device_id: str
    counter: int
    status: str
    reason: str = ""
    message: str = ""


class Verdicts(msgspec.Struct, frozen=True, gc=False):
    """What became of each reading posted, in order."""

    results: list[Verdict]


@dataclass(frozen=True, slots=True)
class CommitteeReply:
    """Answer to a peer: signed, or refused with the problem named in the body."""

    signed: bool
    body: bytes


class Oracle(Protocol):
    """One running oracle. Methods raise InputError for bad requests, ProofError for what cannot be proven (yet),
    StoreError and ChainError for what the oracle cannot do now, TryLater when there is too much to do.
    """

    async def ingest(self, body: bytes, content_type: str = "application/json") -> list[Verdict]:
        """Verify and log the readings of a body; returns once they are durable. Raises UnsupportedContent too."""
        ...

    async def sign(self, body: bytes) -> CommitteeReply:
        """Recompute a peer's proposal and sign it, or say why not."""
        ...

    async def voted_content(self, stream: bytes, seq: int) -> bytes | None:
        """Content this oracle voted for, as JSON; None if it did not or no longer has it."""
        ...

    async def batch(self, stream: bytes, seq: int) -> bytes | None:
        """An attested batch with its content, as JSON; None if it does not stand."""
        ...

    async def readings(self, device_id: bytes, time_from: int, time_to: int, after: int, limit: int) -> list[Document]:
        """Readings of a device with time_from ≤ time < time_to and counter > `after`, by counter."""
        ...

    async def prove_reading(self, device_id: bytes, counter: int) -> Document:
        """Proof of a reading by its counter, for the stream's present length."""
        ...

    async def prove_reading_at(self, device_id: bytes, time: int, metric: str) -> Document:
        """Proof of a reading by its time."""
        ...

    async def prove_profile(self, device_id: bytes, day: int) -> Document:
        """Proof of a device's profile of a UTC day (days since the epoch)."""
        ...

    async def status(self) -> Document:
        """Everything an operator wants to know at a glance."""
        ...

    def not_ready(self) -> list[str]:
        """Why this oracle cannot do its work now; empty when it can."""
        ...
