"""The demo's processes: an anvil in the data's own time, the deployment, and three oracles."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from gridwitness.chain.anvil import Anvil, free_port
from gridwitness.chain.keystore import write_keystore
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.errors import ChainError, ConfigError, GridwitnessError
from gridwitness.service.demo.actors import Actors
from gridwitness.service.demo.site_file import SITE_FILE

CHAIN_ID = 31337
ZONE = 1
START_TIMEOUT_S = 60.0
# The chain leaps from slot to slot; a batch signed just before must still be good after.
BATCH_VALIDITY_S = SLOT_SECONDS + 120

# Ape needs the checkout: contracts, scripts and its configuration.
ROOT = Path(__file__).resolve().parents[4]


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports of the chain and of the oracles."""

    chain: int
    oracles: tuple[int, ...]

    @property
    def rpc_url(self) -> str:
        """URL of the chain's JSON-RPC."""
        return f"http://127.0.0.1:{self.chain}"

    @property
    def oracle_urls(self) -> list[str]:
        """URLs of the oracles."""
        return [f"http://127.0.0.1:{port}" for port in self.oracles]


class OutDir:
    """The demo's folder: made anew for each demo, held by one demo at a time, never somebody else's folder."""

    _MARKER = "demo.pid"

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    def claim(self, *, fresh: bool) -> None:
        """Take the folder, emptying it if `fresh`. A demo that was killed is simply replaced.

        Raises ConfigError if another demo is running in it or it holds things no demo made.
        """
        marker = self.path / self._MARKER
        if marker.exists() and (pid := _running(marker)):
            raise ConfigError(
                f"a demo (process {pid}) is running in {self.path}",
                hint=f"wait for it, stop it with `kill {pid}`, or choose another folder with --out",
            )
        if fresh and self.path.exists():
            if any(self.path.iterdir()) and not marker.exists():
                raise ConfigError(f"{self.path} holds files that no demo made", hint="choose another folder with --out")
            shutil.rmtree(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        marker.write_text(f"{os.getpid()}\n", encoding="ascii")

    def __truediv__(self, name: str) -> Path:
        return self.path / name


def _running(marker: Path) -> int:
    text = marker.read_text(encoding="ascii").strip()
    pid = int(text) if text.isdigit() else 0
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes() if pid and pid != os.getpid() else b""
    except OSError:
        return 0
    return pid if b"gridwitness" in command else 0


def pick_ports(first: int | None) -> Ports:
    """`first` and the three after it, or free ports if none is asked for. The chain's is checked by anvil itself."""
    if first is None:
        return Ports(free_port(), (free_port(), free_port(), free_port()))
    return Ports(first, (first + 1, first + 2, first + 3))


class World:
    """Running processes of a demo; leaves none behind, however it ends."""

    def __init__(self, out: OutDir, ports: Ports, anvil: Anvil) -> None:
        self.out = out
        self.ports = ports
        self.anvil = anvil
        self._oracles: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.anvil.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._oracles.values():
            process.send_signal(signal.SIGTERM)
        for process in self._oracles.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
        self.anvil.__exit__(kind, error, trace)

    @property
    def manifest_path(self) -> Path:
        """Manifest the deploy script wrote."""
        return self.out / f"{CHAIN_ID}.json"

    def deploy(self, committee: Sequence[str], registrar: str) -> None:
        """Run the deploy script with the local parameters, this committee's addresses and who gives passports.

        Raises ChainError with the script's error.
        """
        if not (ROOT / "ape-config.yaml").exists():
            raise ConfigError(
                f"no ape-config.yaml in {ROOT}", hint="the demo deploys with scripts/deploy.py: run it in a checkout"
            )
        members = json.dumps(list(committee))
        command = [
            str(Path(sys.executable).with_name("ape")), "run", "deploy",
            "--network", f"ethereum:local:{self.ports.rpc_url}",
            "--params", "deployments/params/local.yaml", "--manifest", str(self.manifest_path),
            "--set", f"streams.readings.members={members}", "--set", f"streams.profiles.members={members}",
            "--set", f"shares.registrars={json.dumps([registrar])}",
        ]  # fmt: skip
        with (self.out / "deploy.log").open("wb") as log:
            done = subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=False)  # noqa: S603
        if done.returncode:
            lines = (self.out / "deploy.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            last = next((line for line in reversed(lines) if "ERROR" in line), lines[-1] if lines else "")
            raise ChainError(f"the deploy script failed: {last}", hint=f"see {self.out / 'deploy.log'}")

    def advance(self, time_s: int) -> None:
        """Move the chain on to a unix time; it never goes back."""
        self.anvil.set_next_time(time_s)
        self.anvil.mine()

    def configure_oracles(self, actors: Actors) -> None:
        """Write each oracle's folder: settings, keystore and its password file."""
        peers = [
            {"address": account.address, "url": url}
            for account, url in zip(actors.oracles, self.ports.oracle_urls, strict=True)
        ]
        for index, account in enumerate(actors.oracles):
            folder = self.out / f"oracle-{index + 1}"
            folder.mkdir(exist_ok=True)
            password = folder / "password"
            password.write_text(f"demo {index}\n", encoding="utf-8")
            password.chmod(0o600)
            write_keystore(folder / "keystore.json", account.key, password, light=True)
            settings = {
                "name": f"oracle-{index + 1}",
                "data_dir": ".",
                "rpc_url": self.ports.rpc_url,
                "manifest": f"../{self.manifest_path.name}",
                "zone": ZONE,
                "readings_stream": "readings",
                "profiles_stream": "profiles",
                "keystore": "keystore.json",
                "password_file": password.name,
                "listen": f"127.0.0.1:{self.ports.oracles[index]}",
                "clock": "chain",
                "poll_interval_s": 0.05,
                "batch_validity_s": BATCH_VALIDITY_S,
                "dry_run": False,
                "open_data": True,
            }
            if index == 0:
                settings["site"] = f"../{SITE_FILE}"
            lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
            for peer in peers:
                lines += ["", "[[peers]]", *(f"{name} = {json.dumps(value)}" for name, value in peer.items())]
            (folder / "oracle.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start_oracles(self) -> None:
        """Start the three oracle processes and wait until each is live."""
        for index in range(len(self.ports.oracles)):
            self._start_oracle(index)
        for index in range(len(self.ports.oracles)):
            self._await_live(index)

    def _start_oracle(self, index: int) -> None:
        folder = self.out / f"oracle-{index + 1}"
        command = [sys.executable, "-m", "gridwitness", "run", "--config", str(folder / "oracle.toml")]
        with (folder / "log.jsonl").open("ab") as log:
            self._oracles[index] = subprocess.Popen(  # noqa: S603
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=self.anvil.die_with_parent
            )

    def _await_live(self, index: int) -> None:
        url = f"{self.ports.oracle_urls[index]}/live"
        deadline = time.monotonic() + START_TIMEOUT_S
        with httpx.Client(timeout=1) as client:
            while time.monotonic() < deadline:
                self.check_alive()
                try:
                    if client.get(url).status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    time.sleep(0.05)
        raise GridwitnessError(
            f"oracle-{index + 1} was not live after {START_TIMEOUT_S:.0f} s",
            hint=f"see {self.out / f'oracle-{index + 1}' / 'log.jsonl'}",
        )

    def check_alive(self) -> None:
        """Raise GridwitnessError, with its last line, if an oracle has ended."""
        for index, process in self._oracles.items():
            if process.poll() is not None:
                log = self.out / f"oracle-{index + 1}" / "log.jsonl"
                lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise GridwitnessError(
                    f"oracle-{index + 1} ended with code {process.returncode}: {lines[-1] if lines else 'no output'}",
                    hint=f"see {log}",
                )
