"""Parameters of the scorer. They and the version make the model hash, so changing one makes another model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.encoding.hashing import keccak

MODEL_NAME = "gridwitness-integer"
MODEL_VERSION = 4
FLAG_SCORE_BPS = 9_900
"""A reading is flagged if its score is above this."""


@dataclass(frozen=True, slots=True)
class ScorerParams:
    """What the scorer is tuned with; energies in Wh, `_pct` in per cent, `_slots` in delivery slots.

    `history_days`            days of values kept per series, for the same slot of earlier days
    `warmup_slots`            values a series must have before seasonal and frozen channels may flag
    `frozen_repeats`          identical values after the first before a freeze may be flagged
    `frozen_bits`             surprise (in powers of two) a run must reach against the series' own repeats
    `suspect_bits`            surprise at which a repeating meter no longer counts as evidence in its zone's residual
    `record_margin_pct`       how far above the series' own record a deviation must be to be flagged
    `limit_factor`            multiple of the largest value ever seen that is implausible
    `limit_floor_wh`          no value below this is ever called implausible
    `neighbour_error_share`   mean error (in 1/1,024 of the level) up to which neighbours may be held against a meter
    `neighbour_least_pct`     difference from its neighbours below which a reading is never flagged
    `meter_class_ppm`         accuracy of meters: standard deviation of one reading in parts per million of its value
    `meter_floor_wh`          rounding and idle noise of the sum of a zone
    `loss_learning_slots`     complete slots a zone's loss model needs before the residual is judged
    `loss_memory_slots`       slots after which the loss model halves the weight of the past
    `evidence_slots`          slots of excess kept to find whose profile it follows
    `evidence_min_slots`      slots in which a meter must have hidden more than the noise, to be accused
    `explained_pct`           share of the excess the profiles of those accused must explain
    """

    history_days: int = 4
    warmup_slots: int = 96
    frozen_repeats: int = 3
    frozen_bits: int = 12
    suspect_bits: int = 5
    record_margin_pct: int = 125
    limit_factor: int = 16
    limit_floor_wh: int = 10_000
    neighbour_error_share: int = 128
    neighbour_least_pct: int = 10
    meter_class_ppm: int = 2_000
    meter_floor_wh: int = 4
    loss_learning_slots: int = 96
    loss_memory_slots: int = 2_688
    evidence_slots: int = 48
    evidence_min_slots: int = 4
    explained_pct: int = 60

    @property
    def history_slots(self) -> int:
        """Slots of values kept per series."""
        return self.history_days * SLOTS_PER_DAY

    @property
    def late_slots(self) -> int:
        """Slots after which a meter's value may still be judged in its zone: the evidence before it must be there."""
        return self.history_slots - self.evidence_slots

    def model_hash(self) -> bytes:
        """Keccak-256 of name, version and parameters as JSON with sorted keys and no spaces, 32 bytes."""
        model = {
            "name": MODEL_NAME,
            "parameters": asdict(self),
            "version": MODEL_VERSION,
        }
        return keccak(json.dumps(model, sort_keys=True, separators=(",", ":")).encode())


DEFAULT_PARAMS = ScorerParams()
