"""`gridwitness bench forecast`: a Parquet file in, figures of our forecast and its rivals out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from gridwitness.cli import build_app
from gridwitness.errors import InputError
from gridwitness.service.bench.forecast import Known, gridwitness
from gridwitness.service.bench.forecast_series import load_series
from gridwitness.service.net_forecast import forecast_net_hours
from tests.oracle.scoring.forecasting.series import household, roof

DAYS = 150
TIMES = pd.date_range("2025-01-06", periods=DAYS * 24, freq="h", tz="UTC")  # from a Monday on
ORIGINS = ("--origins", "4")


def wide() -> pd.DataFrame:
    series = {"house 1": household(DAYS, 1), "house 2": household(DAYS, 2), "roof 1": roof(DAYS, 1)}
    series["never"] = np.zeros((DAYS, 24))
    return pd.DataFrame({name: values.ravel() for name, values in series.items()}, index=TIMES.rename("time"))


def long() -> pd.DataFrame:
    return wide().reset_index().melt("time", var_name="series", value_name="value")


def community() -> pd.DataFrame:
    """Three meters at quarter hours, the roof's as export."""
    table = (1_000 * wide().drop(columns="never")).round().astype(int).resample("15min").ffill()
    last = pd.date_range(TIMES[0], periods=DAYS * 96, freq="15min", name="slot_start")
    rows = table.reindex(last, method="ffill").reset_index().melt("slot_start", var_name="meter", value_name="wh")
    is_roof = rows.meter == "roof 1"
    rows["import_wh"], rows["export_wh"] = rows.wh.where(~is_roof, 0), rows.wh.where(is_roof, 0)
    return rows.drop(columns="wh")


def write(folder: Path, table: pd.DataFrame) -> Path:
    path = folder / "data.parquet"
    table.to_parquet(path)
    return path


def run(path: Path, *extra: str) -> Result:
    words = ["bench", "forecast", "--data", str(path), *extra]
    return CliRunner().invoke(build_app(words), words)


def figures(result: Result) -> dict:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_bench_forecast__json__puts_ours_before_the_seasonal_naive(tmp_path: Path) -> None:
    found = figures(run(write(tmp_path, wide()), "--json", *ORIGINS))
    assert (found["load"]["series"], found["pv"]["series"]) == (2, 1)
    assert found["load"]["mase"] < 0.85 * found["seasonal naive"]["load"]["mase"]
    assert found["load"]["pinball"] < 0.6 * found["seasonal naive"]["load"]["pinball"]
    assert list(found["load"]["coverage"]) == ["0.1", "0.5", "0.9"]
    assert found["model_hash"].startswith("0x")


def test_bench_forecast__seasonal_naive__is_measured_by_the_published_formula(tmp_path: Path) -> None:
    found = figures(run(write(tmp_path, wide()), "--json", *ORIGINS))
    values = roof(DAYS, 1)
    first = 112  # 60 % of 150 days are too few to learn from
    errors = [np.abs(values[day] - values[day - 1]).mean() for day in np.linspace(first, DAYS - 1, 4).astype(int)]
    expected = np.mean(errors) / np.abs(values[1:first] - values[: first - 1]).mean()
    assert found["seasonal naive"]["pv"]["mase"] == pytest.approx(expected, abs=1e-4)


def test_bench_forecast__table__fits_its_columns_and_names_what_it_left_out(tmp_path: Path) -> None:
    output = run(write(tmp_path, wide()), *ORIGINS).output
    assert all(words in output for words in ("seasonal naive", "pinball", "s/series"))
    assert "next to nothing flows: never load" in output


@pytest.mark.skipif(sys.platform != "linux", reason="where numpy keeps its OpenBLAS differs")
def test_bench_forecast__many_threads_asked_for__judges_in_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.oracle.cli.blas_threads", str(write(tmp_path, wide()))]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    counts = [line for line in done.stdout.splitlines() if not line.startswith("{")]
    assert counts == ["1"] * 3  # two houses and a roof


def test_gridwitness__what_is_judged__is_what_agents_and_the_portal_use() -> None:
    house_wh, roof_wh = (np.rint(1_000 * np.repeat(one(DAYS), 4, axis=1)).astype(np.int64) for one in (household, roof))
    house, plant = (wh.reshape(DAYS, 24, 4).sum(axis=2).astype(np.float64) for wh in (house_wh, roof_wh))
    assert np.array_equal(forecast_net_hours(house_wh, 0), gridwitness(Known(house, 0)))
    assert np.array_equal(forecast_net_hours(-roof_wh, None), -gridwitness(Known(plant, None))[:, ::-1])


@pytest.mark.parametrize("table", [long(), community()], ids=["long", "community"])
def test_load_series__other_forms__hold_the_same_series(tmp_path: Path, table: pd.DataFrame) -> None:
    expected = {one.name: one for one in load_series(write(tmp_path, wide()))}
    found = load_series(write(tmp_path, table))
    assert {"house 1", "house 2", "roof 1"} <= {one.name for one in found}
    for one in found:
        values = expected[one.name].values
        assert (one.kind, one.first_weekday) == (expected[one.name].kind, 0)
        if one.values.any():
            assert one.values / one.values.mean() == pytest.approx(values / values.mean(), rel=0.01, abs=0.01)


def test_load_series__kind_given__is_taken(tmp_path: Path) -> None:
    given = long().assign(kind=lambda rows: np.where(rows.series == "house 1", "pv", "load"))
    kinds = {one.name: one.kind for one in load_series(write(tmp_path, given))}
    assert kinds == {"house 1": "pv", "house 2": "load", "roof 1": "load", "never": "load"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (wide()[: 30 * 24], "30 complete UTC days in a row; 20 origins need at least 132"),
        (wide().drop(TIMES[100]), "times are not evenly spaced"),
        (-wide(), "series house 1 has negative values; at least 0"),
        (wide().mask(wide() == 0), "series roof 1 lacks values"),
        (long().assign(kind="wind"), "kind 'wind' is neither load nor pv"),
        (pd.concat([long(), long()[:1]]), "a time stands twice"),
        (wide()[:20], "no complete UTC day"),
        (wide().assign(note="x"), "could not convert string to float"),
    ],
)
def test_bench_forecast__malformed_data__is_one_line(tmp_path: Path, table: pd.DataFrame, message: str) -> None:
    error = run(write(tmp_path, table)).exception
    assert isinstance(error, InputError)
    assert message in error.message


def test_bench_forecast__no_such_file__is_one_line(tmp_path: Path) -> None:
    assert isinstance(run(tmp_path / "none.parquet").exception, InputError)
    assert isinstance(run(tmp_path / "none.csv").exception, InputError)


def test_bench_forecast__rivals__are_measured_in_the_same_run(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    found = figures(run(write(tmp_path, wide()), "--json", "--rivals", "--origins", "1"))
    assert 0 < found["LightGBM"]["load"]["mase"] < 2
    assert found["LightGBM"]["load"]["seconds_per_series"] > 0
