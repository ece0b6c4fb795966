"""The files of the Numenta Anomaly Benchmark: streams, labelled windows, and scores in the format of its own scorer."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gridwitness.errors import InputError
from gridwitness.scoring.streaming import to_fixed

DETECTOR = "gridwitness"
COLUMNS = ("timestamp", "value")
RESULT_COLUMNS = ("timestamp", "value", "anomaly_score", "label")


@dataclass(frozen=True, slots=True)
class NabStream:
    """One labelled file.

    `name` category/file.csv; `timestamps` and `texts` as they stand in the file (n); `times` unix seconds, read as
    UTC; `values` fixed point; `windows` first and last row of each labelled window, in order, not overlapping.
    """

    name: str
    timestamps: tuple[str, ...]
    texts: tuple[str, ...]
    times: tuple[int, ...]
    values: tuple[int, ...]
    windows: tuple[tuple[int, int], ...]

    def is_labelled(self, row: int) -> bool:
        """Whether a row lies within a window."""
        return any(first <= row <= last for first, last in self.windows)


def load_corpus(data: Path, windows: Path) -> list[NabStream]:
    """All files DIR/category/file.csv, by name, with their windows; labels of files that are not there are ignored.

    Raises InputError if a file is missing, malformed, or has no entry among the windows (an empty list is one).
    """
    try:
        labels = msgspec.json.decode(windows.read_bytes(), type=dict[str, list[tuple[str, str]]])
    except (OSError, msgspec.MsgspecError, RecursionError) as error:
        raise InputError(f"{windows}: {error}", hint="give NAB's windows, a JSON of [start, end] per file") from error
    paths = sorted(data.glob("*/*.csv"))
    if not paths:
        raise InputError(f"{data}: no file category/file.csv in it", hint="give the folder that holds the categories")
    streams = []
    for path in paths:
        name = f"{path.parent.name}/{path.name}"
        if name not in labels:
            raise InputError(f"{windows}: no entry for {name}", hint="a file without anomalies has an empty list")
        streams.append(_load_stream(path, name, labels[name]))
    return streams


def _load_stream(path: Path, name: str, labels: Sequence[tuple[str, str]]) -> NabStream:
    rows = _rows(path)
    try:
        timestamps, texts = tuple(row[0] for row in rows), tuple(row[1] for row in rows)
        times = tuple(_seconds(timestamp) for timestamp in timestamps)
        values = tuple(to_fixed(text) for text in texts)
        windows = tuple(sorted(_rows_of(times, _seconds(start), _seconds(end)) for start, end in labels))
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: {error}") from error
    except InputError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error
    return NabStream(name, timestamps, texts, times, values, windows)


def _rows(path: Path) -> list[list[str]]:
    """Rows below the header."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            rows = [row for row in reader if row]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: {error}") from error
    if tuple(header[:2]) != COLUMNS:
        raise InputError(f"{path}: columns are {','.join(header)[:80]}; expected {','.join(COLUMNS)}")
    if not rows:
        raise InputError(f"{path}: no rows")
    return rows


def _seconds(timestamp: str) -> int:
    return int(datetime.fromisoformat(timestamp).replace(tzinfo=UTC).timestamp())


def _rows_of(times: Sequence[int], start: int, end: int) -> tuple[int, int]:
    """First row at or after the start, and the first at the end or the last before it."""
    first = next((row for row, time in enumerate(times) if time >= start), len(times))
    after = next((row for row, time in enumerate(times) if time >= end), len(times))
    last = after if after < len(times) and times[after] == end else after - 1
    if last < first:
        raise ValueError(f"no row in the window from {start} to {end}")
    return first, last


def write_scores(folder: Path, stream: NabStream, scores_bps: Sequence[int], detector: str = DETECTOR) -> Path:
    """Write FOLDER/detector/category/detector_file.csv, scores from 0 to 1; the file's path."""
    category, _, file_name = stream.name.partition("/")
    path = folder / detector / category / f"{detector}_{file_name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(RESULT_COLUMNS)
        for row, (timestamp, text, score_bps) in enumerate(
            zip(stream.timestamps, stream.texts, scores_bps, strict=True)
        ):
            writer.writerow((timestamp, text, f"{score_bps / 10_000:.4f}", int(stream.is_labelled(row))))
    return path
