"""Connections to NATS, the two streams, and messages pulled from them.

The client library's own reconnection is not used: what was asked of a broker is forgotten when it is gone, so
everything is set up anew on a new connection, with growing pauses between attempts, for ever.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import nats
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import NotFoundError

from gridwitness.errors import ConfigError, GridwitnessError
from gridwitness.service.scaleout.messages import ANY_READINGS, ANY_VERIFIED

READINGS, VERIFIED = "GRIDWITNESS_READINGS", "GRIDWITNESS_VERIFIED"
VERIFIERS, LOG = "verifiers", "log"
# A message that a worker took and did not acknowledge goes to another after that.
ACK_WAIT_S = 10
_DUPLICATE_WINDOW_S = 120
_MOST_UNACKNOWLEDGED = 1_000
_LEAST_PAUSE_S, _MOST_PAUSE_S = 0.1, 30.0
_PING_S = 5
_CONNECT_S = 5
_PULL_S = 5
_GRACE_S = 3
_SCHEMES = ("nats", "tls")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NatsConfig:
    """A broker and who asks it: `url` nats://host[:port] or tls://…; `ca_file` is PEM, in place of the system's."""

    url: str
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None

    def check(self) -> None:
        """Raise ConfigError for an address, password or certificate that cannot be used."""
        self.password()
        self.tls()

    def password(self) -> str | None:
        """What the password file holds."""
        if self.password_file is None:
            return None
        try:
            return self.password_file.read_text().rstrip("\n")
        except OSError as error:
            raise ConfigError(f"nats_password_file {self.password_file} cannot be read: {error}") from error

    def tls(self) -> ssl.SSLContext | None:
        """For tls://, whom to trust."""
        try:
            parts = urlsplit(self.url)
            known = parts.scheme in _SCHEMES and parts.hostname and not parts.username and parts.port != 0
        except ValueError as error:
            raise ConfigError(f"nats_url {self.url!r} is not an address: {error}") from error
        if not known:
            raise ConfigError(f"nats_url {self.url!r} is not nats://host:port or tls://host:port")
        if parts.scheme != "tls":
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise ConfigError(f"nats_ca_file {self.ca_file} cannot be used: {error}") from error


async def stay_connected(
    config: NatsConfig, role: str, session: Callable[[Client], Awaitable[None]], tell: Callable[[str], None]
) -> None:
    """Run `session` on a connection until cancelled, and anew on another when either ends; `tell` why.

    `role` is the client's name; its inboxes are under `_INBOX.<role>`, so that a broker can keep others out of them.
    """
    loop = asyncio.get_running_loop()
    pause_s = _LEAST_PAUSE_S
    while True:
        started_at = loop.time()
        try:
            await _once_connected(config, role, session)
        except* (NatsError, OSError, TimeoutError, GridwitnessError) as errors:
            tell(_words(errors))
        if loop.time() - started_at > _MOST_PAUSE_S:
            pause_s = _LEAST_PAUSE_S
        await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 (no secret)
        pause_s = min(2 * pause_s, _MOST_PAUSE_S)


async def connect(config: NatsConfig, role: str, closed: Callable[[], Awaitable[None]] | None = None) -> Client:
    """One connection, which is not made anew when it is lost. Raises nats' errors and OSError."""
    is_connected = False

    async def fail(error: Exception) -> None:
        if not is_connected:
            raise error  # or the library would try for two minutes by itself; later, calls raise what concerns them

    client = await nats.connect(
        config.url,
        name=role,
        allow_reconnect=False,
        connect_timeout=_CONNECT_S,
        ping_interval=_PING_S,
        inbox_prefix=f"_INBOX.{role}",
        user=config.user or None,
        password=config.password(),
        tls=config.tls(),
        error_cb=fail,
        closed_cb=closed,
    )
    is_connected = True
    return client


def check_broker(config: NatsConfig) -> str:
    """Connect once, and say what was found. Raises ConfigError if nothing answers, or no JetStream."""

    async def ask() -> str:
        client = await connect(config, "oracle")
        try:
            info = await client.jetstream().account_info()
        finally:
            await client.close()
        return f"{config.url} answers, with JetStream; {info.streams} streams"

    config.check()
    try:
        return asyncio.run(ask())
    except (NatsError, OSError, TimeoutError) as error:
        message = f"{config.url}: {error or type(error).__name__}"
        raise ConfigError(message, hint="start it with JetStream, or correct nats_url and nats_user") from error


