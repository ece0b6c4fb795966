"""A fleet's model of remaining life, with intervals from units held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridwitness.errors import InputError
from gridwitness.scoring.remaining_life.features import Normalisation, Unit, unit_features
from gridwitness.scoring.remaining_life.params import DEFAULT_LIFE_PARAMS, LifeParams
from gridwitness.scoring.remaining_life.regression import KernelRegression

Array = NDArray[np.float64]

FULL_HEALTH_BPS = 10_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """Remaining life of a unit after its last cycle, in cycles, at most the cap, and the interval around it."""

    unit: int
    remaining: float
    low: float
    high: float
    health_bps: int


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Estimates of units by models that never saw them, cycle by cycle: `unit`, `estimates` and `errors` (n)."""

    unit: NDArray[np.int64]
    estimates: Array
    errors: Array


@dataclass(frozen=True, slots=True)
class _Regressor:
    normalisation: Normalisation
    regression: KernelRegression

    @classmethod
    def fit(cls, units: Sequence[Unit], params: LifeParams) -> _Regressor:
        normalisation = Normalisation.of(units)
        chosen = slice(params.first_cycle, None, params.stride)
        samples = np.concatenate([unit_features(normalisation.apply(unit))[chosen] for unit in units])
        targets = np.concatenate([remaining_lives(unit, params.cap)[chosen] for unit in units])
        return cls(normalisation, KernelRegression.fit(samples, targets, params))

    def estimate(self, unit: Unit, cap: int) -> Array:
        estimates: Array = self.regression.predict(unit_features(self.normalisation.apply(unit))).clip(0, cap)
        return estimates


def remaining_lives(unit: Unit, cap: int) -> Array:
    """Cycles left after each cycle of a unit that ran to failure, at most `cap`: shape (cycles,)."""
    return np.minimum(np.arange(len(unit.sensors))[::-1], cap).astype(np.float64)


def hold_out(units: Sequence[Unit], params: LifeParams) -> HeldOut:
    """Estimate each part of a fleet by a model of the others."""
    numbers, estimates, errors = [], [], []
    for fold in range(params.folds):
        regressor = _Regressor.fit([unit for index, unit in enumerate(units) if index % params.folds != fold], params)
        for unit in units[fold :: params.folds]:
            estimated = regressor.estimate(unit, params.cap)[params.first_cycle :]
            numbers.append(np.full(len(estimated), unit.number))
            estimates.append(estimated)
            errors.append(remaining_lives(unit, params.cap)[params.first_cycle :] - estimated)
    return HeldOut(np.concatenate(numbers), np.concatenate(estimates), np.concatenate(errors))


def interval(held_out: HeldOut, estimate: float, params: LifeParams) -> tuple[float, float]:
    """Interval around an estimate: quantiles of the errors of the held-out estimates nearest to it, within 0 to cap."""
    nearest = np.argsort(np.abs(held_out.estimates - estimate), kind="stable")[: params.neighbours]
    tail = (1 - params.level) / 2
    low, high = estimate + np.quantile(held_out.errors[nearest], [tail, 1 - tail])
    return float(np.clip(low, 0, params.cap)), float(np.clip(high, 0, params.cap))


class LifeModel:
    """A model of units that ran to failure."""

    def __init__(self, units: Sequence[Unit], params: LifeParams = DEFAULT_LIFE_PARAMS) -> None:
        """Learn from `units`. Raises InputError if there are fewer than folds, or one is too short to learn from."""
        if len(units) < 2 * params.folds:
            raise InputError(f"{len(units)} units that ran to failure; at least {2 * params.folds}")
        short = next((unit for unit in units if len(unit.sensors) <= params.first_cycle), None)
        if short is not None:
            raise InputError(f"unit {short.number} has {len(short.sensors)} cycles; at least {params.first_cycle + 1}")
        self.params = params
        self._regressor = _Regressor.fit(units, params)
        self._held_out = hold_out(units, params)

    def estimate(self, unit: Unit) -> Estimate:
        """Remaining life after the last cycle of `unit`; its health is that life's share of the cap."""
        remaining = float(self._regressor.estimate(unit, self.params.cap)[-1])
        low, high = interval(self._held_out, remaining, self.params)
        return Estimate(unit.number, remaining, low, high, round(FULL_HEALTH_BPS * remaining / self.params.cap))
