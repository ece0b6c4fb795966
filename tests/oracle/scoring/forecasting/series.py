"""Made-up series with the day's hours as columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def household(days: int, seed: int = 1, noise: float = 0.3) -> Array:
    """An evening peak, higher from Saturday (day 5 of each week) on, times log-normal noise."""
    hours = np.arange(24)
    usual = 0.3 + np.exp(-(((hours - 19) / 3) ** 2))
    weekend = np.where(np.arange(days) % 7 >= 5, 1.6, 1.0)
    noisy: Array = usual * weekend[:, None] * np.exp(noise * np.random.default_rng(seed).standard_normal((days, 24)))
    return noisy


def roof(days: int, seed: int = 1) -> Array:
    """Sun from 6 to 18 h under clouds that last the whole day."""
    sun = np.clip(np.sin(np.pi * (np.arange(24) - 6) / 12), 0, None)
    clouds: Array = np.random.default_rng(seed).uniform(0.2, 1.0, (days, 1))
    return sun * clouds
