"""Proofs of single leaves against the mountain range of a stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gridwitness.domain.batches import Proof
from gridwitness.domain.readings import (
    NET_ENERGY_METRIC,
    Profile,
    Reading,
    Score,
    ScoredReading,
    SignedReading,
)
from gridwitness.encoding.eip712 import Domain, reading_digest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import (
    READING_TYPES,
    profile_fields,
    profile_leaf,
    reading_fields,
    reading_leaf,
)
from gridwitness.encoding.merkle import tree_root
from tests.actors import Committee, Device, Feed, OpenFeed, proof_args

BATCHES = 11  # mountains of 8, 2 and 1


def readings_of(meter: Device, domain: Domain, seq: int, count: int) -> list[ScoredReading]:
    """Signed and scored readings of one batch; batch `seq` holds its own counters."""
    scored = []
    for i in range(count):
        reading = Reading(meter.device_id, seq * 100 + i, 1_700_000_000 + 900 * i, NET_ENERGY_METRIC, 40 - 30 * i)
        signed = SignedReading(reading, meter.key.sign(reading_digest(domain, reading)))
        scored.append(ScoredReading(signed, Score(1_000 + i, "level", "as usual")))
    return scored


@pytest.fixture
def history(
    open_feed: OpenFeed, committee: Committee, meter: Device, registry_domain_712: Domain
) -> tuple[Feed, list[list[ScoredReading]]]:
    """A stream of eleven batches of 1 to 7 readings, and the readings."""
    feed = open_feed("readings", committee, READING_TYPES)
    batches = [readings_of(meter, registry_domain_712, seq, 1 + seq % 7) for seq in range(1, BATCHES + 1)]
    for batch in batches:
        feed.attest([reading_leaf(scored) for scored in batch])
    return feed, batches


def is_proven(feed: Feed, scored: ScoredReading, proof: Proof) -> bool:
    """Verdict of the contract."""
    return bool(feed.attestation.verifyReading(reading_fields(scored), proof_args(proof)))


# INV-A5
def test_verify_reading__every_reading_of_every_batch__is_proven(
    history: tuple[Feed, list[list[ScoredReading]]],
) -> None:
    feed, batches = history
    for seq, batch in enumerate(batches, start=1):
        for index, scored in enumerate(batch):
            assert is_proven(feed, scored, feed.proof(seq, index))


# INV-A5
def test_verify_reading__old_batch_after_many_more__needs_a_proof_of_the_present_length(
    history: tuple[Feed, list[list[ScoredReading]]],
) -> None:
    feed, batches = history
    old = feed.proof(9)
    assert is_proven(feed, batches[8][0], old)
    for seq in range(20):
        feed.attest([keccak(bytes([seq]))])
    assert not is_proven(feed, batches[8][0], old)
    assert len(feed.proof(9).range_proof) == 4
    assert is_proven(feed, batches[8][0], feed.proof(9))


# INV-A5
def test_verify_leaf__proof_for_an_earlier_length__holds_until_its_peak_is_overwritten(feed: Feed) -> None:
    leaves = [keccak(bytes([seq])) for seq in range(5)]
    for leaf in leaves[:3]:
        feed.attest([leaf])
    early = proof_args(feed.proof(3))
    feed.attest([leaves[3]])
    # the range of four has one mountain, of height 2; batch 3 still lies, stale but true, in the slot of height 0
    assert len(feed.proof(3).range_proof) == 2
    assert feed.attestation.verifyLeaf(leaves[2], early)
    assert feed.attestation.verifyLeaf(leaves[2], proof_args(feed.proof(3)))
    feed.attest([leaves[4]])
    assert not feed.attestation.verifyLeaf(leaves[2], early)
    assert feed.attestation.verifyLeaf(leaves[2], proof_args(feed.proof(3)))


# INV-A6
def test_verify_leaf__stale_peak__proves_nothing_but_its_own_batches(feed: Feed) -> None:
    leaves = [keccak(bytes([seq])) for seq in range(4)]
    for leaf in leaves:
        feed.attest([leaf])
    # height 0 holds batch 3, height 1 batches 1 and 2
    third = replace(feed.proof(3), range_proof=())
    assert feed.attestation.verifyLeaf(leaves[2], proof_args(third))
    for seq in (0, 1, 2, 4, 5, 7):
        assert not feed.attestation.verifyLeaf(leaves[2], proof_args(replace(third, seq=seq)))
    first = replace(feed.proof(1), range_proof=feed.proof(1).range_proof[:1])
    assert feed.attestation.verifyLeaf(leaves[0], proof_args(first))
    for seq in (0, 2, 3, 4, 5):
        assert not feed.attestation.verifyLeaf(leaves[0], proof_args(replace(first, seq=seq)))


def test_read_peak__after_each_batch__equals_pythons_range(feed: Feed) -> None:
    for seq in range(1, 34):
        feed.attest([keccak(bytes([seq]))])
        for height in range(6):
            if seq >> height & 1:
                assert feed.attestation.peak(feed.stream_id, height) == feed.range.peak(height)


# INV-A18
def test_read_range_root__after_each_batch__equals_pythons_range(feed: Feed) -> None:
    assert feed.attestation.rangeRoot(feed.stream_id) == (0, bytes(32))
    for seq in range(1, 18):
        feed.attest([keccak(bytes([seq]))])
        assert feed.attestation.rangeRoot(feed.stream_id) == (seq, feed.range.root())


# INV-A6
@pytest.mark.parametrize("field", range(7))
def test_verify_reading__any_field_changed__is_not_proven(
    history: tuple[Feed, list[list[ScoredReading]]], field: int
) -> None:
    feed, batches = history
    fields: list[Any] = list(reading_fields(batches[2][1]))
    assert feed.attestation.verifyReading(fields, proof_args(feed.proof(3, 1)))
    fields[field] = fields[field] + 1 if isinstance(fields[field], int) else keccak(fields[field])
    assert not feed.attestation.verifyReading(fields, proof_args(feed.proof(3, 1)))


def with_lowest_bit(siblings: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Siblings with the bit set that the range clears."""
    return tuple(sibling[:31] + bytes([sibling[31] | 1]) for sibling in siblings)


