"""Three oracles against a real chain: readings in, attested on chain, provable; with one of them down or lying."""

from __future__ import annotations

from gridwitness.chain.attestation import StreamView
from gridwitness.domain.slots import SLOTS_PER_DAY, day_of, slot_end, slots_of_day
from gridwitness.service.proofs import parse_proof
from tests.integration.oracle.village import Oracle, Village, eventually, lying_member, start_all


def _post_to_all(committee: list[Oracle], readings: list) -> None:
    for oracle in committee:
        if oracle.process is not None:
            assert {result["status"] for result in oracle.post(readings)} <= {"accepted", "duplicate"}


def _await_seq(committee: list[Oracle], seq: int, stream: str = "readings") -> None:
    for oracle in committee:
        eventually(lambda oracle=oracle: oracle.seq(stream) >= seq or None, f"{oracle.url} to follow {stream} to {seq}")


def test_attest__readings_of_three_slots__each_proves_on_chain(committee: list[Oracle], village: Village) -> None:
    start_all(committee)
    first = village.first_slot()
    signed = []
    for index, slot in enumerate(range(first, first + 3)):
        village.pass_slot(slot)
        readings = village.sign_slot(slot)
        signed += readings
        _post_to_all(committee, readings)
        _await_seq(committee, index + 1)
    view = StreamView(village.chain, village.chain.manifest.streams["readings"])
    assert [item.meta.count for item in view.attested(0)] == [4, 4, 4]
    leaves = []
    for oracle in committee:
        for one in signed:
            path = f"/v1/proofs/readings/0x{one.reading.device_id.hex()}/{one.reading.counter}"
            file = parse_proof(oracle.get(path).json())
            assert file.fields[4] == one.reading.value
            leaves.append((file.fields, file.proof))
    assert view.verify_readings(leaves) == [True] * (3 * len(signed))


def test_attest__one_oracle_killed__others_go_on_and_it_catches_up(committee: list[Oracle], village: Village) -> None:
    start_all(committee)
    first = village.first_slot()
    village.pass_slot(first)
    _post_to_all(committee, village.sign_slot(first))
    _await_seq(committee, 1)
    committee[1].kill()
    for index in range(3):  # every member's turn comes, the dead one's too
        slot = first + 1 + index
        village.pass_slot(slot)
        _post_to_all(committee, village.sign_slot(slot))
        _await_seq([committee[0], committee[2]], 2 + index)
    members = {member["address"]: member for member in committee[0].status()["members"]}
    assert members[committee[1].account.address]["failures"]["no_answer"] > 0
    start_all([committee[1]])
    _await_seq([committee[1]], 4)
    heads = {oracle.status()["streams"]["readings"]["head"] for oracle in committee}
    assert len(heads) == 1
    assert committee[1].status()["readings"] == committee[0].status()["readings"]


# INV-O10
def test_attest__all_killed_between_post_and_attestation__nothing_acknowledged_is_lost(
    committee: list[Oracle], village: Village
) -> None:
    start_all(committee)
    slot = village.first_slot()
    village.pass_slot(slot)
    readings = village.sign_slot(slot)
    _post_to_all(committee, readings)
    for oracle in committee:
        oracle.kill()
    start_all(committee)
    _await_seq(committee, 1)
    again = committee[0].post(readings)
    assert [result["status"] for result in again] == ["duplicate"] * len(readings)
    view = StreamView(village.chain, village.chain.manifest.streams["readings"])
    assert [item.meta.count for item in view.attested(0)] == [len(readings)]


def test_attest__a_device_tells_oracles_different_things__they_agree_on_one(
    committee: list[Oracle], village: Village
) -> None:
    start_all(committee)
    slot = village.first_slot()
    village.pass_slot(slot)
    honest = village.sign_slot(slot)
    forked = village.meters[0].sign_as(honest[0].reading.counter, slot, 9)
    for oracle, version in zip(committee, (honest[0], forked, honest[0]), strict=True):
        oracle.post([version, *honest[1:]])
    _await_seq(committee, 1)
    device_id = "0x" + honest[0].reading.device_id.hex()
    values = {oracle.get("/v1/readings", device=device_id).json()["readings"][0]["value"] for oracle in committee}
    assert len(values) == 1
    assert sum("equivocation" in oracle.status()["rejections"] for oracle in committee) >= 1


