"""Keccak-256 of many messages at once, compiled by numba: the permutation of FIPS 202, section 3.2, on lanes.

A state of 25 words stands as 25 rows of LANES words in one flat array, so that the compiler does each step for several
messages by one vector instruction. Integers only, one thread: the same bits on every machine. Memory is read as
little-endian words, so callers look at `batched_keccak.is_available` first.

Plain functions, not decorated: numba is optional, and its import takes a second. `batched_keccak` compiles them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

LANES = 8
RATE_WORDS = 17
STATE_WORDS = 25
DIGEST_WORDS = 4

ROUND_CONSTANTS = np.array(
    [
        0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000,
        0x000000000000808B, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
        0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A,
        0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003,
        0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
        0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
    ],
    dtype=np.uint64,
)  # fmt: skip
FIRST_PAD = np.uint64(0x01)
LAST_PAD = np.uint64(0x80 << 56)


def rotated(word: np.uint64, bits: int) -> np.uint64:
    """`word` rotated left by 1 to 63 bits."""
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))


def row_of(state: Words, row: int, lane: int) -> tuple[np.uint64, ...]:
    """The five words A[0..4, row] of one lane's state."""
    at = row * 5 * LANES + lane
    return state[at], state[at + LANES], state[at + 2 * LANES], state[at + 3 * LANES], state[at + 4 * LANES]


def put_chi(
    state: Words, row: int, lane: int, b0: np.uint64, b1: np.uint64, b2: np.uint64, b3: np.uint64, b4: np.uint64
) -> None:
    """Step chi of one row, written back."""
    at = row * 5 * LANES + lane
    state[at] = b0 ^ (~b1 & b2)
    state[at + LANES] = b1 ^ (~b2 & b3)
    state[at + 2 * LANES] = b2 ^ (~b3 & b4)
    state[at + 3 * LANES] = b3 ^ (~b4 & b0)
    state[at + 4 * LANES] = b4 ^ (~b0 & b1)


def permute(state: Words) -> None:
    """Keccak-f[1600] of all lanes in place. `aYX` is the word A[x, y]; rho and pi stand in the arguments of chi."""
    for constant in ROUND_CONSTANTS:
        for lane in range(LANES):
            a00, a01, a02, a03, a04 = row_of(state, 0, lane)
            a10, a11, a12, a13, a14 = row_of(state, 1, lane)
            a20, a21, a22, a23, a24 = row_of(state, 2, lane)
            a30, a31, a32, a33, a34 = row_of(state, 3, lane)
            a40, a41, a42, a43, a44 = row_of(state, 4, lane)
            c0 = a00 ^ a10 ^ a20 ^ a30 ^ a40
            c1 = a01 ^ a11 ^ a21 ^ a31 ^ a41
            c2 = a02 ^ a12 ^ a22 ^ a32 ^ a42
            c3 = a03 ^ a13 ^ a23 ^ a33 ^ a43
            c4 = a04 ^ a14 ^ a24 ^ a34 ^ a44
            d0, d1, d2 = c4 ^ rotated(c1, 1), c0 ^ rotated(c2, 1), c1 ^ rotated(c3, 1)
            d3, d4 = c2 ^ rotated(c4, 1), c3 ^ rotated(c0, 1)
            # fmt: off
            put_chi(state, 0, lane, a00 ^ d0, rotated(a11 ^ d1, 44), rotated(a22 ^ d2, 43), rotated(a33 ^ d3, 21),
                    rotated(a44 ^ d4, 14))
            put_chi(state, 1, lane, rotated(a03 ^ d3, 28), rotated(a14 ^ d4, 20), rotated(a20 ^ d0, 3),
                    rotated(a31 ^ d1, 45), rotated(a42 ^ d2, 61))
            put_chi(state, 2, lane, rotated(a01 ^ d1, 1), rotated(a12 ^ d2, 6), rotated(a23 ^ d3, 25),
                    rotated(a34 ^ d4, 8), rotated(a40 ^ d0, 18))
            put_chi(state, 3, lane, rotated(a04 ^ d4, 27), rotated(a10 ^ d0, 36), rotated(a21 ^ d1, 10),
                    rotated(a32 ^ d2, 15), rotated(a43 ^ d3, 56))
            put_chi(state, 4, lane, rotated(a02 ^ d2, 62), rotated(a13 ^ d3, 55), rotated(a24 ^ d4, 39),
                    rotated(a30 ^ d0, 41), rotated(a41 ^ d1, 2))
            # fmt: on
            state[lane] ^= constant


def swapped(word: np.uint64) -> np.uint64:
    """`word` with its bytes in the other order."""
    word = ((word >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)) | (
        (word & np.uint64(0x00FF00FF00FF00FF)) << np.uint64(8)
    )
    word = ((word >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)) | (
        (word & np.uint64(0x0000FFFF0000FFFF)) << np.uint64(16)
    )
    return (word >> np.uint64(32)) | (word << np.uint64(32))


