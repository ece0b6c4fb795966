"""Hourly series of load and PV from a Parquet file, for `gridwitness bench forecast`.

Three forms are read:
- a community, `slot_start, meter, import_wh, export_wh`, as `gridwitness replay` takes it: every meter's import is a
  load, every export is PV;
- long, `time, series, value` and if wanted `kind` (load or pv), one row per series and time;
- wide, `time` as a column or the index, and one column of values per series.

Values are energy or power, in any unit, import and export both positive, at any step that divides an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gridwitness.errors import InputError
from gridwitness.sources.community import COLUMNS, load_community

Kind = Literal["load", "pv"]

HOURS = 24
LONG_COLUMNS = ("time", "series", "value")
# The sun: some hours of the day never see it, and on most days it shines.
DARK_HOURS = 5
DARK_SHARE = 0.005
SUNNY_DAYS = 0.8
MOST = 1e15  # of any unit: beyond it squares and sums lose what is to be learnt
HINT_FORMS = f"give {', '.join(COLUMNS)}, or {', '.join(LONG_COLUMNS)}, or time and a column per series"


@dataclass(frozen=True, slots=True)
class HourlySeries:
    """A series over complete UTC days: `values` (days, 24), not negative; `first_weekday` 0 Monday to 6 Sunday."""

    name: str
    kind: Kind
    values: NDArray[np.float64]
    first_weekday: int


def load_series(path: Path) -> list[HourlySeries]:
    """All series of a file over its longest run of complete UTC days. Raises InputError for any other form."""
    if path.suffix != ".parquet":
        raise InputError(f"{path}: not a .parquet file", hint=HINT_FORMS)
    try:
        columns = set(pq.read_schema(path).names)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}", hint=HINT_FORMS) from error
    if set(COLUMNS) <= columns:
        return _community_series(path)
    table = pd.read_parquet(path)
    kinds: dict[Any, str] = {}
    if set(LONG_COLUMNS) <= columns:
        if "kind" in columns:
            kinds = table.groupby("series")["kind"].first().to_dict()
        if table["series"].isna().any():
            raise InputError(f"{path}: a row without the name of its series")
        if table.duplicated(["time", "series"]).any():
            raise InputError(f"{path}: a time stands twice in one series")
        table = table.pivot(index="time", columns="series", values="value")
    elif "time" in table.columns:
        table = table.set_index("time")
    hourly = _hourly(path, table)
    weekday = pd.DatetimeIndex(hourly.index)[0].weekday()
    days = {str(name): hourly[name].to_numpy(np.float64).reshape(-1, HOURS) for name in hourly.columns}
    return [HourlySeries(name, _kind(path, kinds.get(name), values), values, weekday) for name, values in days.items()]


def _community_series(path: Path) -> list[HourlySeries]:
    community = load_community(path)
    block = max(community.blocks, key=lambda block: len(block.days))
    if not block.days:
        raise InputError(f"{path}: no complete UTC day")
    weekday = (block.days.start + 3) % 7  # 1970-01-01 was a Thursday
    series = []
    for meter in community.meters:
        net_wh = community.days_wh(meter, block.days).reshape(-1, HOURS, 4)
        flows: dict[Kind, NDArray[np.int64]] = {"load": net_wh.clip(min=0), "pv": -net_wh.clip(max=0)}
        series += [
            HourlySeries(meter, kind, flow.sum(axis=2).astype(np.float64), weekday)
            for kind, flow in flows.items()
            if flow.any()
        ]
    return series


def _hourly(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Hourly means over complete UTC days, a column per series, checked."""
    try:
        table.index = pd.to_datetime(table.index, utc=True)
        table = table.astype("float64").sort_index()
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: {error}", hint=HINT_FORMS) from error
    steps = pd.Series(table.index).diff().dropna()
    if steps.empty or steps.nunique() != 1 or pd.Timedelta(hours=1) % steps.iloc[0]:
        raise InputError(f"{path}: times are not evenly spaced by an hour or a part of it", hint="fill gaps, give UTC")
    if table.isna().any(axis=None):
        raise InputError(f"{path}: series {table.columns[table.isna().any()][0]} lacks values that others have")
    if (table.abs() > MOST).any(axis=None):
        name = table.columns[(table.abs() > MOST).any()][0]
        raise InputError(f"{path}: series {name} has values above {MOST:g}", hint="give them in a larger unit")
    if (table < 0).any(axis=None):
        raise InputError(
            f"{path}: series {table.columns[(table < 0).any()][0]} has negative values; at least 0",
            hint="give generation as a positive number",
        )
    hourly = table.resample("h").mean()
    hours = pd.DatetimeIndex(hourly.index).hour
    starts, ends = np.flatnonzero(hours == 0), np.flatnonzero(hours == HOURS - 1)
    hourly = hourly.iloc[starts[0] : ends[-1] + 1] if len(starts) and len(ends) else hourly.iloc[:0]
    if hourly.empty:
        raise InputError(f"{path}: no complete UTC day")
    return hourly


def _kind(path: Path, given: str | None, values: NDArray[np.float64]) -> Kind:
    """What is given, or else PV if some hours of the day are always dark and most days are sunny."""
    if given == "load" or given == "pv":
        return "load" if given == "load" else "pv"
    if given is not None:
        raise InputError(f"{path}: kind {given!r} is neither load nor pv")
    dark = values.max(axis=0) <= DARK_SHARE * values.max()
    sunny = (values[:, ~dark] > 0).any(axis=1).mean() if not dark.all() else 0.0
    return "pv" if dark.sum() >= DARK_HOURS and sunny >= SUNNY_DAYS else "load"
