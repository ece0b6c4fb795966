"""Parameters of the streaming scorer: one set for every stream. They make the model hash."""

from __future__ import annotations

import json
from typing import NamedTuple

from gridwitness.encoding.hashing import keccak
from gridwitness.errors import InputError

MODEL_NAME = "gridwitness-streaming"
MODEL_VERSION = 1
ALERT_SCORE_BPS = 9_960
"""Scores from here on are worth an alert: the best threshold on the 41 files of NAB this was designed on."""


class StreamParams(NamedTuple):
    """What the scorer is tuned with; `_q8` counts in 1/256 bit, weights in sixteenths.

    `memory`            values remembered in order of size; counts of surprises fade at twice as many
    `warmup`            readings of a series before any is scored
    `season_memory`     weeks (or days) over which the usual value of an hour is averaged
    `fast_memory`       readings of the fast mean
    `slow_memory`       readings of the slow mean and the spread around it
    `shape_memory`      readings back in which the last three are looked for
    `stuck_limit_q8`    surprise of a frozen value that no longer run exceeds
    `beyond_q8`         surprise of every quarter octave by which a distance exceeds all before, up to 32 bits
    `…_weight`          weight of a channel's squared surprise
    `age_percent`       share of a bit taken off for every doubling of the series' age beyond 1,024 readings
    `record_share`      an alert must exceed all evidence of the last 1/record_share of the series' life
    `record_min`        and of at least so many readings
    `record_max`        but of at most so many
    `budget_q8`         evidence that every earlier record at least as strong costs a record
    `rank_memory`       readings among which a reading that is no record takes its rank
    `rank_limit_bps`    highest score of a reading that is no record
    `alert_from_q8`     evidence at which a record scores above that
    `alert_step_q8`     evidence per basis point from there
    """

    memory: int = 16_384
    warmup: int = 50
    season_memory: int = 8
    fast_memory: int = 10
    slow_memory: int = 300
    shape_memory: int = 1_024
    stuck_limit_q8: int = 64 * 256
    beyond_q8: int = 1_024
    novelty_weight: int = 16
    rank_weight: int = 8
    season_weight: int = 1
    shift_weight: int = 1
    shape_weight: int = 1
    stuck_weight: int = 1
    age_percent: int = 20
    record_share: int = 20
    record_min: int = 100
    record_max: int = 400
    budget_q8: int = 25
    rank_memory: int = 1_024
    rank_limit_bps: int = 9_919
    alert_from_q8: int = 5 * 256
    alert_step_q8: int = 25

    def check(self) -> None:
        """Raises InputError if the scorer's memories do not fit into each other."""
        if not 5 <= self.shape_memory <= self.memory:
            raise InputError(f"shape_memory {self.shape_memory} is outside 5 to memory {self.memory}")
        if not 1 <= self.record_min <= self.record_max:
            raise InputError(f"record_min {self.record_min} is outside 1 to record_max {self.record_max}")

    def model_hash(self) -> bytes:
        """Keccak-256 of name, version and parameters as JSON with sorted keys and no spaces, 32 bytes."""
        model = {"name": MODEL_NAME, "parameters": self._asdict(), "version": MODEL_VERSION}
        return keccak(json.dumps(model, sort_keys=True, separators=(",", ":")).encode())


DEFAULT_STREAM_PARAMS = StreamParams()
