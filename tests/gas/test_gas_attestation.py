"""Gas of attestation, whole transactions on anvil (osaka), against gas.json."""

from __future__ import annotations

from typing import Any

from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score, ScoredReading, SignedReading
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import READING_TYPES, reading_fields, reading_leaf
from tests.actors import Committee, OpenFeed, proof_args
from tests.gas.conftest import execution_gas

TREE_DEPTH = 10
RANGE_DEPTH = 8


def any_reading() -> ScoredReading:
    """A scored reading with values of usual size."""
    reading = Reading(keccak(b"a meter"), 1_234, 1_700_000_000, NET_ENERGY_METRIC, -250)
    return ScoredReading(SignedReading(reading, bytes(65)), Score(1_234, "level", "as usual"))


def test_spend__data_attestation__as_recorded(
    gas_record: Any, attestation: Any, open_feed: OpenFeed, committee: Committee
) -> None:
    reading = any_reading()
    leaves = [reading_leaf(reading), *(keccak(index.to_bytes(2, "big")) for index in range(1, 2**TREE_DEPTH))]
    feed = open_feed("gas", committee, READING_TYPES)
    receipts = [feed.attest(leaves)]
    receipts += [feed.attest([leaves[seq]]) for seq in range(1, 2**RANGE_DEPTH)]
    large = open_feed("gas-large", Committee(range(1, 32), threshold=11), READING_TYPES)
    large_receipts = [large.attest([leaf], signers=range(11)) for leaf in leaves[:9]]

    proof = feed.proof(1, 0)
    assert (len(proof.tree_proof), len(proof.range_proof)) == (TREE_DEPTH, RANGE_DEPTH)
    assert attestation.verifyReading(reading_fields(reading), proof_args(proof))
    calldata = bytes(attestation.verifyReading.encode_input(reading_fields(reading), proof_args(proof)))
    gas_record.compare(
        "DataAttestation",
        {
            "attest/3-of-5,first": gas_record.of(receipts[0]),
            "attest/3-of-5,mean-256": gas_record.mean(receipts),
            "attest/11-of-31,steady": gas_record.of(large_receipts[-1]),
            "verifyReading/10+8,execution": gas_record.spending(execution_gas(attestation, calldata), len(calldata)),
        },
    )
