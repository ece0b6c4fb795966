"""Rivals scored beside ours on the same streams: half-space trees, a random cut forest, and NAB's own baseline."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from gridwitness.errors import InputError
from gridwitness.service.bench.nab import Detector
from gridwitness.service.bench.nab_corpus import NabStream

GAUSSIAN_WINDOW = 6_400


def rivals() -> dict[str, Detector]:
    """Detectors by name. Raises InputError if River or krcf is not installed."""
    try:
        import krcf  # noqa: F401
        import river  # noqa: F401
    except ImportError as error:
        raise InputError("rivals need River and krcf, which are missing", hint="uv sync --group rivals") from error
    return {
        "River half-space trees": half_space_trees,
        "random cut forest": random_cut_forest,
        "windowed Gaussian": windowed_gaussian,
    }


def half_space_trees(stream: NabStream) -> list[float]:
    """River's half-space trees with its own defaults, values scaled by the minimum and maximum so far."""
    from river import anomaly, preprocessing

    scaler, trees = preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=1)
    scores = []
    for text in stream.texts:
        reading = {"value": float(text)}
        scaler.learn_one(reading)
        scaled = scaler.transform_one(reading)
        scores.append(trees.score_one(scaled))
        trees.learn_one(scaled)
    return scores


def random_cut_forest(stream: NabStream) -> list[float]:
    """AWS's random cut forest, each value scored before it is learned.

    Trees, samples and the shingle of one value are those of NAB's own entry of the forest, which found longer shingles
    to be no better; time decay is the library's own, which does better here than that entry's.
    """
    from krcf import RandomCutForest

    forest = RandomCutForest(
        {
            "dimensions": 1,
            "shingle_size": 1,
            "num_trees": 100,
            "sample_size": 256,
            "random_seed": 1,
            "parallel_execution_enabled": False,
        }
    )
    scores = []
    for text in stream.texts:
        point = [float(text)]
        scores.append(forest.score(point))
        forest.update(point)
    return scores


def windowed_gaussian(stream: NabStream) -> Sequence[float]:
    """1 − tail probability of each value under a normal distribution of the last 6,400 (NAB's windowedGaussian)."""
    window: deque[float] = deque(maxlen=GAUSSIAN_WINDOW)
    total = squares = 0.0
    scores = []
    for text in stream.texts:
        value = float(text)
        count = len(window)
        mean = total / count if count else 0.0
        deviation = math.sqrt(max(squares / count - mean * mean, 0.0)) if count else 0.0
        distance = abs(value - mean) / deviation if deviation > 0 else 0.0
        scores.append(math.erf(distance / math.sqrt(2)))
        if count == GAUSSIAN_WINDOW:
            oldest = window[0]
            total -= oldest
            squares -= oldest * oldest
        window.append(value)
        total += value
        squares += value * value
    return scores
