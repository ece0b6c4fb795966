"""Prints the hashes of the energy scorer's golden slice, for a process with another processor to compare.

Run as a module, so that what the environment takes from NumPy and the compiler is taken before they start.
"""

from __future__ import annotations

import json

from gridwitness.domain.readings import Score
from gridwitness.encoding.hashing import keccak
from gridwitness.scoring import Scorer

from .zone import RuralZone, frozen_from, reports_share


def golden_zone() -> RuralZone:
    """A summer day with a thief and a frozen meter, so that all channels speak."""
    zone = RuralZone("summer", 4, {"bus-01": reports_share(60)})
    zone.faults["bus-13"] = frozen_from(56, zone.true_day("bus-13"))
    return zone


def scores_hash(scores: list[Score]) -> str:
    """Keccak-256 of the scores with channels and reasons."""
    rows = [[score.score_bps, score.channel, score.reason] for score in scores]
    return keccak(json.dumps(rows, separators=(",", ":")).encode()).hex()


if __name__ == "__main__":
    zone, scorer = golden_zone(), Scorer()
    scores = [score for batch in zone.batches() for score in scorer.score(batch, zone.fleet)]
    print(scores_hash(scores), scorer.state_hash.hex(), end="")
