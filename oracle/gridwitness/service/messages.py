"""What oracles of one committee send each other, as JSON."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from gridwitness.errors import InputError
from gridwitness.sources.payloads import ReadingPayload


class SignRequest(msgspec.Struct, frozen=True):
    """A proposal: content for batch `seq` of a stream. Readings the peer was found to lack are attached."""

    stream: str
    kind: str
    seq: int
    previous: str
    config: int
    keys: str
    readings: list[ReadingPayload] = []


class SignAnswer(msgspec.Struct, frozen=True):
    """The peer's address, the digest it computed, and its signature over that digest (r || s || v)."""

    signer: str
    digest: str
    signature: str


class Refusal(msgspec.Struct, frozen=True):
    """Why a peer did not sign.

    Problems: `missing` (with the keys of the readings it lacks), `voted` (for other content; ask for it), `behind` (the
    peer must follow the chain first), `stale` (the proposer must), `objection`, `invalid`.
    """

    problem: str
    detail: str
    missing: list[tuple[str, int, str]] = []


class BatchContent(msgspec.Struct, frozen=True):
    """Content of a batch: its keys and the signed readings they name; for attested batches what stands on chain."""

    stream: str
    kind: str
    seq: int
    keys: str
    readings: list[ReadingPayload]
    digest: str
    root: str = ""
    previous: str = ""
    meta: str = ""
    config: int = 0
    signer_mask: int = 0
    transaction: str = ""
    block: int = 0
    status: str = "voted"


M = TypeVar("M", SignRequest, SignAnswer, Refusal, BatchContent)


def decode_message(body: bytes, kind: type[M]) -> M:
    """A message of a JSON body. Raises InputError."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"the body is not a {kind.__name__}: {error}") from error


def encode_message(message: Any) -> bytes:
    """JSON of a message."""
    return msgspec.json.encode(message)


def to_hex(value: bytes) -> str:
    """Bytes as 0x-hexadecimal."""
    return "0x" + value.hex()
