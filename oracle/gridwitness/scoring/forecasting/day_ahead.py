"""Day-ahead forecast of 24 hours: a regression on the median, with quantiles from its errors on days held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gridwitness.errors import InputError
from gridwitness.scoring.forecasting.features import DAYS_BEFORE, HOURS, calendar_features, past_features, usual_days
from gridwitness.scoring.forecasting.params import DEFAULT_FORECAST_PARAMS, ForecastParams
from gridwitness.scoring.forecasting.regression import fit_median

Array = NDArray[np.float64]

QUANTILES = (0.1, 0.5, 0.9)
SATURDAY = 5


def forecast_day_ahead(
    history: Array, *, first_weekday: int | None, params: ForecastParams = DEFAULT_FORECAST_PARAMS
) -> Array:
    """Quantiles .1, .5, .9 of each hour of the day after `history`: shape (24, 3), in its unit, not negative.

    `history` (days, 24), not negative, oldest day first. `first_weekday` is its first day's, 0 Monday to 6 Sunday, or
    None where the week does not matter, as to the sun. Raises InputError with fewer days than `least_days`.
    """
    if history.ndim != 2 or history.shape[1] != HOURS or len(history) < least_days(params):
        raise InputError(
            f"history has shape {history.shape}; it must be days (at least {least_days(params)}) × {HOURS}"
        )
    kept = params.training_days + DAYS_BEFORE
    skipped = max(len(history) - kept, 0)
    weekday = None if first_weekday is None else (first_weekday + skipped) % 7
    recent = history[skipped:]
    samples = _samples(recent, weekday, params)
    unit = _unit(recent)
    targets = recent[DAYS_BEFORE:] / unit
    medians = _rolling_medians(samples, targets, params)
    if weekday is None:
        # The weather of tomorrow is hardly in the past: half of what the regression makes of it is noise.
        usual = usual_days(recent, np.zeros(len(recent) + 1, np.int64), params.daily_decay_fast)[-len(medians) :] / unit
        medians += params.usual_share * (usual - medians)
    median, errors = medians[-1], targets[-params.calibration_days :] - medians[:-1]
    tail = QUANTILES[0] if weekday is None else params.tail_level
    low, high = (median + _error_quantiles(errors, level) for level in (tail, 1 - tail))
    if weekday is not None:
        # Loads are skewed, and a line that follows many features from few days ends below their median.
        median = median + params.bias_share * _error_quantiles(errors, QUANTILES[1])
    quantiles = np.sort(np.stack([low, median, high], -1), axis=-1)
    return np.where(quantiles < params.least_value, 0.0, quantiles) * unit


def least_days(params: ForecastParams) -> int:
    """Days a forecast needs: those its features reach back, and as many to learn from as to calibrate on."""
    return DAYS_BEFORE + 2 * params.calibration_days


def _unit(history: Array) -> float:
    return max(float(np.abs(history - history.mean()).mean()), 1e-9)


def _samples(history: Array, first_weekday: int | None, params: ForecastParams) -> Array:
    """Features of days 28 to n: shape (n − 27, 24, features)."""
    days = np.arange(len(history) + 1)
    kinds = np.zeros_like(days)
    if first_weekday is not None:
        kinds = ((days + first_weekday) % 7 - SATURDAY + 1).clip(0)
    decays = (params.daily_decay_fast, params.daily_decay_slow)
    past = (past_features(history, kinds, decays) - history.mean()) / _unit(history)
    return np.concatenate([past, calendar_features(kinds)[DAYS_BEFORE:]], -1)


def _rolling_medians(samples: Array, targets: Array, params: ForecastParams) -> Array:
    """Medians of the calibration days and of the day to forecast, each learnt from days before it: shape (days, 24).

    The calibration days are cut into parts with a fit each, and every fit starts from the one before.
    """
    days = len(targets)
    edges = np.linspace(days - params.calibration_days, days, params.calibration_folds + 1).astype(int).tolist()
    coefficients = None
    medians = []
    for known, until in zip(edges, [*edges[1:], days + 1], strict=True):
        weights = np.repeat(0.5 ** (np.arange(known - 1, -1, -1) / params.half_life_days), HOURS)
        learnt = samples[:known].reshape(known * HOURS, -1)
        iterations = params.first_iterations if coefficients is None else params.more_iterations
        coefficients = fit_median(learnt, targets[:known].ravel(), weights, params.ridge, iterations, coefficients)
        medians.append(samples[known:until] @ coefficients)
    return np.concatenate(medians)


def _error_quantiles(errors: Array, level: float) -> Array:
    """Quantile of each hour's error from its own and its neighbouring hours', each scaled to the hour: shape (24,).

    `errors` (days, 24).
    """
    spread = np.maximum(np.abs(errors).mean(0), 1e-12)
    relative = errors / spread
    pooled = np.concatenate([np.roll(relative, shift, axis=1) for shift in (-1, 0, 1)])
    quantiles: Array = np.quantile(pooled, level, axis=0) * spread
    return quantiles
