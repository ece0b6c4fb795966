"""A tree of 2^20 leaves with all its nodes, so that each proof is a look-up; beside as many hashes by safe-pysha3."""

from __future__ import annotations

import time
from types import MappingProxyType

import numpy as np

from bench.measuring import cpu_seconds, medians, say
from bench.results import Figures, Goal
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score, ScoredReading, SignedReading
from gridwitness.encoding import batched_keccak
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import reading_leaf, reading_leaves
from gridwitness.encoding.merkle import StandardMerkleTree, tree_root

GOALS = MappingProxyType({"tree_s": Goal(at_most=0.25)})
_LEAVES = 1 << 20
_RAW_HASHES = 1 << 17
_BATCH = 4_096
_REPEATS = 9
_PROOFS_CHECKED = 10_000


def measure() -> Figures:
    """CPU seconds and rates, medians."""
    started = time.perf_counter()
    batched_keccak.load()
    load_s = time.perf_counter() - started
    random = np.random.default_rng(1)
    leaves = random.integers(0, 256, (_LEAVES, 32), np.uint8)
    as_bytes = [row.tobytes() for row in leaves]
    pair, batch = as_bytes[0] + as_bytes[1], _batch(random)

    def raw() -> None:
        for _ in range(_RAW_HASHES):
            keccak(pair)

    taken = medians(
        {
            "raw": lambda: cpu_seconds(raw),
            "tree": lambda: cpu_seconds(lambda: StandardMerkleTree(leaves)),
            "tree_of_bytes": lambda: cpu_seconds(lambda: StandardMerkleTree(as_bytes)),
            "leaves_one_by_one": lambda: cpu_seconds(lambda: [reading_leaf(one) for one in batch]),
            "leaves": lambda: cpu_seconds(lambda: reading_leaves(batch)),
        },
        _REPEATS,
    )
    raw_tree_s = taken["raw"] / _RAW_HASHES * (_LEAVES - 1)
    return {
        "tree_s": round(taken["tree"], 4),
        "raw_tree_s": round(raw_tree_s, 4),
        "speedup_over_raw": round(raw_tree_s / taken["tree"], 2),
        "tree_of_bytes_s": round(taken["tree_of_bytes"], 4),
        "raw_hashes_per_s": round(_RAW_HASHES / taken["raw"]),
        "proof_us": round(_check_proofs(leaves, random), 2),
        "batch_leaves_per_s": round(_BATCH / taken["leaves"]),
        "raw_batch_leaves_per_s": round(_BATCH / taken["leaves_one_by_one"]),
        "crossing_leaves": _crossing(as_bytes),
        "load_s": round(load_s, 2),
    }


def _batch(random: np.random.Generator) -> list[ScoredReading]:
    readings = [Reading(random.bytes(32), index, 900 * index, NET_ENERGY_METRIC, 412) for index in range(_BATCH)]
    return [ScoredReading(SignedReading(reading, random.bytes(65)), Score(120, "", "")) for reading in readings]


def _check_proofs(leaves: np.ndarray, random: np.random.Generator) -> float:
    """Microseconds to look one proof up; all those looked at must lead to the root."""
    say(f"  folding {_PROOFS_CHECKED} proofs")
    tree = StandardMerkleTree(leaves)
    indices = random.integers(0, _LEAVES, _PROOFS_CHECKED).tolist()
    proofs: list[tuple[bytes, ...]] = []
    taken_s = cpu_seconds(lambda: proofs.extend(tree.proof(index) for index in indices))
    for index, proof in zip(indices, proofs, strict=True):
        if tree_root(leaves[index].tobytes(), proof) != tree.root:
            raise AssertionError(f"the proof of leaf {index} does not lead to the root")
    return taken_s / _PROOFS_CHECKED * 1e6


def _crossing(leaves: list[bytes]) -> int:
    """Fewest leaves, as a power of two, whose tree the loaded kernel makes sooner than safe-pysha3 does."""
    for exponent in range(1, 13):
        some = leaves[: 1 << exponent]
        times = (1 << 13) >> exponent
        array = np.frombuffer(b"".join(some), np.uint8).reshape(-1, 32)
        taken = medians(
            {
                "raw": lambda: cpu_seconds(lambda: [_fold(some) for _ in range(times)]),  # noqa: B023 (called at once)
                "kernel": lambda: cpu_seconds(lambda: [batched_keccak.merkle_nodes(array) for _ in range(times)]),  # noqa: B023
            },
            3,
        )
        if taken["kernel"] < taken["raw"]:
            return 1 << exponent
    raise AssertionError("safe-pysha3 is quicker at 4,096 leaves")


def _fold(leaves: list[bytes]) -> bytes:
    """As many sorted leaves and hashes as a tree takes, and nothing else."""
    level = sorted(leaves)
    while len(level) > 1:
        level = [keccak(level[index] + level[index + 1]) for index in range(0, len(level), 2)]
    return level[0]
