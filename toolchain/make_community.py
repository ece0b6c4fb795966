# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["pandas==2.3.3", "pyarrow==26.0.1", "simbench==1.6.3"]
# ///
"""Cut whole weeks out of a simbench grid, one meter per bus, as a community `gridwitness` can read.

    uv run toolchain/make_community.py                                      # the bundled slice under data/
    uv run toolchain/make_community.py --grid 1-LV-rural3--0-sw --out PATH --weeks june=2016-06-06 july=2016-07-04
    uv run toolchain/make_community.py --grid 1-LV-rural3--0-sw --out PATH --year   # all 366 × 96 quarter hours

A bus's net power is the sum of its loads − sgens + storages (p_mw of loads and storages counts consumption positive,
that of sgens production), times the quarter hour, in Wh rounded to an integer. simbench's storages of type PV_Storage
are a PV plant and its battery in one element: their profile is what the pair delivers, so p_mw is never positive.

simbench labels its 2016 rows with German local time, but the rows themselves are 366 × 96 equal quarter hours: where
the labels jump in March and repeat in October no row is missing or double. So row i is placed at 2016-01-01 00:00
UTC+01:00 + i × 15 min and no hole appears. Weeks run Monday to Sunday in UTC.

Without `--weeks`, each season gives the week whose weakest day has the most energy to trade: Σ over quarter hours of
min(Σ import, Σ export).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import simbench

SLOT_HOURS = 0.25
FIRST_ROW = pd.Timestamp("2016-01-01T00:00:00+01:00")
WEEK = pd.Timedelta(days=7)
SEASONS = {"winter": (12, 1, 2), "spring": (3, 4, 5), "summer": (6, 7, 8), "autumn": (9, 10, 11)}
# How an element's p_mw enters the energy its bus draws.
ELEMENTS = {"load": 1, "sgen": -1, "storage": 1}
DEFAULT_OUT = Path(__file__).resolve().parent.parent / "data" / "simbench-rural1"


def net_energy_wh(grid: str) -> pd.DataFrame:
    """Net energy (Wh, import positive) of every bus with something behind it: rows UTC slot starts, columns meters."""
    net = simbench.get_simbench_net(grid)
    powers = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    digits = max(2, len(str(net.bus.index.max())))
    total_mw: dict[str, pd.Series] = {}
    for element, sign in ELEMENTS.items():
        power_mw = powers[(element, "p_mw")]
        for number, bus in net[element].bus.items():
            meter = f"bus-{bus:0{digits}d}"
            total_mw[meter] = sign * power_mw[number] + total_mw.get(meter, 0.0)
    frame = pd.DataFrame(dict(sorted(total_mw.items())))
    frame.index = pd.date_range(FIRST_ROW.tz_convert("UTC"), periods=len(frame), freq="15min", name="slot_start")
    return (frame * 1e6 * SLOT_HOURS).round().astype("int64")


def tradeable_wh(net_wh: pd.DataFrame) -> pd.Series:
    """Energy per slot that some meters export while others import."""
    return pd.concat([net_wh.clip(lower=0).sum(axis=1), -net_wh.clip(upper=0).sum(axis=1)], axis=1).min(axis=1)


def best_weeks(net_wh: pd.DataFrame) -> dict[str, pd.Timestamp]:
    """Monday of the week to take from each season; weeks that cross a season's edge count by their Monday."""
    daily = tradeable_wh(net_wh).resample("D").sum()
    whole = daily[net_wh.resample("D").size() == 96]
    mondays = [day for day in whole.index if day.weekday() == 0 and day + WEEK - pd.Timedelta(days=1) in whole.index]
    weakest = pd.Series({monday: whole[monday : monday + WEEK - pd.Timedelta(days=1)].min() for monday in mondays})
    return {name: weakest[weakest.index.month.isin(months)].idxmax() for name, months in SEASONS.items()}


def long_format(net_wh: pd.DataFrame) -> pd.DataFrame:
    """Rows of slot_start, meter, import_wh, export_wh, ordered by time, then meter."""
    rows = net_wh.rename_axis(columns="meter").stack().rename("net_wh").reset_index()
    rows["import_wh"] = rows.net_wh.clip(lower=0).astype("int32")
    rows["export_wh"] = (-rows.net_wh).clip(lower=0).astype("int32")
    rows["slot_start"] = rows.slot_start.astype("datetime64[ms, UTC]")
    return rows[["slot_start", "meter", "import_wh", "export_wh"]]


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Cut whole weeks out of a simbench grid, one meter per bus.")
    parser.add_argument("--grid", default="1-LV-rural1--2-sw", help="simbench code")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder to write to")
    span = parser.add_mutually_exclusive_group()
    span.add_argument("--weeks", nargs="+", metavar="NAME=MONDAY", help="such as summer=2016-08-08")
    span.add_argument("--year", action="store_true", help="everything, as year.parquet")
    return parser.parse_args()


def main() -> None:
    """Write one Parquet file a week, or one for the year."""
    args = arguments()
    net_wh = net_energy_wh(args.grid)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.year:
        long_format(net_wh).to_parquet(args.out / "year.parquet", index=False, compression="zstd")
        print(f"year.parquet: {net_wh.shape[1]} meters, {len(net_wh)} slots")
        return
    weeks = best_weeks(net_wh)
    if args.weeks:
        weeks = {name: pd.Timestamp(monday, tz="UTC") for name, monday in (week.split("=") for week in args.weeks)}
    for name, monday in weeks.items():
        if monday.weekday() != 0 or not net_wh.index[0] <= monday <= net_wh.index[-1] - WEEK:
            raise SystemExit(f"{name}: {monday:%Y-%m-%d} is not a Monday with a whole week in the data of 2016")
        week = net_wh[monday : monday + WEEK - pd.Timedelta(minutes=15)]
        path = args.out / f"{name}.parquet"
        long_format(week).to_parquet(path, index=False, compression="zstd")
        shares = f"import {week.clip(lower=0).sum().sum() / 1000:.0f} kWh, "
        shares += f"export {-week.clip(upper=0).sum().sum() / 1000:.0f} kWh, "
        shares += f"tradeable {tradeable_wh(week).sum() / 1000:.0f} kWh"
        print(f"{path.name}: {monday:%Y-%m-%d}, {week.shape[1]} meters, {len(week)} slots, {shares}")


if __name__ == "__main__":
    main()
