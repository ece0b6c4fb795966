"""`gridwitness bench rul`: remaining life after the last cycle of each test unit, judged by the true ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridwitness.scoring.remaining_life import DEFAULT_LIFE_PARAMS, Estimate, LifeModel, Unit
from gridwitness.service.bench.rul_files import load_remaining, load_units

Array = NDArray[np.float64]
Estimator = Callable[[Sequence[Unit], Sequence[Unit]], Array]
"""From units that ran to failure and units that did not to the latter's remaining lives in cycles, at most the cap."""


@dataclass(frozen=True, slots=True)
class RulResult:
    """`rmse` in cycles with both sides capped; `coverage` share of true lives within the interval; its mean `width`."""

    rmse: float
    coverage: float
    width: float
    estimates: tuple[Estimate, ...]
    rivals_rmse: dict[str, float]


def bench_rul(train: Path, test: Path, rul: Path, rivals: dict[str, Estimator]) -> RulResult:
    """Learn from `train`, estimate every unit of `test` at its last cycle, and compare with `rul`."""
    failed, running = load_units(train), load_units(test)
    return judge(failed, running, load_remaining(rul, len(running)), rivals)


def judge(failed: Sequence[Unit], running: Sequence[Unit], remaining: Array, rivals: dict[str, Estimator]) -> RulResult:
    """Estimates of `running` units by a model of `failed` ones, against the `remaining` lives."""
    true = np.minimum(remaining, DEFAULT_LIFE_PARAMS.cap)
    model = LifeModel(failed)
    estimates = tuple(model.estimate(unit) for unit in running)
    low, high = np.array([one.low for one in estimates]), np.array([one.high for one in estimates])
    return RulResult(
        _rmse(np.array([one.remaining for one in estimates]), true),
        float(((low <= true) & (true <= high)).mean()),
        float((high - low).mean()),
        estimates,
        {name: _rmse(estimator(failed, running), true) for name, estimator in rivals.items()},
    )


def _rmse(estimated: Array, true: Array) -> float:
    return float(np.sqrt(((estimated - true) ** 2).mean()))