WRONG_PROOFS: dict[str, Callable[[Proof, Feed], Proof]] = {
    "range_shorter": lambda proof, feed: replace(proof, range_proof=proof.range_proof[:-1]),
    "range_longer": lambda proof, feed: replace(proof, range_proof=(*proof.range_proof, bytes(32))),
    "range_empty": lambda proof, feed: replace(proof, range_proof=()),
    "range_of_32": lambda proof, feed: replace(proof, range_proof=(bytes(32),) * 32),
    "range_of_40": lambda proof, feed: replace(proof, range_proof=(bytes(32),) * 40),
    "range_of_300": lambda proof, feed: replace(proof, range_proof=(bytes(32),) * 300),
    "tree_shorter": lambda proof, feed: replace(proof, tree_proof=proof.tree_proof[:-1]),
    "range_of_31": lambda proof, feed: replace(proof, range_proof=(bytes(32),) * 31),
    "range_lowest_bit": lambda proof, feed: replace(proof, range_proof=with_lowest_bit(proof.range_proof)),
    "tree_longer": lambda proof, feed: replace(proof, tree_proof=(*proof.tree_proof, bytes(32))),
    "seq_zero": lambda proof, feed: replace(proof, seq=0),
    "seq_before": lambda proof, feed: replace(proof, seq=proof.seq - 1),
    "seq_next": lambda proof, feed: replace(proof, seq=BATCHES + 1),
    "seq_last_possible": lambda proof, feed: replace(proof, seq=2**32 - 1),
    "stream_unknown": lambda proof, feed: replace(proof, stream_id=bytes(32)),
    "meta_changed": lambda proof, feed: replace(proof, meta=replace(proof.meta, flagged_count=1)),
    "meta_of_another": lambda proof, feed: replace(proof, meta=feed.batches[0].meta),
}


