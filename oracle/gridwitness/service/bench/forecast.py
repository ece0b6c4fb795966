"""`gridwitness bench forecast`: day-ahead forecasts of every series from many origins, judged against rivals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridwitness.errors import InputError
from gridwitness.scoring.forecasting import DEFAULT_FORECAST_PARAMS, QUANTILES, forecast_day_ahead, least_days
from gridwitness.service.bench.forecast_series import HourlySeries, Kind, load_series

Array = NDArray[np.float64]

TRAINING_SHARE = 0.6
# A series that flows in fewer of the training hours has no day to forecast.
LEAST_ACTIVE_SHARE = 0.02
# An hour of the day at which nothing flowed for so many days is dark, and says nothing about quantiles.
DARK_DAYS = 28


@dataclass(frozen=True, slots=True)
class Known:
    """What a forecast may use: the series up to the origin, as an agent or the portal has it.

    `history` (days, 24); `first_weekday` None if weeks do not matter.
    """

    history: Array
    first_weekday: int | None


Forecaster = Callable[[Known], Array]
"""From what is known to quantiles .1, .5, .9 of the next day's hours: shape (24, 3)."""


@dataclass(frozen=True, slots=True)
class ForecastResult:
    """One forecaster's figures on one kind of series, means over series.

    `mase` mean absolute error of the medians over the mean |y_t − y_(t−24 h)| of the training part (R. J. Hyndman and
    A. B. Koehler, "Another look at measures of forecast accuracy", 2006); `pinball` mean pinball loss of the three
    quantiles on the same scale; `coverage` share of values below each quantile, a tie counting as nominal, dark hours
    left out; `seconds_per_series` CPU seconds to fit and predict one day, of one core after `keep_to_one_thread`.
    """

    forecaster: str
    kind: Kind
    series: int
    mase: float
    coverage: tuple[float, ...]
    pinball: float
    seconds_per_series: float


def gridwitness(known: Known) -> Array:
    """Our own forecast."""
    return forecast_day_ahead(known.history, first_weekday=known.first_weekday)


def seasonal_naive(known: Known) -> Array:
    """Yesterday, whatever the quantile."""
    return np.repeat(known.history[-1][:, None], len(QUANTILES), axis=1)


def bench_forecast(
    path: Path, origins: int, rivals: dict[str, Forecaster]
) -> tuple[list[ForecastResult], list[HourlySeries]]:
    """Figures by forecaster and kind: ours, the seasonal naive, the rivals; and the series left out.

    The first 60 % of the days are the training part; the origins, UTC midnights, are spread evenly over the rest, and
    every forecaster learns anew at each from all days before. Raises InputError if there are too few days.
    """
    series = load_series(path)
    days = len(series[0].values)
    first = max(int(TRAINING_SHARE * days), least_days(DEFAULT_FORECAST_PARAMS))
    if days < first + origins:
        raise InputError(
            f"{path}: {days} complete UTC days in a row; {origins} origins need at least "
            f"{max(least_days(DEFAULT_FORECAST_PARAMS) + origins, int(origins / (1 - TRAINING_SHARE)))}"
        )
    starts = [int(day) for day in np.linspace(first, days - 1, origins)]
    judged = [one for one in series if (one.values[:first] > 0).mean() >= LEAST_ACTIVE_SHARE and _scale(one, first) > 0]
    if not judged:
        raise InputError(f"{path}: in none of {len(series)} series anything flows that could be forecast")
    forecasters = {"gridwitness": gridwitness, "seasonal naive": seasonal_naive} | rivals
    results = [
        _judge(name, forecaster, [one for one in judged if one.kind == kind], starts)
        for kind in sorted({one.kind for one in judged})
        for name, forecaster in forecasters.items()
    ]
    return results, [one for one in series if one not in judged]


def _scale(series: HourlySeries, days: int) -> float:
    return float(np.abs(np.diff(series.values[:days], axis=0)).mean())


def _judge(name: str, forecaster: Forecaster, series: Sequence[HourlySeries], starts: Sequence[int]) -> ForecastResult:
    started = time.process_time()
    forecasts = [np.stack([forecaster(known) for known in knowns]) for knowns in _known(series, starts)]
    seconds = time.process_time() - started
    errors, losses, covered = [], [], []
    for one, quantiles in zip(series, forecasts, strict=True):
        actual, scale = one.values[list(starts)], _scale(one, starts[0])
        errors.append(np.abs(actual - quantiles[..., 1]).mean() / scale)
        losses.append(_pinball(actual, quantiles).mean() / scale)
        bright = np.stack([one.values[start - DARK_DAYS : start].any(axis=0) for start in starts])
        covered.append(_coverage(actual[bright], quantiles[bright]))
    coverage = tuple(float(share) for share in np.mean(covered, axis=0))
    return ForecastResult(
        name,
        series[0].kind,
        len(series),
        float(np.mean(errors)),
        coverage,
        float(np.mean(losses)),
        seconds / (len(series) * len(starts)),
    )


def _known(series: Sequence[HourlySeries], starts: Sequence[int]) -> Iterable[list[Known]]:
    """What is known of each series at each origin."""
    for one in series:
        weekday = one.first_weekday if one.kind == "load" else None
        yield [Known(one.values[:start], weekday) for start in starts]


def _pinball(actual: Array, quantiles: Array) -> Array:
    """Pinball loss of each quantile: max(τ (y − q), (τ − 1) (y − q))."""
    levels = np.array(QUANTILES)
    over = actual[..., None] - quantiles
    losses: Array = np.maximum(levels * over, (levels - 1) * over)
    return losses


def _coverage(actual: Array, quantiles: Array) -> Array:
    """Share of values below each quantile; a tie counts as nominal. `actual` (n), `quantiles` (n, 3)."""
    below, ties = actual[:, None] < quantiles, actual[:, None] == quantiles
    shares: Array = np.where(ties, QUANTILES, below).mean(axis=0)
    return shares
