"""Every encoding against values that other libraries computed (tests/vectors/make_encoding.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gridwitness.domain.batches import Batch, BatchMeta
from gridwitness.domain.devices import DeviceKind, Registration, Rotation
from gridwitness.domain.market import Order, Schedule, Side
from gridwitness.domain.readings import Profile, Reading, Score, ScoredReading, SignedReading
from gridwitness.encoding import eip712
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256Key, Secp256k1Key, is_signature_of
from gridwitness.encoding.leaves import document_signature_hash, leaf_hash, profile_leaf, reading_fields, reading_leaf
from gridwitness.encoding.merkle import MountainRange, StandardMerkleTree, range_leaf, range_peak, tree_root
from gridwitness.encoding.packing import (
    energy_bytes,
    pack_energy_wh,
    pack_meta,
    pack_orders,
    unpack_meta,
    unpack_orders,
)

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "encoding.json").read_text())
CHAIN_ID: int = VECTORS["chain_id"]
REGISTRY = eip712.registry_domain(CHAIN_ID, VECTORS["contracts"]["DeviceRegistry"])
ATTESTATION = eip712.attestation_domain(CHAIN_ID, VECTORS["contracts"]["DataAttestation"])
MARKET = eip712.market_domain(CHAIN_ID, VECTORS["contracts"]["EnergyMarket"])


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def words(values: list[str]) -> tuple[int, ...]:
    return tuple(int(value, 16) for value in values)


def cases(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", VECTORS[name], ids=range(len(VECTORS[name])))


def test_separate_domain__golden__equals_eth_account() -> None:
    ours = {"DeviceRegistry": REGISTRY, "DataAttestation": ATTESTATION, "EnergyMarket": MARKET}
    golden = {name: raw(domain["separator"]) for name, domain in VECTORS["domains"].items()}
    assert {name: domain.separator for name, domain in ours.items()} == golden


@cases("devices")
def test_derive_device_id__golden__is_that_of_the_key(case: dict[str, Any]) -> None:
    key = P256Key if case["key_type"] == "p256" else Secp256k1Key
    assert key(int(case["secret"], 16)).device_id == raw(case["device_id"])


@cases("registrations")
def test_digest_registration__golden__equals_eth_account(case: dict[str, Any]) -> None:
    registration = Registration(
        raw(case["device_id"]), case["owner"], DeviceKind(case["kind"]), case["zone"], int(case["deadline"], 16)
    )
    register = eip712.register_digest(REGISTRY, registration)
    assert register == raw(case["register_digest"]) == REGISTRY.digest(raw(case["register_struct_hash"]))
    fleet = eip712.fleet_id(case["manufacturer"], raw(case["fleet_root"]))
    assert fleet == raw(case["fleet_id"])
    activate = eip712.activate_digest(REGISTRY, registration, fleet)
    assert activate == raw(case["activate_digest"]) == REGISTRY.digest(raw(case["activate_struct_hash"]))


@cases("owner_actions")
def test_digest_owner_action__golden__equals_eth_account(case: dict[str, Any]) -> None:
    device, deadline = raw(case["deviceId"]), int(case["deadline"], 16)
    once = {"nonce": case["nonce"], "deadline": deadline}
    digest = {
        "Rotate": lambda: eip712.rotate_digest(
            REGISTRY, Rotation(device, raw(case["newKeyId"]), case["validFrom"], deadline), case["nonce"]
        ),
        "Retire": lambda: eip712.retire_digest(REGISTRY, device, **once),
        "OfferTransfer": lambda: eip712.offer_transfer_digest(REGISTRY, device, case["to"], case["expiresAt"], **once),
        "AcceptTransfer": lambda: eip712.accept_transfer_digest(REGISTRY, device, case["from"], case["to"], **once),
        "SetDelegate": lambda: eip712.set_delegate_digest(
            REGISTRY, device, case["delegate"], case["scopes"], case["expiresAt"], **once
        ),
        "SetPayee": lambda: eip712.set_payee_digest(REGISTRY, device, case["payee"], **once),
    }[case["action"]]()
    assert digest == raw(case["digest"]) == REGISTRY.digest(raw(case["struct_hash"]))


@cases("documents")
def test_hash_document_signature__golden__equals_eth_abi(case: dict[str, Any]) -> None:
    assert document_signature_hash(raw(case["signature"]), raw(case["document"])) == raw(case["signature_hash"])


@cases("readings")
def test_sign_reading__golden__gives_digest_signature_and_leaf(case: dict[str, Any]) -> None:
    reading = Reading(
        raw(case["device_id"]), int(case["counter"]), int(case["time"]), case["metric"], int(case["value"])
    )
    digest = eip712.reading_digest(REGISTRY, reading)
    assert digest == raw(case["digest"]) == REGISTRY.digest(raw(case["struct_hash"]))
    device = next(device for device in VECTORS["devices"] if device["device_id"] == case["device_id"])
    key = (P256Key if device["key_type"] == "p256" else Secp256k1Key)(int(device["secret"], 16))
    assert key.sign(digest) == raw(case["signature"])
    assert is_signature_of(reading.device_id, digest, raw(case["signature"]))
    scored = ScoredReading(SignedReading(reading, raw(case["signature"])), Score(case["score_bps"], "", ""))
    fields = reading_fields(scored)
    assert (fields[3], fields[6]) == (raw(case["metric_bytes32"]), raw(case["signature_hash"]))
    assert reading_leaf(scored) == raw(case["leaf"])


@cases("profiles")
def test_encode_profile__golden__gives_words_hash_and_leaf(case: dict[str, Any]) -> None:
    energy_wh = tuple(case["energy_wh"])
    assert pack_energy_wh(energy_wh) == words(case["words"])
    assert keccak(energy_bytes(energy_wh)) == raw(case["energy_hash"])
    profile = Profile(raw(case["device_id"]), case["first_slot"], energy_wh, case["score_bps"])
    assert profile_leaf(profile) == raw(case["leaf"])


@cases("schedules")
def test_encode_schedule__golden__gives_words_and_digest(case: dict[str, Any]) -> None:
    orders = tuple(Order(Side(side), tick, energy_wh) for side, tick, energy_wh in case["orders"])
    assert pack_orders(orders) == words(case["words"])
    assert unpack_orders(words(case["words"])) == orders
    terms = (case["version"], case["deadline"], case["imbalance_limit_wh"])
    schedule = Schedule(raw(case["device_id"]), case["account"], case["zone"], case["day"], *terms, orders)
    digest = eip712.schedule_digest(MARKET, schedule)
    assert digest == raw(case["digest"]) == MARKET.digest(raw(case["struct_hash"]))
    assert keccak(b"".join(raw(word) for word in case["words"])) == raw(case["orders_hash"])


@cases("batches")
def test_encode_batch__golden__gives_meta_digest_and_range_leaf(case: dict[str, Any]) -> None:
    fields = case["meta"]
    meta = BatchMeta(**{**fields, "model_hash": raw(fields["model_hash"])})
    assert pack_meta(meta) == int(case["meta_word"], 16)
    assert unpack_meta(int(case["meta_word"], 16)) == meta
    batch = Batch(
        raw(case["stream_id"]),
        case["seq"],
        raw(case["root"]),
        raw(case["previous"]),
        meta,
        case["supersedes"],
        case["valid_from"],
        case["valid_until"],
        case["config"],
    )
    digest = eip712.batch_digest(ATTESTATION, batch)
    assert digest == raw(case["digest"]) == ATTESTATION.digest(raw(case["struct_hash"]))
    assert eip712.head_of(digest) == raw(case["head"])
    assert range_leaf(batch.seq, batch.root, pack_meta(meta)) == raw(case["range_leaf"])


@cases("trees")
def test_build_tree__golden__has_openzeppelins_root_and_proofs(case: dict[str, Any]) -> None:
    leaves = [leaf_hash((raw(device_id), int(kind))) for device_id, kind in case["rows"]]
    assert leaves == [raw(leaf) for leaf in case["leaves"]]
    tree = StandardMerkleTree(leaves)
    assert tree.root == raw(case["root"])
    assert [list(tree.proof(index)) for index in range(len(leaves))] == [
        [raw(node) for node in proof] for proof in case["proofs"]
    ]
    assert all(tree_root(leaf, tree.proof(index)) == tree.root for index, leaf in enumerate(leaves))
    for expected in case["multiproofs"]:
        proof = tree.multiproof(expected["indices"])
        assert [leaves[index] for index in proof.order] == [raw(leaf) for leaf in expected["leaves"]]
        assert list(proof.siblings) == [raw(node) for node in expected["proof"]]
        assert list(proof.flags) == expected["flags"]


@cases("ranges")
def test_append_to_range__golden__has_the_peaks_and_proves_every_leaf(case: dict[str, Any]) -> None:
    mountains = MountainRange()
    leaves = [keccak(f"batch {index}".encode()) for index in range(case["length"])]
    for leaf in leaves:
        mountains.append(leaf)
    peaks = {int(height): raw(peak) for height, peak in case["peaks"].items()}
    assert {height: mountains.peak(height) for height in peaks} == peaks
    assert mountains.root() == raw(case["root"])
    for index, leaf in enumerate(leaves):
        proof = mountains.proof(index)
        assert range_peak(leaf, index, proof) == peaks[len(proof)]
    for index, siblings in case["proofs"].items():
        assert list(mountains.proof(int(index))) == [raw(node) for node in siblings]
