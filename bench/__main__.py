"""Measure parts of the runtime, all or those named; write bench/results.json, docs/bench.png and a table.

python -m bench [PART …]
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measuring import say
from bench.picture import draw
from bench.results import load, merge, rows, save, with_goals

# Each is a module here with GOALS, a Goal by figure, and `measure() -> Figures`.
PARTS = ("merkle", "http", "ingest", "nats", "memory", "restart", "chart", "portal", "scoring")
RESULTS = Path(__file__).with_name("results.json")
PICTURE = Path(__file__).parents[1] / "docs" / "bench.png"


def measure_part(name: str) -> dict[str, Any]:
    """A part's figures with its goals."""
    say(f"measuring {name}")
    module = importlib.import_module(f"bench.{name}")
    return with_goals(name, module.measure(), module.GOALS)


def show(results: Mapping[str, Any]) -> None:
    """All figures as a table, on standard output."""
    table = Table("part", "figure", "measured", "goal", "met", title=f"measured at {results['measured_at']}")
    for column in table.columns[2:4]:
        column.justify = "right"
    for row in rows(results):
        goal = ""
        if row.goal is not None:
            goal = f"≥ {row.goal.at_least:,g}" if row.goal.at_least is not None else f"≤ {row.goal.at_most:,g}"
        met = {None: "", True: "[green]yes[/]", False: "[red]no[/]"}[row.is_met]
        table.add_row(row.part, row.figure, f"{row.value:,g}", goal, met)
    Console().print(table)


def main(parts: list[str]) -> None:
    """Measure and write; after each part, so that a part that fails takes nothing along."""
    unknown = [name for name in parts if name not in PARTS]
    if unknown:
        say(f"bench: {unknown[0]!r} is no part; there are {', '.join(PARTS)}")
        sys.exit(2)
    for name in parts or PARTS:
        save(RESULTS, merge(load(RESULTS), {name: measure_part(name)}))
    results = load(RESULTS)
    draw(results, PICTURE)
    show(results)


if __name__ == "__main__":
    main(sys.argv[1:])
