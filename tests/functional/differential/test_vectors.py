"""The contracts against the golden vectors (tests/vectors/encoding.json), at the vectors' own addresses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_abi import encode

from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256Key, Secp256k1Key
from tests.functional.differential.conftest import Encodings

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "encoding.json").read_text())
CHAIN_ID: int = VECTORS["chain_id"]
ADDRESSES: dict[str, str] = VECTORS["contracts"]
DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
ACTIONS = ("Rotate", "Retire", "OfferTransfer", "AcceptTransfer", "SetDelegate", "SetPayee")
HEADER = {"about", "chain_id", "contracts"}
# StreamBonds.answer hashes documents and no view does: tests/functional/bonds/test_answer.py answers with them.
NOT_ASKED = {"documents"}
ASKED: set[str] = set()


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def raws(texts: list[str]) -> list[bytes]:
    return [raw(text) for text in texts]


def cases(section: str) -> pytest.MarkDecorator:
    """A test for each case of a section of the file."""
    ASKED.add(section)
    rows = VECTORS[section]
    numbered = rows.items() if isinstance(rows, dict) else enumerate(rows)
    return pytest.mark.parametrize("case", [pytest.param(row, id=f"{section}-{key}") for key, row in numbered])


def digest_of(contract: str, struct_hash: str) -> bytes:
    """Digest by the vectors' own intermediate hashes."""
    return keccak(b"\x19\x01" + raw(VECTORS["domains"][contract]["separator"]) + raw(struct_hash))


@dataclass(frozen=True)
class Placed:
    """The contracts at the vectors' addresses, their code, and the harness that asks them."""

    harness: Encodings
    contracts: dict[str, Encodings]
    code: dict[str, bytes]


@pytest.fixture(scope="module")
def placed(deployer: Any, registry: Any, attestation: Any, euro: Any, project: Any) -> Placed:
    """Placed by each call's state override, so that the chain other tests share stays as it is."""
    market = deployer.deploy(project.EnergyMarket, registry, attestation, euro, deployer)
    harness = deployer.deploy(project.EncodingHarness, ADDRESSES["DeviceRegistry"], ADDRESSES["DataAttestation"])
    deployed = {"DeviceRegistry": registry, "DataAttestation": attestation, "EnergyMarket": market}
    code = {name: bytes(contract.provider.get_code(contract.address)) for name, contract in deployed.items()}
    overrides = {ADDRESSES[name]: {"code": "0x" + runtime.hex()} for name, runtime in code.items()}
    contracts = {name: Encodings(contract, ADDRESSES[name], overrides) for name, contract in deployed.items()}
    return Placed(Encodings(harness, harness.address, overrides), contracts, code)


@cases("domains")
def test_name_domain__golden__is_what_the_contract_says(placed: Placed, case: dict[str, Any]) -> None:
    contract = next(name for name, domain in VECTORS["domains"].items() if domain == case)
    said = placed.contracts[contract].ask("eip712Domain")
    assert said[1:4] == (case["name"], case["version"], CHAIN_ID)
    assert said[4] == ADDRESSES[contract].lower()
    hashed = [DOMAIN_TYPE, keccak(said[1].encode()), keccak(said[2].encode()), *said[3:5]]
    assert keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], hashed)) == raw(case["separator"])


@cases("types")
def test_hash_type__golden__stands_in_the_contracts_code(placed: Placed, case: dict[str, Any]) -> None:
    assert keccak(case["type"].encode()) == raw(case["type_hash"])
    pushed = raw(case["type_hash"]).lstrip(b"\0")
    assert pushed in placed.code[case["contract"]]


@cases("devices")
def test_derive_device_id__golden__contracts_accept_its_key_and_no_other(placed: Placed, case: dict[str, Any]) -> None:
    key = (P256Key if case["key_type"] == "p256" else Secp256k1Key)(int(case["secret"], 16))
    digest = keccak(b"any")
    ids = [raw(device["device_id"]) for device in VECTORS["devices"]]
    verdicts = placed.harness.ask("areBy", ids, [digest] * len(ids), [key.sign(digest)] * len(ids))
    assert list(verdicts) == [device_id == raw(case["device_id"]) for device_id in ids]


@cases("registrations")
def test_digest_entry__golden__equals_the_contracts(placed: Placed, case: dict[str, Any]) -> None:
    row = (raw(case["device_id"]), case["owner"], case["kind"], case["zone"], int(case["deadline"], 16))
    (digests,) = placed.harness.ask("entryDigests", [row], [raw(case["fleet_id"])])
    assert list(digests) == raws([case["register_digest"], case["activate_digest"]])
    hashed = [digest_of("DeviceRegistry", case[f"{entry}_struct_hash"]) for entry in ("register", "activate")]
    assert hashed == list(digests)


def test_identify_fleet__golden__equals_the_registrys(registry: Any) -> None:
    for case in VECTORS["registrations"]:
        fleet_id = registry.enrolFleet.call(raw(case["fleet_root"]), 1, sender=case["manufacturer"])
        assert bytes(fleet_id) == raw(case["fleet_id"])


