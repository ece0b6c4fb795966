"""A meter's net energy a day ahead, by the model where its history is long enough, for agents and the portal.

The day-ahead model forecasts hours of what flows one way. A net meter's imports and exports are forecast each for
themselves, and their differences taken, the widest that both allow. Agents trade quarter hours: an hour's median is
spread over its quarters as the meter's last two weeks had it, and the hour's uncertainty and what the quarters of the
last six weeks strayed from their hour, being independent, add in quadrature. On eight homes of simbench, sixteen days
each, the mean absolute error is 0.85 of the analogue ensemble's on three days, the pinball loss at .1/.5/.9 too.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.market.forecast import LEVELS, Forecast, forecast_day
from gridwitness.scoring.forecasting import DEFAULT_FORECAST_PARAMS, QUANTILES, forecast_day_ahead, least_days

Array = NDArray[np.float64]

LEAST_DAYS = least_days(DEFAULT_FORECAST_PARAMS)
"""Days of history from which on the model forecasts."""
MOST_DAYS = DEFAULT_FORECAST_PARAMS.training_days + LEAST_DAYS
"""It looks at no more."""
_HOURS = 24
_QUARTERS = SLOTS_PER_DAY // _HOURS
_SHAPE_DAYS = 14
_STRAY_DAYS = 42
_DEVIATES = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
_OUTER_DEVIATE = NormalDist().inv_cdf(QUANTILES[-1])
_THURSDAY = 3  # what day 0 was, 0 being Monday


def weekday_of(day: int) -> int:
    """Weekday of a UTC day since the epoch, 0 Monday to 6 Sunday."""
    return (day + _THURSDAY) % 7


def forecast_net_hours(history_wh: NDArray[Any], first_weekday: int | None) -> Array:
    """Quantiles .1, .5, .9 (Wh, import positive) of the hours of the day after `history_wh`: shape (24, 3).

    `history_wh` has shape (days, 96), oldest first; `first_weekday` as in `forecast_day_ahead`, None for plants.
    Raises InputError with fewer than LEAST_DAYS.
    """
    quarters = history_wh.reshape(len(history_wh), _HOURS, _QUARTERS).astype(np.float64)
    imports, exports = quarters.clip(min=0).sum(-1), (-quarters).clip(min=0).sum(-1)
    nothing = np.zeros((_HOURS, len(QUANTILES)))
    taken = forecast_day_ahead(imports, first_weekday=first_weekday) if imports.any() else nothing
    given = forecast_day_ahead(exports, first_weekday=None) if exports.any() else nothing
    return taken - given[:, ::-1]


def forecast_net_day(history_wh: NDArray[np.int64], day: int) -> Forecast:
    """Forecast UTC day `day` from the days before it, shape (days, 96), Wh, import positive, oldest first.

    By the model from LEAST_DAYS on, else by the analogue ensemble (market.forecast). Raises InputError without a day.
    """
    if len(history_wh) < LEAST_DAYS:
        return forecast_day(history_wh)
    low_wh, median_wh, high_wh = forecast_net_hours(history_wh, weekday_of(day - len(history_wh))).T / _QUARTERS
    outer_wh = np.where(_DEVIATES[:, None] > 0, high_wh - median_wh, median_wh - low_wh).T
    hour_wh = np.repeat(outer_wh * _DEVIATES / _OUTER_DEVIATE, _QUARTERS, axis=0)
    shape_wh, stray_wh = _within_hours(history_wh)
    centre_wh = np.repeat(median_wh, _QUARTERS) + shape_wh
    spread_wh = np.sign(_DEVIATES) * np.hypot(hour_wh, stray_wh)
    return Forecast(np.sort(centre_wh[:, None] + spread_wh, axis=1))


def _within_hours(history_wh: NDArray[np.int64]) -> tuple[Array, Array]:
    """How quarters usually differ from their hour's mean (96), and quantiles of how they stray from that (96, 10)."""
    quarters = history_wh[-_STRAY_DAYS:].reshape(-1, _HOURS, _QUARTERS).astype(np.float64)
    offsets = (quarters - quarters.mean(-1, keepdims=True)).reshape(-1, SLOTS_PER_DAY)
    shape = np.median(offsets[-_SHAPE_DAYS:], axis=0).reshape(_HOURS, _QUARTERS)
    shape -= shape.mean(-1, keepdims=True)
    strays = offsets - shape.ravel()
    pooled = np.concatenate([np.roll(strays, shift, axis=1) for shift in (-1, 0, 1)])
    return shape.ravel(), np.quantile(pooled, LEVELS, axis=0).T
