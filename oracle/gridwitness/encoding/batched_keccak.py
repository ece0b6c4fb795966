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
    kernel["hash_inner_nodes"](words, 2)
    kernel["hash_messages"](words, 1, np.zeros_like(words))
    kernel["sorted_by_prefix"](words, np.zeros_like(words))
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
    count = len(leaves)
    order = _order(leaves)
    nodes = np.empty((2 * count - 1, DIGEST_BYTES), np.uint8)
    # With mode "raise" numpy would copy through a buffer.
    np.take(leaves.view(np.uint64), order[::-1], axis=0, out=nodes.view(np.uint64)[count - 1 :], mode="clip")
    position = np.empty(count, np.int64)
    position[order] = np.arange(2 * count - 2, count - 2, -1)
    load()["hash_inner_nodes"](nodes.view(np.uint64).reshape(-1), count)
    return nodes, position


def _order(leaves: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Indices of n < 2^32 leaves in the order of their bytes; equal ones in their own."""
    prefixes = np.ascontiguousarray(leaves[:, :4]).view(">u4").reshape(-1).astype(np.uint64) << np.uint64(32)
    keys = load()["sorted_by_prefix"](prefixes | np.arange(len(leaves), dtype=np.uint64), np.empty_like(prefixes))
    order: NDArray[np.int64] = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
    same = keys[1:] >> np.uint64(32) == keys[:-1] >> np.uint64(32)
    if same.any():
        tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
        words = leaves[order[tied]].view(">u8").astype(np.uint64)
        order[tied] = order[tied][np.lexsort(words.T[::-1])]
    return order
