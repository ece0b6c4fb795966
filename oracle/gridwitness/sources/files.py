"""Files of signed readings to replay: NDJSON (one payload a line) or Parquet (the payload's fields as columns)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from gridwitness.errors import InputError
from gridwitness.sources.payloads import ReadingPayload

COLUMNS = ReadingPayload.__struct_fields__
_REQUIRED = COLUMNS[: len(COLUMNS) - len(ReadingPayload.__struct_defaults__)]
_NDJSON_SUFFIXES = (".ndjson", ".jsonl")
_LINE = msgspec.json.Decoder(ReadingPayload)


def count_readings(path: Path) -> int:
    """Number of readings in a file. Raises InputError if the file is missing or of another format."""
    if _is_parquet(path):
        return int(_open_parquet(path).metadata.num_rows)
    with path.open("rb") as lines:
        return sum(1 for line in lines if line.strip())


def read_readings(path: Path, skip: int = 0) -> Iterator[ReadingPayload]:
    """Readings of a file in its order, from number `skip` on.

    Raises InputError naming file and line (or column) if something in it is not a reading.
    """
    rows = _read_parquet(path) if _is_parquet(path) else _read_ndjson(path)
    for index, payload in enumerate(rows):
        if index >= skip:
            yield payload


class Bookmark:
    """How far a file has been replayed, kept beside it as `<name>.replayed`; a replay goes on where it stopped."""

    def __init__(self, path: Path, target: str) -> None:
        """`target` is the URL replayed to; each has its own place in the file."""
        self._path = path.with_name(path.name + ".replayed")
        self._target = target

    def position(self) -> int:
        """Number of readings already acknowledged. Raises InputError if the bookmark is not readable."""
        try:
            return int(self._all().get(self._target, 0))
        except (ValueError, AttributeError, TypeError) as error:
            raise InputError(
                f"{self._path} is not a bookmark: {error}", hint="delete it to replay from the start"
            ) from error

    def move(self, position: int) -> None:
        """Record that the first `position` readings are acknowledged; atomic."""
        places = self._all() | {self._target: position}
        draft = self._path.with_name(self._path.name + ".tmp")
        draft.write_text(json.dumps(places, indent=1, sort_keys=True) + "\n")
        draft.replace(self._path)

    def _all(self) -> dict[str, int]:
        if not self._path.exists():
            return {}
        places: dict[str, int] = json.loads(self._path.read_text())
        return places


def _is_parquet(path: Path) -> bool:
    if not path.is_file():
        raise InputError(f"{path} is not a file")
    if path.suffix == ".parquet":
        return True
    if path.suffix in _NDJSON_SUFFIXES:
        return False
    raise InputError(f"{path} ends in {path.suffix!r}; readings are replayed from .ndjson, .jsonl or .parquet")


def _open_parquet(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a Parquet file: {error}") from error
    missing = [name for name in _REQUIRED if name not in file.schema_arrow.names]
    if missing:
        raise InputError(f"{path} has no column {', '.join(missing)}; it must have {', '.join(_REQUIRED)}")
    return file


def _read_parquet(path: Path) -> Iterator[ReadingPayload]:
    number = 0
    file = _open_parquet(path)
    columns = [name for name in COLUMNS if name in file.schema_arrow.names]
    for batch in file.iter_batches(batch_size=10_000, columns=columns):
        for row in batch.to_pylist():
            number += 1
            try:
                yield msgspec.convert(row, ReadingPayload)
            except msgspec.MsgspecError as error:
                raise InputError(f"{path}, row {number}: {error}") from error


def _read_ndjson(path: Path) -> Iterator[ReadingPayload]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield _LINE.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise InputError(f"{path}, line {number}: {error}") from error
