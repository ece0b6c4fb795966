"""What a unit's remaining life is estimated from: levels and slopes of its sensors so far, and its age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MEAN_CYCLES = (10, 20, 30, 50)
SLOPE_CYCLES = (30, 60)
NEW_CYCLES = 50
AGE_UNIT = 100.0
# A sensor with fewer values than this counts steps, and drowns in rounding.
LEAST_VALUES = 3
# Operating points with fewer rows count as the nearest one that has them.
LEAST_ROWS = 100


@dataclass(frozen=True, slots=True)
class Unit:
    """One device's history: `settings` (cycles, s) and `sensors` (cycles, m), a row per cycle from its first."""

    number: int
    settings: Array
    sensors: Array


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Means and deviations of the sensors that tell something, at each operating point.

    `points` (p, settings); `scale` (settings); `used` indices of sensors; `means` and `deviations` (p, sensors used).
    """

    points: Array
    scale: Array
    used: NDArray[np.intp]
    means: Array
    deviations: Array

    @classmethod
    def of(cls, units: Sequence[Unit]) -> Normalisation:
        """Learn from a fleet."""
        settings = np.concatenate([unit.settings for unit in units])
        sensors = np.concatenate([unit.sensors for unit in units])
        scale = np.maximum(np.ptp(settings, axis=0), 1.0)
        coarse, counts = np.unique(np.round(settings / scale, 1), axis=0, return_counts=True)
        points = coarse[counts >= min(LEAST_ROWS, counts.max())]
        nearest = _nearest(settings / scale, points)
        rows = [sensors[nearest == point] for point in range(len(points))]
        varied = [
            column
            for column in range(sensors.shape[1])
            if any(len(np.unique(at[:, column])) >= LEAST_VALUES for at in rows)
        ]
        used = np.array(varied, dtype=np.intp)
        means = np.stack([at[:, used].mean(axis=0) for at in rows])
        deviations = np.stack([np.maximum(at[:, used].std(axis=0), 1e-9) for at in rows])
        return cls(points, scale, used, means, deviations)

    def apply(self, unit: Unit) -> Array:
        """A unit's sensors, standardised: shape (cycles, sensors used)."""
        at = _nearest(unit.settings / self.scale, self.points)
        standardised: Array = (unit.sensors[:, self.used] - self.means[at]) / self.deviations[at]
        return standardised


def _nearest(settings: Array, points: Array) -> NDArray[np.intp]:
    nearest: NDArray[np.intp] = ((settings[:, None] - points) ** 2).sum(axis=-1).argmin(axis=1)
    return nearest


def unit_features(values: Array) -> Array:
    """Features of every cycle from it and those before it: shape (cycles, 7 × sensors + 1).

    `values` (cycles, sensors), standardised. Means of the last cycles, the second half of a span less its first, the
    mean of the unit's first cycles, and its age.
    """
    totals = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    ends = np.arange(1, len(values) + 1)

    def mean(starts: NDArray[np.intp], stops: NDArray[np.intp]) -> Array:
        means: Array = (totals[stops] - totals[starts]) / np.maximum(stops - starts, 1)[:, None]
        return means

    levels = [mean(np.maximum(ends - cycles, 0), ends) for cycles in MEAN_CYCLES]
    slopes = []
    for cycles in SLOPE_CYCLES:
        starts = np.maximum(ends - cycles, 0)
        middles = (starts + ends) // 2
        slopes.append(np.where((middles > starts)[:, None], mean(middles, ends) - mean(starts, middles), 0.0))
    new = mean(np.zeros_like(ends), np.minimum(ends, NEW_CYCLES))
    return np.concatenate([*levels, *slopes, new, ends[:, None] / AGE_UNIT], axis=1)
