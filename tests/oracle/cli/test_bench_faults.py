"""`gridwitness bench faults`: faults as they are defined, and the figures of a small street."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from gridwitness.cli import build_app
from gridwitness.errors import CommunityError
from gridwitness.service.bench.fault_kinds import FaultKind, inject
from gridwitness.service.bench.faults import FaultBench, FaultCase, HonestDays
from gridwitness.service.bench.faults_report import COLUMNS, GOAL, KindFigures, figures_of, summary_of

ONSET, SLOTS = 100, 96
TRUE = np.random.default_rng(3).integers(50, 900, 400)


def street(folder: Path, days: int = 8) -> Path:
    """Five homes and two plants of one sky, three of the homes big enough to be missed."""
    rng = np.random.default_rng(7)
    hour = np.arange(days * 96) % 96 / 4
    sun = np.where((hour > 6) & (hour < 20), np.sin((hour - 6) / 14 * np.pi), 0) * rng.uniform(0.4, 1, days * 96)
    nets = {}
    for home in range(5):
        busy = 1 + np.exp(-((hour - 12 - 2 * home % 9) ** 2) / 6)
        nets[f"home-{home}"] = (200 + 150 * home) * busy * rng.lognormal(0, 0.3, days * 96)
    for plant in range(2):
        nets[f"plant-{plant}"] = 60 - (900 + 500 * plant) * sun
    starts = pd.date_range("2021-06-01T00:00Z", periods=days * 96, freq="15min")
    rows = [
        pd.DataFrame({"slot_start": starts, "meter": name, "import_wh": net.clip(0), "export_wh": (-net).clip(0)})
        for name, net in ((name, np.rint(net).astype(int)) for name, net in nets.items())
    ]
    path = folder / "street.parquet"
    pd.concat(rows).to_parquet(path)
    return path


@pytest.fixture(scope="module")
def community(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return street(tmp_path_factory.mktemp("street"))


def run(*words: str) -> Result:
    return CliRunner().invoke(build_app(["bench", "faults", *words]), ["bench", "faults", *words])


@pytest.fixture(scope="module")
def finished(community: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    out = tmp_path_factory.mktemp("out") / "faults"
    result = run("--community", str(community), "--seed", "2", "--scenes", "1", "--out", str(out), "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), out


def test_bench_faults__small_street__finds_scale_and_freeze_within_six_hours(finished: tuple[dict, Path]) -> None:
    summary = finished[0]
    assert summary["meters"] == 7
    assert summary["faults"]["scale 0.3-0.7"]["within_6_h"] == 1
    assert summary["faults"]["freeze"]["within_6_h"] == 1
    assert summary["scale_and_freeze_within_6_h"] == 1
    assert summary["faults"]["nothing"]["found"] == 0
    assert summary["honest_meter_years"] == round(7 * 4 / 365, 2)


def test_bench_faults__out__holds_the_same_summary_a_row_a_case_and_a_picture(finished: tuple[dict, Path]) -> None:
    summary, out = finished
    assert json.loads((out / "summary.json").read_text()) == summary
    with (out / "faults.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["kind"] for row in rows if row["kind"] != "two thieves"] == [
        kind.value for kind in FaultKind if kind is not FaultKind.THIEVES
    ]
    assert (out / "faults.png").read_bytes().startswith(b"\x89PNG")


def test_bench_faults__same_seed__same_figures(finished: tuple[dict, Path], community: Path) -> None:
    again = run("--community", str(community), "--seed", "2", "--scenes", "1", "--json")
    assert json.loads(again.stdout) == finished[0]


def test_bench_faults__too_few_days__names_how_many_it_needs(tmp_path: Path) -> None:
    result = run("--community", str(street(tmp_path, 5)), "--scenes", "1")
    assert isinstance(result.exception, CommunityError)
    assert "7 days in a row" in str(result.exception)


def injected(kind: FaultKind, true: np.ndarray = TRUE) -> np.ndarray:
    return inject(kind, true, ONSET, SLOTS, np.random.default_rng(1)).energy_wh


def test_inject__scale__is_one_factor_for_import_and_export() -> None:
    signed = np.where(np.arange(400) % 2, TRUE, -TRUE)
    factors = injected(FaultKind.SCALE, signed) / signed[ONSET : ONSET + SLOTS]
    assert factors.min() >= 0.3 and factors.max() <= 0.71
    assert np.ptp(factors) < 0.02


def test_inject__thieves__leave_export_as_it_is() -> None:
    signed = np.where(np.arange(400) % 2, TRUE, -TRUE)
    reported, true = injected(FaultKind.THIEVES, signed), signed[ONSET : ONSET + SLOTS]
    assert (reported[true < 0] == true[true < 0]).all()
    assert (reported[true > 0] < true[true > 0]).all()


def test_inject__freeze__repeats_the_value_before() -> None:
    assert set(injected(FaultKind.FREEZE)) == {TRUE[ONSET - 1]}


def test_inject__shift__reports_an_earlier_hour() -> None:
    reported = injected(FaultKind.SHIFT)
    assert any((reported == TRUE[ONSET - late : ONSET - late + SLOTS]).all() for late in (4, 8, 12, 24, 48))


def test_inject__bypass__takes_the_same_amount_and_never_exports() -> None:
    reported, true = injected(FaultKind.BYPASS), TRUE[ONSET : ONSET + SLOTS]
    taken = true - reported
    assert reported.min() >= 0
    assert set(taken[reported > 0]) == {taken.max()}


def test_inject__drift__slides_further_into_the_past() -> None:
    line = np.arange(400) * 100
    behind = (line[ONSET : ONSET + SLOTS] - injected(FaultKind.DRIFT, line)) / 100
    assert (np.diff(behind) > 0).all()
    assert 24 * 5 / 15 <= behind[-1] <= 24 * 15 / 15


def test_inject__gap__is_silent_for_at_most_half_a_day() -> None:
    present = inject(FaultKind.GAP, TRUE, ONSET, SLOTS, np.random.default_rng(1)).present
    silent = int((~present).sum())
    assert 4 <= silent <= 48
    assert not present[:silent].any()


def case(
    flags: tuple[int, ...],
    wrong: tuple[str, ...] = (),
    kind: FaultKind = FaultKind.SCALE,
    misreported_wh: int = 500,
) -> FaultCase:
    return FaultCase(0, kind, "a", "", misreported_wh, flags, "", wrong)


def test_figures__cases__count_the_fourth_flag_and_the_wrongly_held() -> None:
    cases = [case((1, 2, 3, 4)), case((2, 3, 9, 24)), case((1, 2, 3, 25)), case((1, 2, 3), wrong=("b",))]
    assert figures_of(cases) == KindFigures(4, 0.75, 0.5, 6.0, None, 0.25)


def test_summary__cases_too_small_to_matter__are_left_out() -> None:
    bench = FaultBench("a", 1, [case((1, 2, 3, 4))], HonestDays(730, ["a"], 40))
    assert summary_of(bench, 1, 501)["faults"]["scale 0.3-0.7"] is None
    summary = summary_of(bench, 1, 500)
    assert summary["faults"]["scale 0.3-0.7"]["cases"] == 1
    assert (summary["false_holds_per_meter_year"], summary["false_flags_per_meter_year"]) == (0.5, 20)


def test_summary__small_and_large_cases__counts_those_left_out_and_gives_figures_of_all() -> None:
    cases = [
        case((1, 2, 3, 4)),
        case((1, 2, 3, 8), kind=FaultKind.FREEZE),
        case((), misreported_wh=299),
        case((1, 2, 3, 30), kind=FaultKind.FREEZE, misreported_wh=299),
        case((), kind=FaultKind.NOISE, misreported_wh=299),
    ]
    summary = summary_of(FaultBench("a", 1, cases, HonestDays(730)), 1, 300)
    assert {name: count for name, count in summary["left_out"].items() if count} == {
        "scale 0.3-0.7": 1,
        "freeze": 1,
        "noise": 1,
        GOAL: 2,
    }
    assert summary["faults"][GOAL] == asdict(KindFigures(2, 1, 1, 1, 2, 0))
    assert summary["faults_of_any_size"][GOAL] == asdict(KindFigures(4, 0.75, 0.5, 2, None, 0))
    assert summary["faults_of_any_size"]["noise"] == asdict(KindFigures(1, 0, 0, None, None, 0))


def test_bench_faults__without_json__prints_cases_left_out_and_figures_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cases = [case((1, 2, 3, 4)), case((), misreported_wh=299)]
    bench = FaultBench("a", 1, cases, HonestDays(730))
    monkeypatch.setattr("gridwitness.service.bench.faults.bench_faults", lambda *_, **__: bench)
    mattering, of_any_size = run("--community", "a").stdout.split("All faults drawn, of any size")
    assert _row(mattering, GOAL) == ["1", "1", "100%", "100%", "1", "1", "0%"]
    assert _row(of_any_size, GOAL) == ["2", "50%", "50%", "1", "-", "0%"]


def _row(table: str, name: str) -> list[str]:
    """A printed row's cells after its name."""
    line = next(line for line in table.splitlines() if name in line)
    return [cell.strip() for cell in line.split("│")[2:-1]]
