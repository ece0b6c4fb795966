"""`gridwitness relay` as a process, sent to by `gridwitness agent`, killed and started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest
from eth_account.signers.local import LocalAccount
from typer.testing import CliRunner, Result

from gridwitness.chain.anvil import Anvil, free_port
from gridwitness.chain.client import Chain
from gridwitness.chain.keystore import write_keystore
from gridwitness.cli import build_app
from gridwitness.errors import GridwitnessError, InputError
from gridwitness.sources.community_data import date_of
from tests.deployed import dev_account
from tests.integration.chain.relay_scene import DAY, RELAY_KEY, ZONE, Scene, make_scene
from tests.integration.operations.named_metrics import (
    IS_RELAYS,
    families_served,
    names_served,
    names_told,
    names_used,
)
from tests.integration.oracle.village import HTTP, eventually


class RelayProcess:
    """A relay that submits when a row is 1 s old; on one folder and one port, however often it is started."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        contracts = {name: {"address": c.address, "block": 1} for name, c in scene.chain.manifest.contracts.items()}
        (folder / "manifest.json").write_text(json.dumps({"chain_id": scene.chain.chain_id, "contracts": contracts}))
        (folder / "password").write_text("secret\n")
        write_keystore(folder / "relay.json", bytes(dev_account(RELAY_KEY).key), folder / "password", light=True)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._config = folder / "relay.toml"
        self._config.write_text(
            f'data_dir = "data"\nrpc_url = "{scene.anvil.url}"\nmanifest = "manifest.json"\nkeystore = "relay.json"\n'
            f'password_file = "password"\nlisten = "127.0.0.1:{port}"\nclock = "chain"\nmax_age_s = 1\n'
            "poll_interval_s = 0.05\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it is ready."""
        command = [sys.executable, "-m", "gridwitness", "relay", "--config", str(self._config)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL, preexec_fn=Anvil.die_with_parent)
        eventually(self._is_ready, "the relay to be ready")

    def _is_ready(self) -> bool:
        try:
            return HTTP.get(self.url + "/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def end(self, sign: signal.Signals) -> int:
        """Send a signal and wait for the end; the exit code."""
        assert self._process is not None
        self._process.send_signal(sign)
        return self._process.wait()

    def stop(self) -> None:
        """Leave nothing behind."""
        if self._process is not None and self._process.poll() is None:
            self.end(signal.SIGKILL)

    def status_of(self, device: str) -> str:
        """What became of the first version."""
        return str(HTTP.get(f"{self.url}/v1/schedules/{device}/{DAY}").json()["versions"][-1]["status"])


@pytest.fixture
def scene(
    chain: Chain,
    anvil: Anvil,
    deployer: LocalAccount,
    outsider: LocalAccount,
    transmitter: LocalAccount,
    tmp_path: Path,
) -> Scene:
    return make_scene(chain, anvil, deployer, outsider, transmitter, tmp_path)


@pytest.fixture
def relay(scene: Scene, tmp_path: Path) -> Iterator[RelayProcess]:
    process = RelayProcess(scene, tmp_path)
    yield process
    process.stop()


@pytest.fixture
def agent(scene: Scene, relay: RelayProcess, anvil: Anvil, tmp_path: Path) -> Callable[..., Result]:
    """`gridwitness agent` for a registered plant, with its owner's key."""
    scene.register(1)
    times = pd.date_range(date_of(DAY - 1), periods=96, freq="15min").strftime("%Y-%m-%dT%H:%M:%SZ")
    history = {"slot_start": times, "meter": "plant", "import_wh": 0, "export_wh": range(500, 596)}
    pd.DataFrame(history).to_csv(tmp_path / "meter.csv", index=False)
    write_keystore(tmp_path / "owner.json", bytes(scene.owner.key), tmp_path / "password", light=True)

    def run(**changes: object) -> Result:
        given = {
            "history": tmp_path / "meter.csv",
            "day": date_of(DAY),
            "device": "0x" + scene.keys[0].device_id.hex(),
            "account": scene.owner.address,
            "zone": ZONE,
            "manifest": tmp_path / "manifest.json",
            "rpc": anvil.url,
            "key": tmp_path / "owner.json",
            "password-file": tmp_path / "password",
            "out": tmp_path / "schedule.json",
            "relay": relay.url,
            **changes,
        }
        words = ["agent", *(str(word) for name, value in given.items() for word in (f"--{name}", value))]
        return CliRunner().invoke(build_app(words), words)

    return run


def test_relay__killed_after_it_acknowledged_an_agents_schedule__submits_it_after_the_restart(
    scene: Scene,
    relay: RelayProcess,
    agent: Callable[..., Result],
) -> None:
    device = "0x" + scene.keys[0].device_id.hex()
    relay.start()
    done = agent()
    assert done.exit_code == 0, done.output
    assert f"sent to {relay.url}: accepted" in done.output
    assert relay.end(signal.SIGKILL) == -signal.SIGKILL
    relay.start()
    eventually(lambda: relay.status_of(device) == "standing", "the schedule to stand")
    assert scene.submitted() == [(scene.keys[0].device_id, 1)]
    assert f"sent to {relay.url}: duplicate" in agent().output
    assert relay.end(signal.SIGTERM) == 0


def test_scrape__a_relay__has_what_alerts_and_manual_say(relay: RelayProcess) -> None:
    relay.start()
    response = httpx.get(relay.url + "/metrics", headers={"x-request-id": "mine"})
    assert response.headers["x-request-id"] == "mine"
    served = families_served(response.text)
    assert "gridwitness_account_balance_wei" in served
    assert {name for name in names_told() if IS_RELAYS.match(name)} <= served <= names_told()
    assert {name for name in names_used() if IS_RELAYS.match(name)} <= names_served(response.text)


def test_agent__relay_refuses_or_is_not_there__says_why(
    scene: Scene,
    relay: RelayProcess,
    agent: Callable[..., Result],
) -> None:
    absent = agent().exception
    assert isinstance(absent, GridwitnessError)
    assert absent.message.startswith(f"no relay answers at {relay.url}")
    relay.start()
    refused = agent(account=scene.transmitter.address).exception
    assert isinstance(refused, InputError)
    assert refused.message.startswith("the relay refuses the schedule: NotAccountOwner(deviceId=0x")
    assert scene.receipts() == []
