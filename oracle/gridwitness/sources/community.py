"""A community's meter data from files: a folder of CSV and Parquet, or one such file.

Columns are `slot_start, meter, import_wh, export_wh`, one row per meter and quarter hour, energies as whole Wh. Times
with an offset are converted to UTC; times without one are taken as UTC. Every meter covers the same slots. The slots
may form several blocks with at least a day between them (the bundled data: a week from each season); a shorter gap is
a fault. Files are checked row by row before anything is computed; the first fault found is raised as a CommunityError
that names file, row, value and limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridwitness.domain.slots import SLOT_SECONDS, SLOTS_PER_DAY
from gridwitness.errors import CommunityError
from gridwitness.sources.community_data import Block, Community, time_text

__all__ = ["Block", "Community", "load_community"]

COLUMNS = ("slot_start", "meter", "import_wh", "export_wh")
ENERGY_COLUMNS = ("import_wh", "export_wh")
SUFFIXES = (".csv", ".parquet")
# 1 MW for a quarter hour, beyond any low-voltage connection, and far inside the int32 of a profile.
MAX_SLOT_ENERGY_WH = 250_000
# A shorter gap that all meters share is lost data (or a daylight-saving hour), not a pause between blocks.
MIN_GAP_SLOTS = SLOTS_PER_DAY
# Delivery slots and devices' registration times are 32-bit unix seconds on chain.
MAX_TIME = (1 << 32) - 1
ISO_DATE_TIME = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*"
HINT_COLUMNS = f"the columns are {', '.join(COLUMNS)}"
HINT_UNIT = "the unit is Wh per quarter hour, not W or J"
HINT_LOCAL_TIME = (
    "if these are local times, the hour repeats or jumps at daylight saving: "
    "give UTC or times with their offset (2016-10-30T02:00:00+02:00)"
)


def load_community(path: Path) -> Community:
    """Read and check a community. Raises CommunityError on the first fault found."""
    frames = [_read_file(file) for file in _files(path)]
    rows = pd.concat(frames, ignore_index=True).sort_values(["meter", "slot"], kind="stable", ignore_index=True)
    _reject_duplicates(rows)
    meters = tuple(str(meter) for meter in rows["meter"].unique())
    slots: NDArray[np.int64] = np.unique(rows["slot"].to_numpy())
    _reject_missing(rows, meters, slots)
    net_wh = (rows["import_wh"] - rows["export_wh"]).to_numpy().reshape(len(meters), len(slots))
    return Community(path.name, meters, _blocks(slots), net_wh)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise CommunityError(f"{path}: no such file or folder")
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise CommunityError(f"{path}: a community file ends in {' or '.join(SUFFIXES)}, not {path.suffix!r}")
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if not files:
        raise CommunityError(f"{path}: the folder has no {' or '.join(SUFFIXES)} file", hint=HINT_COLUMNS)
    return files


def _read_file(file: Path) -> pd.DataFrame:
    """Rows (file, slot, meter, import_wh, export_wh) of one file, each value checked."""
    raw = _parse(file)
    for column in COLUMNS:
        if column not in raw.columns:
            raise CommunityError(f"{file.name}: column {column} is missing", hint=HINT_COLUMNS)
    extra = [str(column) for column in raw.columns if column not in COLUMNS]
    if extra:
        raise CommunityError(f"{file.name}: column {extra[0]} is not expected", hint=HINT_COLUMNS)
    if raw.empty:
        raise CommunityError(f"{file.name}: the file has no rows; it must have at least 1")
    meter = _text(raw["meter"])
    nameless = raw["meter"].isna() | (meter == "")
    _reject_first(file, raw["meter"], nameless, "meter {value!r} is empty; each row names its meter")
    columns = {column: _energies_wh(file, raw[column]) for column in ENERGY_COLUMNS}
    return pd.DataFrame({"file": file.name, "slot": _slots(file, raw["slot_start"]), "meter": meter, **columns})


def _parse(file: Path) -> pd.DataFrame:
    try:
        if file.suffix == ".parquet":
            return pd.read_parquet(file).reset_index(drop=True)
        # Everything as text: what pandas would guess (a meter "007", an empty cell) is checked here instead.
        return pd.read_csv(file, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (OSError, ValueError) as error:  # pandas' and Arrow's parse errors are ValueErrors
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise CommunityError(f"{file.name}: not readable as {file.suffix[1:]}: {reason[0]}") from error


def _slots(file: Path, column: pd.Series) -> pd.Series:
    """Delivery slots of a column of times."""
    if isinstance(column.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(column):
        times = pd.to_datetime(column, utc=True)
    else:
        text = _text(column)
        readable = text.where(text.str.fullmatch(ISO_DATE_TIME))
        times = pd.to_datetime(readable, utc=True, format="ISO8601", errors="coerce")
    _reject_first(file, column, times.isna(), "slot_start {value} is not a time such as 2016-08-11T12:15:00Z")
    microseconds = times.dt.as_unit("us").astype("int64")
    outside = (microseconds < 0) | (microseconds > MAX_TIME * 1_000_000)
    _reject_first(file, column, outside, "slot_start {value} is outside the years 1970 to 2106")
    off_grid = microseconds % (SLOT_SECONDS * 1_000_000) != 0
    _reject_first(file, column, off_grid, "slot_start {value} is not on a quarter hour (:00, :15, :30, :45)")
    return microseconds // (SLOT_SECONDS * 1_000_000)


def _energies_wh(file: Path, column: pd.Series) -> pd.Series:
    """Energies of a column as int64 Wh."""
    name = column.name
    not_given = column.isna() | _text(column).str.lower().isin(["", "nan", "na", "null", "none"])
    _reject_first(file, column, not_given, f"{name} is NaN or empty; give whole Wh, 0 if there was none")
    values = pd.to_numeric(column, errors="coerce").astype("float64")
    _reject_first(file, column, values.isna(), f"{name} {{value!r}} is not a number")
    _reject_first(file, column, values == np.inf, f"{name} {{value}} is infinite; at most {MAX_SLOT_ENERGY_WH} Wh")
    _reject_first(file, column, values < 0, f"{name} {{value}} is negative; at least 0 Wh")
    above = f"{name} {{value}} is too much; at most {MAX_SLOT_ENERGY_WH} Wh a quarter hour"
    _reject_first(file, column, values > MAX_SLOT_ENERGY_WH, above, HINT_UNIT)
    _reject_first(file, column, values % 1 != 0, f"{name} {{value}} is not whole; round to Wh")
    return values.astype("int64")


def _text(column: pd.Series) -> pd.Series[str]:
    """A column as text without surrounding blanks."""
    return pd.Series([str(value).strip() for value in column], index=column.index, dtype=object)


def _reject_first(file: Path, column: pd.Series, faulty: pd.Series, message: str, hint: str = "") -> None:
    """Raise the message for the first faulty row; `{value}` in it is what the file says there."""
    if faulty.any():
        index = int(np.argmax(faulty.to_numpy()))
        value = column.iloc[index]
        raise CommunityError(f"{file.name}, row {index + 1}: {message.format(value=value)}", hint=hint)


def _reject_duplicates(rows: pd.DataFrame) -> None:
    repeated = rows.duplicated(["meter", "slot"])
    if repeated.any():
        row = rows[repeated].iloc[0]
        raise CommunityError(
            f"{row['file']}: meter {row['meter']} has slot {time_text(int(row['slot']))} twice; at most once",
            hint=HINT_LOCAL_TIME,
        )


def _reject_missing(rows: pd.DataFrame, meters: Iterable[str], slots: NDArray[np.int64]) -> None:
    """Meters must cover the same slots, and those must have no gap shorter than a day."""
    covered = rows.groupby("meter", sort=False)["slot"]
    for meter in meters:
        missing = np.setdiff1d(slots, covered.get_group(meter).to_numpy(), assume_unique=True)
        if len(missing):
            first = time_text(int(missing[0]))
            raise CommunityError(
                f"meter {meter} has no slot {first}, the first of {len(missing)} that other meters have",
                hint="every meter covers the same slots: give 0 Wh where nothing flowed, or leave the meter out",
            )
    gaps = np.diff(slots) - 1
    short = np.flatnonzero((gaps > 0) & (gaps < MIN_GAP_SLOTS))
    if len(short):
        first, length = time_text(int(slots[short[0]]) + 1), int(gaps[short[0]])
        raise CommunityError(
            f"no meter has slot {first}, the first of {length} missing; a gap has at least {MIN_GAP_SLOTS} slots",
            hint=HINT_LOCAL_TIME,
        )


def _blocks(slots: NDArray[np.int64]) -> tuple[Block, ...]:
    starts = np.flatnonzero(np.diff(slots, prepend=slots[0] - 2) > 1)
    ends = np.append(starts[1:], len(slots))
    return tuple(Block(int(slots[start]), int(end - start)) for start, end in zip(starts, ends, strict=True))
