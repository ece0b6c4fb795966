"""Proofs of many readings at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ape
import pytest

from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score, ScoredReading, SignedReading
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import READING_TYPES, reading_fields, reading_leaf
from gridwitness.encoding.packing import pack_meta
from tests.actors import Committee, Feed, OpenFeed

COUNT = 11
INVALID_MULTIPROOF = keccak(b"MerkleProofInvalidMultiproof()")[:4].hex()


def reading_at(index: int) -> ScoredReading:
    """Reading of counter `index` of one device."""
    reading = Reading(keccak(b"a meter"), index, 1_700_000_000 + 900 * index, NET_ENERGY_METRIC, 5 - index)
    return ScoredReading(SignedReading(reading, bytes([index]) * 65), Score(index, "level", "as usual"))


READINGS = [reading_at(index) for index in range(COUNT)]


@pytest.fixture
def feed(open_feed: OpenFeed, committee: Committee) -> Feed:
    """Three batches; the second has eleven readings of one device."""
    feed = open_feed("readings", committee, READING_TYPES)
    feed.attest([keccak(b"before")])
    feed.attest([reading_leaf(scored) for scored in READINGS])
    feed.attest([keccak(b"after")])
    return feed


def proof_of(feed: Feed, indices: Sequence[int]) -> tuple[list[Any], tuple[Any, ...]]:
    """Arguments of verifyReadings for readings of batch 2: the leaves in the proof's order, and the proof."""
    path = feed.trees[1].multiproof(indices)
    leaves = [reading_fields(READINGS[index]) for index in path.order]
    meta = pack_meta(feed.batches[1].meta)
    return leaves, (feed.stream_id, 2, meta, list(path.siblings), list(path.flags), list(feed.range.proof(1)))


@pytest.mark.parametrize("indices", [(0,), (3, 4), (10, 0), (1, 2, 3, 5, 8), range(COUNT)])
def test_verify_readings__any_of_a_batch__are_proven(feed: Feed, indices: Sequence[int]) -> None:
    assert feed.attestation.verifyReadings(*proof_of(feed, indices))


# INV-A6
@pytest.mark.parametrize("changed", range(5))
def test_verify_readings__one_leaf_changed__are_not_proven(feed: Feed, changed: int) -> None:
    leaves, proof = proof_of(feed, (1, 2, 3, 5, 8))
    value = 4
    leaves[changed] = (*leaves[changed][:value], leaves[changed][value] + 1, *leaves[changed][value + 1 :])
    assert not feed.attestation.verifyReadings(leaves, proof)


def test_verify_readings__one_leaf_twice_in_anothers_place__are_not_proven(feed: Feed) -> None:
    leaves, proof = proof_of(feed, (1, 2, 3))
    assert feed.attestation.verifyReadings(leaves, proof)
    assert not feed.attestation.verifyReadings([leaves[0], leaves[0], leaves[2]], proof)


def test_verify_readings__none__are_not_proven(feed: Feed) -> None:
    _, (stream_id, seq, meta, _, _, range_proof) = proof_of(feed, (0,))
    root = feed.trees[1].root
    # what OpenZeppelin's library takes for a proof of nothing at all
    assert not feed.attestation.verifyReadings([], (stream_id, seq, meta, [root], [], range_proof))


def test_verify_readings__leaf_of_another_batch__are_not_proven(feed: Feed) -> None:
    foreign = [reading_at(index) for index in (20, 21)]
    feed.attest([reading_leaf(scored) for scored in foreign])
    leaves, proof = proof_of(feed, (1, 2))
    leaves[0] = reading_fields(foreign[0])
    assert not feed.attestation.verifyReadings(leaves, proof)
    # all of the other batch, under this one's number
    path = feed.trees[3].multiproof((0, 1))
    others = [reading_fields(foreign[index]) for index in path.order]
    _, (stream_id, seq, meta, _, _, range_proof) = proof_of(feed, (1, 2))
    crossed = (stream_id, seq, meta, list(path.siblings), list(path.flags), range_proof)
    assert not feed.attestation.verifyReadings(others, crossed)


# INV-A6
def test_verify_readings__malformed_proof__reverts(feed: Feed) -> None:
    leaves, (stream_id, seq, meta, siblings, flags, range_proof) = proof_of(feed, (1, 2, 8))
    malformed = {
        "a leaf too few": (leaves[:-1], siblings, flags),
        "a sibling too few": (leaves, siblings[:-1], flags),
        "a sibling too many": (leaves, [*siblings, bytes(32)], flags),
        "a flag too few": (leaves, siblings, flags[:-1]),
        "a sibling that no flag uses": (leaves, [*siblings, bytes(32)], [True, *flags]),
        "flags for more siblings than there are": (leaves, siblings, [False] * len(flags)),
    }
    for fault, (bad_leaves, bad_siblings, bad_flags) in malformed.items():
        with ape.reverts() as info:
            feed.attestation.verifyReadings(bad_leaves, (stream_id, seq, meta, bad_siblings, bad_flags, range_proof))
        assert INVALID_MULTIPROOF in str(info.value), fault


# INV-A13
def test_verify_readings__superseded_batch__are_not_proven(feed: Feed) -> None:
    feed.attest([keccak(b"instead")], supersedes=2)
    leaves, proof = proof_of(feed, (1, 2, 8))
    assert not feed.attestation.verifyReadings(leaves, proof)
