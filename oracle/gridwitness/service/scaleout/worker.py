"""A worker: takes readings from the broker, finds out who signed them, and passes them on to the oracle.

It knows no chain and has no key. What it took it acknowledges only once the broker has what it found; should it die
before, the broker gives the message to another after ACK_WAIT_S. The oracle then sees at most the same finding twice,
and takes readings once by their key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import APIError

from gridwitness.encoding.eip712 import Domain
from gridwitness.errors import InputError
from gridwitness.service.scaleout.link import ACK_WAIT_S, READINGS, VERIFIERS, NatsConfig, Pull, stay_connected
from gridwitness.service.scaleout.messages import (
    CONTENT_TYPE_HEADER,
    REPLY_HEADER,
    Verified,
    decode_merged,
    encode,
    gateway_of_subject,
    verified_subject,
)
from gridwitness.service.scaleout.signers import signers_of
from gridwitness.sources.decoding import decode_native, is_document
from gridwitness.sources.payloads import ReadingPayload
from gridwitness.store.deadletters import MAX_BODY_BYTES

# A message that was given to workers so often ends them: it goes to the dead letters unseen.
MOST_ATTEMPTS = 5
# What a broker takes at once, 1 MiB, with room for headers and for what is put around a body.
_MOST_BYTES = (1 << 20) - (8 << 10)
_MOST_HEADER = 256
_MESSAGE_ID_HEADER = "Nats-Msg-Id"
# While one message's finding is on its way to the broker, the next is looked at.
_SIDE_BY_SIDE = 2
_LOOK_AGAIN_S = 0.5
_log = structlog.get_logger()


class Worker:
    """One process, one core. `problem` says why it does nothing, empty if it works or waits for work."""

    def __init__(self, config: NatsConfig, name: str, domain: Domain) -> None:
        """`name` is the broker's user too, so that nobody can speak for another. Raises ConfigError."""
        config.check()
        self.problem = "not connected yet"
        self.counts = {"messages": 0, "readings": 0, "given_up": 0}
        self._config = config
        self._name = name
        self._domain = domain
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop` is called. Raises whatever is no trouble with the broker, so that the process ends."""
        work = asyncio.ensure_future(
            stay_connected(self._config, f"worker.{self._name}", self._work, self._report_problem)
        )
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, stopping):
                task.cancel()
            await asyncio.gather(work, stopping, return_exceptions=True)
        if not work.cancelled():
            work.result()

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping.set()

    def _report_problem(self, problem: str) -> None:
        if problem != self.problem:
            log = _log.error if problem else _log.info
            log("worker_problem" if problem else "worker_ready", url=self._config.url, problem=problem)
        self.problem = problem

    async def _work(self, client: Client) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(_SIDE_BY_SIDE):
                group.create_task(self._take_and_pass_on(client))

    async def _take_and_pass_on(self, client: Client) -> None:
        pull = Pull(client, READINGS, VERIFIERS, 1)
        await pull.open()
        self._report_problem("")
        stream = client.jetstream()
        while True:
            for message in await pull.take():
                await self._pass_on(stream, message)

    async def _pass_on(self, stream: JetStreamContext, message: Msg) -> None:
        verified = self.examine(message)
        metadata = message.metadata
        # A stream that lost its newest messages with its broker gives their numbers again, but not at the same time.
        message_id = f"{metadata.sequence.stream}-{metadata.timestamp.timestamp()}"
        body = encode(verified)
        while True:
            try:
                await stream.publish(verified_subject(self._name), body, headers={_MESSAGE_ID_HEADER: message_id})
                break
            except APIError as error:  # the stream is full: the oracle is behind, and this must wait
                self._report_problem(f"the broker takes no findings: {error.description}")
                await message.in_progress()
                await asyncio.sleep(min(_LOOK_AGAIN_S, ACK_WAIT_S / 2))
        self._report_problem("")
        await message.ack()
        self.counts["messages"] += 1

    def examine(self, message: Msg) -> Verified:
        """A message with who signed its readings; without, if it could not be read or there is no room to say so.

        Given up is what ended other workers, and what no worker can pass on or the oracle could not read.
        """
        gateway = gateway_of_subject(message.subject)
        headers = message.headers or {} if gateway else {}
        content_type, reply = (headers.get(name, "")[:_MOST_HEADER] for name in (CONTENT_TYPE_HEADER, REPLY_HEADER))
        seen = Verified(message.data, b"", gateway, content_type, reply)
        attempts, size = message.metadata.num_delivered, len(message.data)
        if attempts > MOST_ATTEMPTS:
            return self._give_up(seen, message, attempts)
        if size > _MOST_BYTES:
            return self._give_up(seen, message, attempts + 1, f"too large, {size} of {_MOST_BYTES} bytes")
        try:
            payloads = _payloads(message.data, content_type, is_merged=not gateway)
        except RecursionError:
            return self._give_up(seen, message, attempts + 1, "nested too deeply")
        self.counts["readings"] += len(payloads)
        signers = signers_of(self._domain, payloads)
        return seen if size + len(signers) > _MOST_BYTES else msgspec.structs.replace(seen, signers=signers)

    def _give_up(self, seen: Verified, message: Msg, after: int, problem: str = "") -> Verified:
        """The beginning of a message, for the dead letters; `after` and `problem` as in `Verified`."""
        metadata = message.metadata
        sequence, attempts = metadata.sequence.stream, metadata.num_delivered
        _log.warning("message_given_up", sequence=sequence, gateway=seen.gateway, attempts=attempts, problem=problem)
        self.counts["given_up"] += 1
        # A byte more than dead letters keep, so that they know it is not the whole.
        beginning = seen.body[: MAX_BODY_BYTES + 1]
        return msgspec.structs.replace(seen, body=beginning, given_up_after=after, problem=problem)


def _payloads(body: bytes, content_type: str, *, is_merged: bool) -> Sequence[ReadingPayload]:
    """Readings of a message; none if the oracle must see for itself: it says what is wrong, and knows whose keys
    documents are signed with.
    """
    try:
        if is_merged:
            return [payload for _, payloads in decode_merged(body).sources for payload in payloads]
        return [] if is_document(content_type) else decode_native(body, content_type)
    except (InputError, ValueError):  # msgspec's errors are ValueErrors
        return []
