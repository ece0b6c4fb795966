"""Prints the golden hashes of this process: run by tests in processes with other CPU features."""

from __future__ import annotations

import json
import sys

import numpy as np

from gridwitness.encoding.hashing import keccak
from gridwitness.scoring.streaming import JointScorer, JointScores, StreamScorer, StreamScores

from .streams import power_and_voltage, troubled

# AVX-512 and AVX2 off, in NumPy and in the compiler.
PLAIN_CPU = {"NUMBA_CPU_NAME": "generic", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX2 FMA3"}


def hash_of(scores: list[StreamScores] | list[JointScores], scorer: StreamScorer | JointScorer) -> str:
    """Keccak-256 over scores, surprises, facts and the state's hash."""
    flat = [
        np.concatenate([getattr(part, name) for part in scores]).tolist()
        for name in ("score_bps", "surprises_q8", "facts")
    ]
    return keccak(json.dumps([flat, scorer.state_hash.hex()]).encode()).hex()


if __name__ == "__main__":
    scorer = StreamScorer(compiled=True)
    together = JointScorer(["power", "voltage"], compiled=True)
    hashes = [hash_of([scorer.score(*troubled())], scorer), hash_of([together.score(power_and_voltage())], together)]
    sys.stdout.write(" ".join(hashes))
