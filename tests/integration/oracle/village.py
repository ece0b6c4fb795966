"""Devices that sign and oracles that run: the parts of the integration tests that are not the chain."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx
from eth_account.signers.local import LocalAccount

from gridwitness.chain.anvil import Anvil, free_port
from gridwitness.chain.client import Chain
from gridwitness.chain.keystore import write_keystore
from gridwitness.domain.devices import DeviceKind, Registration
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, SignedReading
from gridwitness.domain.slots import SLOT_SECONDS, slot_end
from gridwitness.encoding.eip712 import Domain, reading_digest, register_digest, registry_domain
from gridwitness.encoding.keys import DeviceKey, P256Key, Secp256k1Key
from gridwitness.sources.payloads import encode_body

ZONE = 1
PATIENCE_S = 180.0
# One for all: certificates are read, 20 ms, for each client made. Connections are not kept, since oracles are killed.
HTTP = httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0))

T = TypeVar("T")


def eventually(ask: Callable[[], T | None], what: str) -> T:
    """The first answer that is not None or False; fails after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited {PATIENCE_S:.0f} s for {what}")


@dataclass
class Meter:
    """A device with its counter."""

    key: DeviceKey
    kind: DeviceKind
    domain: Domain
    counter: int = 0

    def sign(self, slot: int, energy_wh: int) -> SignedReading:
        self.counter += 1
        return self.sign_as(self.counter, slot, energy_wh)

    def sign_as(self, counter: int, slot: int, energy_wh: int) -> SignedReading:
        reading = Reading(self.key.device_id, counter, slot * SLOT_SECONDS, NET_ENERGY_METRIC, energy_wh)
        return SignedReading(reading, self.key.sign(reading_digest(self.domain, reading)))


@dataclass
class Village:
    """The zone's registered meters: two homes, a plant and the feeder between them and the grid."""

    chain: Chain
    anvil: Anvil
    owner: LocalAccount
    meters: list[Meter] = field(default_factory=list)

    def register_all(self) -> None:
        domain = registry_domain(self.chain.chain_id, self.chain.manifest.address("DeviceRegistry"))
        keys: list[tuple[DeviceKey, DeviceKind]] = [
            (P256Key(11), DeviceKind.CONSUMPTION),
            (Secp256k1Key(12), DeviceKind.PROSUMER),
            (P256Key(13), DeviceKind.GENERATION),
            (P256Key(14), DeviceKind.FEEDER),
        ]
        registry = self.chain.contract("DeviceRegistry").functions
        for key, kind in keys:
            registration = Registration(key.device_id, self.owner.address, kind, ZONE, self.chain.head_time() + 10**6)
            fields = (key.device_id, self.owner.address, int(kind), ZONE, registration.deadline)
            signature = key.sign(register_digest(domain, registration))
            self.chain.transact(self.owner, registry.register(fields, signature))
            self.meters.append(Meter(key, kind, domain))

    def first_slot(self) -> int:
        """First slot that has not begun."""
        return self.chain.head_time() // SLOT_SECONDS + 1

    def sign_slot(self, slot: int) -> list[SignedReading]:
        """Everyone's reading of a slot; the feeder sees the sum and 3 Wh of losses."""
        energies = [300 + slot % 7, 150 - slot % 11, -(slot % 13) * 20]
        energies.append(sum(energies) + 3)
        return [meter.sign(slot, energy) for meter, energy in zip(self.meters, energies, strict=True)]

    def pass_slot(self, slot: int) -> None:
        """Let the chain's time go to the end of a slot."""
        self.anvil.set_next_time(slot_end(slot))
        self.anvil.mine()


@dataclass
class Oracle:
    """One `gridwitness run` process."""

    folder: Path
    url: str
    account: LocalAccount
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "gridwitness", "run", "--config", str(self.folder / "oracle.toml")]
        with (self.folder / "log.jsonl").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=Anvil.die_with_parent)

    def await_live(self) -> None:
        eventually(self._is_live, f"{self.url}/live; {self.log()[-500:]}")

    def _is_live(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            return HTTP.get(f"{self.url}/live", timeout=5).is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """SIGKILL: no time to say goodbye."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, sign: signal.Signals) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(sign)
        return process.wait(timeout=30)

    def log(self) -> str:
        return (self.folder / "log.jsonl").read_text()

    def post(self, readings: Sequence[SignedReading]) -> list[dict[str, Any]]:
        response = HTTP.post(f"{self.url}/v1/readings", content=encode_body(readings))
        assert response.is_success, response.text
        return response.json()["results"]

    def get(self, path: str, **query: Any) -> httpx.Response:
        return HTTP.get(self.url + path, params=query)

    def status(self) -> dict[str, Any]:
        return self.get("/v1/status").json()

    def seq(self, stream: str = "readings") -> int:
        return int(self.status()["streams"][stream]["seq"])


def make_oracles(
    folder: Path, chain: Chain, accounts: Sequence[LocalAccount], manifest: Path, **settings: Any
) -> list[Oracle]:
    """Folders with settings and keys for a committee; nothing is started yet."""
    urls = [f"http://127.0.0.1:{free_port()}" for _ in accounts]
    oracles = []
    for index, (account, url) in enumerate(zip(accounts, urls, strict=True)):
        home = folder / f"oracle-{index}"
        home.mkdir(parents=True)
        (home / "password").write_text("a password\n")
        (home / "password").chmod(0o600)
        write_keystore(home / "keystore.json", bytes(account.key), home / "password", light=True)
        values: dict[str, Any] = {
            "name": f"oracle-{index}",
            "data_dir": ".",
            "rpc_url": chain.node.url,
            "manifest": str(manifest),
            "zone": ZONE,
            "keystore": "keystore.json",
            "password_file": "password",
            "listen": url.removeprefix("http://"),
            "clock": "chain",
            "poll_interval_s": 0.05,
            "takeover_s": 1,
            "dry_run": False,
            "open_data": True,
            **settings,
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        for peer, peer_url in zip(accounts, urls, strict=True):
            lines += ["[[peers]]", f'address = "{peer.address}"', f'url = "{peer_url}"']
        (home / "oracle.toml").write_text("\n".join(lines) + "\n")
        oracles.append(Oracle(home, url, account))
    return oracles


@contextmanager
def lying_member(oracle: Oracle) -> Iterator[None]:
    """A member that answers every proposal at once, with its own key, but for a digest that it made up."""
    digest = bytes([0xEE] * 32)

    class Liar(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            signature = oracle.account.unsafe_sign_hash(digest).signature
            answer = {
                "signer": oracle.account.address,
                "digest": "0x" + digest.hex(),
                "signature": signature.to_0x_hex(),
            }
            self._answer(200, json.dumps(answer).encode())

        def do_GET(self) -> None:
            self._answer(404, b"{}")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    port = int(oracle.url.rpartition(":")[2])
    with ThreadingHTTPServer(("127.0.0.1", port), Liar) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def start_all(oracles: Sequence[Oracle]) -> None:
    """Start processes side by side, and wait until all of them answer."""
    for oracle in oracles:
        oracle.start()
    for oracle in oracles:
        oracle.await_live()
