"""A node of one's own, and the scripts run as a person runs them."""

from __future__ import annotations

import json
import os
import pty
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ape
import pytest
from web3 import HTTPProvider, Web3

from gridwitness.chain.anvil import Anvil
from scripts._artefacts import Artefact, Artefacts, load_artefacts
from scripts._parts import PARTS
from scripts._verify_compile import Compiled, compile_clean
from tests.integration.deploy.forked_ape import ForkedApe

ROOT = Path(__file__).resolve().parents[3]
DEPLOYER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # first account of anvil's mnemonic
DEPLOYED = (
    "AssetFactory", "DataAttestation", "DeviceRegistry", "EnergyMarket", "EuroToken", "Passports", "ShareMarket",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How a script ended."""

    code: int | None
    output: str

    @property
    def error(self) -> str:
        """The one line a person reads; fails if there are more."""
        lines = [line for line in self.output.splitlines() if line.startswith("ERROR:")]
        assert len(lines) == 1, self.output
        assert "Traceback" not in self.output
        return lines[0]


class Console:
    """Runs `ape run …` against a node, with a manifest of its own."""

    def __init__(self, url: str, manifest: Path, network: str = "ethereum:local") -> None:
        self.url = url
        self.path = manifest
        self.network = network
        self.log = manifest.parent

    def start(self, *arguments: str, terminal: str | None = None) -> ForkedApe:
        """Start a script; `terminal` is a device it reads answers from."""
        command = ["run", *arguments]
        if "--network" not in arguments:
            command += ["--network", f"{self.network}:{self.url}"]
        environment = os.environ | {"COLUMNS": "500", "NO_COLOR": "1"}
        self.log.mkdir(exist_ok=True)
        output = self.log / f"{self.path.stem}.log"
        return ForkedApe([*command, "--manifest", str(self.path)], ROOT, environment, output, terminal)

    def run(self, *arguments: str) -> Outcome:
        """Run a script to its end."""
        script = self.start(*arguments)
        output, _ = script.communicate()
        return Outcome(script.returncode, output)

    def run_at_terminal(self, typed: str, *arguments: str) -> Outcome:
        """Run a script to its end with a person who types."""
        person, terminal = pty.openpty()
        try:
            os.write(person, typed.encode())
            script = self.start(*arguments, terminal=os.ttyname(terminal))
            output, _ = script.communicate()
        finally:
            os.close(person)
            os.close(terminal)
        return Outcome(script.returncode, output)

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest as it is now."""
        return json.loads(self.path.read_text(encoding="utf-8"))

    @property
    def web3(self) -> Web3:
        """The node."""
        return Web3(HTTPProvider(self.url))

    def call(self, artefact: Artefact, function: str, *arguments: Any) -> Any:
        """Answer of a contract of the manifest."""
        return self._function(artefact, function, *arguments).call({"from": DEPLOYER})

    def send(self, artefact: Artefact, function: str, *arguments: Any) -> None:
        """A transaction of the deployer's to a contract of the manifest."""
        self.web3.eth.wait_for_transaction_receipt(
            self._function(artefact, function, *arguments).transact({"from": DEPLOYER})
        )

    def _function(self, artefact: Artefact, function: str, *arguments: Any) -> Any:
        address = self.manifest["contracts"][artefact.name]["address"]
        return self.web3.eth.contract(address=address, abi=artefact.abi).functions[function](*arguments)

    @property
    def transactions(self) -> int:
        """Transactions of the deployer so far."""
        return self.web3.eth.get_transaction_count(DEPLOYER)


@pytest.fixture(scope="session")
def artefacts() -> Artefacts:
    """The contracts, compiled."""
    return load_artefacts(ape.project)


@pytest.fixture(scope="session")
def compiled() -> Mapping[str, Compiled]:
    """All that is deployed as a clean compile makes it."""
    return compile_clean(ape.project, [*DEPLOYED, "FeedAdapter", *(part.name for part in PARTS)])


@pytest.fixture
def node() -> Iterator[Anvil]:
    """A chain where nothing stands."""
    with Anvil(genesis_time=1_700_000_000) as anvil:
        yield anvil


@pytest.fixture
def console(node: Anvil, tmp_path: Path, artefacts: Artefacts) -> Console:
    """A deployer's console at that chain."""
    return Console(node.url, tmp_path / "31337.json")


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, artefacts: Artefacts) -> Iterator[Console]:
    """A chain where everything of local.yaml stands, shared by a module's tests."""
    with Anvil(genesis_time=1_700_000_000) as anvil:
        console = Console(anvil.url, tmp_path_factory.mktemp("village") / "31337.json")
        outcome = console.run("deploy")
        assert outcome.code == 0, outcome.output
        yield console
