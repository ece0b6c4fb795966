"""Compiled functions are cached for what they depend on, in whichever file that stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numba")

LOWER = """
from typing import NamedTuple
FACTOR = {factor}
class Pair(NamedTuple):
    {first}: int
    {second}: int
def scaled(value):
    return value * FACTOR{more}
"""
UPPER = """
from lower import FACTOR, Pair, scaled
def both(pair):
    return scaled(pair.ones) * 1000 + FACTOR
"""
RUN = """
import lower, upper
from gridwitness.encoding.compiling import compile_functions
print(compile_functions([upper.both], compile_functions([lower.scaled]))["both"](lower.Pair(7, 9)), end="")
"""


def run(folder: Path, factor: int = 2, more: str = "", first: str = "ones", second: str = "twos") -> str:
    """What the functions give in a process of its own, with this in the lower module."""
    (folder / "lower.py").write_text(LOWER.format(factor=factor, more=more, first=first, second=second))
    (folder / "upper.py").write_text(UPPER)
    env = os.environ | {"NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    env["PYTHONPATH"] = os.pathsep.join([str(folder), env.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", RUN], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def cached(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (folder / "cache").rglob("*.nb?")}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"factor": 3}, "21003"),
        ({"more": " + 1"}, "15002"),
        ({"first": "twos", "second": "ones"}, "18002"),
    ],
    ids=["constant", "callee", "order of a tuple"],
)
def test_compile_functions__other_file_changed__are_not_taken_from_the_cache(
    tmp_path: Path, changed: dict[str, Any], expected: str
) -> None:
    assert run(tmp_path) == "14002"
    assert run(tmp_path, **changed) == expected


def test_compile_functions__nothing_changed__are_taken_from_the_cache(tmp_path: Path) -> None:
    run(tmp_path)
    before = cached(tmp_path)
    assert before
    run(tmp_path)
    assert cached(tmp_path) == before