async def _once_connected(config: NatsConfig, role: str, session: Callable[[Client], Awaitable[None]]) -> None:
    gone = asyncio.Event()

    async def note() -> None:
        gone.set()

    client = await connect(config, role, note)
    work = asyncio.ensure_future(session(client))
    end = asyncio.ensure_future(gone.wait())
    try:
        await asyncio.wait((work, end), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
        raise client.last_error or ConnectionClosedError()
    finally:
        for task in (work, end):
            task.cancel()
        await asyncio.gather(work, end, return_exceptions=True)
        with suppress(NatsError, OSError, TimeoutError):
            await client.close()


def _words(errors: BaseExceptionGroup[Exception]) -> str:
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if isinstance(first, GridwitnessError):
        return first.message
    return str(first) or type(first).__name__


async def make_streams(stream: JetStreamContext, owner: str, max_bytes: int) -> StreamInfo:
    """See that both streams are there, and the workers' consumer; what is known of the verified one.

    A full stream refuses what is new, so that senders learn of it. `owner` is the oracle's address: of another's
    streams nothing must be taken, or each would get half. Raises ConfigError for such.
    """
    infos = [
        await _make_stream(stream, name, subjects, owner, max_bytes)
        for name, subjects in ((READINGS, ANY_READINGS), (VERIFIED, ANY_VERIFIED))
    ]
    await stream.add_consumer(
        READINGS,
        ConsumerConfig(
            durable_name=VERIFIERS,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_S,
            max_ack_pending=_MOST_UNACKNOWLEDGED,
        ),
    )
    return infos[-1]


async def _make_stream(stream: JetStreamContext, name: str, subjects: str, owner: str, max_bytes: int) -> StreamInfo:
    wanted = StreamConfig(
        name=name,
        description=f"of oracle {owner}",
        subjects=[subjects],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=max_bytes,
        duplicate_window=_DUPLICATE_WINDOW_S,
    )
    try:
        info = await stream.stream_info(name)
    except NotFoundError:
        _log.info("nats_stream_made", stream=name)
        return await stream.add_stream(wanted)
    if info.config.description != wanted.description:
        raise ConfigError(
            f"stream {name} is {info.config.description!r}, this is oracle {owner}",
            hint="each oracle needs a broker, or an account of the broker, of its own",
        )
    if info.config.max_bytes != max_bytes:
        info = await stream.update_stream(wanted)
    return info


async def make_log_consumer(stream: JetStreamContext) -> None:
    """The oracle's consumer, new, so that it begins with the oldest message that is not acknowledged, in order."""
    with suppress(NotFoundError):
        await stream.delete_consumer(VERIFIED, LOG)
    await stream.add_consumer(
        VERIFIED,
        ConsumerConfig(
            durable_name=LOG,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=3 * ACK_WAIT_S,
            max_ack_pending=_MOST_UNACKNOWLEDGED,
        ),
    )


class Pull:
    """Messages of a durable consumer, as many at a time as are asked for.

    `fetch` of the client library waits for the last of a batch; this one gives what there is.
    """

    def __init__(self, client: Client, stream: str, consumer: str, batch: int) -> None:
        self._client = client
        self._stream, self._consumer = stream, consumer
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._request = b'{"batch": %d, "expires": %d}' % (batch, _PULL_S * 10**9)
        self._batch = batch
        self._inbox = client.new_inbox()
        self._messages: asyncio.Queue[Msg | NatsError] = asyncio.Queue()
        self._awaited = 0

    async def open(self) -> None:
        """Listen to what is delivered. Raises nats' errors, also where the consumer is not there (yet)."""
        # A broker does not answer pulls from a consumer it does not know.
        await self._client.jetstream().consumer_info(self._stream, self._consumer)
        await self._client.subscribe(self._inbox, cb=self._receive)

    async def take(self) -> list[Msg]:
        """What has come, at least one message. Raises nats' errors if nothing will come any more."""
        taken: list[Msg] = []
        while not taken:
            if not self._awaited and self._messages.empty():
                self._awaited = self._batch
                await self._client.publish(self._subject, self._request, self._inbox)
            await self._gather(taken)
        return taken

    def rest(self) -> list[Msg]:
        """What has come besides, maybe nothing."""
        taken: list[Msg] = []
        while not self._messages.empty():
            item = self._messages.get_nowait()
            if isinstance(item, NatsError):
                self._messages.put_nowait(item)  # for the next `take`
                break
            if item.reply:
                taken.append(item)
        return taken

    async def _gather(self, taken: list[Msg]) -> None:
        async with asyncio.timeout(_PULL_S + _GRACE_S):
            item = await self._messages.get()
        while True:
            if isinstance(item, NatsError):
                raise item
            if item.reply:
                taken.append(item)
            if self._messages.empty() or len(taken) == self._batch:
                return
            item = self._messages.get_nowait()

    async def _receive(self, message: Msg) -> None:
        if message.reply:
            self._awaited -= 1
            self._messages.put_nowait(message)
            return
        # A status: the request is over, for lack of messages or because consumer or stream are gone.
        self._awaited = 0
        status = (message.headers or {}).get("Status", "")
        if status in ("404", "408"):
            self._messages.put_nowait(message)
        else:
            self._messages.put_nowait(NatsError(f"pull refused: {status} {(message.headers or {}).get('Description')}"))
