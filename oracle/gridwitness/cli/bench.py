"""`gridwitness bench`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gridwitness.errors import InputError

if TYPE_CHECKING:
    from gridwitness.service.bench.forecast import ForecastResult
    from gridwitness.service.bench.rul import RulResult

bench = typer.Typer(no_args_is_help=True, help="Measure the scoring on data given from outside.")


@bench.callback()
def _options() -> None:
    """Measure the scoring on data given from outside, by the published rules of each benchmark."""


@bench.command()
def nab(
    data: Annotated[Path, typer.Option(help="Folder of category/file.csv with timestamp,value")],
    windows: Annotated[Path, typer.Option(help="JSON with the labelled windows of each category/file.csv")],
    out: Annotated[Path, typer.Option(help="Folder for the scores, in the format of NAB's own scorer")],
    threshold_from: Annotated[
        Path | None, typer.Option(help="Folder with data/ and windows.json to find the threshold on instead")
    ] = None,
    splits: Annotated[
        int, typer.Option(min=0, help="Also score the half of the files that the threshold was not found on, N times")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Draws the halves of --splits")] = 1,
    rivals: Annotated[
        bool, typer.Option("--rivals", help="Measure River, a random cut forest and NAB's baseline too")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
) -> None:
    """Score the Numenta Anomaly Benchmark, or anything in its format, and judge the scores by its rules.

    Every file is scored as a stream, from its first row, with the same parameters; no score looks ahead. For each of
    NAB's three profiles there is one threshold for all files: the best one, or the best one of other files.
    Writes OUT/gridwitness/<category>/gridwitness_<file>.csv with timestamp,value,anomaly_score,label.

    \b
    Example: gridwitness bench nab --data nab/data --windows nab/windows.json --out out/nab
    Example: gridwitness bench nab --data other/data --windows other/windows.json --out out/nab --threshold-from nab
    Example: gridwitness bench nab --data nab/data --windows nab/windows.json --out out/nab --splits 40 --seed 1
    """
    from gridwitness.cli.bench_nab_views import figures_of, scores_table, splits_table
    from gridwitness.scoring.streaming.backend import is_numba_installed
    from gridwitness.service.bench.nab import bench_nab

    rival_detectors = {}
    if rivals:
        from gridwitness.service.bench.nab_rivals import rivals as detectors

        rival_detectors = detectors()
    if not is_numba_installed():
        typer.echo("hint: compiled it is a hundred times as fast; install gridwitness[fast]", err=True)
    results = bench_nab(data, windows, out, threshold_from, rival_detectors, splits, seed)
    if as_json:
        ours, *others = (figures_of(result, seed) for result in results)
        more = {"rivals": dict(zip(rival_detectors, others, strict=True))} if others else {}
        typer.echo(json.dumps(ours | more))
        return
    Console().print(scores_table(results))
    if splits:
        Console().print(splits_table(results, seed))
    typer.echo(f"scores written to {out / 'gridwitness'}")


@bench.command()
def forecast(
    data: Annotated[
        Path, typer.Option(help="Parquet: a community, or time,series,value, or time and series as columns")
    ],
    origins: Annotated[int, typer.Option(min=1, help="Days to forecast, spread over the last 40 %")] = 20,
    rivals: Annotated[bool, typer.Option("--rivals", help="Measure LightGBM too")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
) -> None:
    """Forecast the hours of the day ahead, load and PV, with quantiles .1, .5, .9.

    Every forecaster learns at each origin, a UTC midnight, from the days before it and nothing else. The seasonal
    naive, which repeats yesterday, is measured in the same run.

    \b
    Example: gridwitness bench forecast --data out/rural3-year/year.parquet
    """
    from gridwitness.service.bench.one_core import keep_to_one_thread

    keep_to_one_thread()  # before the next import loads numpy
    from gridwitness.scoring.forecasting import DEFAULT_FORECAST_PARAMS
    from gridwitness.service.bench.forecast import bench_forecast

    rival_forecasters = {}
    if rivals:
        from gridwitness.service.bench.forecast_rivals import rivals as forecasters

        rival_forecasters = forecasters()
    results, left_out = bench_forecast(data, origins, rival_forecasters)
    model_hash = f"0x{DEFAULT_FORECAST_PARAMS.model_hash().hex()}"
    if as_json:
        figures: dict[str, Any] = {"origins": origins, "model_hash": model_hash}
        for result in results:
            place = figures if result.forecaster == "gridwitness" else figures.setdefault(result.forecaster, {})
            place[result.kind] = _forecast_figures(result)
        typer.echo(json.dumps(figures))
        return
    Console().print(_forecast_table(results))
    typer.echo(f"{origins} origins, model {model_hash}")
    if left_out:
        typer.echo(f"left out, as next to nothing flows: {', '.join(f'{one.name} {one.kind}' for one in left_out)}")


def _forecast_figures(result: ForecastResult) -> dict[str, Any]:
    return {
        "series": result.series,
        "mase": round(result.mase, 4),
        "coverage": dict(zip(("0.1", "0.5", "0.9"), (round(share, 4) for share in result.coverage), strict=True)),
        "pinball": round(result.pinball, 4),
        "seconds_per_series": round(result.seconds_per_series, 4),
    }


def _forecast_table(results: Sequence[ForecastResult]) -> Table:
    table = Table(title="Day ahead, hourly", collapse_padding=True)  # within 80 columns
    for name in ("kind", "forecaster"):
        table.add_column(name, no_wrap=True)
    for name in ("series", "MASE", "<.1", "<.5", "<.9", "pinball", "s/series"):
        table.add_column(name, justify="right")
    for result in results:
        shares = (f"{share:.3f}" for share in result.coverage)
        more = (f"{result.pinball:.3f}", f"{result.seconds_per_series:.4f}")
        table.add_row(result.kind, result.forecaster, str(result.series), f"{result.mase:.3f}", *shares, *more)
    return table


@bench.command()
def rul(
    train: Annotated[Path, typer.Option(help="Units that ran to failure: unit, cycle, 3 settings, 21 sensors")],
    test: Annotated[Path | None, typer.Option(help="Units still running, in the same format")] = None,
    rul: Annotated[Path | None, typer.Option(help="Their true remaining lives in cycles, one a line")] = None,
    rivals: Annotated[bool, typer.Option("--rivals", help="Measure LightGBM too")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
) -> None:
    """Estimate remaining life on turbofan data (C-MAPSS), with 90 % intervals and a health score per unit.

    Lives are capped at 125 cycles. The true ones serve to judge only. Without --test and --rul the training units are
    cross-validated: each tenth, cut short, is judged by a model of the others.

    \b
    Example: gridwitness bench rul --train train_FD001.txt --test test_FD001.txt --rul RUL_FD001.txt
    """
    from gridwitness.scoring.remaining_life import DEFAULT_LIFE_PARAMS
    from gridwitness.service.bench.rul import bench_rul, cross_validate

    if (test is None) != (rul is None):
        raise InputError("one of --test and --rul is missing", hint="give both, or none to cross-validate")
    rival_estimators = {}
    if rivals:
        from gridwitness.service.bench.rul_rivals import rivals as estimators

        rival_estimators = estimators()
    if test is None or rul is None:
        result = cross_validate(train, rival_estimators)
    else:
        result = bench_rul(train, test, rul, rival_estimators)
    if as_json:
        figures: dict[str, Any] = {"rmse": result.rmse, "coverage": result.coverage, "width": result.width}
        more = {"rivals": {name: {"rmse": rmse} for name, rmse in result.rivals_rmse.items()}} if rivals else {}
        typer.echo(json.dumps(figures | more))
        return
    if test:
        Console().print(_life_table(result))
    typer.echo(f"RMSE {result.rmse:.2f} cycles, 90 % interval holds {result.coverage:.1%}, {result.width:.1f} wide")
    for name, rmse in result.rivals_rmse.items():
        typer.echo(f"{name}: RMSE {rmse:.2f}")
    typer.echo(f"model 0x{DEFAULT_LIFE_PARAMS.model_hash().hex()}")


@bench.command()
def faults(
    community: Annotated[Path, typer.Option(help="Folder of CSV and Parquet files, or one; as for the demo")],
    seed: Annotated[int, typer.Option(min=0, help="Draws days, meters, faults and the feeder's errors")] = 1,
    scenes: Annotated[
        int, typer.Option(min=1, help="Days and hours at which faults begin; each kind once in each")
    ] = 8,
    matters_wh: Annotated[
        int, typer.Option(min=1, help="A fault counts if it misreports this much in six hours")
    ] = 300,
    own_life: Annotated[
        float, typer.Option(min=0, max=2, help="Vary every home's import by its own noise, so that no two live alike")
    ] = 0.0,
    out: Annotated[Path | None, typer.Option(help="Folder for faults.csv, summary.json and faults.png")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
) -> None:
    """Let meters of a community misbehave, and see which are found, how soon, and who is blamed for nothing.

    The scorer sees what an oracle's would: a batch a slot, and the feeder's meter with true flows plus losses. A meter
    is found at its fourth flagged reading, which holds a payment. False holds are days of meters without any fault.

    \b
    Example: gridwitness bench faults --community data/simbench-rural1 --seed 1 --out out/faults
    """
    from gridwitness.service.bench.faults import bench_faults
    from gridwitness.service.bench.faults_report import summary_of, write_report

    result = bench_faults(community, seed, scenes, own_life, told=lambda line: typer.echo(line, err=True))
    summary = summary_of(result, seed, matters_wh)
    if out is not None:
        write_report(out, result, summary, matters_wh)
    if as_json:
        typer.echo(json.dumps(summary))
        return
    title = f"Faults that misreport {matters_wh} Wh or more in six hours"
    Console().print(_fault_table(title, summary["faults"], summary["left_out"]))
    Console().print(_fault_table("All faults drawn, of any size", summary["faults_of_any_size"]))
    typer.echo(
        f"{summary['honest_meter_years']} honest meter-years: {summary['false_holds_per_meter_year']} false holds and "
        f"{summary['false_flags_per_meter_year']} false flags per meter-year"
    )
    if out is not None:
        typer.echo(f"written to {out}")


def _fault_table(title: str, faults: dict[str, Any], left_out: dict[str, int] | None = None) -> Table:
    """Figures by kind of fault; `left_out` are cases that are too small to be among them."""
    table = Table(title=title)
    table.add_column("fault", no_wrap=True)
    counts = ("cases", "left out") if left_out else ("cases",)
    for name in (*counts, "found", "within 6 h", "median h", "90 % h", "others held"):
        table.add_column(name, justify="right")
    for kind, figures in faults.items():
        omitted = [str(left_out[kind])] if left_out else []
        if figures is None:
            table.add_row(kind, "0", *omitted, *["-"] * 5)
            continue
        delays = (
            "-" if delay is None else f"{delay:g}" for delay in (figures["median_delay_h"], figures["p90_delay_h"])
        )
        shares = (f"{figures[name]:.0%}" for name in ("found", "within_6_h"))
        table.add_row(kind, str(figures["cases"]), *omitted, *shares, *delays, f"{figures['wrongly_held']:.0%}")
    return table


def _life_table(result: RulResult) -> Table:
    table = Table(title="Remaining life, cycles")
    for name in ("unit", "estimate", "from", "to", "health"):
        table.add_column(name, justify="right")
    for one in sorted(result.estimates, key=lambda one: one.remaining):
        cells = (f"{one.remaining:.0f}", f"{one.low:.0f}", f"{one.high:.0f}", f"{one.health_bps:,}")
        table.add_row(str(one.unit), *cells)
    return table
