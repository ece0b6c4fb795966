"""The compiled kernel beside safe-pysha3 and beside the tree that hashes one node at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba.core import caching
from numpy.typing import NDArray

from gridwitness.encoding import batched_keccak, keccak_kernel
from gridwitness.encoding.batched_keccak import FEWEST_IF_LOADED, keccak_many, merkle_nodes
from gridwitness.encoding.compiling import compile_functions
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.merkle import StandardMerkleTree, _plain_nodes, tree_root
from gridwitness.errors import InputError


def random_rows(count: int, length: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, length), np.uint8)


def bytes_of(rows: NDArray[np.uint8]) -> list[bytes]:
    return [row.tobytes() for row in rows]


@given(st.integers(0, 40), st.integers(0, 60), st.integers(0, 1 << 32))
@example(keccak_kernel.LANES + 1, keccak_kernel.RATE_WORDS, 1)
@example(keccak_kernel.LANES, keccak_kernel.RATE_WORDS - 1, 1)
@example(keccak_kernel.LANES, 2 * keccak_kernel.RATE_WORDS, 1)
def test_hash_many__any_count_and_length__equals_pysha3(count: int, words: int, seed: int) -> None:
    messages = random_rows(count, 8 * words, seed)
    assert bytes_of(keccak_many(messages)) == [keccak(message) for message in bytes_of(messages)]


def test_hash_many__rows_apart_in_memory__equals_pysha3() -> None:
    messages = random_rows(9, 64, 1)[::2, 16:48]
    assert bytes_of(keccak_many(messages)) == [keccak(message) for message in bytes_of(messages)]


# Leaves that begin alike are sorted by the bytes behind; leaves that are equal stay in their order.
@settings(max_examples=60)
@given(st.integers(1, 5_000), st.integers(0, 1 << 32), st.sampled_from([0, 3, 4, 8, 31]), st.integers(0, 100))
@example(5_000, 1, 31, 100)
@example(2, 1, 0, 100)
def test_build_nodes__any_leaves__equal_those_hashed_one_by_one(
    count: int, seed: int, alike_bytes: int, repeated_percent: int
) -> None:
    leaves = random_rows(count, 32, seed)
    leaves[:, :alike_bytes] = 7
    random = np.random.default_rng(seed)
    repeated = random.random(count) < repeated_percent / 100
    leaves[repeated] = leaves[random.integers(0, max(1, count // 3), count)][repeated]
    nodes, position = merkle_nodes(leaves)
    expected_nodes, expected_position = _plain_nodes(bytes_of(leaves))
    assert bytes_of(nodes) == expected_nodes
    assert position.tolist() == expected_position


@pytest.mark.parametrize("count", [1, FEWEST_IF_LOADED - 1, FEWEST_IF_LOADED, 1_000])
def test_build_tree__of_an_array__is_the_tree_of_the_same_bytes(count: int) -> None:
    batched_keccak.load()
    rows = random_rows(count, 32, count)
    leaves = bytes_of(rows)
    plain, _ = _plain_nodes(leaves)
    for tree in (StandardMerkleTree(rows), StandardMerkleTree(leaves)):
        assert tree.root == plain[0]
        proofs = list(tree.proofs())
        assert proofs == [tree.proof(index) for index in range(count)]
        assert all(tree_root(leaf, proof) == tree.root for leaf, proof in zip(leaves, proofs, strict=True))


@pytest.mark.parametrize("count", [3, FEWEST_IF_LOADED])
def test_build_tree__leaf_of_another_length__is_refused(count: int) -> None:
    batched_keccak.load()
    leaves = [keccak(bytes([index])) for index in range(count)]
    leaves[1:3] = [leaves[1] + b"\0", leaves[2][:31]]
    with pytest.raises(InputError, match="leaf 1 has 33 bytes; it must have 32"):
        StandardMerkleTree(leaves)
    with pytest.raises(InputError, match=rf"leaves are an array of uint8 \({count}, 31\); it must be uint8 \(n, 32\)"):
        StandardMerkleTree(random_rows(count, 31, 1))


def test_choose__kernel_loaded__serves_from_where_it_is_quicker() -> None:
    batched_keccak.load()
    assert batched_keccak.is_quicker(FEWEST_IF_LOADED)
    assert not batched_keccak.is_quicker(FEWEST_IF_LOADED - 1)


def test_choose__numba_missing__leaves_all_to_pysha3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched_keccak, "is_numba_installed", lambda: False)
    assert not batched_keccak.is_quicker(1 << 24)


def test_load__in_background__ends_loaded() -> None:
    thread = batched_keccak.load_in_background()
    assert thread is not None
    thread.join()
    assert batched_keccak.is_quicker(FEWEST_IF_LOADED)
    assert batched_keccak.load_in_background() is thread


def test_compile__no_folder_to_cache_in__compiles_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    compiled = compile_functions([keccak_kernel.swapped])
    assert compiled["swapped"](np.uint64(0x0102030405060708)) == 0x0807060504030201
