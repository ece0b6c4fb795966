"""`gridwitness bench` on files that nobody would send in good faith: one line that names the file, never a trace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from gridwitness.cli import build_app
from gridwitness.errors import GridwitnessError

Spoil = Callable[[Path], None]

BINARY = bytes(range(256)) * 40
STEP = "2025-01-01 00:{:02d}:00,{}\n"


def complaint(*words: str) -> str:
    """The one error that a command ends with."""
    result = CliRunner().invoke(build_app(list(words)), list(words))
    assert isinstance(result.exception, GridwitnessError), repr(result.exception)
    assert "\n" not in result.exception.message
    assert len(result.exception.message) < 500
    return result.exception.message


def csv_of(rows: str, header: str = "timestamp,value\n") -> Spoil:
    return lambda path: path.write_text(header + rows, encoding="utf-8") and None


def bytes_of(content: bytes) -> Spoil:
    return lambda path: path.write_bytes(content) and None


def as_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def absent(path: Path) -> None:
    path.unlink(missing_ok=True)


@pytest.fixture
def nab(tmp_path: Path) -> Path:
    """A corpus of one good file."""
    (tmp_path / "data/kind").mkdir(parents=True)
    csv_of("".join(STEP.format(minute, minute % 7) for minute in range(60)))(tmp_path / "data/kind/one.csv")
    (tmp_path / "windows.json").write_text('{"kind/one.csv": []}')
    return tmp_path


def run_nab(nab: Path) -> str:
    words = ["--data", str(nab / "data"), "--windows", str(nab / "windows.json"), "--out", str(nab / "out")]
    return complaint("bench", "nab", *words)


@pytest.mark.parametrize(
    "spoil",
    [
        bytes_of(b""),
        bytes_of(BINARY),
        bytes_of(b"timestamp,value\n2025-01-01 00:00:00,\xff\xfe\n"),
        bytes_of(b"timestamp,value\n" + b'"' + b"9" * 300_000),
        csv_of(""),
        csv_of("2025-01-01 00:00:00\n"),
        csv_of("yesterday,1\n"),
        csv_of(STEP.format(0, "nan")),
        csv_of(STEP.format(0, "inf")),
        csv_of(STEP.format(0, "1e400")),
        csv_of(STEP.format(0, "9" * 5_000)),
        as_folder,
    ],
)
def test_bench_nab__hostile_stream__is_named_in_one_line(nab: Path, spoil: Spoil) -> None:
    spoil(nab / "data/kind/one.csv")
    assert "one.csv" in run_nab(nab)


@pytest.mark.parametrize(
    "windows",
    [
        b"",
        BINARY,
        b"[" * 100_000,
        b"[]",
        b"null",
        b'"kind/one.csv"',
        b'{"kind/one.csv": null}',
        b'{"kind/one.csv": 7}',
        b'{"kind/one.csv": [7]}',
        b'{"kind/one.csv": [["2025-01-01 00:00:00"]]}',
        b'{"kind/one.csv": [[1, 2]]}',
        b'{"kind/one.csv": [["2025-01-01 00:10:00", "2025-01-01 00:00:00"]]}',
    ],
)
def test_bench_nab__hostile_windows__are_named_in_one_line(nab: Path, windows: bytes) -> None:
    (nab / "windows.json").write_bytes(windows)
    message = run_nab(nab)
    assert "windows.json" in message or "one.csv" in message


def test_bench_nab__folder_for_scores_is_a_file__is_named_in_one_line(nab: Path) -> None:
    (nab / "out").write_text("mine")
    assert str(nab / "out") in run_nab(nab)


def units(count: int, cycles: int) -> str:
    return "".join(
        " ".join([str(unit), str(cycle), *["0.5"] * 24]) + "\n"
        for unit in range(1, count + 1)
        for cycle in range(1, cycles)
    )


@pytest.mark.parametrize(
    "spoil",
    [
        absent,
        as_folder,
        bytes_of(b""),
        bytes_of(BINARY),
        bytes_of(b"1 1 nan" + b" 0" * 23 + b"\n"),
        bytes_of(b"1 1 0.5\n"),
        bytes_of(b"1 2" + b" 0.5" * 24 + b"\n"),
        bytes_of(b"1 1" + b" 1e308" * 24 + b"\n"),
        bytes_of(units(1, 200).encode()),
        bytes_of(units(3, 4).encode()),
        bytes_of(b"\x00" * 10_000),
    ],
)
def test_bench_rul__hostile_units__are_named_in_one_line(tmp_path: Path, spoil: Spoil) -> None:
    spoil(path := tmp_path / "train.txt")
    assert "train.txt" in complaint("bench", "rul", "--train", str(path))


@pytest.mark.parametrize("lives", [b"", BINARY, b"-5\n", b"nan\n", b"1 2\n", b"1\n2\n"])
def test_bench_rul__hostile_lives__are_named_in_one_line(tmp_path: Path, lives: bytes) -> None:
    (tmp_path / "train.txt").write_text(units(30, 150))
    (tmp_path / "test.txt").write_text(units(1, 60))
    (tmp_path / "rul.txt").write_bytes(lives)
    files = [word for name in ("train", "test", "rul") for word in (f"--{name}", str(tmp_path / f"{name}.txt"))]
    assert "rul.txt" in complaint("bench", "rul", *files)


def parquet(table: pd.DataFrame) -> Spoil:
    return lambda path: table.to_parquet(path)


HOURS = pd.date_range("2025-01-01", periods=24 * 150, freq="h", tz="UTC")


@pytest.mark.parametrize(
    "spoil",
    [
        absent,
        as_folder,
        bytes_of(b""),
        bytes_of(b"PAR1" + BINARY + b"PAR1"),
        parquet(pd.DataFrame()),
        parquet(pd.DataFrame({"time": [], "value": []})),
        parquet(pd.DataFrame({"time": HOURS, "a": np.inf})),
        parquet(pd.DataFrame({"time": HOURS, "a": "much"})),
        parquet(pd.DataFrame({"time": HOURS, "a": [[1, 2]] * len(HOURS)})),
        parquet(pd.DataFrame({"time": [None] * len(HOURS), "a": 1.0})),
        parquet(pd.DataFrame({"time": HOURS})),
        parquet(pd.DataFrame({"time": HOURS, "a": 0.0})),
        parquet(pd.DataFrame({"time": HOURS, "a": 1e308})),
        parquet(pd.DataFrame({"time": HOURS, "series": "a", "value": 1.0, "kind": "wind"})),
        parquet(pd.DataFrame({"time": HOURS, "series": None, "value": 1.0})),
        parquet(pd.DataFrame({"slot_start": HOURS, "meter": "m", "import_wh": "x", "export_wh": 0})),
    ],
)
def test_bench_forecast__hostile_file__is_named_in_one_line(tmp_path: Path, spoil: Spoil) -> None:
    spoil(path := tmp_path / "data.parquet")
    assert "data.parquet" in complaint("bench", "forecast", "--data", str(path), "--origins", "2")


@pytest.mark.parametrize(
    "spoil",
    [
        absent,
        bytes_of(b""),
        bytes_of(BINARY),
        csv_of("2025-01-01T00:00:00Z,m,nan,0\n", "slot_start,meter,import_wh,export_wh\n"),
        csv_of("2025-01-01T00:00:00Z,m," + "9" * 30 + ",0\n", "slot_start,meter,import_wh,export_wh\n"),
        csv_of("2025-01-01T00:00:00Z,m,1,0\n", "slot_start,meter,import_wh,export_wh\n"),
        csv_of("2025-01-01T00:07:00Z,m,1,0\n", "slot_start,meter,import_wh,export_wh\n"),
    ],
)
def test_bench_faults__hostile_community__is_named_in_one_line(tmp_path: Path, spoil: Spoil) -> None:
    spoil(path := tmp_path / "street.csv")
    assert "street.csv" in complaint("bench", "faults", "--community", str(path))


def test_bench_faults__folder_for_results_is_a_file__is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    words = ["--community", "data/simbench-rural1", "--scenes", "1", "--out", str(tmp_path / "out")]
    assert str(tmp_path / "out") in complaint("bench", "faults", *words)
