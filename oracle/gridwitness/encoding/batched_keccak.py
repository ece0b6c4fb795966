"""Keccak-256 of many messages at once, and whole trees, where numba (extra `fast`) is there.

Loading takes a second, and some ten the first time on a machine. So a service that hashes much calls
`load_in_background` once, and small work of a process that never did so stays with safe-pysha3; results are the same
bits.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridwitness.encoding import keccak_kernel
from gridwitness.encoding.compiling import compile_functions, is_numba_installed

DIGEST_BYTES = 32
# Measured by `make bench ARGS=merkle`: from here on the compiled kernel is quicker, loaded already or not yet.
FEWEST_IF_LOADED = 64
FEWEST_TO_LOAD = 1 << 20

_Kernel = dict[str, Callable[..., Any]]


def is_available() -> bool:
    """Whether the kernel can run here: it needs numba and little-endian memory."""
    return sys.byteorder == "little" and is_numba_installed()


@cache
def load() -> _Kernel:
    """The compiled kernel, ready to run. Raises ConfigError if numba is not installed."""
    kernel = compile_functions(keccak_kernel.KERNEL)
    words = np.zeros(3 * keccak_kernel.DIGEST_WORDS, np.uint64)
    kernel["hash_messages"](words, 1, np.zeros_like(words))
    keys = np.zeros(2, np.uint64)
    kernel["fill_keys"](words, keys)
    keys = kernel["sorted_by_prefix"](keys, np.zeros_like(keys))
    kernel["has_equal_prefixes"](keys)
    kernel["place_leaves"](words, keys, np.zeros_like(words), np.zeros(2, np.int64))
    kernel["hash_inner_nodes"](words, 2)
    return kernel


@cache
def load_in_background() -> threading.Thread | None:
    """`load` while others go on with safe-pysha3; only the first call does anything. None where it cannot run."""
    if not is_available():
        return None
    thread = threading.Thread(target=load, name="load-keccak", daemon=True)
    thread.start()
    return thread


def is_quicker(count: int) -> bool:
    """Whether `count` hashes are done sooner by the kernel than one by one."""
    is_loaded = load.cache_info().currsize > 0
    return is_available() and count >= (FEWEST_IF_LOADED if is_loaded else FEWEST_TO_LOAD)


def keccak_many(messages: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keccak-256 of n messages of one length: (n, length) bytes, length a multiple of 8, to (n, 32) bytes."""
    count, length = messages.shape
    digests = np.empty((count, DIGEST_BYTES), np.uint8)
    words = np.ascontiguousarray(messages).view(np.uint64).reshape(-1)
    load()["hash_messages"](words, length // 8, digests.view(np.uint64).reshape(-1))
    return digests


def merkle_nodes(leaves: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Nodes of the StandardMerkleTree of n leaves, (n, 32) bytes: (2n - 1, 32) bytes, and the node each leaf stands at.

    As in @openzeppelin/merkle-tree, node 0 is the root, 2i + 1 and 2i + 2 are the children of i, and the sorted leaves
    stand at the end, the first of them last. Equal leaves keep the order they came in.
    """
    count, kernel = len(leaves), load()
    words = leaves.view(np.uint64).reshape(-1)
    nodes, position = np.empty((2 * count - 1, DIGEST_BYTES), np.uint8), np.empty(count, np.int64)
    node_words = nodes.view(np.uint64).reshape(-1)
    kernel["place_leaves"](words, _sorted_keys(leaves, words), node_words, position)
    kernel["hash_inner_nodes"](node_words, count)
    return nodes, position


def _sorted_keys(leaves: NDArray[np.uint8], words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Keys of n < 2^32 leaves in the order of their bytes, equal ones in their own; an index in the lower 32 bits."""
    kernel, unsorted = load(), np.empty(len(leaves), np.uint64)
    kernel["fill_keys"](words, unsorted)
    keys: NDArray[np.uint64] = kernel["sorted_by_prefix"](unsorted, np.empty_like(unsorted))
    if kernel["has_equal_prefixes"](keys):
        same = keys[1:] >> np.uint64(32) == keys[:-1] >> np.uint64(32)
        tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
        indices = (keys[tied] & np.uint64(0xFFFFFFFF)).astype(np.int64)
        bytes_in_order = leaves[indices].view(">u8").astype(np.uint64).T[::-1]
        keys[tied] = keys[tied][np.lexsort(bytes_in_order)]
    return keys
