"""Files of readings to replay, cut into bodies to post.

| ends in | holds |
|---|---|
| .ndjson, .jsonl | one native payload a line |
| .csv | the payload's fields as columns, with a header |
| .parquet | the payload's fields as columns |
| .cbor, .cborseq | a CBOR sequence (RFC 8742) of native payloads and COSE_Sign1 messages |
| .ocmf | OCMF records, each beginning with `OCMF|` |
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType

import cbor2
import msgspec
import pyarrow.parquet as pq

from gridwitness.errors import InputError
from gridwitness.sources.cbor import decode_sequence
from gridwitness.sources.decoding import COSE, JSON, OCMF, payload_of_cbor
from gridwitness.sources.payloads import ReadingPayload

COLUMNS = ReadingPayload.__struct_fields__
_REQUIRED = COLUMNS[: len(COLUMNS) - len(ReadingPayload.__struct_defaults__)]
_LINE = msgspec.json.Decoder(ReadingPayload)
_OCMF_START = b"OCMF|"
# Longer than any record that could be answered for; a file without a second record is not read into memory whole.
_MAX_RECORD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Document:
    """A signed document of a file, posted as it is: `body` of `content_type`."""

    body: bytes
    content_type: str


Item = ReadingPayload | Document


@dataclass(frozen=True, slots=True)
class Piece:
    """What goes into one post: `count` items of a file."""

    body: bytes
    content_type: str
    count: int


def count_items(path: Path) -> int:
    """Number of readings and documents in a file. Raises InputError if it is missing or of another format."""
    read = _reader(path)
    if read is _read_parquet:
        return int(_open_parquet(path).metadata.num_rows)
    if read is _read_ndjson:
        with path.open("rb") as lines:
            return sum(1 for line in lines if line.strip())
    return sum(1 for _ in read(path))


def read_items(path: Path, skip: int = 0) -> Iterator[Item]:
    """Readings and documents of a file in its order, from number `skip` on.

    Raises InputError naming file and line (or column) if something in it is neither.
    """
    return islice(_reader(path)(path), skip, None)


def read_pieces(path: Path, skip: int, size: int) -> Iterator[Piece]:
    """The rest of a file from item `skip` on: `size` native payloads a post, documents one by one."""
    chunk: list[ReadingPayload] = []
    for item in read_items(path, skip):
        if isinstance(item, ReadingPayload):
            chunk.append(item)
            if len(chunk) < size:
                continue
        if chunk:
            yield Piece(msgspec.json.encode(chunk), JSON, len(chunk))
            chunk = []
        if isinstance(item, Document):
            yield Piece(item.body, item.content_type, 1)
    if chunk:
        yield Piece(msgspec.json.encode(chunk), JSON, len(chunk))


class Bookmark:
    """How far a file has been replayed, kept beside it as `<name>.replayed`; a replay goes on where it stopped."""

    def __init__(self, path: Path, target: str) -> None:
        """`target` is the URL replayed to; each has its own place in the file."""
        self._path = path.with_name(path.name + ".replayed")
        self._target = target

    def position(self) -> int:
        """Number of items already acknowledged. Raises InputError if the bookmark is not readable."""
        try:
            return int(self._all().get(self._target, 0))
        except (ValueError, AttributeError, TypeError) as error:
            raise InputError(
                f"{self._path} is not a bookmark: {error}", hint="delete it to replay from the start"
            ) from error

    def move(self, position: int) -> None:
        """Record that the first `position` items are acknowledged; atomic."""
        places = self._all() | {self._target: position}
        draft = self._path.with_name(self._path.name + ".tmp")
        draft.write_text(json.dumps(places, indent=1, sort_keys=True) + "\n")
        draft.replace(self._path)

    def _all(self) -> dict[str, int]:
        if not self._path.exists():
            return {}
        places: dict[str, int] = json.loads(self._path.read_text())
        return places


def _open_parquet(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a Parquet file: {error}") from error
    _check_columns(path, file.schema_arrow.names)
    return file


def _check_columns(path: Path, names: list[str]) -> None:
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise InputError(f"{path} has no column {', '.join(missing)}; it must have {', '.join(_REQUIRED)}")


def _read_parquet(path: Path) -> Iterator[Item]:
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


def _read_csv(path: Path) -> Iterator[Item]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        try:
            _check_columns(path, list(rows.fieldnames or []))
            for row in rows:
                yield msgspec.convert({n: row[n] for n in COLUMNS if row.get(n)}, ReadingPayload, strict=False)
        except (msgspec.MsgspecError, csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}, line {rows.line_num}: {error}") from error


def _read_ndjson(path: Path) -> Iterator[Item]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield _LINE.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise InputError(f"{path}, line {number}: {error}") from error


def _read_cbor(path: Path) -> Iterator[Item]:
    with path.open("rb") as stream:
        number = 1
        try:
            for item in decode_sequence(stream):
                # A map is a native reading; anything else is left to those who know COSE.
                yield payload_of_cbor(item) if isinstance(item, dict) else Document(cbor2.dumps(item), COSE)
                number += 1
        except InputError as error:
            raise InputError(f"{path}, item {number}: {error.message}") from error


def _read_ocmf(path: Path) -> Iterator[Item]:
    record = b""
    with path.open("rb") as lines:
        for line in lines:
            if line.startswith(_OCMF_START) and record:
                yield Document(record.strip(), OCMF)
                record = b""
            record += line if line.strip() or record else b""
            if len(record) > _MAX_RECORD_BYTES or (record and not record.startswith(_OCMF_START)):
                raise InputError(f"{path} does not consist of OCMF records, each beginning with OCMF|")
    if record.strip():
        yield Document(record.strip(), OCMF)


_READERS: Mapping[str, Callable[[Path], Iterator[Item]]] = MappingProxyType(
    {
        ".ndjson": _read_ndjson,
        ".jsonl": _read_ndjson,
        ".csv": _read_csv,
        ".parquet": _read_parquet,
        ".cbor": _read_cbor,
        ".cborseq": _read_cbor,
        ".ocmf": _read_ocmf,
    }
)


def is_replayable(path: Path) -> bool:
    """Whether a file's name says that it holds readings; hidden ones are those that others are still writing."""
    return path.suffix in _READERS and not path.name.startswith(".")


def _reader(path: Path) -> Callable[[Path], Iterator[Item]]:
    if not path.is_file():
        raise InputError(f"{path} is not a file")
    if path.suffix not in _READERS:
        raise InputError(f"{path} ends in {path.suffix!r}; readings are replayed from {', '.join(_READERS)}")
    return _READERS[path.suffix]
