"""What oracles of one committee send each other, as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec

from gridwitness.errors import InputError
from gridwitness.sources.payloads import ReadingPayload

# uint40, uint32 and uint24, as the contract has them: what peers send also goes into columns that hold no more than
# 64 bits, so without limits a number could be too large for the log.
UnixSeconds = Annotated[int, msgspec.Meta(ge=0, lt=1 << 40)]
BatchNumber = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
CommitteeNumber = Annotated[int, msgspec.Meta(ge=0, lt=1 << 24)]


class SignRequest(msgspec.Struct, frozen=True):
    """A proposal: content for batch `seq` of a stream, valid from `valid_from` to `valid_until` (unix seconds).

    Readings the peer was found to lack are attached.
    """

    stream: str
    kind: str
    seq: BatchNumber
    previous: str
    config: CommitteeNumber
    valid_from: UnixSeconds
    valid_until: UnixSeconds
    keys: str
    readings: list[ReadingPayload] = []


class SignAnswer(msgspec.Struct, frozen=True):
    """The peer's address, the digest it computed, and its signature over that digest (r || s || v)."""

    signer: str
    digest: str
    signature: str


class Refusal(msgspec.Struct, frozen=True):
    """Why a peer did not sign.

    Problems: `missing` (with the keys of the readings it lacks), `voted` (for other content that may be attested at the
    same time; ask for it), `behind` (the peer must follow the chain first), `stale` (the proposer must), `objection`,
    `invalid`.
    """

    # No other words, as they are counted by the word.
    problem: Literal["missing", "voted", "behind", "stale", "objection", "invalid"]
    detail: str
    missing: list[tuple[str, int, str]] = []


class BatchContent(msgspec.Struct, frozen=True):
    """Content of a batch: its keys and the signed readings they name.

    For a vote, when it may be attested; for an attested batch, what stands on chain.
    """

    stream: str
    kind: str
    seq: BatchNumber
    keys: str
    readings: list[ReadingPayload]
    digest: str
    valid_from: UnixSeconds = 0
    valid_until: UnixSeconds = 0
    root: str = ""
    meta: str = ""
    config: CommitteeNumber = 0
    signer_mask: int = 0
    transaction: str = ""
    block: int = 0
    status: str = "voted"


M = TypeVar("M", SignRequest, SignAnswer, Refusal, BatchContent)


def decode_message(body: bytes, kind: type[M]) -> M:
    """A message of a JSON body. Raises InputError."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"the body is not a {kind.__name__}: {error}") from error


def encode_message(message: Any) -> bytes:
    """JSON of a message."""
    return msgspec.json.encode(message)


def to_hex(value: bytes) -> str:
    """Bytes as 0x-hexadecimal."""
    return "0x" + value.hex()
