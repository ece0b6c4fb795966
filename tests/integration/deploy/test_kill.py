"""A deployment killed around every transaction ends where an undisturbed one ends, and deploys nothing twice."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from gridwitness.chain.anvil import Anvil
from scripts._artefacts import Artefacts
from tests.integration.deploy.conftest import DEPLOYER, Console
from tests.integration.deploy.forked_ape import ForkedApe
from tests.integration.deploy.test_deploy import TRANSACTIONS, WITHOUT_SHARES
from tests.serving import Answering, serving

# Transactions of shares are of the same kinds as the others: leaving them out saves a third of the kills.
DEPLOY = ("deploy", "--set", "shares=null")
Moment = Literal["before it reaches the node", "after the node has it"]


@dataclass
class Trap:
    """Kills the script at the n-th transaction it sends, before or after the node gets it."""

    upstream: str
    moment: Moment
    at: int = 1
    seen: int = 0
    victim: ForkedApe | None = None
    forwarded: list[str] = field(default_factory=list)

    def handle(self, body: bytes) -> bytes:
        """Answer of the node, or nothing if the script was killed."""
        method = json.loads(body).get("method")
        self.seen += method == "eth_sendRawTransaction"
        springs = method == "eth_sendRawTransaction" and self.seen == self.at
        if springs and self.moment == "before it reaches the node":
            self._kill()
            return b""
        request = urllib.request.Request(self.upstream, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            answer = bytes(response.read())
        if method == "eth_sendRawTransaction":
            self.forwarded.append(json.loads(body)["params"][0])
        if springs:
            self._kill()
            return b""
        return answer

    def _kill(self) -> None:
        assert self.victim is not None
        self.victim.kill()


@contextmanager
def trapped(trap: Trap) -> Iterator[str]:
    class Handler(Answering):
        def respond(self) -> None:
            self.answer(trap.handle(self.body()))

    with serving(Handler) as url:
        yield url


def what_stands(console: Console) -> dict[str, Any]:
    """The manifest without the state of the checkout, which may change while tests run."""
    manifest = console.manifest
    for entry in manifest["contracts"].values():
        assert len(entry.pop("source_commit")) == 40
        assert entry.pop("source_dirty", True) is True
    return manifest


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What stands after a deployment that nothing happens to."""
    with Anvil(genesis_time=1_700_000_000) as anvil:
        console = Console(anvil.url, tmp_path_factory.mktemp("undisturbed") / "31337.json")
        outcome = console.run(*DEPLOY)
        assert outcome.code == 0, outcome.output
        return what_stands(console)


@pytest.mark.parametrize("moment", ["before it reaches the node", "after the node has it"])
def test_deploy__killed_at_each_transaction_in_turn__ends_as_if_undisturbed(
    moment: Moment, node: Anvil, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    forwarded: list[str] = []
    for kill in range(WITHOUT_SHARES):
        # A transaction that never arrived is sent again by the next run, which dies at the one after it.
        at = 2 if kill and moment == "before it reaches the node" else 1
        trap = Trap(node.url, moment, at)
        with trapped(trap) as url:
            console = Console(url, tmp_path / "31337.json")
            trap.victim = console.start(*DEPLOY)
            output, _ = trap.victim.communicate()
        assert trap.victim.returncode == -9, output
        assert console.manifest["pending"]["nonce"] == kill
        forwarded += trap.forwarded
    console = Console(node.url, tmp_path / "31337.json")
    last = console.run(*DEPLOY)
    assert last.code == 0, last.output
    assert "an earlier run sent" in last.output
    assert console.transactions == WITHOUT_SHARES
    assert len(forwarded) == len(set(forwarded))
    assert what_stands(console) == undisturbed


def test_deploy__nonce_of_the_pending_one_was_used_elsewhere__says_so_and_sends_anew(
    node: Anvil, tmp_path: Path
) -> None:
    trap = Trap(node.url, "before it reaches the node")
    with trapped(trap) as url:
        console = Console(url, tmp_path / "31337.json")
        trap.victim = console.start("deploy")
        trap.victim.communicate()
    console = Console(node.url, tmp_path / "31337.json")
    dead = console.manifest["pending"]
    console.web3.eth.send_transaction({"from": dead["from"], "to": dead["from"]})
    outcome = console.run("deploy")
    assert outcome.code == 0, outcome.output
    transaction = dead["attempts"][-1]["transaction"]
    assert f"{transaction} can never be mined" in outcome.output
    assert console.transactions == TRANSACTIONS + 1
    assert console.manifest["contracts"]["EuroToken"]["transaction"] != transaction


def test_zone_fund__killed_after_the_node_has_it__pays_once(node: Anvil, tmp_path: Path, artefacts: Artefacts) -> None:
    console = Console(node.url, tmp_path / "31337.json")
    assert console.run("deploy").code == 0
    console.send(artefacts["EuroToken"], "mint", DEPLOYER, 100_000_000)
    trap = Trap(node.url, "after the node has it", at=2)  # the first approves
    with trapped(trap) as url:
        trap.victim = Console(url, console.path).start("zone", "fund", "1", "--up-to", "60")
        trap.victim.communicate()
    assert console.manifest["pending"]["keys"] == ["zones", "1", "fundBackstop"]
    outcome = console.run("zone", "fund", "1", "--up-to", "60")
    assert outcome.code == 0, outcome.output
    assert "an earlier run sent" in outcome.output
    assert "· the backstop of zone 1 holds 60 EUR" in outcome.output
    assert "pending" not in console.manifest
    assert console.call(artefacts["EuroToken"], "balanceOf", DEPLOYER) == 40_000_000
