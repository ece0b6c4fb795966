"""What is rehearsed on each node, and what is found."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts._artefacts import Artefacts
from tests.chaos.proxy import Fault, Kind, RpcProxy
from tests.integration.deploy.forked_ape import ForkedApe
from tests.rehearsal.changes import CHANGES, Change, Scene
from tests.rehearsal.doomed import DoomedApe
from tests.rehearsal.nodes import AnvilChain, Chain, HardhatChain
from tests.rehearsal.standing import Standing, read_standing

ROOT = Path(__file__).resolve().parents[2]
PARAMS = "tests/rehearsal/params.yaml"
CONFIRMATIONS = 2
DELAY_S = 60  # the timelock's, see params.yaml
PATIENCE_S = 180.0
RUNS = 4  # how often a person starts a script again
WAITS = "the timelock 0x"  # what a handover says that was scheduled already and is not due
DEPLOY = ("deploy",)
HANDOVER = ("roles", "handover", "--account", "TEST::1")
SPIKE_WEI = 60 * 10**9
GWEI = 10**9


@dataclass
class Finding:
    """One row of the report."""

    node: str
    what: str
    outcome: str
    passed: bool
    seconds: float


class Missed(AssertionError):
    """A rehearsal did not go as it must."""


@dataclass
class Stage:
    """A chain, its manifest, and scripts that run against it."""

    chain: Chain
    folder: Path
    network: str = "ethereum:local"
    url: str = ""  # a proxy's, in place of the node's own
    scripts: int = 0

    @property
    def manifest_path(self) -> Path:
        return self.folder / "84532.json"

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest as it is now."""
        content: dict[str, Any] = json.loads(self.manifest_path.read_text(encoding="utf-8"))
        return content

    def arguments(self, *command: str) -> list[str]:
        """A command line. Waits for confirmations even where Ape's local network asks for none."""
        own = ["--params", PARAMS, "--manifest", str(self.manifest_path)]
        own += ["--network", f"{self.network}:{self.url or self.chain.url}"]
        if command[0] != "verify":
            own += ["--confirmations", str(CONFIRMATIONS), "--yes"]
            own += [] if "--account" in command else ["--account", "TEST::0"]
        return ["run", *command, *own]

    def start(self, *command: str) -> ForkedApe:
        """Start a script."""
        return ForkedApe(self.arguments(*command), ROOT, environment(), self.log())

    def log(self) -> Path:
        """A new file for what a script writes."""
        self.scripts += 1
        return self.folder / f"script-{self.scripts:03}.log"

    def run(self, *command: str, code: int = 0) -> str:
        """Run a script to its end; what it wrote. Raises Missed if it ends with another code."""
        script = self.start(*command)
        output, _ = script.communicate()
        if script.returncode != code:
            raise Missed(f"`ape run {' '.join(command)}` ended with {script.returncode}: {output[-2000:]}")
        return output

    def insist(self, *command: str) -> list[str]:
        """Run a script again when it ends with an error, as it tells a person to do; what each run wrote."""
        outputs = []
        for _ in range(RUNS):
            script = self.start(*command)
            outputs.append(script.communicate()[0])
            if script.returncode == 0:
                return outputs
        raise Missed(f"`ape run {' '.join(command)}` failed {RUNS} times: {outputs}")

    def await_recorded(self, transactions: int) -> None:
        """Wait until so many of a running script's transactions are recorded. Raises Missed after a minute."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self.manifest_path.exists() and len(self.manifest.get("sent", [])) >= transactions:
                return
            time.sleep(0.05)
        raise Missed(f"no {transactions} transactions were recorded within {PATIENCE_S:.0f} s")

    def finish(self, run: Callable[..., object]) -> None:
        """Deploy and hand over, each command as `run` does it."""
        run(*DEPLOY)
        self.hand_over(run)

    def hand_over(self, run: Callable[..., object]) -> None:
        """The second step of the handover: proposed to the timelock, and carried out when its delay is over."""
        run(*HANDOVER)
        self.chain.forward(DELAY_S + 1)
        run(*HANDOVER)

    def standing(self) -> Standing:
        """What stands now."""
        return read_standing(self.chain, self.manifest)


def environment() -> dict[str, str]:
    """Variables of a script: wide lines, no colours."""
    return os.environ | {"COLUMNS": "500", "NO_COLOR": "1"}


def undisturbed(stage: Stage) -> Standing:
    """A deployment that nothing happens to."""
    stage.finish(stage.run)
    return stage.standing()


def killed_at_each_step(stage: Stage, every: int = 1) -> list[str]:
    """A deployment whose script is killed at every step in turn and started again; the steps, in order.

    With `every` above one it dies at each such step only. Raises Missed if a step comes that never ends.
    """
    died: list[str] = []
    passed: set[str] = set()

    def until_it_ends(*command: str) -> None:
        while True:
            last_words = stage.folder / "last-words"
            last_words.unlink(missing_ok=True)
            fatal = frozenset([*died, *passed])
            script = DoomedApe(stage.arguments(*command), ROOT, environment(), stage.log(), fatal, last_words, every)
            output, _ = script.communicate()
            if script.returncode == 0 or (script.returncode == 1 and WAITS in output):
                return
            if script.returncode != -9:
                raise Missed(f"`ape run {' '.join(command)}` ended with {script.returncode}: {output[-2000:]}")
            *skipped, step = last_words.read_text(encoding="utf-8").splitlines()
            passed.update(skipped)
            died.append(step)

    stage.finish(until_it_ends)
    return died


def under_faults(stage: Stage) -> int:
    """A deployment in which the connection is lost, blocks are taken back, and gas costs more than was offered.

    How often the script had to be started again. Raises Missed if it does not live through all three, and say so.
    """
    with RpcProxy(stage.chain.url) as proxy, ThreadPoolExecutor(1) as person:
        stage.url = proxy.url
        # The node has the second transaction, its answer is lost, and so are the next requests.
        proxy.inject(Fault(Kind.DROP_AFTER_SEND, "eth_sendRawTransaction", skip=1))
        deployment = person.submit(stage.insist, *DEPLOY)
        proxy.await_count(lambda: proxy.struck[Kind.DROP_AFTER_SEND], 1)
        proxy.inject(Fault(Kind.RESET, times=4))
        stage.await_recorded(3)
        stage.chain.mark()
        stage.await_recorded(5)
        depth = stage.chain.reorganise()
        stage.await_recorded(7)
        _spike(stage, proxy)
        outputs = deployment.result()
    stage.url = ""
    expected = ("the node does not answer", "a reorganisation dropped", "offering up to")
    if missing := [words for words in expected if words not in "".join(outputs)]:
        raise Missed(f"the script says nothing of: {', '.join(missing)} ({depth} blocks taken back): {outputs}")
    stage.hand_over(stage.run)
    return len(outputs) - 1


def _spike(stage: Stage, proxy: RpcProxy) -> None:
    """Let the base fee jump when the next transaction is in the pool, and fall when that was offered more for."""

    def sent() -> int:
        return proxy.seen["eth_sendRawTransaction"]

    with stage.chain.still():
        proxy.await_count(sent, sent() + 1)
        stage.chain.base_fee_wei = SPIKE_WEI
    proxy.await_count(sent, sent() + 1)
    stage.chain.base_fee_wei = GWEI


def verified(stage: Stage, *, quick: bool) -> str:
    """`ape run verify` of what stands; its last line. Raises Missed if it finds a difference."""
    output = stage.run("verify", "--explorer", "none", *(["--quick"] if quick else []))
    return output.strip().splitlines()[-1]


def names(stage: Stage, artefacts: Artefacts, change: Change) -> str:
    """Change one thing, verify, and undo it; the difference named. Raises Missed if that is not it, or not alone."""
    with stage.chain.undone():
        change.act(Scene(stage.chain, stage.manifest, artefacts))
        output = stage.run("verify", "--quick", "--explorer", "none", "--json", code=1)
    report = json.loads(output[output.index("{") :])
    named = [one["what"] for one in report["differences"]]
    if len(named) != 1 or not named[0].startswith(change.named):
        raise Missed(f"{change.name}: verify names {named}, expected {change.named!r} alone")
    return f"{named[0]}: expected {report['differences'][0]['expected']}, found {report['differences'][0]['found']}"


@dataclass
class Rehearsal:
    """All of it on one node. `every` and `changes` make it shorter; `clean` has verify compile anew once."""

    chain: type[AnvilChain] | type[HardhatChain]
    artefacts: Artefacts
    folder: Path
    every: int = 1
    changes: tuple[Change, ...] = CHANGES
    clean: bool = True
    findings: list[Finding] = field(default_factory=list)
    told: Callable[[Finding], None] = lambda _: None

    def run(self) -> list[Finding]:
        """Rehearse; every row, passed or not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        reference: list[Standing] = []
        self._scene("undisturbed", lambda stage: self._reference(stage, reference))
        if reference:
            self._scene("faults", lambda stage: self._faults(stage, reference[0]), network="base:sepolia")
            self._scene("kills", lambda stage: self._kills(stage, reference[0]))
        return self.findings

    def _scene(self, name: str, act: Callable[[Stage], None], network: str = "ethereum:local") -> None:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        try:
            with self.chain(folder / "node.log") as chain:
                act(Stage(chain, folder, network))
        except Missed as error:
            self._find(name, str(error), False, began)
        except Exception:  # a row of the report as well, so that the others are not lost
            self._find(name, traceback.format_exc(), False, began)

    def _reference(self, stage: Stage, reference: list[Standing]) -> None:
        began = time.monotonic()
        reference.append(undisturbed(stage))
        sent = sum(reference[0].nonces.values())
        self._find("deployed and handed over, undisturbed", f"{sent} transactions", True, began)

    def _faults(self, stage: Stage, reference: Standing) -> None:
        began = time.monotonic()
        restarts = under_faults(stage)
        what = f"lost connection, reorganisation, base-fee spike; started again {restarts} times"
        self._compare(what, stage, reference, began)
        began = time.monotonic()
        self._find("verified on a public network's name, without an account", verified(stage, quick=True), True, began)

    def _kills(self, stage: Stage, reference: Standing) -> None:
        began = time.monotonic()
        died = killed_at_each_step(stage, self.every)
        self._compare(f"killed {len(died)} times, resumed as often", stage, reference, began)
        began = time.monotonic()
        clean = "by a clean compile" if self.clean else "by the compile of the deployment"
        self._find(f"verified {clean}", verified(stage, quick=not self.clean), True, began)
        for change in self.changes:
            began = time.monotonic()
            try:
                outcome, passed = names(stage, self.artefacts, change), True
            except Missed as error:
                outcome, passed = str(error), False
            self._find(f"changed: {change.name}", outcome, passed, began)

    def _compare(self, what: str, stage: Stage, reference: Standing, began: float) -> None:
        missed = reference.differences(stage.standing())
        outcome = "; ".join(missed) if missed else "same manifest, code, storage and nonces as undisturbed"
        self._find(what, outcome, not missed, began)

    def _find(self, what: str, outcome: str, passed: bool, began: float) -> None:
        finding = Finding(self.chain.kind, what, outcome, passed, round(time.monotonic() - began, 1))
        self.findings.append(finding)
        self.told(finding)
