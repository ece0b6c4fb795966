"""Demos as a person runs them: the command line in a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.portal_scene import copied, finished_demo

__all__ = ["finished_demo"]

ROOT = Path(__file__).resolve().parents[3]
DEMO_TIMEOUT_S = 600

Run = Callable[..., subprocess.CompletedProcess[str]]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "gridwitness", *arguments]


@pytest.fixture(scope="session")
def gridwitness() -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=DEMO_TIMEOUT_S,
            check=False,
            env={**os.environ, "COLUMNS": "120"},
        )

    return run


@dataclass(frozen=True)
class FinishedDemo:
    out: Path
    printed: str
    summary: dict[str, Any]


@pytest.fixture(scope="session")
def village_day(finished_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedDemo:
    """The demo of the README, one day of the bundled village; a copy, since tests write into it."""
    out = copied(finished_demo, tmp_path_factory.mktemp("village"))
    printed = finished_demo.with_suffix(".txt").read_text(encoding="utf-8")
    return FinishedDemo(out, printed, json.loads((out / "summary.json").read_text()))


def hamlet_rows(days: int = 3) -> pd.DataFrame:
    """Three homes of another place, one of them with a plant, in local summer time with its offset."""
    starts = pd.date_range("2021-06-01T00:00", periods=days * 96, freq="15min", tz="UTC").tz_convert("Europe/Lisbon")
    rows = []
    for index, start in enumerate(starts):
        hour = index % 96 / 4
        sun = max(0.0, math.sin((hour - 6) / 12 * math.pi)) if 6 <= hour <= 18 else 0.0
        for meter, base in (("home-a", 90), ("home-b", 140), ("farm", 60)):
            load = base + round(60 * math.sin(hour / 3 + base) ** 2) + index % 7 * 3
            net = load - (round(900 * sun) if meter == "farm" else 0)
            rows.append((start.isoformat(), meter, max(0, net), max(0, -net)))
    return pd.DataFrame(rows, columns=["slot_start", "meter", "import_wh", "export_wh"])


@pytest.fixture
def hamlet(tmp_path: Path) -> Path:
    folder = tmp_path / "hamlet"
    folder.mkdir()
    hamlet_rows().to_csv(folder / "june.csv", index=False)
    return folder
