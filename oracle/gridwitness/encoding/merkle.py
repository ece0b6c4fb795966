"""Trees: OpenZeppelin's StandardMerkleTree over leaves, and a Merkle mountain range over batch roots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gridwitness.encoding.hashing import keccak
from gridwitness.errors import InputError


def _hash_pair(a: bytes, b: bytes) -> bytes:
    return keccak(a + b if a < b else b + a)


class StandardMerkleTree:
    """The tree of @openzeppelin/merkle-tree: leaves sorted by hash, commutative inner nodes.

    `leaves` are leaf hashes (32 bytes, already double hashed), at least one, in any order.
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        if not leaves:
            raise InputError("a Merkle tree needs at least one leaf, got 0")
        order = sorted(range(len(leaves)), key=lambda index: leaves[index])
        size = 2 * len(leaves) - 1
        self._nodes: list[bytes] = [b""] * size
        self._position = [0] * len(leaves)
        for rank, index in enumerate(order):
            self._nodes[size - 1 - rank] = leaves[index]
            self._position[index] = size - 1 - rank
        for node in range(size - 1 - len(leaves), -1, -1):
            self._nodes[node] = _hash_pair(self._nodes[2 * node + 1], self._nodes[2 * node + 2])

    @property
    def root(self) -> bytes:
        """Root, 32 bytes."""
        return self._nodes[0]

    def proof(self, index: int) -> tuple[bytes, ...]:
        """Siblings from the leaf given as `leaves[index]` up to the root."""
        node, path = self._position[index], []
        while node > 0:
            path.append(self._nodes[node + 1 if node % 2 else node - 1])
            node = (node - 1) // 2
        return tuple(path)


def tree_root(leaf: bytes, proof: Iterable[bytes]) -> bytes:
    """Root a StandardMerkleTree proof leads to."""
    for sibling in proof:
        leaf = _hash_pair(leaf, sibling)
    return leaf


def range_leaf(seq: int, root: bytes, meta_word: int) -> bytes:
    """Leaf of batch `seq` in its stream's mountain range: keccak256(abi.encode(seq, root, meta))."""
    return keccak(seq.to_bytes(32, "big") + root + meta_word.to_bytes(32, "big"))


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
        self._levels[0].append(leaf)
        height = 0
        while len(self._levels[height]) % 2 == 0:
            left, right = self._levels[height][-2:]
            height += 1
            if height == len(self._levels):
                self._levels.append([])
            self._levels[height].append(keccak(left + right))

    def peak(self, height: int) -> bytes:
        """Peak of the mountain of `height`, which stands only where bit `height` of the length is set."""
        if not len(self) >> height & 1:
            raise InputError(f"a range of {len(self)} leaves has no mountain of height {height}")
        return self._levels[height][-1]

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
    for level, sibling in enumerate(proof):
        leaf = keccak(sibling + leaf) if index >> level & 1 else keccak(leaf + sibling)
    return leaf
