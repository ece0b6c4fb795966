"""A real nats-server, workers as processes, and the light parts of an oracle around the real scale-out."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client

from gridwitness.chain.anvil import Anvil, free_port
from gridwitness.chain.manifest import Manifest
from tests.integration.oracle.village import eventually


def nats_server() -> str:
    """The broker's path; a missing one fails the test."""
    found = shutil.which("nats-server") or shutil.which("/usr/sbin/nats-server")
    assert found, "nats-server is missing; on Debian and Ubuntu: apt-get install nats-server"
    return found


@dataclass
class Broker:
    """One nats-server that keeps its streams on disk."""

    folder: Path
    lines: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        settings = [
            f"listen: 127.0.0.1:{self.port}",
            f"jetstream {{ store_dir: {json.dumps(str(self.folder / 'jetstream'))} }}",
            *self.lines,
        ]
        (self.folder / "nats-server.conf").write_text("\n".join(settings) + "\n")
        command = [nats_server(), "-c", str(self.folder / "nats-server.conf")]
        with (self.folder / "nats-server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=Anvil.die_with_parent)
        eventually(self._is_open, "nats-server to listen")

    def _is_open(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "nats-server.log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, sign: signal.Signals) -> None:
        if self.process is not None:
            process, self.process = self.process, None
            process.send_signal(sign)
            process.wait(timeout=30)

    async def connect(self, **options: Any) -> Client:
        return await nats.connect(self.url, **{"allow_reconnect": False, "error_cb": _be_quiet, **options})


async def _be_quiet(_: Exception) -> None:
    """The call that fails raises it as well."""


@dataclass
class WorkerProcess:
    """One `gridwitness worker`."""

    folder: Path
    url: str
    manifest: Path
    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        values = {"nats_url": self.url, "manifest": str(self.manifest), "name": self.name, **self.settings}
        path = self.folder / f"{self.name}.toml"
        path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
        command = [sys.executable, "-m", "gridwitness", "worker", "--config", str(path)]
        with (self.folder / f"{self.name}.jsonl").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=Anvil.die_with_parent)

    def log(self) -> str:
        return (self.folder / f"{self.name}.jsonl").read_text()

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, sign: signal.Signals) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(sign)
        return process.wait(timeout=30)


def write_manifest(path: Path, manifest: Manifest) -> Path:
    """A manifest's file, without streams: all that a worker needs."""
    contracts = {name: {"address": one.address, "block": one.block} for name, one in manifest.contracts.items()}
    path.write_text(json.dumps({"chain_id": manifest.chain_id, "contracts": contracts}))
    return path
