"""Proofs from the log alone: they lead to the batch's root and to the stream's peaks, at every length."""

from __future__ import annotations

import tracemalloc

import pytest

from gridwitness.chain.manifest import DeployedContract, Manifest
from gridwitness.domain.readings import NET_ENERGY_METRIC
from gridwitness.domain.slots import slot_end, slot_start
from gridwitness.encoding.merkle import MountainRange, mountain_height, range_leaf, range_peak, tree_root
from gridwitness.encoding.packing import pack_meta
from gridwitness.errors import ProofError
from gridwitness.service.proofs import ProofFile, parse_proof
from gridwitness.service.proving import Prover, StreamRange
from tests.oracle.service.oracle_parts import READINGS_STREAM, Parts
from tests.oracle.signers import FIRST_SLOT, OWNER, net_energy

SLOTS = 7


@pytest.fixture
def prover(oracle: Parts) -> Prover:
    contracts = {name: DeployedContract(OWNER, 0) for name in ("DeviceRegistry", "DataAttestation")}
    manifest = Manifest(31337, contracts)
    return Prover(manifest, READINGS_STREAM, oracle.profile_batches, oracle.readings, oracle.profiles, oracle.batches)


def _attest_slots(oracle: Parts, start: int, count: int) -> None:
    for slot in range(FIRST_SLOT + start, FIRST_SLOT + start + count):
        readings = [net_energy(key, slot, slot, 10 * index) for index, key in enumerate(oracle.keys)]
        oracle.append(readings, slot_end(slot))
        oracle.attest(oracle.reading_batches, oracle.reading_batches.due(slot_end(slot)) or "")


def _range(oracle: Parts) -> MountainRange:
    made = MountainRange()
    for batch in oracle.batches.since(READINGS_STREAM, 0):
        made.append(range_leaf(batch.seq, batch.root, pack_meta(batch.meta)))
    return made


def _assert_proves(file: ProofFile, expected: MountainRange) -> None:
    proof = file.proof
    assert tree_root(file.leaf, proof.tree_proof) == file.root
    index, length = proof.seq - 1, len(expected)
    assert file.range_length == length
    leaf = range_leaf(proof.seq, file.root, pack_meta(proof.meta))
    peak = expected.peak(mountain_height(index, length))
    assert range_peak(leaf, index, proof.range_proof) == peak


def test_prove__every_reading_at_every_length__leads_to_root_and_peak(oracle: Parts, prover: Prover) -> None:
    for length in range(1, SLOTS + 1):
        _attest_slots(oracle, length - 1, 1)
        expected = _range(oracle)
        for slot in range(FIRST_SLOT, FIRST_SLOT + length):
            for key in oracle.keys:
                file = prover.reading(key.device_id, slot)
                _assert_proves(file, expected)
                assert prover.reading_at(key.device_id, NET_ENERGY_METRIC, slot_start(slot)) == file
                assert parse_proof(file.document()) == file


def test_prove__first_after_a_restart__takes_no_memory_for_what_names_the_batches(
    oracle: Parts, prover: Prover
) -> None:
    _attest_slots(oracle, 0, 4)
    expected = prover.reading(oracle.keys[0].device_id, FIRST_SLOT)
    megabytes = 4
    with oracle.database.write() as connection:
        connection.execute("UPDATE batches SET keys = keys || printf('%.*c', ?, ' ')", (megabytes << 20,))
    stream_range = StreamRange(READINGS_STREAM, oracle.batches)
    tracemalloc.start()
    try:
        assert len(stream_range.current()) == expected.range_length
        assert tracemalloc.get_traced_memory()[1] < megabytes << 20
    finally:
        tracemalloc.stop()


def test_prove__after_a_reorganisation__the_range_is_that_of_the_new_batches(oracle: Parts, prover: Prover) -> None:
    _attest_slots(oracle, 0, 3)
    before = prover.reading(oracle.keys[0].device_id, FIRST_SLOT + 2)
    oracle.reading_batches.roll_back(1)
    oracle.attest(oracle.reading_batches, oracle.reading_batches.due(slot_end(FIRST_SLOT + 2)) or "")
    file = prover.reading(oracle.keys[0].device_id, FIRST_SLOT + 2)
    assert file.proof.seq == 2
    assert file.root != before.root
    _assert_proves(file, _range(oracle))


def test_prove__batch_superseded__says_by_which(oracle: Parts, prover: Prover) -> None:
    _attest_slots(oracle, 0, 2)
    with oracle.database.write() as connection:
        connection.execute("UPDATE batches SET supersedes = 1 WHERE seq = 2")
    with pytest.raises(ProofError, match="batch 1 no longer counts: batch 2 took its place"):
        prover.reading(oracle.keys[0].device_id, FIRST_SLOT)
    assert prover.reading(oracle.keys[0].device_id, FIRST_SLOT + 1).proof.seq == 2


def test_prove__unknown_or_unattested__says_which(oracle: Parts, prover: Prover) -> None:
    device_id = oracle.keys[0].device_id
    with pytest.raises(ProofError, match=f"reading 5 of device 0x{device_id.hex()} is not here"):
        prover.reading(device_id, 5)
    oracle.append([net_energy(oracle.keys[0], 5, FIRST_SLOT, 1)], 0)
    with pytest.raises(ProofError, match="is not attested yet"):
        prover.reading(device_id, 5)
    with pytest.raises(ProofError, match="profile of day 3 of device"):
        prover.profile(device_id, 3)