# INV-O6
def test_attest__late_reading__goes_into_the_next_batch_with_its_own_time(
    committee: list[Oracle], village: Village
) -> None:
    start_all(committee)
    first = village.first_slot()
    village.pass_slot(first)
    late, *punctual = village.sign_slot(first)
    _post_to_all(committee, punctual)
    village.pass_slot(first + 1)  # the grace of the first slot is over
    _await_seq(committee, 1)
    _post_to_all(committee, [late, *village.sign_slot(first + 1)])
    _await_seq(committee, 2)
    view = StreamView(village.chain, village.chain.manifest.streams["readings"])
    assert [item.meta.count for item in view.attested(0)] == [3, 5]
    assert view.attested(0)[1].meta.time_from == late.reading.time


# INV-O11
def test_attest__a_whole_day__profiles_prove_on_chain(committee: list[Oracle], village: Village) -> None:
    start_all(committee)
    day = day_of(village.first_slot()) + 1
    village.pass_slot(slots_of_day(day)[-1])
    readings = [one for slot in slots_of_day(day) for one in village.sign_slot(slot)]
    _post_to_all(committee, readings)
    _await_seq(committee, 1, "profiles")
    view = StreamView(village.chain, village.chain.manifest.streams["profiles"])
    assert view.attested(0)[0].meta.count == len(village.meters)
    for meter in village.meters:
        file = parse_proof(committee[0].get(f"/v1/proofs/profiles/0x{meter.key.device_id.hex()}/{day}").json())
        own = [one.reading.value for one in readings if one.reading.device_id == meter.key.device_id]
        assert list(file.energy_wh) == own
        assert len(own) == SLOTS_PER_DAY
        assert view.verify_profile(file.fields, file.proof)


def test_follow__chain_takes_a_batch_back__it_is_attested_again(committee: list[Oracle], village: Village) -> None:
    start_all(committee)
    slot = village.first_slot()
    village.pass_slot(slot)
    readings = village.sign_slot(slot)
    _post_to_all(committee, readings)
    _await_seq(committee, 1)
    before = committee[0].status()["streams"]["readings"]["block"]
    depth = village.chain.head_number() - before + 1
    village.anvil.node.rpc("anvil_reorg", depth, [])
    view = StreamView(village.chain, village.chain.manifest.streams["readings"])
    eventually(lambda: view.state().seq == 1, "the batch to be attested again")
    for oracle in committee:
        path = f"/v1/proofs/readings/0x{readings[0].reading.device_id.hex()}/{readings[0].reading.counter}"
        file = eventually(lambda o=oracle, p=path: _proof(o, p), "a proof")
        assert view.verify_reading(file.fields, file.proof)


def test_attest__batch_expires_in_the_pool__is_signed_again_in_a_new_window(
    committee: list[Oracle], village: Village
) -> None:
    start_all(committee)
    slot = village.first_slot()
    village.pass_slot(slot)
    node = village.anvil.node
    node.rpc("evm_setAutomine", False)
    _post_to_all(committee, village.sign_slot(slot))
    eventually(lambda: int(node.rpc("txpool_status")["pending"], 16) or None, "the batch in the pool")
    village.anvil.set_next_time(slot_end(slot) + 121)
    village.anvil.mine()
    node.rpc("evm_setAutomine", True)
    _await_seq(committee, 1)
    assert sum(oracle.status()["outbox"].get("failed", 0) for oracle in committee) >= 1
    assert any("BatchOutsideValidity(validFrom=" in oracle.log() for oracle in committee)


def _proof(oracle: Oracle, path: str):
    response = oracle.get(path)
    return parse_proof(response.json()) if response.is_success else None


def test_sign__member_that_lies__is_named_with_what_it_did(committee: list[Oracle], village: Village) -> None:
    liar = committee[1]
    with lying_member(liar):
        start_all([committee[0], committee[2]])
        slot = village.first_slot()
        for index in range(3):
            village.pass_slot(slot + index)
            _post_to_all(committee, village.sign_slot(slot + index))
            _await_seq([committee[0], committee[2]], 1 + index)
    blamed = [
        member
        for oracle in (committee[0], committee[2])
        for member in oracle.status()["members"]
        if member["address"] == liar.account.address
    ]
    assert sum(member["failures"].get("wrong_digest", 0) for member in blamed) > 0
    assert all(member["signed"] == 0 for member in blamed)
    assert any("is 0x" in member["last_failure"] and "0x" + "ee" * 32 in member["last_failure"] for member in blamed)
