"""Parameters of the day-ahead forecast: one set for every series. They make the model hash."""

from __future__ import annotations

import json
from typing import NamedTuple

from gridwitness.encoding.hashing import keccak

MODEL_NAME = "gridwitness-day-ahead"
MODEL_VERSION = 2


class ForecastParams(NamedTuple):
    """What the forecast is tuned with.

    `training_days`     days before the forecast that it learns from
    `half_life_days`    a day this much older counts half
    `calibration_days`  days forecast from those before them; their errors make the quantiles
    `calibration_folds` parts of them, each forecast by a fit of its own
    `ridge`             shrinkage of the coefficients, in samples of a standardised feature
    `first_iterations`  of the reweighted least squares in the first of these fits
    `more_iterations`   and in each later one, which starts where the one before ended
    `least_value`       quantiles below this share of the mean deviation are 0: plants rest at night, chargers by day
    `usual_share`       weight of the quickly following usual day in the median, where the week does not matter
    `bias_share`        share of the median of its errors that is added to the median, where the week matters
    `tail_level`        there, share of past errors outside each outer quantile: errors to come are a little larger
    `daily_decay_fast`  weight of the newest day in a usual day that follows quickly
    `daily_decay_slow`  and in one that follows slowly
    """

    training_days: int = 365
    half_life_days: int = 60
    calibration_days: int = 42
    calibration_folds: int = 3
    ridge: float = 3.0
    first_iterations: int = 9
    more_iterations: int = 5
    least_value: float = 0.03
    usual_share: float = 0.5
    bias_share: float = 1.0
    tail_level: float = 0.08
    daily_decay_fast: float = 0.15
    daily_decay_slow: float = 0.03

    def model_hash(self) -> bytes:
        """Keccak-256 of name, version and parameters as JSON with sorted keys and no spaces, 32 bytes."""
        model = {"name": MODEL_NAME, "parameters": self._asdict(), "version": MODEL_VERSION}
        return keccak(json.dumps(model, sort_keys=True, separators=(",", ":")).encode())

    def model_label(self) -> str:
        """Name, version and the first four bytes of the hash: what tells a reader which model it was."""
        return f"{MODEL_NAME} {MODEL_VERSION} 0x{self.model_hash()[:4].hex()}"


DEFAULT_FORECAST_PARAMS = ForecastParams()
