"""`gridwitness bench nab`: files in NAB's format in, its scores and its figures out."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gridwitness.cli import build_app
from gridwitness.errors import InputError
from gridwitness.scoring.streaming import StreamScorer
from gridwitness.service.bench.nab_corpus import load_corpus
from tests.oracle.scoring.streaming.streams import SLOTS_PER_DAY, household

SPIKE = 12 * SLOTS_PER_DAY
NAME = "realEnergy/house_1.csv"


def stamp(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")


def write_corpus(folder: Path, spikes: tuple[int, ...] = (SPIKE,), seed: int = 1) -> Path:
    """A house of 21 days with a window of a day around its first spike."""
    times, values = household(21, seed)
    for spike in spikes:
        values[spike] = 3_000_000_000 + spike
    path = folder / "data" / NAME
    path.parent.mkdir(parents=True)
    lines = [f"{stamp(time)},{value / 1_000_000}" for time, value in zip(times, values, strict=True)]
    path.write_text("\n".join(["timestamp,value", *lines]) + "\n")
    edges = [f"{stamp(times[row])}.000000" for row in (SPIKE - 48, SPIKE + 47)]
    (folder / "windows.json").write_text(json.dumps({NAME: [edges], "other/elsewhere.csv": []}))
    return folder


def run(folder: Path, *extra: str) -> Result:
    words = ["bench", "nab", "--data", str(folder / "data"), "--windows", str(folder / "windows.json")]
    words += ["--out", str(folder / "out"), *extra]
    return CliRunner().invoke(build_app(words), words)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("nab"))


def figures(result: Result) -> dict[str, float]:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_bench_nab__json__has_the_four_figures(corpus: Path) -> None:
    found = figures(run(corpus, "--json"))
    assert list(found) == ["standard", "low_fp", "low_fn", "points_per_s"]
    # The only alert stands in the middle of the window and earns 0.84828 / 0.98661 of 1, by the sigmoid.
    assert (found["standard"], found["low_fp"], found["low_fn"]) == (92.99, 92.99, 95.33)
    assert found["points_per_s"] > 0


def test_bench_nab__scores__stand_in_the_format_of_nabs_own_scorer(corpus: Path) -> None:
    run(corpus, "--json")
    with (corpus / "out" / "gridwitness" / "realEnergy" / "gridwitness_house_1.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["timestamp", "value", "anomaly_score", "label"]
    stream = load_corpus(corpus / "data", corpus / "windows.json")[0]
    expected = StreamScorer(compiled=False).score(stream.times, stream.values).score_bps
    assert [round(10_000 * float(row["anomaly_score"])) for row in rows] == expected.tolist()
    assert [index for index, row in enumerate(rows) if row["label"] == "1"] == list(range(SPIKE - 48, SPIKE + 48))
    assert [row["value"] for row in rows] == list(stream.texts)


def test_bench_nab__table__names_the_profiles(corpus: Path) -> None:
    output = run(corpus).output
    assert "gridwitness" in output
    assert all(word in output for word in ("standard", "low FP", "low FN", "92.99"))


def test_bench_nab__threshold_from_other_files__is_applied(corpus: Path, tmp_path: Path) -> None:
    best = write_corpus(tmp_path / "here", (SPIKE, SPIKE + 400))
    own = figures(run(best, "--json"))
    assert figures(run(best, "--json", "--threshold-from", str(corpus)))["standard"] <= own["standard"]
    blind = write_corpus(tmp_path / "blind", (), seed=2)
    (blind / "windows.json").write_text(json.dumps({NAME: []}))
    # Where nothing is labelled the best threshold is that of no alert: so here none is heeded.
    assert figures(run(best, "--json", "--threshold-from", str(blind)))["standard"] == 0


def test_bench_nab__rivals__are_measured_in_the_same_run(corpus: Path) -> None:
    pytest.importorskip("river")
    pytest.importorskip("krcf")
    found = figures(run(corpus, "--json", "--rivals"))["rivals"]
    assert list(found) == ["River half-space trees", "random cut forest", "windowed Gaussian"]
    assert found["random cut forest"]["standard"] == found["windowed Gaussian"]["standard"] == 92.99
    assert all(rival["points_per_s"] > 0 for rival in found.values())


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "data" / NAME
    path.write_text(path.read_text().replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("timestamp,value", "time,energy", "columns are time,energy; expected timestamp,value"),
        ("2025-01-01 00:15:00", "yesterday", "Invalid isoformat string: 'yesterday'"),
        ("2025-01-01 00:15:00,", "2025-01-01 00:15:00,x", "is not a decimal number"),
    ],
)
def test_bench_nab__malformed_file__is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    edit(write_corpus(tmp_path), old, new)
    error = run(tmp_path).exception
    assert isinstance(error, InputError)
    assert NAME in error.message
    assert message in error.message


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        ("{}", f"no entry for {NAME}"),
        ("[", "windows.json: "),
        (json.dumps({NAME: [["2030-01-01 00:00:00", "2030-01-02 00:00:00"]]}), "no row in the window"),
    ],
)
def test_bench_nab__wrong_windows__is_one_line(tmp_path: Path, windows: str, message: str) -> None:
    (write_corpus(tmp_path) / "windows.json").write_text(windows)
    error = run(tmp_path).exception
    assert isinstance(error, InputError)
    assert message in error.message


def test_bench_nab__empty_folder__is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "windows.json").write_text("{}")
    error = run(tmp_path).exception
    assert isinstance(error, InputError)
    assert "no file category/file.csv in it" in error.message
