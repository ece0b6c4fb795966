"""Kernel ridge regression on a subset of the samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridwitness.scoring.remaining_life.params import LifeParams

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class KernelRegression:
    """A Gaussian and a linear kernel, fitted by ridge regression on evenly taken centres.

    The Nyström method of C. Williams and M. Seeger, "Using the Nyström Method to Speed Up Kernel Machines", 2000.
    """

    mean: Array
    deviation: Array
    centres: Array
    weights: Array
    offset: float
    params: LifeParams

    @classmethod
    def fit(cls, samples: Array, targets: Array, params: LifeParams) -> KernelRegression:
        """Fit to `samples` (n, features) and `targets` (n)."""
        mean, deviation = samples.mean(axis=0), np.maximum(samples.std(axis=0), 1e-9)
        standardised = (samples - mean) / deviation
        taken = np.linspace(0, len(samples) - 1, min(params.centres, len(samples))).round().astype(int)
        centres = standardised[taken]
        mapped = _map(standardised, centres, params)
        penalty = np.eye(mapped.shape[1])
        # The penalty is the function's own norm; the small rest keeps equal centres solvable.
        penalty[: len(centres), : len(centres)] = _gaussian(centres, centres, params) + 1e-6 * np.eye(len(centres))
        offset = float(targets.mean())
        weights = np.linalg.solve(mapped.T @ mapped + params.ridge * penalty, mapped.T @ (targets - offset))
        return cls(mean, deviation, centres, weights, offset, params)

    def predict(self, samples: Array) -> Array:
        """Targets of `samples` (n, features): shape (n,)."""
        mapped = _map((samples - self.mean) / self.deviation, self.centres, self.params)
        predicted: Array = mapped @ self.weights + self.offset
        return predicted


def _map(samples: Array, centres: Array, params: LifeParams) -> Array:
    linear = samples * np.sqrt(params.linear / samples.shape[1])
    return np.concatenate([_gaussian(samples, centres, params), linear], axis=1)


def _gaussian(samples: Array, centres: Array, params: LifeParams) -> Array:
    squares = (samples**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2 * samples @ centres.T
    kernel: Array = np.exp(-squares / (params.kernel_width * samples.shape[1]))
    return kernel
