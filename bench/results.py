"""The file of results: what each part measured, its goals beside it, and when and where.

    {"merkle": {"tree_s": 0.14, "raw_tree_s": 1.3, …, "goals": {"tree_s": {"at_most": 0.25, "met": true}}},
     "machine": {…}, "measured_at": "…"}

Figures are numbers, with the unit at the end of their name. What begins with `raw_` is a primitive measured in the same
run, interleaved with the rest.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Figures = dict[str, float | int]
ABOUT = ("machine", "measured_at")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is to reach: at least or at most so much; one of the two.

    `if_measured` is for figures of data that is not everywhere: the goal is left out with its figure.
    """

    at_least: float | None = None
    at_most: float | None = None
    if_measured: bool = False

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a goal is either at_least or at_most")

    def document(self, value: float) -> dict[str, float | bool]:
        """The goal, and whether `value` meets it."""
        if self.at_least is not None:
            return {"at_least": self.at_least, "met": value >= self.at_least}
        assert self.at_most is not None
        return {"at_most": self.at_most, "met": value <= self.at_most}


def with_goals(name: str, figures: Mapping[str, float | int], goals: Mapping[str, Goal]) -> dict[str, Any]:
    """A part's entry. Raises ValueError for a goal of something not measured, and for a figure that is no number."""
    for figure, value in figures.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name}.{figure} is {value!r}; it must be a number")
    missing = {figure for figure, goal in goals.items() if not goal.if_measured} - figures.keys()
    if missing:
        raise ValueError(f"{name} has goals for {sorted(missing)}, which it did not measure")
    judged = {figure: goal.document(figures[figure]) for figure, goal in goals.items() if figure in figures}
    return {**figures, "goals": judged}


def merge(before: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Results with the parts measured now in place of earlier ones; parts not measured now stay."""
    kept = {name: entry for name, entry in before.items() if name not in ABOUT}
    return {**kept, **parts, "machine": _machine(), "measured_at": datetime.now(UTC).isoformat(timespec="seconds")}


def load(path: Path) -> dict[str, Any]:
    """Results of earlier runs; none if there is no file."""
    if not path.exists():
        return {}
    results: dict[str, Any] = json.loads(path.read_text())
    return results


def save(path: Path, results: Mapping[str, Any]) -> None:
    """Write the file whole or not at all."""
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(results, indent=2) + "\n")
    partial.replace(path)


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of a part as table and picture show it; `goal` and `is_met` are None where there is no goal."""

    part: str
    figure: str
    value: float
    goal: Goal | None
    is_met: bool | None

    @property
    def share_of_goal(self) -> float | None:
        """How far the goal is reached: 1 or more if it is met."""
        if self.goal is None:
            return None
        if self.goal.at_least is not None:
            return self.value / self.goal.at_least
        assert self.goal.at_most is not None
        return self.goal.at_most / self.value


def rows(results: Mapping[str, Any]) -> list[Row]:
    """All figures, part by part."""
    found = []
    for part, entry in results.items():
        if part in ABOUT:
            continue
        for figure, value in entry.items():
            if figure == "goals":
                continue
            goal = entry["goals"].get(figure)
            limits = None if goal is None else Goal(goal.get("at_least"), goal.get("at_most"))
            found.append(Row(part, figure, value, limits, None if goal is None else goal["met"]))
    return found


def _machine() -> dict[str, Any]:
    cpu = platform.processor()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        names = [line.partition(":")[2].strip() for line in cpu_info.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load_average_1_min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }
