"""`gridwitness bench rul`: remaining life after the last cycle of each test unit, judged by the true ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridwitness.errors import InputError
from gridwitness.scoring.remaining_life import DEFAULT_LIFE_PARAMS, Estimate, LifeModel, Unit
from gridwitness.service.bench.rul_files import load_remaining, load_units

Array = NDArray[np.float64]
Estimator = Callable[[Sequence[Unit], Sequence[Unit]], Array]
"""From units that ran to failure and units that did not to the latter's remaining lives in cycles, at most the cap."""

VALIDATION_FOLDS = 10
# Units of the benchmark's test files have some 7 to 145 cycles left, and at least 31 behind them.
CUTS_PER_UNIT = 10
CUT_REMAINING = (7, 145)
LEAST_CYCLES = 31


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
    remaining = load_remaining(rul, len(running))
    with _naming(train):
        return judge(failed, running, remaining, rivals)


def cross_validate(train: Path, rivals: dict[str, Estimator]) -> RulResult:
    """Without test files: units held out a tenth at a time, cut as in the benchmark, judged by what they had left.

    Each tenth's model and intervals come from the other nine alone.
    """
    units = load_units(train)
    least = LEAST_CYCLES + CUT_REMAINING[0]
    if short := [unit for unit in units if len(unit.sensors) < least]:
        raise InputError(f"{train}: unit {short[0].number} has {len(short[0].sensors)} cycles; at least {least}")
    remaining, estimates = [], []
    estimated: dict[str, list[Array]] = {name: [] for name in rivals}
    for fold in range(VALIDATION_FOLDS):
        failed = [unit for index, unit in enumerate(units) if index % VALIDATION_FOLDS != fold]
        cuts = [cut for unit in units[fold::VALIDATION_FOLDS] for cut in _cut(unit)]
        remaining += [left for _, left in cuts]
        with _naming(train):
            model = LifeModel(failed)
        estimates += [model.estimate(unit) for unit, _ in cuts]
        for name, estimator in rivals.items():
            estimated[name].append(estimator(failed, [unit for unit, _ in cuts]))
    return _compare(
        estimates, np.array(remaining, np.float64), {name: np.concatenate(e) for name, e in estimated.items()}
    )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in what a model says of its units."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error


def _cut(unit: Unit) -> list[tuple[Unit, int]]:
    """A unit as it was at some of its cycles, and how many it had left then."""
    cycles = len(unit.sensors)
    fewest, most = CUT_REMAINING
    lefts = np.linspace(fewest, min(most, cycles - LEAST_CYCLES), CUTS_PER_UNIT).astype(int).tolist()
    return [(Unit(unit.number, unit.settings[: cycles - left], unit.sensors[: cycles - left]), left) for left in lefts]


def judge(failed: Sequence[Unit], running: Sequence[Unit], remaining: Array, rivals: dict[str, Estimator]) -> RulResult:
    """Estimates of `running` units by a model of `failed` ones, against the `remaining` lives."""
    model = LifeModel(failed)
    estimates = [model.estimate(unit) for unit in running]
    return _compare(estimates, remaining, {name: estimator(failed, running) for name, estimator in rivals.items()})


def _compare(estimates: Sequence[Estimate], remaining: Array, rivals: dict[str, Array]) -> RulResult:
    true = np.minimum(remaining, DEFAULT_LIFE_PARAMS.cap)
    low, high = np.array([one.low for one in estimates]), np.array([one.high for one in estimates])
    return RulResult(
        _rmse(np.array([one.remaining for one in estimates]), true),
        float(((low <= true) & (true <= high)).mean()),
        float((high - low).mean()),
        tuple(estimates),
        {name: _rmse(estimated, true) for name, estimated in rivals.items()},
    )


def _rmse(estimated: Array, true: Array) -> float:
    return float(np.sqrt(((estimated - true) ** 2).mean()))
