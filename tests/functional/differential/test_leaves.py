"""Leaves, trees, multiproofs and mountain ranges: Python's and the contracts', over random cases."""

from __future__ import annotations

from gridwitness.domain.readings import Profile, Reading, Score, ScoredReading, SignedReading
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import leaf_hash, profile_fields, profile_leaf, reading_fields, reading_leaf
from gridwitness.encoding.merkle import MountainRange, StandardMerkleTree, range_leaf
from tests.functional.differential.conftest import Draw, Encodings, assert_equal

CASES = 1_000
TREES = 60
RANGES = 20


def any_reading(draw: Draw) -> ScoredReading:
    metric = "".join(chr(draw.randrange(32, 127)) for _ in range(draw.randrange(1, 33)))
    reading = Reading(draw.word(), draw.uint(64), draw.uint(64), metric, draw.int(256))
    return ScoredReading(SignedReading(reading, draw.randbytes(draw.choice((65, 128)))), Score(draw.uint(16), "", ""))


def any_profile(draw: Draw) -> Profile:
    energy_wh = tuple(draw.int(32) for _ in range(draw.randrange(97)))
    return Profile(draw.word(), draw.uint(32), energy_wh, draw.uint(16))


def any_leaves(draw: Draw, most: int) -> list[bytes]:
    return [draw.word() for _ in range(draw.randrange(1, most + 1))]


def test_hash_reading__any__equals_the_contracts(encodings: Encodings, draw: Draw) -> None:
    cases = [any_reading(draw) for _ in range(CASES)]
    theirs = encodings.ask("readingLeaves", [reading_fields(case) for case in cases])
    assert_equal([reading_leaf(case) for case in cases], theirs, cases)


def test_hash_profile__any__equals_the_contracts(encodings: Encodings, draw: Draw) -> None:
    cases = [any_profile(draw) for _ in range(CASES)]
    theirs = encodings.ask("profileLeaves", [profile_fields(case) for case in cases])
    assert_equal([profile_leaf(case) for case in cases], theirs, cases)


def test_hash_fleet_leaf__any__equals_the_contracts(encodings: Encodings, draw: Draw) -> None:
    cases = [(draw.word(), draw.uint(8)) for _ in range(CASES)]
    theirs = encodings.ask("fleetLeaves", *zip(*cases, strict=True))
    assert_equal([leaf_hash(case) for case in cases], theirs, cases)


def test_prove_leaf__any_tree__leads_to_the_contracts_root(encodings: Encodings, draw: Draw) -> None:
    trees = [any_leaves(draw, 70) for _ in range(TREES)]
    cases, roots = [], []
    for leaves in trees:
        tree = StandardMerkleTree(leaves)
        cases += [(leaf, tree.proof(index)) for index, leaf in enumerate(leaves)]
        roots += [tree.root] * len(leaves)
    assert len(cases) > CASES
    assert_equal(roots, encodings.ask("treeRoots", *zip(*cases, strict=True)), cases)


def test_prove_leaves__any_tree_and_choice__lead_to_the_contracts_root(encodings: Encodings, draw: Draw) -> None:
    cases, roots = [], []
    for _ in range(CASES):
        leaves = any_leaves(draw, 20)
        tree = StandardMerkleTree(leaves)
        proof = tree.multiproof(draw.sample(range(len(leaves)), draw.randrange(1, len(leaves) + 1)))
        cases.append(([leaves[index] for index in proof.order], proof.siblings, proof.flags))
        roots.append(tree.root)
    assert_equal(roots, encodings.ask("multiRoots", cases), cases)


def test_append_to_range__any_leaves__equals_the_contracts(encodings: Encodings, draw: Draw) -> None:
    appended = 0
    for _ in range(RANGES):
        leaves = any_leaves(draw, 130)
        mountains, written, roots = MountainRange(), [], []
        for index, leaf in enumerate(leaves):
            mountains.append(leaf)
            written.append(mountains.peak((index ^ (index + 1)).bit_length() - 1))
            roots.append(mountains.root())
        proofs = [mountains.proof(index) for index in range(len(leaves))]
        theirs = zip(*encodings.ask("range", leaves, proofs), strict=True)
        assert_equal(list(zip(written, roots, [True] * len(leaves), strict=True)), list(theirs), leaves)
        appended += len(leaves)
    assert appended > CASES


def test_hash_batch__any__equals_the_contracts_range_leaf(encodings: Encodings, draw: Draw) -> None:
    cases = [(draw.uint(32), keccak(draw.word()), draw.uint(256)) for _ in range(CASES)]
    theirs = encodings.ask("rangeLeaves", *zip(*cases, strict=True))
    assert_equal([range_leaf(*case) for case in cases], theirs, cases)
