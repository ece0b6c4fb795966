"""What `gridwitness bench nab` shows of its results: figures for JSON, and tables."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from rich.table import Table

from gridwitness.service.bench.nab import NabResult
from gridwitness.service.bench.nab_rules import Profile

_LABELS = {Profile.STANDARD: "standard", Profile.LOW_FP: "low FP", Profile.LOW_FN: "low FN"}


def figures_of(result: NabResult, seed: int) -> dict[str, Any]:
    """Scores by profile, rows per second, and if there were splits the mean, worst and best of each profile."""
    figures: dict[str, Any] = {profile.key: round(score, 2) for profile, score in result.scores.items()}
    figures["points_per_s"] = result.points_per_s
    spreads = {profile.key: _spread(scores) for profile, scores in result.splits.items() if scores}
    if spreads:
        count = len(next(iter(result.splits.values())))
        figures["splits"] = {"count": count, "seed": seed, **spreads}
    return figures


def _spread(scores: Sequence[float]) -> dict[str, float]:
    return {"mean": round(fmean(scores), 2), "min": round(min(scores), 2), "max": round(max(scores), 2)}


def scores_table(results: Sequence[NabResult]) -> Table:
    """A row a detector: its scores, and the threshold of the standard profile."""
    table = Table(title="Numenta Anomaly Benchmark")
    table.add_column("detector", no_wrap=True)
    for profile in Profile:
        table.add_column(_LABELS[profile], justify="right")
    for name in ("threshold", "points/s"):
        table.add_column(name, justify="right")
    for result in results:
        scores = (f"{score:.2f}" for score in result.scores.values())
        threshold = next(iter(result.thresholds.values()))
        table.add_row(result.detector, *scores, f"{threshold:g}", f"{result.points_per_s:,}")
    return table


def splits_table(results: Sequence[NabResult], seed: int) -> Table:
    """A row for each detector and profile: scores of files held back, over all splits."""
    count = len(next(iter(results[0].splits.values())))
    table = Table(
        title="Threshold of one half of the files, score of the other", caption=f"{count} splits of seed {seed}"
    )
    for name in ("detector", "profile"):
        table.add_column(name, no_wrap=True)
    for name in ("mean", "min", "max"):
        table.add_column(name, justify="right")
    for result in results:
        for profile, scores in result.splits.items():
            table.add_row(result.detector, _LABELS[profile], *(f"{figure:.2f}" for figure in _spread(scores).values()))
    return table
