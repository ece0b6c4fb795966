"""What the commands share that serve HTTP until they are told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gridwitness.api.bodies import BODY_TIMEOUT_S
from gridwitness.cli.systemd import keep_notified, notify
from gridwitness.errors import ConfigError

# Told to stop, a service has so long for the step it is in, then requests for theirs; the process ends in any case.
_STEP_S, _REQUESTS_S, STOP_S = 4.0, 3, 9.0
HEAD_TIMEOUT_S = 10.0
# A loop that was held up runs its timers before it looks at its sockets: before a connection ends it looks once more.
_LAST_LOOK_S = 0.1
_KEEP_ALIVE_S = 75
_MAX_HEAD_BYTES = 32 << 10
_log = structlog.get_logger()


class Service(Protocol):
    """A running service."""

    async def run(self) -> None:
        """Work until stopped."""

    def stop(self) -> None:
        """Ask `run` to end, and take nothing new."""

    def not_ready(self) -> list[str]:
        """Why it cannot do its work now; empty when it can."""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: they end the process by the signal, ours end it well."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us."""
        yield


class _BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP for clients that dribble: it has no limit to how long or large the head of a request gets.

    The application answers a late body with a 408. A little later the connection ends whoever is to blame, as the
    application may have answered without reading on.
    """

    head_timeout_s: float
    body_timeout_s: float
    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The head of a request is due."""
        super().connection_made(transport)
        self._head_bytes = 0
        self._is_in_head = True
        self._await(self.head_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and count what belongs to the head."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > _MAX_HEAD_BYTES:
            self.send_400_response(f"the request's head is larger than {_MAX_HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        """A request's first byte came: its head is due."""
        super().on_message_begin()
        self._is_in_head = True
        self._await(self.head_timeout_s)

    def on_headers_complete(self) -> None:
        """Its body is due, if it has one."""
        self._is_in_head = False
        self._await(self.body_timeout_s)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Nothing is due until the next request begins."""
        self._cancel()
        self._head_bytes = 0
        super().on_message_complete()

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection, unless a request has come meanwhile."""
        self.timeout_keep_alive_task = self.loop.call_later(_LAST_LOOK_S, super().timeout_keep_alive_handler)

    def _cancel(self) -> None:
        if self._due is not None:
            self._due.cancel()

    def _await(self, seconds: float) -> None:
        self._cancel()
        self._due = self.loop.call_later(seconds, self._look_again)

    def _look_again(self) -> None:
        self._due = self.loop.call_later(_LAST_LOOK_S, self.transport.close)


async def serve(
    app: FastAPI,
    service: Service,
    listener: socket.socket,
    *,
    most_connections: int | None = None,
    head_timeout_s: float = HEAD_TIMEOUT_S,
    body_timeout_s: float = BODY_TIMEOUT_S,
) -> None:
    """Run a service and its HTTP interface until SIGTERM or Ctrl-C; connections beyond the most get a 503.

    Heads of requests that come late or exceed 32 KiB, and bodies a second overdue, end their connection.
    When it is to stop, the service ends its step while HTTP still answers, then requests under way end theirs. After
    STOP_S the process ends whatever hangs: what was acknowledged is durable all the same.
    """
    limits = {"head_timeout_s": head_timeout_s, "body_timeout_s": body_timeout_s + 1}
    protocol = type("BoundedHttp", (_BoundedHttp,), limits)
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        access_log=False,
        server_header=False,
        log_config=None,
        lifespan="off",
        limit_concurrency=most_connections,
        timeout_graceful_shutdown=_REQUESTS_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    server = _Server(config)
    stopping = asyncio.Event()

    def end() -> None:
        if not stopping.is_set():
            notify("STOPPING=1")
            _end_process_after(STOP_S)
        stopping.set()
        service.stop()

    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, end)
    host, port = listener.getsockname()[:2]
    # What is there now stays: the collector need not walk it again and again while requests come and go.
    gc.collect()
    gc.freeze()
    _log.info("listening", url=f"http://{host}:{port}")
    async with asyncio.TaskGroup() as tasks:
        notifying = tasks.create_task(keep_notified(service))
        tasks.create_task(server.serve(sockets=[listener]))
        await _run_until_stopped(service, stopping)
        notifying.cancel()
        server.should_exit = True


async def _run_until_stopped(service: Service, stopping: asyncio.Event) -> None:
    """Until the service has ended by itself, or was told to and has had its time."""
    running, waiting = asyncio.create_task(service.run()), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({running}, timeout=_STEP_S)
        if running.done():
            running.result()
        else:
            _log.warning("step_broken_off", waited_s=_STEP_S)
    finally:
        running.cancel()
        waiting.cancel()
        await asyncio.wait({running, waiting}, timeout=1)


def _end_process_after(seconds: float) -> None:
    """A thread that hangs on a node or a disk would keep the process for as long as that takes."""

    def end() -> None:
        _log.error("stop_overdue", waited_s=seconds)
        os._exit(0)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """The listening socket, taken before anything else so that a busy port is found at once. Raises ConfigError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="another program has the port: stop it, or change `listen`",
        ) from error
    with listener:
        yield listener
