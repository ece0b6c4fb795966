"""Prints the golden hash of this process: run by tests in processes with other CPU features."""

from __future__ import annotations

import json
import sys

import numpy as np

from gridwitness.encoding.hashing import keccak
from gridwitness.scoring.streaming import StreamScorer, StreamScores

from .streams import troubled


def hash_of(scores: list[StreamScores], scorer: StreamScorer) -> str:
    """Keccak-256 over scores, surprises, facts and the state's hash."""
    flat = [
        np.concatenate([getattr(part, name) for part in scores]).tolist()
        for name in ("score_bps", "surprises_q8", "facts")
    ]
    return keccak(json.dumps([flat, scorer.state_hash.hex()]).encode()).hex()


if __name__ == "__main__":
    scorer = StreamScorer(compiled=True)
    sys.stdout.write(hash_of([scorer.score(*troubled())], scorer))
