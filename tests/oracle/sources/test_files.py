"""Replay files: both formats, broken ones, and the bookmark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gridwitness.errors import InputError
from gridwitness.sources.files import Bookmark, count_readings, read_readings
from gridwitness.sources.payloads import ReadingPayload, to_payload
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy

PAYLOADS = [to_payload(net_energy(home_key(), counter, FIRST_SLOT + counter, counter)) for counter in range(5)]
Writer = Callable[[Path], Path]


def _ndjson(folder: Path) -> Path:
    path = folder / "meters.ndjson"
    path.write_bytes(b"\n".join(msgspec.json.encode(payload) for payload in PAYLOADS) + b"\n\n")
    return path


def _parquet(folder: Path) -> Path:
    path = folder / "meters.parquet"
    pq.write_table(pa.Table.from_pylist([msgspec.structs.asdict(payload) for payload in PAYLOADS]), path)
    return path


@pytest.mark.parametrize("write", [_ndjson, _parquet])
def test_read__either_format__gives_all_readings_or_those_after_a_place(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path)
    assert count_readings(path) == len(PAYLOADS)
    assert list(read_readings(path)) == PAYLOADS
    assert list(read_readings(path, skip=3)) == PAYLOADS[3:]


def test_read__broken_line__is_named(tmp_path: Path) -> None:
    path = _ndjson(tmp_path)
    path.write_bytes(path.read_bytes() + b'{"device_id": 5}\n')
    with pytest.raises(InputError, match=r"meters\.ndjson, line 7: Expected `str`, got `int`"):
        list(read_readings(path))


def test_read__parquet_without_a_column__names_it(tmp_path: Path) -> None:
    path = tmp_path / "meters.parquet"
    pq.write_table(pa.table({"device_id": ["0x"], "counter": [1]}), path)
    with pytest.raises(InputError, match="has no column time, metric, value, signature"):
        count_readings(path)


def test_read__parquet_with_a_null__names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "meters.parquet"
    rows = [msgspec.structs.asdict(payload) for payload in PAYLOADS]
    rows[2]["value"] = None
    pq.write_table(pa.Table.from_pylist(rows), path)
    with pytest.raises(InputError, match=r"meters\.parquet, row 3: Expected `int`, got `null`"):
        list(read_readings(path))


@pytest.mark.parametrize(
    ("name", "words"),
    [("none.ndjson", "is not a file"), ("readings.xlsx", "ends in '.xlsx'"), ("bad.parquet", "not a Parquet file")],
)
def test_count__no_file_of_readings__is_refused(tmp_path: Path, name: str, words: str) -> None:
    if not name.startswith("none"):
        (tmp_path / name).write_text("nothing")
    with pytest.raises(InputError, match=words):
        count_readings(tmp_path / name)


def test_bookmark__two_targets__each_has_its_own_place(tmp_path: Path) -> None:
    path = _ndjson(tmp_path)
    Bookmark(path, "http://one").move(3)
    Bookmark(path, "http://two").move(5)
    assert Bookmark(path, "http://one").position() == 3
    assert Bookmark(path, "http://two").position() == 5
    assert Bookmark(path, "http://three").position() == 0


def test_bookmark__not_a_bookmark__says_so(tmp_path: Path) -> None:
    path = _ndjson(tmp_path)
    (tmp_path / "meters.ndjson.replayed").write_text("[")
    with pytest.raises(InputError, match="is not a bookmark"):
        Bookmark(path, "http://one").position()


def test_field_names__payload__are_the_columns_of_the_manual() -> None:
    required = ("device_id", "counter", "time", "metric", "value", "signature")
    assert ReadingPayload.__struct_fields__ == (*required, "document", "gateway_signature")
    assert ReadingPayload.__struct_defaults__ == ("", "")
