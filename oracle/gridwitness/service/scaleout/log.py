"""The oracle's end: verified messages are judged and written in their order, each in one transaction with its place.

The place is the stream's sequence and the message's time, under the stream's own identity. What a restart brings again
is told by it and skipped: in order, nothing below it can be missing. So messages are taken strictly in order, from a
consumer made anew for each connection; a gap that it shows is of messages that are gone. A number that comes again
with a later time is another message: the broker lost its newest ones, or the stream is another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import StreamInfo

from gridwitness.api.protocols import Verdict
from gridwitness.errors import ChainError, InputError, Overloaded, ReadingRejected, StoreError
from gridwitness.service.evidence import Decoder
from gridwitness.service.ingest import Ingest, Parcel
from gridwitness.service.scaleout.link import LOG, VERIFIED, Pull
from gridwitness.service.scaleout.messages import (
    Answer,
    Verified,
    answer_of,
    decode_merged,
    decode_verified,
    encode,
    is_reply_subject,
    worker_of_subject,
)
from gridwitness.service.scaleout.trust import Trust
from gridwitness.store import Rejection

_AT_ONCE = 64
# While others are under way, so long is waited for a transaction of so many messages: small ones cost thrice as much.
_ENOUGH_MESSAGES = 8
_GATHER_S = 0.1
_LEAST_PAUSE_S, _MOST_PAUSE_S = 0.5, 30.0
_SOURCE = "nats"
# What decoding raises: msgspec's errors are ValueErrors, as is text that is no UTF-8; the other is of deep nesting.
_UNREADABLE = (ValueError, RecursionError)
_log = structlog.get_logger()


class Offsets(Protocol):
    """What is needed of store.ReadingLog."""

    def offset(self, consumer: str) -> int | None:
        """Position of a consumer."""
        ...


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A verified message: its place, what it holds, and where its answer goes; `is_merged` for the oracle's own calls.

    `problem` says why it cannot be judged now: as over HTTP, nothing is acknowledged then, and the sender comes again.
    """

    message: Msg
    sequence: int
    time_us: int
    parcels: Sequence[Parcel] = ()
    rejection: Rejection | None = None
    reply: str = ""
    is_merged: bool = False
    problem: str = ""


