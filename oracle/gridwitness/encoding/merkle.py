"""Trees: OpenZeppelin's StandardMerkleTree over leaves, and a Merkle mountain range over batch roots."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from gridwitness.encoding.batched_keccak import DIGEST_BYTES, is_quicker, merkle_nodes
from gridwitness.encoding.hashing import keccak
from gridwitness.errors import InputError


def _hash_pair(a: bytes, b: bytes) -> bytes:
    return keccak(a + b if a < b else b + a)


def _as_array(leaves: Sequence[bytes] | NDArray[np.uint8]) -> NDArray[np.uint8]:
    if not isinstance(leaves, np.ndarray):
        _check_lengths(leaves)
        return np.frombuffer(b"".join(leaves), np.uint8).reshape(-1, DIGEST_BYTES)
    if leaves.dtype != np.uint8 or leaves.shape[1:] != (DIGEST_BYTES,):
        raise InputError(f"leaves are an array of {leaves.dtype} {leaves.shape}; it must be uint8 (n, {DIGEST_BYTES})")
    return np.ascontiguousarray(leaves)


def _as_sequence(leaves: Sequence[bytes] | NDArray[np.uint8]) -> Sequence[bytes]:
    if isinstance(leaves, np.ndarray):
        return [row.tobytes() for row in _as_array(leaves)]
    _check_lengths(leaves)
    return leaves


def _check_lengths(leaves: Sequence[bytes]) -> None:
    for index, leaf in enumerate(leaves):
        if len(leaf) != DIGEST_BYTES:
            raise InputError(f"leaf {index} has {len(leaf)} bytes; it must have {DIGEST_BYTES}")


def _plain_nodes(leaves: Sequence[bytes]) -> tuple[list[bytes], list[int]]:
    """What `merkle_nodes` gives, one hash at a time."""
    size = 2 * len(leaves) - 1
    nodes, position = [b""] * size, [0] * len(leaves)
    for rank, index in enumerate(sorted(range(len(leaves)), key=lambda index: leaves[index])):
        nodes[size - 1 - rank] = leaves[index]
        position[index] = size - 1 - rank
    for node in range(len(leaves) - 2, -1, -1):
        nodes[node] = _hash_pair(nodes[2 * node + 1], nodes[2 * node + 2])
    return nodes, position


@dataclass(frozen=True, slots=True)
class Multiproof:
    """A path for several leaves of a tree at once, as OpenZeppelin's MerkleProof takes it.

    `order` says which of `leaves` are proven, in the order the contract must be given them; `flags` say of each step
    whether it hashes two known nodes or one with the next of `siblings`.
    """

    order: tuple[int, ...]
    siblings: tuple[bytes, ...]
    flags: tuple[bool, ...]


class StandardMerkleTree:
    """The tree of @openzeppelin/merkle-tree: leaves sorted by hash, commutative inner nodes.

    `leaves` are leaf hashes (32 bytes, already double hashed), at least one, in any order; as bytes, or as an (n, 32)
    array of them. All nodes are kept, so that each proof is a look-up. Raises InputError.
    """

    def __init__(self, leaves: Sequence[bytes] | NDArray[np.uint8]) -> None:
        if len(leaves) == 0:
            raise InputError("a Merkle tree needs at least one leaf, got 0")
        # One after the other; `_position` is where each of the leaves stands.
        self._nodes: bytes | memoryview
        self._position: Sequence[int] | NDArray[np.int64]
        if is_quicker(len(leaves)):
            nodes, self._position = merkle_nodes(_as_array(leaves))
            self._nodes = nodes.reshape(-1).data
        else:
            plain, self._position = _plain_nodes(_as_sequence(leaves))
            self._nodes = b"".join(plain)

    def _node(self, index: int) -> bytes:
        return bytes(self._nodes[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES])

    @property
    def root(self) -> bytes:
        """Root, 32 bytes."""
        return self._node(0)

    def proof(self, index: int) -> tuple[bytes, ...]:
        """Siblings from the leaf given as `leaves[index]` up to the root."""
        node, path = int(self._position[index]), []
        while node > 0:
            path.append(self._node(node + 1 if node % 2 else node - 1))
            node = (node - 1) // 2
        return tuple(path)

    def proofs(self) -> Iterator[tuple[bytes, ...]]:
        """`proof` of every leaf in the order of `leaves`, made when asked for: all at once fill 32·n·log2(n) bytes."""
        return (self.proof(index) for index in range(len(self._position)))

    def multiproof(self, indices: Iterable[int]) -> Multiproof:
        """One path for the leaves given as `leaves[index]`. Raises InputError if one is named twice, or none is."""
        wanted = tuple(indices)
        index_at = {int(self._position[index]): index for index in wanted}
        if len(index_at) != len(wanted) or not wanted:
            raise InputError(f"a multiproof is of different leaves, at least one; got {list(wanted)}")
        # Deepest and rightmost first: a node's sibling, if known, is then always next in the queue.
        queue = deque(sorted(index_at, reverse=True))
        order = tuple(index_at[node] for node in queue)
        siblings: list[bytes] = []
        flags: list[bool] = []
        while queue[0] > 0:
            node = queue.popleft()
            sibling = node + 1 if node % 2 else node - 1
            known = bool(queue) and queue[0] == sibling
            flags.append(known)
            if known:
                queue.popleft()
            else:
                siblings.append(self._node(sibling))
            queue.append((node - 1) // 2)
        return Multiproof(order, tuple(siblings), tuple(flags))


def tree_root(leaf: bytes, proof: Iterable[bytes]) -> bytes:
    """Root a StandardMerkleTree proof leads to."""
    for sibling in proof:
        leaf = _hash_pair(leaf, sibling)
    return leaf


def range_leaf(seq: int, root: bytes, meta_word: int) -> bytes:
    """Leaf of batch `seq` in its stream's mountain range: keccak256(abi.encode(seq, root, meta)).

    The range clears the lowest bit of leaves and nodes alike.
    """
    return keccak(seq.to_bytes(32, "big") + root + meta_word.to_bytes(32, "big"))


def _clear_lowest_bit(node: bytes) -> bytes:
    # The contract keeps a mark in that bit of a stored peak.
    return node[:31] + bytes([node[31] & 0xFE])


def _range_node(left: bytes, right: bytes) -> bytes:
    return _clear_lowest_bit(keccak(left + right))


class MountainRange:
    """Merkle mountain range that keeps all nodes, to prove any leaf at any later length (P. Todd, 2012).

    `levels[h][j]` is the root of the full subtree of leaves j·2^h to (j+1)·2^h − 1.
    """

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = [[]]

    def __len__(self) -> int:
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Append a leaf, merging equal mountains; nodes are keccak256(left || right)."""
        self._levels[0].append(_clear_lowest_bit(leaf))
        height = 0
        while len(self._levels[height]) % 2 == 0:
            left, right = self._levels[height][-2:]
            height += 1
            if height == len(self._levels):
                self._levels.append([])
            self._levels[height].append(_range_node(left, right))

    def peak(self, height: int) -> bytes:
        """Peak of the mountain of `height`, which stands only where bit `height` of the length is set."""
        if not len(self) >> height & 1:
            raise InputError(f"a range of {len(self)} leaves has no mountain of height {height}")
        return self._levels[height][-1]

    def root(self) -> bytes:
        """One hash over all: peaks folded from the smallest mountain to the tallest; zero for an empty range."""
        peaks = [level[-1] for height, level in enumerate(self._levels) if len(self) >> height & 1]
        return reduce(lambda folded, taller: _range_node(taller, folded), peaks) if peaks else bytes(32)

    def proof(self, index: int) -> tuple[bytes, ...]:
        """Siblings from leaf `index` (from 0) to the peak of its mountain."""
        if not 0 <= index < len(self):
            raise InputError(f"leaf {index} is outside the range of {len(self)} leaves")
        height = mountain_height(index, len(self))
        return tuple(self._levels[level][(index >> level) ^ 1] for level in range(height))


def mountain_height(index: int, length: int) -> int:
    """Height of the mountain that leaf `index` stands in, in a range of `length` leaves."""
    return (index ^ length).bit_length() - 1


def range_peak(leaf: bytes, index: int, proof: Iterable[bytes]) -> bytes:
    """Peak a mountain-range proof of leaf `index` leads to."""
    leaf = _clear_lowest_bit(leaf)
    for level, sibling in enumerate(proof):
        leaf = _range_node(sibling, leaf) if index >> level & 1 else _range_node(leaf, sibling)
    return leaf
