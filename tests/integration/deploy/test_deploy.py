"""The deployment on a real node: everything stands, and running it again changes nothing."""

from __future__ import annotations

import pytest

from gridwitness.chain.manifest import Manifest
from gridwitness.encoding.leaves import PROFILE_TYPES, READING_TYPES, schema_of
from scripts._artefacts import Artefacts
from scripts._manifest import ManifestFile
from scripts._params import zone_fields
from scripts._sender import created_address
from scripts._steps import stream_id
from tests.integration.deploy.conftest import DEPLOYER, Console

CONTRACTS = ("DataAttestation", "DeviceRegistry", "EnergyMarket", "EuroToken")
TRANSACTIONS = 9  # four contracts, two roles, two streams, one zone
OPERATOR = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def test_deploy__empty_chain__all_contracts_have_code_and_roles_are_right(
    village: Console, artefacts: Artefacts
) -> None:
    manifest = Manifest.load(village.path)
    for name in CONTRACTS:
        assert village.web3.eth.get_code(manifest.address(name)), name
    market = village.web3.eth.contract(address=manifest.address("EnergyMarket"), abi=artefacts["EnergyMarket"].abi)
    operator = market.functions.ZONE_OPERATOR_ROLE().call()
    assert market.functions.hasRole(b"\0" * 32, DEPLOYER).call()
    assert market.functions.hasRole(operator, DEPLOYER).call()
    assert not market.functions.hasRole(operator, OPERATOR).call()
    assert village.manifest["roles"] == {
        "DeviceRegistry": {"DEFAULT_ADMIN_ROLE": [DEPLOYER], "STEWARD_ROLE": [DEPLOYER]},
        "EnergyMarket": {"DEFAULT_ADMIN_ROLE": [DEPLOYER], "ZONE_OPERATOR_ROLE": [DEPLOYER]},
    }
    assert village.transactions == TRANSACTIONS


def test_deploy__streams_and_zone__are_open_as_the_parameters_say(village: Console, artefacts: Artefacts) -> None:
    manifest = Manifest.load(village.path)
    attestation = village.web3.eth.contract(
        address=manifest.address("DataAttestation"), abi=artefacts["DataAttestation"].abi
    )
    for name, types in (("readings", READING_TYPES), ("profiles", PROFILE_TYPES)):
        assert manifest.stream(name) == stream_id(DEPLOYER, name)
        stream = attestation.functions.stream(manifest.stream(name)).call()
        assert (stream[0], stream[5]) == (DEPLOYER, schema_of(types))
        term = attestation.functions.term(manifest.stream(name), 1).call()
        entry = village.manifest["streams"][name]
        committee = (entry["threshold"], entry["members"])
        assert attestation.functions.committeeDigest(manifest.stream(name), 1, committee).call() == term[0]
    market = village.web3.eth.contract(address=manifest.address("EnergyMarket"), abi=artefacts["EnergyMarket"].abi)
    today = village.web3.eth.get_block("latest")["timestamp"] // 86_400
    names = [field["name"] for field in zone_fields(artefacts)]
    rules = dict(zip(names, market.functions.zoneParams(1, today).call(), strict=True))
    assert rules["profileStream"] == manifest.stream("profiles")
    assert rules | {"profileStream": village.manifest["streams"]["profiles"]["id"]} == manifest.zones[1].rules


def test_deploy__manifest__says_what_made_each_contract_and_that_p256_is_there(village: Console) -> None:
    assert village.manifest["p256_precompile"] is True
    assert "pending" not in village.manifest
    for name in CONTRACTS:
        entry = village.manifest["contracts"][name]
        receipt = village.web3.eth.get_transaction_receipt(entry["transaction"])
        assert (receipt["contractAddress"], receipt["blockNumber"]) == (entry["address"], entry["block"])
        assert entry["deployer"] == DEPLOYER
        assert entry["solc"] == "0.8.37"
    text = village.path.read_text(encoding="utf-8")
    assert text.index('"DataAttestation"') < text.index('"DeviceRegistry"') < text.index('"EnergyMarket"')


def test_deploy__market__made_its_extension_and_the_manifest_has_it(village: Console, artefacts: Artefacts) -> None:
    entry = village.manifest["contracts"]["EnergyMarket"]
    market = village.web3.eth.contract(address=entry["address"], abi=artefacts["EnergyMarket"].abi)
    assert market.functions.extension().call() == entry["extension"]
    assert village.web3.eth.get_code(entry["extension"])
    # The first contract that a contract creates has its nonce 1.
    assert entry["extension"] == created_address(entry["address"], 1)


def test_deploy__again__sends_nothing_and_leaves_the_manifest_as_it_is(village: Console) -> None:
    before = village.path.read_bytes()
    sent = village.transactions
    outcome = village.run("deploy")
    assert outcome.code == 0, outcome.output
    assert village.transactions == sent
    assert village.path.read_bytes() == before
    for name in CONTRACTS:
        assert f"{name} stands at" in outcome.output


def test_deploy__zone_rule_changed_after_it_opened__is_refused_by_name(village: Console) -> None:
    sent = village.transactions
    outcome = village.run("deploy", "--set", "zones.1.toleranceBps=900")
    assert outcome.code == 1
    assert "zone 1 is open with toleranceBps 1000" in outcome.error
    assert "gives 900 (`ape run zone announce 1` announces other rules)" in outcome.error
    assert village.transactions == sent


def test_deploy__contract_argument_changed_after_it_stands__is_refused(village: Console) -> None:
    outcome = village.run("deploy", "--set", f"admin='{OPERATOR}'")
    assert outcome.code == 1
    assert "DeviceRegistry stands at" in outcome.error
    assert OPERATOR in outcome.error


def test_deploy__chain_started_anew__wants_fresh_and_then_deploys_all(console: Console) -> None:
    with_code = console.run("deploy")
    assert with_code.code == 0, with_code.output
    first = console.manifest["contracts"]["EuroToken"]["address"]
    console.web3.provider.make_request("anvil_setCode", [first, "0x"])  # type: ignore[arg-type]
    refused = console.run("deploy")
    assert refused.code == 1
    assert f"has EuroToken at {first}, where chain 31337 has no code" in refused.error
    assert "--fresh" in refused.error
    again = console.run("deploy", "--fresh")
    assert again.code == 0, again.output
    # Streams of this opener and these names were open already only on the old attestation contract.
    assert console.transactions == 2 * TRANSACTIONS
    assert console.manifest["contracts"]["EuroToken"]["address"] == created_address(DEPLOYER, TRANSACTIONS)


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