def is_before(words: Words, one: int, other: int) -> bool:
    """Whether the 32 bytes at word `one` stand before those at word `other`, compared as bytes."""
    for index in range(DIGEST_WORDS):
        if words[one + index] != words[other + index]:
            return bool(swapped(words[one + index]) < swapped(words[other + index]))
    return False


def hash_inner_nodes(words: Words, leaves: int) -> None:
    """Fill the inner nodes of a heap of 2·leaves − 1 nodes of four words, whose last `leaves` are set, from the end."""
    state = np.zeros(STATE_WORDS * LANES, np.uint64)
    last = leaves - 2
    while last >= 0:
        # No node of a block may be another's child.
        count = min(LANES, (last + 2) // 2)
        state[:] = 0
        for lane in range(count):
            left = (2 * (last - lane) + 1) * DIGEST_WORDS
            right = left + DIGEST_WORDS
            if is_before(words, right, left):
                left, right = right, left
            for index in range(DIGEST_WORDS):
                state[index * LANES + lane] = words[left + index]
                state[(DIGEST_WORDS + index) * LANES + lane] = words[right + index]
            state[2 * DIGEST_WORDS * LANES + lane] = FIRST_PAD
            state[(RATE_WORDS - 1) * LANES + lane] = LAST_PAD
        permute(state)
        for lane in range(count):
            for index in range(DIGEST_WORDS):
                words[(last - lane) * DIGEST_WORDS + index] = state[index * LANES + lane]
        last -= count


def hash_messages(messages: Words, length: int, digests: Words) -> None:
    """Hash messages of `length` words that stand one after the other; `digests` gets four words each."""
    state = np.zeros(STATE_WORDS * LANES, np.uint64)
    total = digests.size // DIGEST_WORDS
    for first in range(0, total, LANES):
        count = min(LANES, total - first)
        state[:] = 0
        for start in range(0, length + 1, RATE_WORDS):
            taken = min(RATE_WORDS, length - start)
            for lane in range(count):
                at = (first + lane) * length + start
                for index in range(taken):
                    state[index * LANES + lane] ^= messages[at + index]
                if taken < RATE_WORDS:
                    state[taken * LANES + lane] ^= FIRST_PAD
                    state[(RATE_WORDS - 1) * LANES + lane] ^= LAST_PAD
            permute(state)
        for lane in range(count):
            for index in range(DIGEST_WORDS):
                digests[(first + lane) * DIGEST_WORDS + index] = state[index * LANES + lane]


def fill_keys(leaves: Words, keys: Words) -> None:
    """For each leaf of four words its first four bytes, as a number, and below them its index."""
    for index in range(keys.size):
        prefix = swapped(leaves[index * DIGEST_WORDS]) >> np.uint64(32)
        keys[index] = (prefix << np.uint64(32)) | np.uint64(index)


def has_equal_prefixes(keys: Words) -> bool:
    """Whether two neighbours of sorted keys agree in their upper 32 bits."""
    equal = 0
    for rank in range(1, keys.size):
        equal += keys[rank - 1] >> np.uint64(32) == keys[rank] >> np.uint64(32)
    return equal > 0


def place_leaves(leaves: Words, keys: Words, nodes: Words, position: NDArray[np.int64]) -> None:
    """Copy the leaves into the end of a heap of nodes, in the reverse order of `keys`; note where each went."""
    for rank in range(keys.size):
        index = np.int64(keys[rank] & np.uint64(0xFFFFFFFF))
        node = 2 * keys.size - 2 - rank
        position[index] = node
        for word in range(DIGEST_WORDS):
            nodes[node * DIGEST_WORDS + word] = leaves[index * DIGEST_WORDS + word]


def sorted_by_prefix(keys: Words, scratch: Words) -> Words:
    """`keys` sorted by their upper 32 bits, equal ones in the order they came in; overwrites both arrays."""
    for shift in (32, 43, 54):
        ends = np.zeros(2049, np.int64)
        for key in keys:
            ends[((key >> np.uint64(shift)) & np.uint64(2047)) + np.uint64(1)] += 1
        for digit in range(2048):
            ends[digit + 1] += ends[digit]
        for key in keys:
            digit = (key >> np.uint64(shift)) & np.uint64(2047)
            scratch[ends[digit]] = key
            ends[digit] += 1
        keys, scratch = scratch, keys
    return keys


KERNEL = (
    rotated,
    row_of,
    put_chi,
    permute,
    swapped,
    is_before,
    hash_inner_nodes,
    hash_messages,
    fill_keys,
    has_equal_prefixes,
    place_leaves,
    sorted_by_prefix,
)
