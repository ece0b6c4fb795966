"""Linear regression on the median."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gridwitness.errors import InputError

Array = NDArray[np.float64]

# An error is not taken for smaller than this share of the mean error: its weight would swallow all others.
LEAST_ERROR = 0.02


def fit_median(
    samples: Array, targets: Array, weights: Array, ridge: float, iterations: int, start: Array | None = None
) -> Array:
    """Coefficients b that minimise Σ weights × |targets − samples b| + a ridge penalty; shape (features,).

    `samples` (n, features), `targets` and `weights` (n). Iteratively reweighted least squares (E. J. Schlossmacher,
    "An Iterative Technique for Absolute Deviations Curve Fitting", 1973), from the coefficients `start`, or else from
    the least-squares solution.
    """
    penalty = ridge * np.eye(samples.shape[1])
    coefficients = start
    for _ in range(iterations):
        current = weights
        if coefficients is not None:
            errors = np.abs(targets - samples @ coefficients)
            current = weights / np.maximum(errors, LEAST_ERROR * errors.mean() + 1e-12)
        weighted = samples * (current * (len(current) / current.sum()))[:, None]
        coefficients = np.linalg.solve(weighted.T @ samples + penalty, weighted.T @ targets)
    if coefficients is None:
        raise InputError(f"iterations are {iterations}; at least 1")
    return coefficients
