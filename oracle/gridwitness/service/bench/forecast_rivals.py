"""LightGBM's quantile regression on the features of our own forecast, refitted at every origin like ours."""

from __future__ import annotations

import numpy as np

from gridwitness.errors import InputError
from gridwitness.scoring.forecasting import QUANTILES
from gridwitness.scoring.forecasting.features import DAYS_BEFORE, HOURS, past_features
from gridwitness.service.bench.forecast import Array, Forecaster, Known


def rivals() -> dict[str, Forecaster]:
    """Forecasters by name. Raises InputError if LightGBM is not installed."""
    try:
        import lightgbm  # noqa: F401
    except ImportError as error:
        raise InputError("rivals need LightGBM, which is not installed", hint="uv sync --group train") from error
    return {"LightGBM": gradient_boosting}


def gradient_boosting(known: Known) -> Array:
    """One model a quantile, from the series' own past, the hour and the weekday."""
    import lightgbm

    days = np.arange(len(known.history) + 1)
    kinds = np.zeros_like(days)
    past = past_features(known.history, kinds, (0.1, 0.03))
    weekdays = ((days + (known.first_weekday or 0)) % 7)[DAYS_BEFORE:, None, None]
    hours = np.arange(HOURS)[None, :, None]
    calendar = [np.broadcast_to(column, (*past.shape[:2], 1)) for column in (weekdays, hours)]
    samples = np.concatenate([past, *calendar], -1)
    learnt, asked = samples[:-1].reshape(-1, samples.shape[-1]), samples[-1]
    targets = known.history[DAYS_BEFORE:].ravel()
    columns = []
    for level in QUANTILES:
        settings = {"objective": "quantile", "alpha": level, "num_leaves": 15, "learning_rate": 0.1, "verbose": -1}
        dataset = lightgbm.Dataset(learnt, targets)
        booster = lightgbm.train(settings | {"num_threads": 1, "seed": 1}, dataset, num_boost_round=80)
        columns.append(booster.predict(asked))
    return np.maximum(np.sort(np.stack(columns, -1), axis=-1), 0.0)
