"""Parameters of the remaining-life model: one set for every fleet. They make the model hash."""

from __future__ import annotations

import json
from typing import NamedTuple

from gridwitness.encoding.hashing import keccak

MODEL_NAME = "gridwitness-remaining-life"
MODEL_VERSION = 1


class LifeParams(NamedTuple):
    """What the model is tuned with.

    `cap`            longest remaining life told apart, in cycles: before that nothing has begun to wear
    `first_cycle`    cycles of a unit before the first one that is learnt from
    `stride`         every so many cycles one is learnt from
    `centres`        samples that carry the kernel's weights
    `kernel_width`   in mean squared distances of standardised features
    `linear`         weight of a linear kernel beside it
    `ridge`          shrinkage
    `folds`          parts of the fleet, each estimated by a model of the others, for the intervals
    `level`          share of remaining lives an interval is meant to hold
    `neighbours`     held-out estimates nearest to a new one whose errors make its interval
    """

    cap: int = 125
    first_cycle: int = 15
    stride: int = 2
    centres: int = 1_000
    kernel_width: float = 1.0
    linear: float = 1.0
    ridge: float = 0.3
    folds: int = 5
    level: float = 0.9
    neighbours: int = 1_000

    def model_hash(self) -> bytes:
        """Keccak-256 of name, version and parameters as JSON with sorted keys and no spaces, 32 bytes."""
        model = {"name": MODEL_NAME, "parameters": self._asdict(), "version": MODEL_VERSION}
        return keccak(json.dumps(model, sort_keys=True, separators=(",", ":")).encode())


DEFAULT_LIFE_PARAMS = LifeParams()
