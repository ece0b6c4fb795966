"""Readings out of documents and by gateways, from post to proof, and challenged before the real contracts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from typer.testing import CliRunner

from gridwitness.chain.client import Chain
from gridwitness.chain.registry import BY_ITSELF, RegistryFollower
from gridwitness.cli import build_app
from gridwitness.domain.challenges import ChallengeStatus
from gridwitness.domain.devices import Scope
from gridwitness.domain.readings import SignedReading
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.encoding.eip712 import signed_digest
from gridwitness.encoding.keys import Secp256k1Key
from gridwitness.sources.payloads import encode_body
from tests.integration.oracle.test_answering import Challenge, proof_of, status_of
from tests.integration.oracle.village import HTTP, Oracle, Village, eventually, start_all
from tests.oracle.sources.documents import cose, net_energy_record, ocmf, ocmf_reading, senml_json

FAR_FUTURE = (1 << 40) - 1


def post(oracle: Oracle, body: bytes, content_type: str) -> list[dict[str, Any]]:
    response = HTTP.post(f"{oracle.url}/v1/readings", content=body, headers={"content-type": content_type})
    assert response.is_success, response.text
    return response.json()["results"]


def ocmf_time(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S,000+0000 S")


def attest_documents(committee: list[Oracle], village: Village) -> list[tuple[str, int]]:
    """A slot in which two meters speak COSE and two OCMF beside; (device, counter) of those out of documents."""
    slot = village.first_slot()
    village.pass_slot(slot)
    readings = village.sign_slot(slot)
    time = slot * SLOT_SECONDS
    keys = [meter.key for meter in village.meters]
    # P-256 and secp256k1. Net energies come last: once all meters have reported theirs, the batch closes.
    bodies = []
    for key in keys[:2]:
        charger = ocmf(key, ocmf_reading(0.2596, TM=ocmf_time(time)), ocmf_reading(0.2597, TM=ocmf_time(time + 1)))
        bodies.append((charger, "application/x-ocmf"))
    bodies.append((encode_body(readings[2:]), "application/json"))
    for key in keys[:2]:
        bodies.append((cose(key, senml_json(net_energy_record(411, time)), counter=900), "application/cose"))
    for oracle in committee:
        for body, content_type in bodies:
            assert {result["status"] for result in post(oracle, body, content_type)} <= {"accepted", "duplicate"}
    for oracle in committee:
        eventually(lambda oracle=oracle: oracle.seq() >= 1, f"{oracle.url} to follow")
    return [("0x" + key.device_id.hex(), counter) for key in keys[:2] for counter in (900, 7 * 512)]


@pytest.mark.usefixtures("bonded")
def test_answer__readings_out_of_cose_and_ocmf_challenged__each_is_judged_good(
    committee: list[Oracle], village: Village, chain: Chain, bonds: Any, challenge: Challenge, tmp_path: Path
) -> None:
    start_all(committee)
    for device, counter in attest_documents(committee, village):
        page = committee[0].get("/v1/readings", device=device, after=counter - 1, limit=1).json()["readings"]
        assert page[0]["batch"] == 1
        assert page[0]["gateway"] is None
        document = committee[0].get(f"/v1/proofs/readings/{device}/{counter}")
        (tmp_path / "proof.json").write_text(document.text)
        checked = gridwitness("verify", str(tmp_path / "proof.json"), "--rpc", chain.node.url)
        assert checked.exit_code == 0, checked.output
        assert "signed a document that says exactly this" in checked.output
        signed = SignedOf(device, counter)
        challenge_id = challenge(*proof_of(committee[0], signed))
        eventually(
            lambda c=challenge_id: status_of(chain, bonds, c) is ChallengeStatus.ANSWERED,
            f"an answer; {committee[0].status()['challenges']}",
        )


class SignedOf:
    """What `proof_of` needs of a reading."""

    def __init__(self, device: str, counter: int) -> None:
        self.reading = self
        self.device_id, self.counter = bytes.fromhex(device[2:]), counter


def gridwitness(*arguments: str) -> Any:
    return CliRunner().invoke(build_app(list(arguments)), list(arguments))


def verified(chain: Chain, folder: Path, proof: dict[str, Any]) -> str:
    """What `gridwitness verify` says of a proof."""
    (folder / "proof.json").write_text(json.dumps(proof))
    checked = gridwitness("verify", str(folder / "proof.json"), "--rpc", chain.node.url)
    return str(checked.output) + str(checked.exception or "")


def co_signed(village: Village, signed: SignedReading, gateway: Secp256k1Key) -> SignedReading:
    digest = signed_digest(village.meters[0].domain, signed)
    return replace(signed, gateway_signature=gateway.sign(digest))


def test_post__gateway_keeps_the_key__is_marked_and_needs_to_be_a_delegate(
    committee: list[Oracle], village: Village, chain: Chain, tmp_path: Path
) -> None:
    oracle, gateway = committee[0], Secp256k1Key(4_711)
    account = chain.web3.to_checksum_address("0x" + gateway.device_id[12:].hex())
    start_all(committee)
    slot = village.first_slot()
    village.pass_slot(slot)
    early = co_signed(village, village.meters[0].sign(slot, 300), gateway)
    (refused,) = oracle.post([early])
    assert refused["reason"] == "unknown_gateway", refused
    functions = chain.contract("DeviceRegistry").functions
    device_id = village.meters[0].key.device_id
    chain.transact(village.owner, functions.setDelegate(device_id, account, int(Scope.DATA), FAR_FUTURE, BY_ITSELF))
    slot += 2  # one that begins when the delegation stands, however long it took
    village.pass_slot(slot)
    readings = village.sign_slot(slot)
    readings[0] = co_signed(village, readings[0], gateway)
    for member in committee:
        verdicts = member.post(readings)
        assert {verdict["status"] for verdict in verdicts} <= {"accepted", "duplicate"}, verdicts
    device = "0x" + device_id.hex()
    counter = readings[0].reading.counter
    for member in committee:
        eventually(lambda member=member: member.seq() >= 1, f"{member.url} to follow")
        (shown,) = member.get("/v1/readings", device=device, after=counter - 1).json()["readings"]
        assert shown["gateway"] == account
        proof = member.get(f"/v1/proofs/readings/{device}/{counter}").json()
        assert proof["gateway"] == account
    assert f"gateway {account} co-signed it" in verified(chain, tmp_path, proof)
    for changes, words in (
        ({"gateway": village.owner.address}, "gateway_signature is by"),
        ({"gateway_signature": "0x" + "00" * 65}, "gateway_signature is by nobody"),
    ):
        assert words in verified(chain, tmp_path, proof | changes)


def test_follow__delegations__are_known_with_their_times(
    chain: Chain, village: Village, transmitter: LocalAccount
) -> None:
    functions = chain.contract("DeviceRegistry").functions
    device_id = village.meters[0].key.device_id
    agent = chain.web3.to_checksum_address("0x" + "11" * 20)
    follower = RegistryFollower(chain)

    def delegate(scopes: Scope) -> int:
        chain.transact(village.owner, functions.setDelegate(device_id, agent, int(scopes), FAR_FUTURE, BY_ITSELF))
        return chain.head_time()

    given = delegate(Scope.DATA | Scope.TRADE)
    village.anvil.set_next_time(given + 100)
    taken = delegate(Scope.TRADE)
    follower.sync()
    device = follower.device(device_id)
    assert device is not None
    judged: Callable[[int], bool] = lambda time: device.is_delegate(agent, Scope.DATA, time)  # noqa: E731
    assert [judged(time) for time in (given - 1, given, taken - 1, taken)] == [False, True, True, False]
    assert device.is_delegate(agent, Scope.TRADE, taken)
    assert follower.device_of_key(device_id) == device_id