@cases("owner_actions")
def test_digest_action__golden__equals_the_contracts(placed: Placed, case: dict[str, Any]) -> None:
    at = case.get("validFrom", case.get("expiresAt", 0))
    rotation = (raw(case["deviceId"]), raw(case.get("newKeyId", case["deviceId"])), at, int(case["deadline"], 16))
    first = next(
        (case[name] for name in ("from", "to", "delegate", "payee") if name in case), ADDRESSES["EnergyMarket"]
    )
    row = (rotation, first, case.get("to", first), case.get("scopes", 0), case["nonce"])
    separator = raw(VECTORS["domains"]["DeviceRegistry"]["separator"])
    (digests,) = placed.harness.ask("actionDigests", [row], separator)
    assert digests[ACTIONS.index(case["action"])] == raw(case["digest"])
    assert digest_of("DeviceRegistry", case["struct_hash"]) == raw(case["digest"])


def test_digest_rotation__golden_of_a_device_without_history__equals_the_registrys(placed: Placed) -> None:
    (case,) = [row for row in VECTORS["owner_actions"] if row["action"] == "Rotate" and row["nonce"] == 0]
    rotation = (raw(case["deviceId"]), raw(case["newKeyId"]), case["validFrom"], int(case["deadline"], 16))
    assert placed.contracts["DeviceRegistry"].ask("rotateDigest", rotation) == raw(case["digest"])


@cases("readings")
def test_sign_reading__golden__gives_the_contracts_digest_verdict_and_leaf(
    placed: Placed, case: dict[str, Any]
) -> None:
    device_id, signature = raw(case["device_id"]), raw(case["signature"])
    fields = (device_id, int(case["counter"]), int(case["time"]), raw(case["metric_bytes32"]), int(case["value"]))
    row = (*fields, case["score_bps"], raw(case["signature_hash"]))
    (digest,) = placed.harness.ask("readingDigests", [row])
    assert digest == raw(case["digest"]) == digest_of("DeviceRegistry", case["struct_hash"])
    assert placed.harness.ask("areBy", [device_id], [digest], [signature]) == (True,)
    assert placed.harness.ask("readingLeaves", [row]) == (raw(case["leaf"]),)


@cases("profiles")
def test_hash_profile__golden__equals_the_contracts_leaf(placed: Placed, case: dict[str, Any]) -> None:
    energy_hash = keccak(b"".join(raws(case["words"])))
    assert energy_hash == raw(case["energy_hash"])
    row = (raw(case["device_id"]), case["first_slot"], len(case["energy_wh"]), energy_hash, case["score_bps"])
    assert placed.harness.ask("profileLeaves", [row]) == (raw(case["leaf"]),)


@cases("schedules")
def test_digest_schedule__golden__equals_the_markets(placed: Placed, case: dict[str, Any]) -> None:
    orders = [int(word, 16) for word in case["words"]]
    terms = (case["version"], case["deadline"], case["imbalance_limit_wh"])
    schedule = (raw(case["device_id"]), case["account"], case["zone"], case["day"], *terms, orders)
    digest = placed.contracts["EnergyMarket"].ask("scheduleDigest", schedule)
    assert digest == raw(case["digest"]) == digest_of("EnergyMarket", case["struct_hash"])


@cases("batches")
def test_digest_batch__golden__equals_the_contracts_digest_and_range_leaf(placed: Placed, case: dict[str, Any]) -> None:
    root, meta = raw(case["root"]), int(case["meta_word"], 16)
    window = (case["supersedes"], case["valid_from"], case["valid_until"])
    row = (raw(case["stream_id"]), case["seq"], root, raw(case["previous"]), meta, *window)
    (digest,) = placed.harness.ask("batchDigests", [row], [case["config"]])
    assert digest == raw(case["digest"]) == digest_of("DataAttestation", case["struct_hash"])
    assert placed.harness.ask("rangeLeaves", [case["seq"]], [root], [meta]) == (raw(case["range_leaf"]),)


@cases("trees")
def test_fold_tree__golden__rows_and_proofs_lead_to_the_root(placed: Placed, case: dict[str, Any]) -> None:
    ids, kinds = zip(*case["rows"], strict=True)
    leaves = placed.harness.ask("fleetLeaves", raws(list(ids)), [int(kind) for kind in kinds])
    assert list(leaves) == raws(case["leaves"])
    roots = placed.harness.ask("treeRoots", leaves, [raws(proof) for proof in case["proofs"]])
    many = [(raws(row["leaves"]), raws(row["proof"]), row["flags"]) for row in case["multiproofs"]]
    assert {*roots, *placed.harness.ask("multiRoots", many)} == {raw(case["root"])}


@cases("ranges")
def test_append_to_range__golden__gives_the_peaks_and_root_and_takes_the_proofs(
    placed: Placed, case: dict[str, Any]
) -> None:
    length = case["length"]
    leaves = [keccak(f"batch {index}".encode()) for index in range(length)]
    proofs = [raws(case["proofs"].get(str(index), [])) for index in range(length)]
    written, roots, proven = placed.harness.ask("range", leaves, proofs)
    assert roots[-1] == raw(case["root"])
    peaks = {(index ^ (index + 1)).bit_length() - 1: peak for index, peak in enumerate(written)}
    assert {height: peaks[int(height)] for height in case["peaks"]} == {
        height: raw(peak) for height, peak in case["peaks"].items()
    }
    assert all(proven[int(index)] for index in case["proofs"])


def test_read_vectors__every_section__is_asked_of_the_contracts_or_named() -> None:
    assert set(VECTORS) - HEADER == ASKED | NOT_ASKED
