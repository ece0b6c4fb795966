"""`gridwitness run`."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvicorn

from gridwitness.api import create_app
from gridwitness.chain.client import Chain
from gridwitness.chain.keystore import load_account
from gridwitness.chain.manifest import Manifest
from gridwitness.cli.settings import OracleSettings, load_settings
from gridwitness.errors import ConfigError
from gridwitness.service.node import OracleNode

_SHUTDOWN_S = 5


def run(
    config: Annotated[Path, typer.Option(help="TOML file with the oracle's settings")],
    live: Annotated[bool, typer.Option("--live", help="Send transactions, whatever dry_run says")] = False,
) -> None:
    """Run an oracle until it gets SIGTERM or Ctrl-C.

    It takes in signed readings at POST /v1/readings, follows its streams on chain, signs what its peers propose and,
    unless it is a dry run, proposes and submits batches itself. Logs are JSON lines on standard error; GET /ready
    says what is wrong, GET /v1/status everything else. Run `gridwitness doctor --config FILE` first.

    Example oracle.toml:

    \b
        name = "oracle-1"
        data_dir = "data"
        rpc_url = "http://127.0.0.1:8545"
        manifest = "deployments/31337.json"
        zone = 1
        keystore = "keystore.json"
        password_file = "password"
        listen = "127.0.0.1:8101"
        dry_run = false

    \b
        [[peers]]
        address = "0x…"
        url = "http://127.0.0.1:8102"

    Other settings: readings_stream, profiles_stream, clock ("system" or "chain"), poll_interval_s, grace_s,
    max_wait_s, max_readings, profile_grace_s, takeover_s, batch_validity_s, peer_timeout_s, confirmations.
    """
    settings = load_settings(config)
    _log_json()
    account = load_account(settings.keystore, settings.password_file)
    with _listening(settings) as listener:
        chain = Chain(settings.rpc_url, Manifest.load(settings.manifest))
        node_config = settings.node_config(live=live)
        asyncio.run(_serve(OracleNode(node_config, chain, account), listener))


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: they end the process by the signal, ours end it well."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us."""
        yield


async def _serve(node: OracleNode, listener: socket.socket) -> None:
    server = _Server(
        uvicorn.Config(create_app(node), log_config=None, lifespan="off", timeout_graceful_shutdown=_SHUTDOWN_S)
    )

    def end() -> None:
        node.stop()
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, end)
    host, port = listener.getsockname()[:2]
    structlog.get_logger().info("listening", url=f"http://{host}:{port}")
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(node.run())
            tasks.create_task(server.serve(sockets=[listener]))
    finally:
        await node.close()


@contextmanager
def _listening(settings: OracleSettings) -> Iterator[socket.socket]:
    """The listening socket, taken before anything else so that a busy port is found at once."""
    host, port = settings.host_and_port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {settings.listen}: {error.strerror or error}",
            hint="another program has the port: stop it, or change `listen`",
        ) from error
    with listener:
        yield listener


def _log_json() -> None:
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
