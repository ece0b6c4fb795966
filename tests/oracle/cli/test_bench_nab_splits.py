"""`gridwitness bench nab --splits`: thresholds of one half of the files, scores of the other; and its rivals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gridwitness.errors import InputError
from gridwitness.service.bench.nab import Detected, judge
from gridwitness.service.bench.nab_corpus import NabStream, load_corpus
from gridwitness.service.bench.nab_rivals import random_cut_forest
from gridwitness.service.bench.nab_rules import Profile
from gridwitness.service.bench.nab_splits import draw_halves
from tests.oracle.cli.test_bench import SPIKE, figures, run, write_corpus

ROWS = 100
WINDOW = (40, 59)
SPREAD = ["mean", "min", "max"]


@pytest.fixture(scope="module")
def three_houses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files with a window each; the second also has a spike outside of it."""
    folder = tmp_path_factory.mktemp("houses")
    windows = {}
    for number, spikes in enumerate([(SPIKE,), (SPIKE, SPIKE + 400), (SPIKE,)]):
        house = write_corpus(folder / str(number), spikes, seed=number + 1)
        name = f"realEnergy/house_{number}.csv"
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (house / "data" / "realEnergy" / "house_1.csv").rename(path)
        windows[name] = json.loads((house / "windows.json").read_text())["realEnergy/house_1.csv"]
    (folder / "windows.json").write_text(json.dumps(windows))
    return folder


def test_bench_nab__splits__stand_beside_the_whole_in_json(three_houses: Path) -> None:
    whole = figures(run(three_houses, "--json"))
    found = figures(run(three_houses, "--json", "--splits", "5", "--seed", "7"))
    splits = found.pop("splits")
    assert whole.keys() == found.keys()
    assert (found["standard"], splits["count"], splits["seed"]) == (whole["standard"], 5, 7)
    for profile in ("standard", "low_fp", "low_fn"):
        assert list(splits[profile]) == SPREAD
        assert splits[profile]["min"] <= splits[profile]["mean"] <= splits[profile]["max"]


def test_bench_nab__same_seed__same_splits(three_houses: Path) -> None:
    first, second, other = (
        figures(run(three_houses, "--json", "--splits", "3", "--seed", seed))["splits"] for seed in ("7", "7", "8")
    )
    assert first == second
    assert other["seed"] == 8


def test_bench_nab__splits__have_a_table_of_their_own(three_houses: Path) -> None:
    output = run(three_houses, "--splits", "2").output
    assert "2 splits of seed 1" in output
    assert "2 splits" not in run(three_houses).output


def test_bench_nab__one_file__cannot_be_split(tmp_path: Path) -> None:
    error = run(write_corpus(tmp_path), "--splits", "2").exception
    assert isinstance(error, InputError)
    assert "1 file cannot be split" in error.message


def test_draw_halves__odd_number_of_files__designs_on_the_smaller_half() -> None:
    halves = draw_halves(41, 40, 1)
    assert [len(half) for half in halves] == [20] * 40
    assert len(set(halves)) == 40
    assert set().union(*halves) == set(range(41))
    assert halves == draw_halves(41, 40, 1)
    assert halves != draw_halves(41, 40, 2)


def detected(*scores: dict[int, float]) -> Detected:
    """A file of 100 rows for each, with one window, and these scores at these rows."""
    stream = NabStream("a/b.csv", ("",) * ROWS, ("0",) * ROWS, (0,) * ROWS, (0,) * ROWS, (WINDOW,))
    return Detected([(stream, [one.get(row, 0.0) for row in range(ROWS)]) for one in scores], 1)


def test_judge__half__applies_its_threshold_to_the_other_files_only() -> None:
    # Found at once at .9 in the first file; the second is found at .8, and at .9 has a false alarm before its window.
    result = judge("any", detected({40: 0.9}, {20: 0.9, 40: 0.8}), halves=[{0}, {1}])
    only_the_false_alarm = -100 * 0.11 / 2
    assert result.splits[Profile.STANDARD] == pytest.approx([only_the_false_alarm, 100.0])


def test_random_cut_forest__more_rows__leave_earlier_scores_as_they_were(three_houses: Path) -> None:
    pytest.importorskip("krcf")
    stream = load_corpus(three_houses / "data", three_houses / "windows.json")[0]
    scores = random_cut_forest(stream)
    assert scores[SPIKE] == max(scores)
    prefix = NabStream(stream.name, (), stream.texts[: SPIKE - 9], (), (), ())
    assert random_cut_forest(prefix) == scores[: SPIKE - 9]
