"""What travels over NATS, and under which subjects.

| subject | message |
|---|---|
| gridwitness.readings.<partition> | `Merged`: readings of several calls to the oracle's HTTP port or over MQTT |
| gridwitness.readings.gateway.<name> | a body as over HTTP; headers Content-Type, Gridwitness-Reply |
| gridwitness.verified.<worker> | `Verified`: one of the above, and who signed its readings; header Nats-Msg-Id |
| gridwitness.verdicts.<…> | `Answer`, or to a gateway JSON as over HTTP |

Messages of our own are MessagePack, objects as arrays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from zlib import crc32

import msgspec

from gridwitness.api.protocols import Verdict
from gridwitness.sources.payloads import ReadingPayload

ANY_READINGS, ANY_VERIFIED = "gridwitness.readings.>", "gridwitness.verified.*"
VERDICTS = "gridwitness.verdicts."
CONTENT_TYPE_HEADER, REPLY_HEADER = "Content-Type", "Gridwitness-Reply"
KEY_ID_BYTES = 32
NO_KEY = bytes(KEY_ID_BYTES)
# Below the broker's own limit of 1 MiB, with room for what is put around it.
MAX_MESSAGE_BYTES = 960 << 10
_READINGS, _VERIFIED, _GATEWAY = "gridwitness.readings.", "gridwitness.verified.", "gateway."
_REPLY_SUBJECT = re.compile(r"gridwitness\.verdicts(\.[A-Za-z0-9_-]+){1,4}")


class Merged(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Readings of devices of one partition, by source; `reply` is where the answer goes."""

    reply: str
    sources: list[tuple[str, list[ReadingPayload]]]


class Verified(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A message of readings as it came, and the ids of the keys that signed them, 32 bytes each, zeros for none.

    `signers` is empty if the worker could not tell, as for documents, whose keys only the registry knows. `gateway` is
    empty for a `Merged`; `reply` and `content_type` are a gateway's. `given_up_after` is how often workers were
    given it if it was given up, else 0; `problem` says why if not for that. `body` is then its beginning only.
    """

    body: bytes
    signers: bytes = b""
    gateway: str = ""
    content_type: str = ""
    reply: str = ""
    given_up_after: int = 0
    problem: str = ""


class Answer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Verdicts on a `Merged`: index, status, reason and message of those not simply accepted, over all sources.

    `problem` says why there are none, and that its readings should be sent again.
    """

    exceptions: list[tuple[int, str, str, str]]
    problem: str = ""


encode = msgspec.msgpack.Encoder().encode
decode_merged = msgspec.msgpack.Decoder(Merged).decode
decode_verified = msgspec.msgpack.Decoder(Verified).decode
decode_answer = msgspec.msgpack.Decoder(Answer).decode


def partition_of(device_id: str, partitions: int) -> int:
    """The partition of a device, by its id in hexadecimal, in any case."""
    return crc32(device_id.lower().encode()) % partitions


def readings_subject(partition: int) -> str:
    """Where readings of a partition go."""
    return f"{_READINGS}{partition}"


def verified_subject(worker: str) -> str:
    """Where a worker's findings go."""
    return _VERIFIED + worker


def gateway_of_subject(subject: str) -> str:
    """Name of the gateway that published there; empty for a partition."""
    name = subject.removeprefix(_READINGS)
    return name.removeprefix(_GATEWAY) if name.startswith(_GATEWAY) else ""


def worker_of_subject(subject: str) -> str:
    """Name of the worker that published there."""
    return subject.removeprefix(_VERIFIED)


def is_reply_subject(subject: str) -> bool:
    """Whether an answer may go there: what a gateway names must not make the oracle publish elsewhere."""
    return _REPLY_SUBJECT.fullmatch(subject) is not None


def answer_of(verdicts: Sequence[Sequence[Verdict]]) -> Answer:
    """The answer that gives these verdicts on the readings of a `Merged`, source by source."""
    flat = (verdict for some in verdicts for verdict in some)
    return Answer([(i, one.status, one.reason, one.message) for i, one in enumerate(flat) if one.status != "accepted"])
