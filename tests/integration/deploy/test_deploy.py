"""The deployment on a real node: everything stands, and running it again changes nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from eth_abi.abi import encode

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.manifest import Manifest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import PROFILE_TYPES, READING_TYPES, schema_of
from scripts._abi import constructor_inputs
from scripts._artefacts import Artefact, Artefacts
from scripts._create2 import FACTORY, create2_address, created_address
from scripts._manifest import ManifestFile
from scripts._params import zone_fields
from scripts._parts import PARTS, Part
from scripts._streams import stream_id
from tests.integration.deploy.conftest import DEPLOYER, ROOT, Console

SHARES = ("AssetFactory", "Passports", "ShareMarket")
CONTRACTS = ("DataAttestation", "DeviceRegistry", "EnergyMarket", "EuroToken", *SHARES)
TRANSACTIONS = 13  # seven contracts, three roles, two streams, one zone
WITHOUT_SHARES = TRANSACTIONS - len(SHARES) - 1  # and the registrar's role
OPERATOR = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def types_of(artefact: Artefact) -> list[str]:
    return [part["type"] for part in constructor_inputs(artefact.abi)]


def test_deploy__empty_chain__all_contracts_have_code_and_roles_are_right(
    standing: Console, artefacts: Artefacts
) -> None:
    manifest = Manifest.load(standing.path)
    for name in CONTRACTS:
        assert standing.web3.eth.get_code(manifest.address(name)), name
    market = standing.web3.eth.contract(address=manifest.address("EnergyMarket"), abi=artefacts["EnergyMarket"].abi)
    operator = market.functions.ZONE_OPERATOR_ROLE().call()
    assert market.functions.hasRole(b"\0" * 32, DEPLOYER).call()
    assert market.functions.hasRole(operator, DEPLOYER).call()
    assert not market.functions.hasRole(operator, OPERATOR).call()
    assert standing.manifest["roles"] == {
        "DeviceRegistry": {"DEFAULT_ADMIN_ROLE": [DEPLOYER], "STEWARD_ROLE": [DEPLOYER]},
        "EnergyMarket": {"DEFAULT_ADMIN_ROLE": [DEPLOYER], "ZONE_OPERATOR_ROLE": [DEPLOYER]},
        "Passports": {"DEFAULT_ADMIN_ROLE": [DEPLOYER], "REGISTRAR_ROLE": [DEPLOYER]},
    }
    assert standing.transactions == TRANSACTIONS


def test_deploy__streams_and_zone__are_open_as_the_parameters_say(standing: Console, artefacts: Artefacts) -> None:
    manifest = Manifest.load(standing.path)
    attestation = standing.web3.eth.contract(
        address=manifest.address("DataAttestation"), abi=artefacts["DataAttestation"].abi
    )
    for name, types in (("readings", READING_TYPES), ("profiles", PROFILE_TYPES)):
        assert manifest.stream(name) == stream_id(DEPLOYER, name)
        stream = attestation.functions.stream(manifest.stream(name)).call()
        assert (stream[0], stream[5]) == (DEPLOYER, schema_of(types))
        term = attestation.functions.term(manifest.stream(name), 1).call()
        entry = standing.manifest["streams"][name]
        committee = (entry["threshold"], entry["members"])
        assert attestation.functions.committeeDigest(manifest.stream(name), 1, committee).call() == term[0]
    market = standing.web3.eth.contract(address=manifest.address("EnergyMarket"), abi=artefacts["EnergyMarket"].abi)
    today = standing.web3.eth.get_block("latest")["timestamp"] // 86_400
    names = [field["name"] for field in zone_fields(artefacts)]
    rules = dict(zip(names, market.functions.zoneParams(1, today).call(), strict=True))
    assert rules["profileStream"] == manifest.stream("profiles")
    assert rules | {"profileStream": standing.manifest["streams"]["profiles"]["id"]} == manifest.zones[1].rules


def test_deploy__manifest__says_what_made_each_contract_and_that_p256_is_there(
    standing: Console, artefacts: Artefacts
) -> None:
    assert standing.manifest["p256_precompile"] is True
    assert not {"pending", "sent"} & standing.manifest.keys()
    versions = json.loads((ROOT / "toolchain" / "interfaces.json").read_text(encoding="utf-8"))
    for name in CONTRACTS:
        entry = standing.manifest["contracts"][name]
        receipt = standing.web3.eth.get_transaction_receipt(entry["transaction"])
        assert (receipt["to"], receipt["blockNumber"]) == (FACTORY, entry["block"])
        made = artefacts[name].creation[2:] + encode(types_of(artefacts[name]), entry["arguments"]).hex()
        assert entry["address"] == create2_address(keccak(b"gridwitness"), bytes.fromhex(made))
        assert entry["salt"] == "0x" + keccak(b"gridwitness").hex()
        assert entry["creation_hash"] == hashlib.sha256(bytes.fromhex(artefacts[name].creation[2:])).hexdigest()
        assert entry["deployer"] == DEPLOYER
        assert (entry["solc"], len(entry["source_commit"])) == ("0.8.37", 40)
        assert entry.get("version") == versions.get(f"I{name}", {}).get("version")
    optimizer = {"enabled": True, "runs": 200}
    expected = {"evm_version": "osaka", "optimizer": optimizer, "solc": "0.8.37", "via_ir": True}
    assert standing.manifest["compiler"] == expected
    text = standing.path.read_text(encoding="utf-8")
    assert text.index('"DataAttestation"') < text.index('"DeviceRegistry"') < text.index('"EnergyMarket"')


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_deploy__contract_that_makes_a_part__the_manifest_has_it(
    part: Part, standing: Console, artefacts: Artefacts
) -> None:
    entry = standing.manifest["contracts"][part.owner]
    assert standing.call(artefacts[part.owner], part.view) == entry[part.view]
    assert standing.web3.eth.get_code(entry[part.view])
    # The first contract that a contract creates has its nonce 1.
    assert entry[part.view] == created_address(entry["address"], 1)


def test_deploy__shares_left_out_and_then_wanted__are_made_beside_what_stands(console: Console) -> None:
    without = console.run("deploy", "--set", "shares=null")
    assert without.code == 0, without.output
    assert console.transactions == WITHOUT_SHARES
    assert not {*SHARES} & console.manifest["contracts"].keys()
    before = console.manifest["contracts"]
    outcome = console.run("deploy", "--set", f"shares.registrars=['{OPERATOR}']")
    assert outcome.code == 0, outcome.output
    assert console.transactions == TRANSACTIONS
    assert {**before, **console.manifest["contracts"]} == console.manifest["contracts"]
    assert console.manifest["roles"]["Passports"]["REGISTRAR_ROLE"] == [OPERATOR]


def test_deploy__again__sends_nothing_and_leaves_the_manifest_as_it_is(standing: Console) -> None:
    before = standing.path.read_bytes()
    sent = standing.transactions
    outcome = standing.run("deploy")
    assert outcome.code == 0, outcome.output
    assert standing.transactions == sent
    assert standing.path.read_bytes() == before
    for name in CONTRACTS:
        assert f"{name} stands at" in outcome.output


def test_deploy__zone_rule_changed_after_it_opened__is_refused_by_name(standing: Console) -> None:
    sent = standing.transactions
    outcome = standing.run("deploy", "--set", "zones.1.toleranceBps=900")
    assert outcome.code == 1
    assert "zone 1 is open with toleranceBps 1000" in outcome.error
    assert "gives 900 (`ape run zone announce 1` announces other rules)" in outcome.error
    assert standing.transactions == sent


def test_deploy__contract_argument_changed_after_it_stands__is_refused(standing: Console) -> None:
    outcome = standing.run("deploy", "--set", f"contracts.DeviceRegistry.admin='{OPERATOR}'")
    assert outcome.code == 1
    assert "DeviceRegistry stands at" in outcome.error
    assert OPERATOR in outcome.error


def test_deploy__chain_started_anew__wants_fresh_and_then_deploys_all(tmp_path: Path, artefacts: Artefacts) -> None:
    with Anvil(genesis_time=1_700_000_000) as first:
        console = Console(first.url, tmp_path / "31337.json")
        assert console.run("deploy").code == 0
    addresses = {name: entry["address"] for name, entry in console.manifest["contracts"].items()}
    with Anvil(genesis_time=1_700_000_001) as second:
        console = Console(second.url, tmp_path / "31337.json")
        refused = console.run("deploy")
        assert refused.code == 1
        assert "is of a chain that began with 0x" in refused.error
        assert "the node was started anew: use `ape run deploy --fresh`" in refused.error
        assert console.transactions == 0
        again = console.run("deploy", "--fresh")
        assert again.code == 0, again.output
        assert console.transactions == TRANSACTIONS
        assert {name: entry["address"] for name, entry in console.manifest["contracts"].items()} == addresses


@pytest.mark.parametrize("nonce", [0, 1, 127, 128, 255, 256, 70_000])
def test_created_address__any_nonce__equals_the_node_s_rule(console: Console, nonce: int) -> None:
    rpc = console.web3.provider.make_request
    rpc("anvil_setNonce", [DEPLOYER, hex(nonce)])  # type: ignore[arg-type]
    sent = console.web3.eth.send_transaction({"from": DEPLOYER, "data": "0x00", "gas": 100_000})
    assert console.web3.eth.wait_for_transaction_receipt(sent)["contractAddress"] == created_address(DEPLOYER, nonce)


def test_lock__two_scripts_on_one_manifest__second_is_refused(console: Console) -> None:
    with ManifestFile.open(console.path, 31_337, "ethereum:local").locked():
        outcome = console.run("deploy")
    assert outcome.code == 1
    assert "another script is writing" in outcome.error
    assert console.transactions == 0
