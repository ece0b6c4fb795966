"""The picture of the results: how far each goal is reached, on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

from bench.results import rows

_MET, _MISSED = "#2a7f62", "#b3402e"


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Draw the goals of all parts as bars into a PNG; nothing where there is no goal yet."""
    bars = [row for row in rows(results) if row.share_of_goal is not None]
    if not bars:
        return
    figure, axes = plt.subplots(figsize=(9, 0.9 + 0.5 * len(bars)), layout="constrained")
    for height, row in enumerate(reversed(bars)):
        share = row.share_of_goal
        assert share is not None and row.goal is not None
        axes.barh(height, share - 1, left=1, color=_MET if row.is_met else _MISSED, height=0.55)
        limit = row.goal.at_least if row.goal.at_least is not None else row.goal.at_most
        sign = "≥" if row.goal.at_least is not None else "≤"
        axes.annotate(
            f" {row.value:,g} (goal {sign} {limit:,g})", (max(share, 1), height), va="center", fontsize=9, color="#333"
        )
    axes.set_yticks(range(len(bars)), [f"{row.part}: {row.figure}" for row in reversed(bars)])
    axes.axvline(1, color="#333", linewidth=1)
    axes.set_xscale("log", base=2)
    shares = [row.share_of_goal or 1 for row in bars]
    axes.set_xlim(min(0.8, *shares) * 0.9, max(1.25, *shares) * 2.2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} ×"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("of the goal; right of the line it is met")
    axes.set_title(
        f"Runtime against its goals, {results['machine']['cpu']}, {results['measured_at'][:10]}", fontsize=11
    )
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