# INV-A6
@pytest.mark.parametrize("fault", WRONG_PROOFS)
def test_verify_reading__wrong_proof__is_false_and_no_revert(
    history: tuple[Feed, list[list[ScoredReading]]], fault: str
) -> None:
    feed, batches = history
    good = feed.proof(5, 3)
    assert is_proven(feed, batches[4][3], good)
    assert not is_proven(feed, batches[4][3], WRONG_PROOFS[fault](good, feed))


def test_verify_reading__stream_without_batches__is_false_and_no_revert(
    history: tuple[Feed, list[list[ScoredReading]]], open_feed: OpenFeed, committee: Committee
) -> None:
    feed, batches = history
    empty = open_feed("empty", committee, READING_TYPES)
    proof = replace(feed.proof(11), stream_id=empty.stream_id)
    assert is_proven(feed, batches[10][0], feed.proof(11))
    assert not is_proven(feed, batches[10][0], proof)


def test_verify_reading__of_another_stream__is_not_proven(
    history: tuple[Feed, list[list[ScoredReading]]], open_feed: OpenFeed, committee: Committee
) -> None:
    feed, batches = history
    other = open_feed("other", committee, READING_TYPES)
    for seq in range(BATCHES):
        other.attest([keccak(bytes([seq]))])
    assert not is_proven(feed, batches[4][3], replace(feed.proof(5, 3), stream_id=other.stream_id))


# INV-A10
def test_verify_leaf__node_of_the_range_as_batch__is_not_proven(feed: Feed) -> None:
    leaves = [keccak(bytes([seq])) for seq in range(4)]
    for leaf in leaves:
        feed.attest([leaf])
    whole = feed.proof(1)
    assert feed.attestation.verifyLeaf(leaves[0], proof_args(whole))
    # the parent of batches 1 and 2 stands one sibling below the peak, where a shorter proof would meet it
    parent_proof = replace(whole, range_proof=whole.range_proof[1:])
    parent = feed.range.proof(2)[1]
    for seq in (1, 2):
        assert not feed.attestation.verifyLeaf(parent, proof_args(replace(parent_proof, seq=seq)))


# INV-A10
def test_verify_reading__inner_node_of_a_tree__cannot_be_a_reading(
    history: tuple[Feed, list[list[ScoredReading]]],
) -> None:
    feed, batches = history
    leaves = [reading_leaf(scored) for scored in batches[4]]
    proof = feed.proof(5, 3)
    assert feed.attestation.verifyLeaf(leaves[3], proof_args(proof))
    inner = tree_root(leaves[3], proof.tree_proof[:1])
    above = replace(proof, tree_proof=proof.tree_proof[1:])
    # as a bare hash the inner node is in the tree, which is why callers must hash the fields themselves …
    assert feed.attestation.verifyLeaf(inner, proof_args(above))
    # … and no fields lead there, not even the node's two halves: a leaf is hashed twice
    assert not is_proven(feed, batches[4][3], above)
    assert not feed.attestation.verifyLeaf(keccak(inner), proof_args(above))


# INV-A6
def test_verify_profile__attested_and_changed__are_told_apart(feed: Feed, meter: Device, charger: Device) -> None:
    profiles = [Profile(device.device_id, 19_700 * 96, tuple(range(-48, 48)), 120) for device in (meter, charger)]
    feed.attest([profile_leaf(profile) for profile in profiles])
    feed.attest([keccak(b"next")])
    for index, profile in enumerate(profiles):
        proof = proof_args(feed.proof(1, index))
        fields: list[Any] = list(profile_fields(profile))
        assert feed.attestation.verifyProfile(fields, proof)
        for field in range(5):
            changed = fields.copy()
            changed[field] = fields[field] + 1 if isinstance(fields[field], int) else keccak(fields[field])
            assert not feed.attestation.verifyProfile(changed, proof)


def test_verify_profile__reading_batch__is_not_a_profile(
    history: tuple[Feed, list[list[ScoredReading]]], meter: Device
) -> None:
    feed, _ = history
    profile = Profile(meter.device_id, 19_700 * 96, (0,) * 96, 1_001)
    assert not feed.attestation.verifyProfile(profile_fields(profile), proof_args(feed.proof(5, 3)))