class VerifiedLog:
    """Consumes the verified stream."""

    def __init__(
        self, ingest: Ingest, decoder: Decoder, offsets: Offsets, trust: Trust, under_way: Callable[[], int]
    ) -> None:
        """`under_way` says how many messages this oracle awaits."""
        self._under_way = under_way
        self.counts = {"messages": 0, "skipped": 0, "missing": 0, "deferred": 0}
        self._ingest = ingest
        self._decoder = decoder
        self._offsets = offsets
        self._trust = trust

    async def consume(self, client: Client, stream: StreamInfo) -> None:
        """Take messages of a consumer just made, until the connection ends. Raises nats' errors."""
        name = f"{VERIFIED}@{stream.created.isoformat() if stream.created else ''}"
        sequence, time_us = await asyncio.to_thread(self._place, name)
        if sequence and stream.state.last_seq < sequence:
            _log.error("nats_stream_went_back", stream=VERIFIED, last=stream.state.last_seq, taken=sequence)
        pull = Pull(client, VERIFIED, LOG, _AT_ONCE)
        await pull.open()
        received = 0
        while True:
            fresh: list[Msg] = []
            for message in await self._gather(pull):
                at, at_us = _place_of(message)
                if received and at <= received:
                    continue  # its acknowledgement is under way, or comes after its transaction
                if received and at != received + 1:
                    raise NatsError(f"message {received + 1} of {VERIFIED} was not delivered")
                if not received and at > sequence + 1:
                    self._note_missing(sequence, at)
                received = at
                if at <= sequence and at_us <= time_us:
                    self.counts["skipped"] += 1
                    await message.ack()
                else:
                    fresh.append(message)
            if fresh:
                await self._take(client, name, fresh)

    async def _gather(self, pull: Pull) -> list[Msg]:
        messages = await pull.take()
        if len(messages) < min(_ENOUGH_MESSAGES, self._under_way()):
            await asyncio.sleep(_GATHER_S)
            messages += pull.rest()
        return messages

    def _place(self, name: str) -> tuple[int, int]:
        return self._offsets.offset(name) or 0, self._offsets.offset(f"{name} µs") or 0

    def _note_missing(self, sequence: int, at: int) -> None:
        self.counts["missing"] += at - sequence - 1
        if sequence:
            _log.warning("nats_messages_missing", stream=VERIFIED, after=sequence, before=at)

    async def _take(self, client: Client, name: str, messages: Sequence[Msg]) -> None:
        deliveries = [await self._open(message) for message in messages]
        try:
            verdicts = await self._settle(name, deliveries)
            await self._answer(client, deliveries, verdicts)
        except (ChainError, Overloaded):  # one of them needs what cannot be had now; the others do not
            for delivery in deliveries:
                await self._take_alone(client, name, delivery)

    async def _take_alone(self, client: Client, name: str, delivery: _Delivery) -> None:
        try:
            verdicts = await self._settle(name, [delivery])
        except (ChainError, Overloaded) as error:
            delivery = replace(delivery, parcels=(), problem=error.message)
            verdicts = await self._settle(name, [delivery])
        await self._answer(client, [delivery], verdicts)

    async def _settle(self, name: str, deliveries: Sequence[_Delivery]) -> list[list[list[Verdict]]]:
        """Verdicts by delivery and parcel, once they are durable: tried again until the disk takes them."""
        offsets = [(name, deliveries[-1].sequence), (f"{name} µs", deliveries[-1].time_us)]
        parcels = [parcel for delivery in deliveries for parcel in delivery.parcels]
        rejections = [one.rejection for one in deliveries if one.rejection is not None]
        pause_s = _LEAST_PAUSE_S
        while True:
            try:
                verdicts = iter(await self._ingest.settle(parcels, offsets, rejections))
                return [[next(verdicts) for _ in delivery.parcels] for delivery in deliveries]
            except StoreError as error:
                _log.error("nats_cannot_write", error=error.message)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _MOST_PAUSE_S)

    async def _answer(
        self, client: Client, deliveries: Sequence[_Delivery], verdicts: Sequence[Sequence[Sequence[Verdict]]]
    ) -> None:
        """Acknowledge each by itself, and answer."""
        for delivery, said in zip(deliveries, verdicts, strict=True):
            await delivery.message.ack()
            self.counts["messages"] += 1
            self.counts["deferred"] += bool(delivery.problem)
            if is_reply_subject(delivery.reply):
                await client.publish(delivery.reply, _answer_to(delivery, said))

    async def _open(self, message: Msg) -> _Delivery:
        sequence, time_us = _place_of(message)
        empty = _Delivery(message, sequence, time_us)
        try:
            verified = decode_verified(message.data)
        except _UNREADABLE as error:
            return replace(empty, rejection=_rejection(f"no verified message: {error}", message.data))
        if verified.given_up_after:
            words = f"{verified.given_up_after - 1} workers were given the message and none finished it"
            words = f"the message is {verified.problem}" if verified.problem else words
            rejection = Rejection("undeliverable", words, verified.body, _SOURCE, verified.content_type)
            return replace(empty, rejection=rejection, reply=verified.reply)
        worker = worker_of_subject(message.subject)
        if not verified.gateway:
            return await self._open_merged(empty, verified, worker)
        return await self._open_gateways(replace(empty, reply=verified.reply), verified, worker)

    async def _open_merged(self, empty: _Delivery, verified: Verified, worker: str) -> _Delivery:
        try:
            merged = decode_merged(verified.body)
        except _UNREADABLE as error:
            return replace(empty, rejection=_rejection(f"no message of an oracle: {error}", verified.body))
        payloads = [payload for _, some in merged.sources for payload in some]
        signers = await self._trust.signers(worker, payloads, verified.signers)
        parcels = []
        start = 0
        for source, some in merged.sources:
            parcels.append(Parcel(source, some, signers[start : start + len(some)]))
            start += len(some)
        return replace(empty, parcels=parcels, reply=merged.reply, is_merged=True)

    async def _open_gateways(self, empty: _Delivery, verified: Verified, worker: str) -> _Delivery:
        try:
            payloads = await self._decoder.decode(verified.body, verified.content_type)
        except InputError as error:
            word = error.reason if isinstance(error, ReadingRejected) else "malformed"
            rejection = Rejection(word, error.message, verified.body, _SOURCE, verified.content_type)
            return replace(empty, rejection=rejection)
        except ChainError as error:
            return replace(empty, problem=error.message)
        signers = await self._trust.signers(worker, payloads, verified.signers) if verified.signers else None
        return replace(empty, parcels=[Parcel(_SOURCE, payloads, signers)])


def _rejection(message: str, body: bytes) -> Rejection:
    return Rejection("malformed", message, body, _SOURCE, "application/msgpack")


def _place_of(message: Msg) -> tuple[int, int]:
    """Sequence in the stream, and time of being stored in microseconds."""
    metadata = message.metadata
    return metadata.sequence.stream, round(metadata.timestamp.timestamp() * 1e6)


def _answer_to(delivery: _Delivery, verdicts: Sequence[Sequence[Verdict]]) -> bytes:
    if delivery.is_merged:
        return encode(Answer([], delivery.problem) if delivery.problem else answer_of(verdicts))
    rejection = delivery.rejection
    if delivery.problem:
        rejection = Rejection("try_later", delivery.problem)
    if rejection is not None:
        return msgspec.json.encode({"results": [], "reason": rejection.reason, "message": rejection.message})
    return msgspec.json.encode({"results": verdicts[0]})
