"""What the commands share that serve HTTP until they are told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog
import uvicorn
from fastapi import FastAPI

from gridwitness.errors import ConfigError

_SHUTDOWN_S = 5


class Service(Protocol):
    """A running service."""

    async def run(self) -> None:
        """Work until stopped."""

    def stop(self) -> None:
        """Ask `run` to end."""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: they end the process by the signal, ours end it well."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us."""
        yield


async def serve(
    app: FastAPI, service: Service, listener: socket.socket, *, most_connections: int | None = None
) -> None:
    """Run a service and its HTTP interface until SIGTERM or Ctrl-C; connections beyond the most get a 503."""
    config = uvicorn.Config(
        app,
        log_config=None,
        lifespan="off",
        limit_concurrency=most_connections,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    server = _Server(config)

    def end() -> None:
        service.stop()
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, end)
    host, port = listener.getsockname()[:2]
    structlog.get_logger().info("listening", url=f"http://{host}:{port}")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(service.run())
        tasks.create_task(server.serve(sockets=[listener]))


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


def log_json() -> None:
    """Log JSON lines on standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
