"""`gridwitness bench rul`: C-MAPSS files in, the error of the remaining lives out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from gridwitness.cli import build_app
from gridwitness.errors import InputError
from gridwitness.scoring.remaining_life import Unit
from tests.oracle.scoring.remaining_life.fleet import after, worn_units

LEFT = (5, 20, 40, 10, 30)


def write_units(path: Path, units: list[Unit]) -> None:
    rows = [
        np.column_stack([np.full(len(unit.sensors), unit.number), np.arange(1, len(unit.sensors) + 1)])
        for unit in units
    ]
    tables = [
        np.hstack([head, np.zeros((len(head), 3)), unit.sensors, np.zeros((len(head), 18))])
        for head, unit in zip(rows, units, strict=True)
    ]
    np.savetxt(path, np.concatenate(tables), fmt="%.4f")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cmapss")
    write_units(folder / "train.txt", worn_units(15))
    running = [after(unit, len(unit.sensors) - left) for unit, left in zip(worn_units(5, seed=2), LEFT, strict=True)]
    write_units(folder / "test.txt", running)
    (folder / "rul.txt").write_text("\n".join(str(left) for left in LEFT))
    return folder


def run(folder: Path, *extra: str, test: str = "test.txt", rul: str = "rul.txt") -> Result:
    words = ["bench", "rul", "--train", str(folder / "train.txt")]
    words += ["--test", str(folder / test), "--rul", str(folder / rul), *extra]
    return CliRunner().invoke(build_app(words), words)


def test_bench_rul__json__has_the_three_figures(files: Path) -> None:
    found = json.loads(run(files, "--json").stdout)
    assert list(found) == ["rmse", "coverage", "width"]
    assert 0 < found["rmse"] < 8
    assert 0.6 <= found["coverage"] <= 1
    assert 0 < found["width"] < 30


def test_bench_rul__true_lives__judge_only(files: Path) -> None:
    # Lives beyond the cap of 125 count as 125, and no estimate moves with them.
    (files / "long.txt").write_text("200\n" * 5)
    (files / "capped.txt").write_text("125\n" * 5)
    long, capped = (json.loads(run(files, "--json", rul=name).stdout) for name in ("long.txt", "capped.txt"))
    assert long == capped
    assert long["width"] == json.loads(run(files, "--json").stdout)["width"]
    assert long["rmse"] > 60


def test_bench_rul__table__has_a_health_score_per_unit_the_worst_first(files: Path) -> None:
    lines = [line.split("│") for line in run(files).output.splitlines() if line.startswith("│")]
    assert len(lines) == len(LEFT)
    assert int(lines[0][1]) == 1 + LEFT.index(min(LEFT))
    health = [int(line[5].replace(",", "")) for line in lines]
    assert health == sorted(health)


def test_bench_rul__rivals__are_measured_in_the_same_run(files: Path) -> None:
    pytest.importorskip("lightgbm")
    assert 0 < json.loads(run(files, "--json", "--rivals").stdout)["rivals"]["LightGBM"]["rmse"] < 30


def test_bench_rul__no_test_files__cross_validates(files: Path) -> None:
    words = ["bench", "rul", "--train", str(files / "train.txt"), "--json"]
    found = json.loads(CliRunner().invoke(build_app(words), words).stdout)
    assert 0 < found["rmse"] < 15
    assert 0.6 <= found["coverage"] <= 1


def test_bench_rul__one_of_two_files__is_refused(files: Path) -> None:
    words = ["bench", "rul", "--train", str(files / "train.txt"), "--test", str(files / "test.txt")]
    error = CliRunner().invoke(build_app(words), words).exception
    assert isinstance(error, InputError)
    assert error.message == "one of --test and --rul is missing"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rul", "1\n2\n", "2 rows of 1; one number for each of 5 units"),
        ("rul", "1\n2\n3\n4\nnan\n", "not a finite number"),
        ("rul", "one\n", "could not convert string"),
        ("test", "1 1 0\n", "3 columns; unit, cycle, 3 settings, 21 sensors"),
        ("test", "1 2" + 24 * " 0" + "\n", "cycles of unit 1 are not 1 to 1 in order"),
    ],
)
def test_bench_rul__malformed_file__is_named(files: Path, name: str, text: str, message: str) -> None:
    (files / "bad.txt").write_text(text)
    error = run(files, **{name: "bad.txt"}).exception
    assert isinstance(error, InputError)
    assert "bad.txt" in error.message
    assert message in error.message
