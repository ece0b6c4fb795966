"""One script for every network: a real node of each chain id, and the plan against what was really used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gridwitness.chain.anvil import Anvil
from scripts._artefacts import Artefacts
from tests.integration.deploy.conftest import DEPLOYER, Console, Outcome
from tests.integration.deploy.test_deploy import TRANSACTIONS
from tests.integration.deploy.test_params import CHAIN_IDS

# Base fee 1 gwei, as anvil starts; tip 1 gwei, as it suggests.
ACCOUNT = ("--account", "TEST::0")
COINS = {"polygon:amoy": "POL"}
PUBLIC = [name.replace("-", ":") for name in sorted(CHAIN_IDS) if name != "local"]
PLANNED = re.compile(r"^ *\d+\. (?P<what>.+): (?P<gas>[\d,]+) gas, [\d.]+ [A-Z]+$", re.MULTILINE)
USED = re.compile(r"^✓ (?P<what>.+), block \d+, (?P<gas>[\d,]+) gas$", re.MULTILINE)


def gas_by_step(pattern: re.Pattern[str], outcome: Outcome) -> dict[str, int]:
    return {found["what"]: int(found["gas"].replace(",", "")) for found in pattern.finditer(outcome.output)}


def addresses(console: Console) -> dict[str, Any]:
    return {name: entry["address"] for name, entry in console.manifest["contracts"].items()}


@pytest.mark.parametrize("network", PUBLIC)
def test_deploy__each_public_network__uses_the_gas_of_its_dry_run_and_gets_the_same_addresses(
    network: str, tmp_path: Path, standing: Console
) -> None:
    chain_id = CHAIN_IDS[network.replace(":", "-")]
    with Anvil(chain_id=chain_id, genesis_time=1_700_000_000) as node:
        console = Console(node.url, tmp_path / "out" / f"{chain_id}.json", network)
        console.log = tmp_path / "log"
        plan = console.run("deploy", *ACCOUNT, "--dry-run")
        assert plan.code == 0, plan.output
        assert (console.transactions, console.path.parent.exists()) == (0, False)
        done = console.run("deploy", *ACCOUNT, "--yes", "--confirmations", "0")
        assert done.code == 0, done.output
        assert console.transactions == TRANSACTIONS
    planned, used = gas_by_step(PLANNED, plan), gas_by_step(USED, done)
    assert list(planned) == list(used)
    assert len(used) == TRANSACTIONS
    for what, gas in used.items():
        assert abs(planned[what] - gas) <= gas / 100, what
    coin = COINS.get(network, "ETH")
    total = f"{network}: {TRANSACTIONS} transactions, {sum(planned.values()):,} gas, "
    assert re.search(rf"^{re.escape(total)}0\.\d+ {coin} at 2 gwei \(base fee 1, tip 1\)$", plan.output, re.MULTILINE)
    assert f"{DEPLOYER} has 10,000 {coin}; 0." in plan.output
    assert console.manifest["network"] == network
    assert addresses(console) == addresses(standing)


def test_deploy__in_a_dry_run_after_a_part_stands__plans_the_rest(console: Console) -> None:
    first = console.run("deploy", "--set", "zones={}", "--set", "streams={}")
    assert first.code == 0, first.output
    before = console.path.read_bytes()
    plan = console.run("deploy", "--dry-run")
    assert plan.code == 0, plan.output
    assert list(gas_by_step(PLANNED, plan)) == [
        "open stream readings, 2 of 3",
        "open stream profiles, 2 of 3",
        "open zone 1",
    ]
    assert "· EnergyMarket stands at" in plan.output
    assert console.path.read_bytes() == before
    assert console.transactions == TRANSACTIONS - 3


@pytest.fixture
def sepolia(tmp_path: Path, artefacts: Artefacts) -> Iterator[Console]:
    """A console at a node with the chain id of ethereum:sepolia."""
    with Anvil(chain_id=CHAIN_IDS["ethereum-sepolia"]) as node:
        yield Console(node.url, tmp_path / "sepolia.json", "ethereum:sepolia")


def test_deploy__no_terminal_and_no_yes__sends_nothing(sepolia: Console) -> None:
    outcome = sepolia.run("deploy", *ACCOUNT)
    assert outcome.code == 1
    assert "there is no terminal to ask on (--yes goes ahead without)" in outcome.error
    assert f"ethereum:sepolia: {TRANSACTIONS} transactions" in outcome.output
    assert (sepolia.transactions, sepolia.path.exists()) == (0, False)


@pytest.mark.parametrize(("answer", "sent"), [("n", 0), ("y", TRANSACTIONS)])
def test_deploy__at_a_terminal__asks_once_and_takes_the_answer(answer: str, sent: int, sepolia: Console) -> None:
    outcome = sepolia.run_at_terminal(f"{answer}\n", "deploy", *ACCOUNT, "--confirmations", "0")
    assert outcome.output.count(f"Send {TRANSACTIONS} transactions on ethereum:sepolia? [y/N]") == 1
    assert outcome.code == (0 if sent else 1), outcome.output
    assert sepolia.transactions == sent


def test_deploy__account_that_cannot_pay__is_told_how_much_is_missing_and_sends_nothing(sepolia: Console) -> None:
    rpc = sepolia.web3.provider.make_request
    rpc("anvil_setBalance", [DEPLOYER, hex(10**15)])  # type: ignore[arg-type]
    plan = sepolia.run("deploy", *ACCOUNT, "--dry-run")
    assert plan.code == 0, plan.output
    assert f"{DEPLOYER} has 0.001 ETH; 0.06" in plan.output
    assert re.search(r"^! it cannot pay: 0\.06\d+ ETH are missing$", plan.output, re.MULTILINE)
    outcome = sepolia.run("deploy", *ACCOUNT, "--yes")
    assert outcome.code == 1
    assert f"ETH are missing for {TRANSACTIONS} transactions (nothing was sent)" in outcome.error
    assert sepolia.transactions == 0


def test_deploy__without_an_account__says_how_to_make_one(sepolia: Console) -> None:
    outcome = sepolia.run("deploy", "--yes")
    assert outcome.code == 1
    assert "network sepolia needs --account ALIAS (`ape accounts generate ALIAS` makes one" in outcome.error


def test_deploy__fresh_on_a_public_network__is_refused(sepolia: Console) -> None:
    outcome = sepolia.run("deploy", *ACCOUNT, "--fresh", "--yes")
    assert "--fresh is for development chains, not for sepolia" in outcome.error
