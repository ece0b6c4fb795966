"""Three oracles against a real chain: readings in, attested on chain, provable; with one of them down or lying."""

from __future__ import annotations

from gridwitness.chain.attestation import StreamView
from gridwitness.domain.slots import SLOTS_PER_DAY, day_of, slots_of_day
from gridwitness.service.proofs import parse_proof
from tests.integration.oracle.village import Oracle, Village, eventually


def _post_to_all(committee: list[Oracle], readings: list) -> None:
    for oracle in committee:
        if oracle.process is not None:
            assert {result["status"] for result in oracle.post(readings)} <= {"accepted", "duplicate"}


def _await_seq(committee: list[Oracle], seq: int, stream: str = "readings") -> None:
    for oracle in committee:
        eventually(lambda oracle=oracle: oracle.seq(stream) >= seq or None, f"{oracle.url} to follow {stream} to {seq}")


def test_attest__readings_of_three_slots__each_proves_on_chain(committee: list[Oracle], village: Village) -> None:
    for oracle in committee:
        oracle.start()
    first = village.first_slot()
    signed = []
    for index, slot in enumerate(range(first, first + 3)):
        village.pass_slot(slot)
        readings = village.sign_slot(slot)
        signed += readings
        _post_to_all(committee, readings)
        _await_seq(committee, index + 1)
    view = StreamView(village.chain, village.chain.manifest.streams["readings"])
    assert [item.batch.meta.count for item in view.attested(0)] == [4, 4, 4]
    leaves = []
    for oracle in committee:
        for one in signed:
            path = f"/v1/proofs/readings/0x{one.reading.device_id.hex()}/{one.reading.counter}"
            file = parse_proof(oracle.get(path).json())
            assert file.fields[4] == one.reading.value
            leaves.append((file.fields, file.proof))
    assert view.verify_readings(leaves) == [True] * (3 * len(signed))
