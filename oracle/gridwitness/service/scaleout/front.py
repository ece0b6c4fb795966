"""What stands before the broker: calls' readings are gathered by partition, published, and their verdicts awaited.

Of a partition one message is under way at a time; what comes meanwhile goes with the next. So an idle oracle sends at
once, a busy one large messages, and a partition's readings stay in the order they came. Only when there is enough for
a message of FULL_READINGS does another set out before.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import APIError

from gridwitness.api.protocols import Verdict
from gridwitness.errors import GridwitnessError, Overloaded
from gridwitness.service.scaleout.messages import (
    MAX_MESSAGE_BYTES,
    VERDICTS,
    Answer,
    Merged,
    decode_answer,
    encode,
    partition_of,
    readings_subject,
)
from gridwitness.sources.payloads import ReadingPayload

FULL_READINGS = 256
_MOST_MESSAGES = 8
_COME_AGAIN_S = 5

# Judges and writes readings here, without any worker.
Direct = Callable[[Sequence[ReadingPayload], str], Awaitable[list[Verdict]]]


@dataclass(slots=True)
class _Call:
    payloads: Sequence[ReadingPayload]
    source: str
    verdicts: list[Verdict | None]
    missing: int
    done: asyncio.Future[None]

    def give(self, index: int, verdict: Verdict) -> None:
        self.verdicts[index] = verdict
        self.missing -= 1
        if not self.missing and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: GridwitnessError) -> None:
        if not self.done.done():
            self.done.set_exception(error)


_Part = tuple[_Call, list[int]]
"""Some of a call's readings, by index."""


@dataclass(slots=True)
class _Lane:
    """A partition: what is gathered for its next message, and how many messages are under way."""

    partition: int
    parts: list[_Part] = field(default_factory=list)
    readings: int = 0
    senders: int = 0

    def next_parts(self) -> list[_Part]:
        """What goes with the next message; calls that nobody waits for any more do not."""
        chosen: list[_Part] = []
        count = 0
        while self.parts and count < FULL_READINGS:
            call, indices = self.parts.pop(0)
            self.readings -= len(indices)
            if not call.done.done():
                chosen.append((call, indices))
                count += len(indices)
        return chosen


class Front:
    """Publishes readings while the broker is there; fulfils ingest.Front."""

    def __init__(self, direct: Direct, partitions: int, answer_timeout_s: float) -> None:
        self._direct = direct
        self._partitions = partitions
        self._timeout_s = answer_timeout_s
        self._lanes = [_Lane(partition) for partition in range(partitions)]
        self._stream: JetStreamContext | None = None
        self._subject = ""
        self._tokens = itertools.count()
        self._answers: dict[str, asyncio.Future[Answer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, client: Client) -> None:
        """From now on publish over this connection."""
        self._subject = f"{VERDICTS}{secrets.token_hex(8)}"
        await client.subscribe(f"{self._subject}.*", cb=self._receive)
        await client.flush()
        self._stream = client.jetstream()

    def close(self) -> None:
        """The connection is gone: whoever waits is told to send again."""
        self._stream = None
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(Answer([], "the connection to the broker was lost"))

    def under_way(self) -> int:
        """Messages whose answers are awaited."""
        return len(self._answers)

    async def verdicts(self, payloads: Sequence[ReadingPayload], source: str) -> list[Verdict]:
        """Verdicts in order. Raises Overloaded without a broker, if it is full, or if verdicts take too long."""
        if self._stream is None:
            raise Overloaded("the broker is away", _COME_AGAIN_S)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        call = _Call(payloads, source, [None] * len(payloads), len(payloads), done)
        by_partition: dict[int, list[int]] = {}
        for index, payload in enumerate(payloads):
            by_partition.setdefault(partition_of(payload.device_id, self._partitions), []).append(index)
        for partition, indices in by_partition.items():
            self._add(self._lanes[partition], call, indices)
        try:
            async with asyncio.timeout(self._timeout_s):
                await done
        except TimeoutError:
            raise Overloaded(
                f"no verdict came within {self._timeout_s:g} s; is a worker there?", _COME_AGAIN_S
            ) from None
        return [verdict for verdict in call.verdicts if verdict is not None]

    def _add(self, lane: _Lane, call: _Call, indices: list[int]) -> None:
        lane.parts.append((call, indices))
        lane.readings += len(indices)
        if not lane.senders or (lane.readings >= FULL_READINGS and lane.senders < _MOST_MESSAGES):
            lane.senders += 1
            task = asyncio.create_task(self._send_all(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send_all(self, lane: _Lane) -> None:
        try:
            while parts := lane.next_parts():
                await self._send(lane.partition, parts)
        finally:
            lane.senders -= 1

    async def _send(self, partition: int, parts: Sequence[_Part]) -> None:
        token = str(next(self._tokens))
        reply = f"{self._subject}.{token}"
        body = encode(Merged(reply, _by_source(parts)))
        if len(body) > MAX_MESSAGE_BYTES:
            await self._send_halves(partition, parts)
            return
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[token] = answer
        try:
            await self._publish(partition, body)
            async with asyncio.timeout(self._timeout_s):
                _distribute(parts, await answer)
        except TimeoutError:  # callers have given up by themselves
            return
        except GridwitnessError as error:
            _fail(parts, error)
        finally:
            del self._answers[token]

    async def _publish(self, partition: int, body: bytes) -> None:
        if self._stream is None:
            raise Overloaded("the broker is away", _COME_AGAIN_S)
        try:
            await self._stream.publish(readings_subject(partition), body)
        except APIError as error:
            raise Overloaded(f"the broker takes no readings: {error.description}", _COME_AGAIN_S) from error
        except (NatsError, OSError, TimeoutError) as error:
            raise Overloaded(f"the broker did not take the readings: {error}", _COME_AGAIN_S) from error

    async def _send_halves(self, partition: int, parts: Sequence[_Part]) -> None:
        """Two messages in place of one too large; a single reading that large is surely refused, and that here."""
        single = [(call, [index]) for call, indices in parts for index in indices]
        if len(single) > 1:
            middle = len(single) // 2
            await self._send(partition, single[:middle])
            await self._send(partition, single[middle:])
            return
        call, (index,) = single[0]
        try:
            call.give(index, (await self._direct([call.payloads[index]], call.source))[0])
        except GridwitnessError as error:
            call.fail(error)

    async def _receive(self, message: Msg) -> None:
        answer = self._answers.get(message.subject.rpartition(".")[2])
        if answer is not None and not answer.done():
            answer.set_result(decode_answer(message.data))


def _by_source(parts: Sequence[_Part]) -> list[tuple[str, list[ReadingPayload]]]:
    """Payloads in their order, those of one source together: most calls come from one, and each has only a few here."""
    return [
        (source, [call.payloads[index] for call, indices in some for index in indices])
        for source, some in itertools.groupby(parts, lambda part: part[0].source)
    ]


def _distribute(parts: Sequence[_Part], answer: Answer) -> None:
    if answer.problem:
        _fail(parts, Overloaded(answer.problem, _COME_AGAIN_S))
        return
    others = {index: said for index, *said in answer.exceptions}
    at = 0
    for call, indices in parts:
        for index in indices:
            payload = call.payloads[index]
            said = others.get(at, ("accepted",)) if others else ("accepted",)
            call.give(index, Verdict(payload.device_id, payload.counter, *said))
            at += 1


def _fail(parts: Sequence[_Part], error: GridwitnessError) -> None:
    for call, _ in parts:
        call.fail(error)
