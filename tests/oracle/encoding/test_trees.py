"""Trees and mountain ranges: every leaf proves, nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.merkle import (
    MountainRange,
    Multiproof,
    StandardMerkleTree,
    mountain_height,
    range_peak,
    tree_root,
)
from gridwitness.errors import InputError
from tests.oracle.encoding.references import mountain_peaks, range_root
from tests.oracle.encoding.strategies import words


def leaves_of(count: int) -> list[bytes]:
    return [keccak(index.to_bytes(4, "big")) for index in range(count)]


@given(st.lists(words, min_size=1, max_size=40, unique=True), st.randoms())
def test_prove_leaf__any_tree__leads_to_the_root_whatever_the_order(leaves: list[bytes], random: object) -> None:
    tree = StandardMerkleTree(leaves)
    assert all(tree_root(leaf, tree.proof(index)) == tree.root for index, leaf in enumerate(leaves))
    shuffled = sorted(leaves, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert StandardMerkleTree(shuffled).root == tree.root


@given(st.lists(words, min_size=2, max_size=40, unique=True), st.data())
def test_prove_leaf__another_leaf__does_not_lead_to_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    tree = StandardMerkleTree(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    foreign = data.draw(words.filter(lambda word: word not in leaves))
    assert tree_root(foreign, tree.proof(index)) != tree.root


def test_build_tree__no_leaf__is_refused() -> None:
    with pytest.raises(InputError, match="a Merkle tree needs at least one leaf, got 0"):
        StandardMerkleTree([])


@given(st.integers(1, 40), st.data())
def test_prove_many__any_leaves__fold_to_the_root_as_openzeppelin_folds(count: int, data: st.DataObject) -> None:
    leaves = leaves_of(count)
    tree = StandardMerkleTree(leaves)
    indices = data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True))
    proof = tree.multiproof(indices)
    assert sorted(proof.order) == sorted(indices)
    assert fold([leaves[index] for index in proof.order], proof) == tree.root


def fold(leaves: list[bytes], proof: Multiproof) -> bytes:
    """OpenZeppelin's MerkleProof.processMultiProof: nodes are taken from leaves, then hashes, in order."""
    nodes, siblings = list(leaves), iter(proof.siblings)
    for step, known in enumerate(proof.flags):
        first = nodes[2 * step - proof.flags[:step].count(False)]
        second = nodes[2 * step - proof.flags[:step].count(False) + 1] if known else next(siblings)
        nodes.append(keccak(min(first, second) + max(first, second)))
    assert next(siblings, None) is None
    return nodes[-1]


@pytest.mark.parametrize("indices", [[], [1, 1], [0, 2, 0]])
def test_prove_many__none_or_one_twice__is_refused(indices: list[int]) -> None:
    with pytest.raises(InputError, match="a multiproof is of different leaves, at least one; got "):
        StandardMerkleTree(leaves_of(3)).multiproof(indices)


def test_fold_range__no_batch__is_zero() -> None:
    assert MountainRange().root() == bytes(32)


@pytest.mark.parametrize("length", range(1, 70))
def test_prove_batch__every_batch_of_every_length__leads_to_its_peak(length: int) -> None:
    leaves = leaves_of(length)
    mountains = MountainRange()
    for leaf in leaves:
        mountains.append(leaf)
    peaks = mountain_peaks(leaves)
    assert {height: mountains.peak(height) for height in peaks} == peaks
    assert mountains.root() == range_root(leaves)
    for index, leaf in enumerate(leaves):
        proof = mountains.proof(index)
        assert len(proof) == mountain_height(index, length)
        assert range_peak(leaf, index, proof) == peaks[len(proof)]


@given(st.integers(1, 200), st.integers(1, 200))
def test_prove_batch__old_proof__holds_exactly_while_its_mountain_stands(before: int, growth: int) -> None:
    leaves = leaves_of(before + growth)
    mountains = MountainRange()
    for leaf in leaves[:before]:
        mountains.append(leaf)
    old = [mountains.proof(index) for index in range(before)]
    for leaf in leaves[before:]:
        mountains.append(leaf)
    for index in range(before):
        same_mountain = mountain_height(index, before) == mountain_height(index, before + growth)
        assert (old[index] == mountains.proof(index)) == same_mountain


def test_prove_batch__beyond_the_end__is_refused() -> None:
    mountains = MountainRange()
    mountains.append(bytes(32))
    with pytest.raises(InputError, match="leaf 1 is outside the range of 1 leaves"):
        mountains.proof(1)
    with pytest.raises(InputError, match="a range of 1 leaves has no mountain of height 1"):
        mountains.peak(1)
