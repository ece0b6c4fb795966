"""LightGBM on the features of our own model of remaining life."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridwitness.errors import InputError
from gridwitness.scoring.remaining_life import DEFAULT_LIFE_PARAMS, Unit
from gridwitness.scoring.remaining_life.features import Normalisation, unit_features
from gridwitness.scoring.remaining_life.model import remaining_lives
from gridwitness.service.bench.rul import Array, Estimator


def rivals() -> dict[str, Estimator]:
    """Estimators by name. Raises InputError if LightGBM is not installed."""
    try:
        import lightgbm  # noqa: F401
    except ImportError as error:
        raise InputError("rivals need LightGBM, which is not installed", hint="uv sync --group train") from error
    return {"LightGBM": gradient_boosting}


def gradient_boosting(failed: Sequence[Unit], running: Sequence[Unit]) -> Array:
    """Squared loss, every cycle a sample."""
    import lightgbm

    normalisation = Normalisation.of(failed)
    samples = np.concatenate([unit_features(normalisation.apply(unit)) for unit in failed])
    targets = np.concatenate([remaining_lives(unit, DEFAULT_LIFE_PARAMS.cap) for unit in failed])
    settings = {"objective": "regression", "num_leaves": 15, "learning_rate": 0.03, "feature_fraction": 0.3}
    settings |= {"min_data_in_leaf": 60, "lambda_l2": 5, "num_threads": 1, "seed": 1, "verbose": -1}
    booster = lightgbm.train(settings, lightgbm.Dataset(samples, targets), num_boost_round=250)
    last = np.stack([unit_features(normalisation.apply(unit))[-1] for unit in running])
    estimated: Array = np.asarray(booster.predict(last)).clip(0, DEFAULT_LIFE_PARAMS.cap)
    return estimated
