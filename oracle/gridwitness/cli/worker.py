"""`gridwitness worker`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from gridwitness.chain.manifest import Manifest
from gridwitness.cli.structured_logs import log_json
from gridwitness.cli.toml_settings import NatsUrl, TomlSettings
from gridwitness.encoding.eip712 import registry_domain
from gridwitness.service.scaleout.link import NatsConfig
from gridwitness.service.scaleout.worker import Worker


def _some_name() -> str:
    host = "".join(character if character.isalnum() else "-" for character in socket.gethostname())
    return f"{host}-{os.getpid()}"


class WorkerSettings(TomlSettings):
    """What `gridwitness worker` needs to know. Paths are relative to the file."""

    model_config = SettingsConfigDict(env_prefix="GRIDWITNESS_WORKER_", extra="forbid", frozen=True)

    manifest: Path
    nats_url: Annotated[NatsUrl, Field(min_length=1)]
    nats_user: str = ""
    nats_password_file: Path | None = None
    nats_ca_file: Path | None = None
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", default_factory=_some_name)]

    def make_worker(self) -> Worker:
        """The worker of these settings. Raises ConfigError."""
        manifest = Manifest.load(self.manifest)
        domain = registry_domain(manifest.chain_id, manifest.address("DeviceRegistry"))
        nats = NatsConfig(self.nats_url, self.nats_user, self.nats_password_file, self.nats_ca_file)
        return Worker(nats, self.name, domain)


def worker(config: Annotated[Path, typer.Option(help="TOML file with the worker's settings")]) -> None:
    """Verify signatures for an oracle that has nats_url set, until SIGTERM or Ctrl-C.

    A worker takes readings from the broker, finds out which key signed each, and gives that back to the broker; the
    oracle judges and logs. Start as many as there are cores, on any machine: each is one process, needs no chain and
    no key, and keeps nothing. If one dies, others get what it had after ten seconds. Logs are JSON lines on standard
    error; the oracle's GET /v1/status shows its workers.

    Example worker.toml:

    \b
        nats_url = "nats://broker:4222"
        manifest = "deployments/31337.json"
        name = "worker-1"
        nats_user = "worker-1"
        nats_password_file = "password"

    The name is one of a worker's own, and should be the broker's user too: `ops/nats-server.conf` shows how the broker
    keeps workers from speaking for each other. Without one, a name is made of host and process. Other settings:
    nats_ca_file, for a tls:// broker whose certificate the system does not know.
    """
    settings = WorkerSettings.load(config, "worker")
    log_json(settings.log_level)
    uvloop.run(_work(settings.make_worker()))


async def _work(worker: Worker) -> None:
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, worker.stop)
    await worker.run()
