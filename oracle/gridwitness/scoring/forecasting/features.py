"""What a day's hours are forecast from: the same hours of earlier days, usual days, recent levels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HOURS = 24
DAYS_BEFORE = 28
"""Days before the first one that has features."""
LAGS = (1, 2, 7, 14)
WEEK_LAGS = (7, 14, 21, 28)


def past_features(history: Array, kinds: NDArray[np.int64], decays: tuple[float, float]) -> Array:
    """Features of days 28 to n from the days before each: shape (n − 27, 24, 19).

    `history` (n, 24), oldest day first; `kinds` (n + 1) numbers each day's kind (working day, Saturday, Sunday), that
    of the day to forecast included.
    """
    days = len(history)
    targets = range(DAYS_BEFORE, days + 1)
    lagged = {lag: history[DAYS_BEFORE - lag : days + 1 - lag] for lag in range(1, DAYS_BEFORE + 1)}
    last_week = np.stack([lagged[lag] for lag in range(1, 8)])
    same_weekday = np.stack([lagged[lag] for lag in WEEK_LAGS])
    smooth = _smoothed(history)
    levels = [lagged[1].mean(1), lagged[7].mean(1), last_week.mean((0, 2)), lagged[1][:, -1], lagged[1][:, -4:].mean(1)]
    features = [
        *(lagged[lag] for lag in LAGS),
        last_week.mean(0),
        same_weekday.mean(0),
        np.median(last_week, 0),
        np.median(same_weekday, 0),
        *(smooth[DAYS_BEFORE - lag : days + 1 - lag] for lag in (1, 7)),
        *(usual_days(history, kinds, decay)[targets.start :] for decay in decays),
        *(usual_days(history, np.zeros_like(kinds), decay)[targets.start :] for decay in decays),
        *(np.repeat(level[:, None], HOURS, 1) for level in levels),
    ]
    return np.stack(features, -1)


def calendar_features(kinds: NDArray[np.int64]) -> Array:
    """A day's shape apart from its past, one for each kind of day: shape (days, 24, 7 × kinds)."""
    daily = hour_waves()
    return np.concatenate([np.where((kinds == kind)[:, None, None], daily, 0.0) for kind in range(kinds.max() + 1)], -1)


def hour_waves() -> Array:
    """A constant and three waves of a day, sine and cosine: shape (24, 7)."""
    angles = 2 * np.pi * np.arange(HOURS) / HOURS
    waves = [wave(cycles * angles) for cycles in (1, 2, 3) for wave in (np.sin, np.cos)]
    return np.stack([np.ones(HOURS), *waves], -1)


def _smoothed(history: Array) -> Array:
    """Mean of each hour with the one before and after it within the same day."""
    padded = np.pad(history, ((0, 0), (1, 1)), mode="edge")
    smooth: Array = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
    return smooth


def usual_days(history: Array, kinds: NDArray[np.int64], decay: float) -> Array:
    """Exponentially weighted mean of earlier days of the same kind, for each day and the next: shape (n + 1, 24)."""
    usual = np.repeat(history[:1], kinds.max() + 1, 0)
    seen = np.zeros(len(usual), dtype=np.int64)
    result = np.empty((len(history) + 1, HOURS))
    for day, kind in enumerate(kinds):
        result[day] = usual[kind]
        if day < len(history):
            seen[kind] += 1
            usual[kind] += max(decay, 1 / seen[kind]) * (history[day] - usual[kind])
    return result
