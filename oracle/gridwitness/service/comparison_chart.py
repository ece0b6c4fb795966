"""The picture of a comparison: who gets the gain of trading, and what that is for each home."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gridwitness.domain.market import EUR
from gridwitness.market.comparison import Comparison, Mechanism
from gridwitness.service.demo.charts import GRID, IMPORT, INK, MUTED, PAPER, STYLE, VOLUME


def write_chart(path: Path, comparison: Comparison) -> None:
    """Left the community's savings and the other side's part, right each home's savings; 1400 pixels wide."""
    with mpl.rc_context({**STYLE, "font.size": 13, "figure.facecolor": PAPER}):
        figure = Figure(figsize=(14, 4.6), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=0.2, h_pad=0.12, wspace=0.05)
        split, homes = figure.subplots(1, 2, sharey=True)
        _draw_split(split, comparison)
        _draw_homes(homes, comparison)
        buffer = BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    path.write_bytes(buffer.getvalue())


def _draw_split(axes: Axes, comparison: Comparison) -> None:
    """Both parts of a mechanism from zero; they add up to the same sum in each."""
    rows = np.arange(len(Mechanism))
    saved = [comparison.saved(mechanism) / EUR for mechanism in Mechanism]
    other = [comparison.other_side(mechanism) / EUR for mechanism in Mechanism]
    axes.barh(rows - 0.19, saved, 0.36, color=VOLUME, label="homes save")
    axes.barh(rows + 0.19, other, 0.36, color=GRID, edgecolor=MUTED, label="operator, backstop and supplier keep")
    axes.set_yticks(rows, [mechanism.value for mechanism in Mechanism])
    axes.set_ylim(len(Mechanism) - 0.4, -0.6)
    _finish(axes, "€, all homes")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1), ncols=2, columnspacing=1.2, borderaxespad=0.2)


def _draw_homes(axes: Axes, comparison: Comparison) -> None:
    for row, mechanism in enumerate(Mechanism):
        saved = [home.saved(mechanism) / EUR for home in comparison.homes.values()]
        axes.plot(saved, np.full(len(saved), row), "|", color=IMPORT, markersize=16, markeredgewidth=1.4)
        axes.plot([np.median(saved)], [row], "D", color=INK, markersize=5.5, markeredgecolor=PAPER)
    axes.set_title("what each home saves; diamond: the median")
    _finish(axes, "€ per home")


def _finish(axes: Axes, unit: str) -> None:
    axes.tick_params(axis="y", labelcolor=INK)
    axes.axvline(0, color=MUTED, linewidth=1)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(unit, loc="right", fontsize="small")
