"""Addresses made by CREATE2: found again without a manifest, and told apart from others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gridwitness.encoding.hashing import keccak
from scripts._create2 import FACTORY, create2_address, created_address, has_factory
from scripts._manifest import ManifestFile
from scripts._session import recorded_deployer
from tests.integration.deploy.conftest import DEPLOYER, Console
from tests.integration.deploy.test_deploy import CONTRACTS, TRANSACTIONS

OPERATOR = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"  # TEST::1
PROPOSER = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"  # TEST::3
WITHOUT_ARGUMENTS = {"AssetFactory", "EuroToken", "ShareMarket"}


def rpc(console: Console, method: str, *params: Any) -> Any:
    answer = console.web3.provider.make_request(method, list(params))  # type: ignore[arg-type]
    assert "error" not in answer, answer
    return answer["result"]


def test_create2_address__examples_of_eip_1014__are_met() -> None:
    # The examples have other deployers, so the factory's own rule is asked on the node below; this is their hash.
    preimage = b"\xff" + bytes(20) + bytes(32) + keccak(b"\0")
    assert keccak(preimage)[-20:].hex() == "4d1a2e2bb4f88f0250f26ffff098b0b30b26bf38"


def test_create2_address__sent_to_the_factory__is_where_the_code_is(console: Console) -> None:
    creation = bytes.fromhex("60016000f3")  # a contract of one byte, zero
    salt = keccak(b"any")
    sent = console.web3.eth.send_transaction({"from": DEPLOYER, "to": FACTORY, "data": salt + creation})
    console.web3.eth.wait_for_transaction_receipt(sent)
    assert bytes(console.web3.eth.get_code(create2_address(salt, creation))) == b"\0"


def test_deploy__manifest_lost__finds_all_again_and_sends_nothing(console: Console) -> None:
    assert console.run("deploy").code == 0
    before = console.manifest
    console.path.unlink()
    again = console.run("deploy")
    assert again.code == 0, again.output
    assert console.transactions == TRANSACTIONS
    for name in CONTRACTS:
        assert f"{name} stands at {before['contracts'][name]['address']} since block" in again.output
        assert console.manifest["contracts"][name] == before["contracts"][name]
    assert console.manifest["roles"] == before["roles"]
    assert {name: entry["id"] for name, entry in console.manifest["streams"].items()} == {
        name: entry["id"] for name, entry in before["streams"].items()
    }


def test_deploy__manifest_lost_in_the_middle__goes_on_where_the_chain_is(console: Console) -> None:
    assert console.run("deploy", "--set", "streams={}", "--set", "zones={}", "--set", "roles={}").code == 0
    console.path.unlink()
    again = console.run("deploy")
    assert again.code == 0, again.output
    assert console.transactions == TRANSACTIONS


def test_deploy__other_salt__gets_other_addresses(console: Console) -> None:
    assert console.run("deploy").code == 0
    first = console.manifest["contracts"]
    console.path.unlink()
    outcome = console.run("deploy", "--set", "salt=another village")
    assert outcome.code == 0, outcome.output
    for name in CONTRACTS:
        assert console.manifest["contracts"][name]["address"] != first[name]["address"]
        assert console.manifest["contracts"][name]["salt"] == "0x" + keccak(b"another village").hex()


def test_deploy__chain_without_the_factory_or_create2_never__makes_plain_creations(console: Console) -> None:
    assert has_factory(console.web3)
    never = console.run("deploy", "--set", "create2=never")
    assert never.code == 0, never.output
    token = console.manifest["contracts"]["EuroToken"]
    assert token["address"] == created_address(DEPLOYER, 0)
    assert "salt" not in token
    rpc(console, "anvil_setCode", FACTORY, "0x00")
    assert not has_factory(console.web3)
    console.path.unlink()
    without = console.run("deploy")
    assert without.code == 0, without.output
    assert console.manifest["contracts"]["EuroToken"]["address"] == created_address(DEPLOYER, TRANSACTIONS)


def test_deploy__constructor_that_refuses__tells_its_reason_through_the_factory(console: Console) -> None:
    feed = {
        "attestation": "$DataAttestation",
        "streamId": "0x" + "11" * 32,
        "deviceId": "0x" + "22" * 32,
        "metric": "1-0:16.29.0",
        "decimals": 3,
        "intervalSeconds": 900,
        "maxScoreBps": 9_900,
        "description": "a feed of no stream",
    }
    outcome = console.run("deploy", "--set", f"feeds={json.dumps({'nowhere': feed})}")
    assert outcome.code == 1
    assert "SchemaUnexpected(streamId=0x1111" in outcome.error
    assert "feeds" not in console.manifest
    assert console.transactions == TRANSACTIONS - 1


def test_deploy__by_another_account_after_the_first__keeps_the_first_as_deployer(console: Console) -> None:
    assert console.run("deploy", "--set", "zones={}").code == 0
    before = console.manifest["contracts"]
    other = console.run("deploy", "--account", "TEST::1")
    assert "AccessControlUnauthorizedAccount" in other.error
    assert OPERATOR.lower() in other.error
    assert console.manifest["contracts"] == before


def test_deploy__after_a_stranger_with_the_same_salt__keeps_its_own_deployer(console: Console, tmp_path: Path) -> None:
    """Contracts without arguments stand already, at the address that is everybody's."""
    strangers = Console(console.url, tmp_path / "strangers.json")
    assert strangers.run("deploy", "--account", "TEST::1").code == 0
    # Interrupted when one contract is adopted and nothing is sent yet.
    rpc(console, "anvil_setBalance", DEPLOYER, "0x0")
    assert "has a balance of" in console.run("deploy").error
    assert (console.manifest["deployer"], [*console.manifest["contracts"]]) == (DEPLOYER, ["EuroToken"])
    rpc(console, "anvil_setBalance", DEPLOYER, hex(10**21))
    # And when all contracts stand.
    governance = ("--set", f"governance={{admin: '{PROPOSER}'}}")
    assert console.run("deploy", *governance, "--set", "roles.EnergyMarket.ZONE_OPERATOR_ROLE=[]").code == 1
    outcome = console.run("deploy", *governance)
    assert outcome.code == 0, outcome.output
    made_by = {name: entry.get("created_by") for name, entry in console.manifest["contracts"].items()}
    assert {name for name, account in made_by.items() if account == OPERATOR} == WITHOUT_ARGUMENTS
    assert {entry["deployer"] for entry in console.manifest["contracts"].values()} == {DEPLOYER}
    assert console.manifest["contracts"]["DeviceRegistry"]["arguments"][0] == DEPLOYER
    handed_over = console.run("roles", "handover", "--account", "TEST::3", *governance)
    assert handed_over.output.count("revoke DEFAULT_ADMIN_ROLE of") == 3, handed_over.output
    verified = console.run("verify", "--quick", *governance)
    assert verified.code == 0, verified.output


def test_recorded_deployer__manifest_of_old__is_the_registrys(tmp_path: Path) -> None:
    path = tmp_path / "31337.json"
    contracts = {"AssetFactory": {"deployer": OPERATOR}, "DeviceRegistry": {"deployer": DEPLOYER}}
    path.write_text(json.dumps({"chain_id": 31_337, "contracts": contracts}), encoding="utf-8")
    manifest = ManifestFile.open(path, 31_337, "ethereum:local")
    assert recorded_deployer(manifest) == DEPLOYER
    manifest.begin({"from": OPERATOR})
    assert recorded_deployer(manifest) == DEPLOYER
