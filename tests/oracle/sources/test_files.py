"""Replay files: each format, broken ones, and the bookmark."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import cbor2
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gridwitness.errors import InputError
from gridwitness.sources.decoding import COSE, JSON, OCMF
from gridwitness.sources.files import Bookmark, Document, count_items, is_replayable, read_items, read_pieces
from gridwitness.sources.payloads import ReadingPayload, decode_body, to_payload
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy
from tests.oracle.sources.documents import KEBA, ROAD, cose, net_energy_record, senml_json

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


def _csv(folder: Path) -> Path:
    path = folder / "meters.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*ReadingPayload.__struct_fields__, "comment"])
        writer.writeheader()
        writer.writerows(msgspec.structs.asdict(payload) | {"comment": "kept out"} for payload in PAYLOADS)
    return path


def _cbor(folder: Path) -> Path:
    path = folder / "meters.cbor"
    names = ("device_id", "signature")
    rows = [msgspec.to_builtins(payload) for payload in PAYLOADS]
    items = [row | {name: bytes.fromhex(row[name][2:]) for name in names} for row in rows]
    path.write_bytes(b"".join(cbor2.dumps(item) for item in items))
    return path


@pytest.mark.parametrize("write", [_ndjson, _parquet, _csv, _cbor])
def test_read__each_format__gives_all_readings_or_those_after_a_place(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path)
    assert count_items(path) == len(PAYLOADS)
    assert list(read_items(path)) == PAYLOADS
    assert list(read_items(path, skip=3)) == PAYLOADS[3:]


def test_read__broken_line__is_named(tmp_path: Path) -> None:
    path = _ndjson(tmp_path)
    path.write_bytes(path.read_bytes() + b'{"device_id": 5}\n')
    with pytest.raises(InputError, match=r"meters\.ndjson, line 7: Expected `str`, got `int`"):
        list(read_items(path))


def test_read__documents_between_readings__are_posts_of_their_own(tmp_path: Path) -> None:
    path, message = _cbor(tmp_path), cose(home_key(), senml_json(net_energy_record(1)))
    path.write_bytes(path.read_bytes() + message + path.read_bytes())
    pieces = list(read_pieces(path, 2, 4))
    assert [piece.count for piece in pieces] == [3, 1, 4, 1]
    assert [piece.content_type for piece in pieces] == [JSON, COSE, JSON, JSON]
    assert pieces[1].body == message.removeprefix(b"\xd2")
    assert decode_body(pieces[2].body) == PAYLOADS[:4]


def test_read__ocmf_records__are_told_apart_whatever_lines_they_have(tmp_path: Path) -> None:
    records = [KEBA, ROAD.replace(b"|{", b"|\n{"), KEBA]
    path = tmp_path / "sessions.ocmf"
    path.write_bytes(b"\n" + b"\n".join(records) + b"\n\n")
    assert list(read_items(path)) == [Document(record, OCMF) for record in records]
    assert count_items(path) == 3


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.cbor", b"\xa1\x01", "item 1: not CBOR"),
        ("a.cbor", cbor2.dumps({"counter": 1}), "item 1: the CBOR map is not a reading"),
        ("a.csv", b"device_id,counter\n", "has no column time"),
        ("a.csv", b"device_id,counter,time,metric,value,signature\n0x,one,1,m,1,0x\n", "line 2"),
        ("a.ocmf", b"nothing\nOCMF|{}", "does not consist of OCMF records"),
    ],
)
def test_read__broken_item__is_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        list(read_items(tmp_path / name))


@pytest.mark.parametrize(("name", "is_one"), [("a.ocmf", True), (".a.ocmf", False), ("a.csv.replayed", False)])
def test_choose__file_of_a_folder__by_its_name(name: str, is_one: bool) -> None:
    assert is_replayable(Path(name)) is is_one


def test_read__parquet_without_a_column__names_it(tmp_path: Path) -> None:
    path = tmp_path / "meters.parquet"
    pq.write_table(pa.table({"device_id": ["0x"], "counter": [1]}), path)
    with pytest.raises(InputError, match="has no column time, metric, value, signature"):
        count_items(path)


def test_read__parquet_with_a_null__names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "meters.parquet"
    rows = [msgspec.structs.asdict(payload) for payload in PAYLOADS]
    rows[2]["value"] = None
    pq.write_table(pa.Table.from_pylist(rows), path)
    with pytest.raises(InputError, match=r"meters\.parquet, row 3: Expected `int`, got `null`"):
        list(read_items(path))


@pytest.mark.parametrize(
    ("name", "words"),
    [("none.ndjson", "is not a file"), ("readings.xlsx", "ends in '.xlsx'"), ("bad.parquet", "not a Parquet file")],
)
def test_count__no_file_of_readings__is_refused(tmp_path: Path, name: str, words: str) -> None:
    if not name.startswith("none"):
        (tmp_path / name).write_text("nothing")
    with pytest.raises(InputError, match=words):
        count_items(tmp_path / name)


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
