"""The timeline of a run: what was acknowledged and attested, and what was struck when."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gridwitness.service.demo.charts import GRID, IMPORT, INK, PAPER, STYLE, VOLUME
from tests.chaos.report import Result


def draw(path: Path, result: Result) -> None:
    """Readings over time above, faults by kind below; 1600 pixels wide."""
    with mpl.rc_context({**STYLE, "font.size": 12, "figure.facecolor": PAPER}):
        figure = Figure(figsize=(16, 8), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        readings, faults = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        _draw_readings(readings, result)
        _draw_faults(faults, result)
        figure.savefig(path, metadata={"Software": None})


def _draw_readings(axes: Axes, result: Result) -> None:
    samples = result.watcher.samples
    times = [one.at_s for one in samples]
    axes.plot(times, [one.acknowledged for one in samples], color=INK, label="acknowledged")
    axes.plot(times, [one.attested for one in samples], color=VOLUME, label="attested on chain")
    axes.set_ylabel("readings")
    axes.legend(loc="upper left", frameon=False)
    verdict = "passed" if not result.verdict.violations else f"{len(result.verdict.violations)} violations"
    axes.set_title(f"{result.minutes:g} minutes, seed {result.seed}: {verdict}", loc="left")


def _draw_faults(axes: Axes, result: Result) -> None:
    kinds = sorted({one.plague for one in result.chaos.struck}, reverse=True)
    for one in result.chaos.struck:
        row = kinds.index(one.plague)
        axes.barh(row, max(one.end_s - one.at_s, 0.3), 0.7, left=one.at_s, color=GRID if one.disturbed else IMPORT)
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_xlabel("seconds; each bar lasts until things went on, pale ones overlapped another fault")
