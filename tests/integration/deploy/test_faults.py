"""Wrong chain, no node, no account: one line each, and nothing is sent."""

from __future__ import annotations

import json
from pathlib import Path

from gridwitness.chain.anvil import Anvil, free_port
from scripts._artefacts import Artefacts
from tests.integration.deploy.conftest import Console


def test_deploy__node_of_another_chain__names_both(tmp_path: Path, artefacts: Artefacts) -> None:
    with Anvil(chain_id=4_711) as other:
        console = Console(other.url, tmp_path / "31337.json")
        outcome = console.run("deploy")
        assert outcome.code == 1
        assert "the node is chain 4711, deployments/params/local.yaml is for chain 31337" in outcome.error
        assert console.transactions == 0
    assert not console.path.exists()


def test_deploy__public_network_on_a_local_node__names_both(console: Console) -> None:
    outcome = console.run("deploy", "--network", f"ethereum:sepolia:{console.url}")
    assert outcome.code == 1
    assert "31337" in outcome.error
    assert "11155111" in outcome.error
    assert console.transactions == 0


def test_deploy__manifest_of_another_chain__names_both(console: Console) -> None:
    console.path.write_text(json.dumps({"chain_id": 11_155_111}), encoding="utf-8")
    outcome = console.run("deploy")
    assert outcome.code == 1
    assert "31337.json is of chain 11155111, the node is chain 31337" in outcome.error
    assert console.transactions == 0


def test_deploy__manifest_cut_short__names_the_file(console: Console) -> None:
    console.path.write_text('{"chain_id": 313', encoding="utf-8")
    outcome = console.run("deploy")
    assert outcome.code == 1
    assert f"manifest {console.path} cannot be read" in outcome.error
    assert console.transactions == 0


def test_deploy__no_node__says_how_to_start_one(tmp_path: Path, artefacts: Artefacts) -> None:
    outcome = Console(f"http://127.0.0.1:{free_port()}", tmp_path / "31337.json").run("deploy")
    assert outcome.code == 1
    assert "no node answers there" in outcome.error
    assert "anvil --hardfork osaka" in outcome.error


def test_deploy__value_out_of_range__sends_nothing(console: Console) -> None:
    outcome = console.run("deploy", "--set", "zones.1.gateLeadSlots=192")
    assert outcome.code == 1
    assert "local.yaml: zones.1.gateLeadSlots is 192; at most 191" in outcome.error
    assert console.transactions == 0
    assert not console.path.exists()


def test_deploy__what_only_the_contract_refuses__carries_its_error(console: Console) -> None:
    outcome = console.run("deploy", "--set", "roles.EnergyMarket.ZONE_OPERATOR_ROLE=[]")
    assert outcome.code == 1
    assert "AccessControlUnauthorizedAccount(account=0xf39f" in outcome.error
    assert "zones" not in console.manifest
    assert "pending" not in console.manifest


def test_deploy__account_without_money__is_one_line(console: Console) -> None:
    rpc = console.web3.provider.make_request
    rpc("anvil_setBalance", ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0x0"])  # type: ignore[arg-type]
    outcome = console.run("deploy")
    assert outcome.code == 1
    assert "balance" in outcome.error.lower() or "funds" in outcome.error.lower()
    assert console.transactions == 0


def test_deploy__token_that_is_no_contract__names_it(console: Console) -> None:
    nobody = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    outcome = console.run("deploy", "--set", f"token={{address: '{nobody}'}}")
    assert outcome.code == 1
    assert f"token.address is {nobody}; there is no contract" in outcome.error
    assert console.transactions == 0
