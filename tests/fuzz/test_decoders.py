"""Nothing but InputError comes out of the decoders, whatever goes in, and little memory is taken for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.make_corpus import CORPUS, messages
from tests.fuzz.targets import TARGETS, read_anything
from tests.oracle.signers import home_key
from tests.oracle.sources.documents import TIME, cose, ocmf_reading, senml_json

ROOT = Path(__file__).parents[2]
SEEDS = messages()
FAST_RUNS = 20_000
MOST_MEMORY_BYTES = 64 << 20


def test_corpus__files__are_those_that_are_made_and_all_are_read() -> None:
    found = {
        folder.name: {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
        for folder in sorted(CORPUS.iterdir())
    }
    assert found == SEEDS
    for target, bodies in SEEDS.items():
        for name, body in bodies.items():
            assert read_anything(target, body), f"{target}/{name}"


@given(st.sampled_from(sorted(TARGETS)), st.binary(max_size=4_096))
def test_read__any_bytes__are_refused_or_read(target: str, body: bytes) -> None:
    read_anything(target, body)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """A valid message with some bytes changed, cut out, doubled or put in."""
    target = draw(st.sampled_from(sorted(SEEDS)))
    body = bytearray(draw(st.sampled_from(sorted(SEEDS[target].values()))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(body) - 1, 0)))
        length = draw(st.integers(0, 16))
        change = draw(st.sampled_from(["set", "cut", "double", "insert"]))
        if change == "set":
            body[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif change == "cut":
            del body[at : at + length]
        elif change == "double":
            body[at:at] = body[at : at + length]
        else:
            body[at:at] = draw(st.binary(max_size=16))
    return target, bytes(body)


@settings(max_examples=400)
@given(mutated())
def test_read__mutated_message__is_refused_or_read(case: tuple[str, bytes]) -> None:
    read_anything(*case)


odd_numbers = st.one_of(
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(allow_nan=True, allow_infinity=True),
    st.decimals(allow_nan=True, allow_infinity=True),
)
leaves = st.one_of(st.none(), st.booleans(), odd_numbers, st.text(max_size=50), st.binary(max_size=50))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.text(max_size=6), st.integers(-9, 9)), inner)
    ),
    max_leaves=12,
)
labels = st.sampled_from(range(-6, 9))
records = st.lists(st.dictionaries(labels, st.one_of(st.just(TIME), st.just("Wh"), trees)), max_size=4)


@settings(max_examples=300)
@given(trees, records, st.sampled_from(["cbor", "cose", "document"]))
def test_read__any_cbor__is_refused_or_read(tree: object, pack: object, target: str) -> None:
    read_anything(target, cbor2.dumps(tree))
    read_anything("document", cbor2.dumps(["Signature1", cbor2.dumps({1: -7, -65537: 1}), b"", cbor2.dumps(pack)]))
    read_anything("document", cbor2.dumps(["Signature1", cbor2.dumps(tree), b"", cbor2.dumps(pack)]))


json_trees = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**400), 10**400), st.floats(), st.text(max_size=40)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner)),
    max_leaves=12,
)
names = st.sampled_from(["TM", "TX", "RV", "RI", "RU", "RT", "CL", "EF", "ST"])


@settings(max_examples=300)
@given(json_trees, st.dictionaries(names, json_trees), st.sampled_from(["PG", "RD", "FV", "GS"]))
def test_read__any_json__is_refused_or_read(tree: object, changes: dict[str, object], name: str) -> None:
    for target in ("json", "ocmf", "document"):
        read_anything(target, json.dumps(tree).encode())
    payload = {"FV": "1.0", "PG": "T1", "RD": [ocmf_reading() | changes]}
    read_anything("document", json.dumps(payload).encode())
    read_anything("document", json.dumps(payload | {name: tree}).encode())
    read_anything("ocmf", b"OCMF|" + json.dumps(payload).encode() + b"|" + json.dumps(tree).encode())
    fields = {"device_id": "0x", "counter": 1, "time": 1, "metric": "m", "value": 1, "signature": "0x"}
    read_anything("json", json.dumps(fields | {"value": tree}).encode())


def _senml(value: bytes) -> bytes:
    return cose(home_key(), b'[{"n":"m","u":"Wh","t":1469000700,"v":' + value + b"}]")


BOMBS = [
    ("json", b"[" * 1_000_000),
    ("json", b'{"device_id":' * 70_000),
    ("json", b'{"value":' + b"9" * 1_000_000 + b"}"),
    ("json", b'"' + b"x" * 10_000_000 + b'"'),
    ("cbor", b"\x81" * 1_000_000),
    ("cbor", b"\x9f" * 1_000_000),
    ("cbor", b"\x9b\x00\x00\x00\x10\x00\x00\x00\x00"),
    ("cbor", b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff"),
    ("cbor", b"\x5b\x00\x00\x00\x10\x00\x00\x00\x00"),
    ("cbor", b"\x5f" + b"\x41a" * 400_000 + b"\xff"),
    ("cbor", b"\xc2\x5a\x00\x0f\x42\x40" + b"\xff" * 1_000_000),
    ("cbor", cbor2.dumps(cbor2.loads(SEEDS["cbor"]["one"]) | {"value": 1 << 80_000})),
    ("cbor", cbor2.dumps(cbor2.loads(SEEDS["cbor"]["one"]) | {"value": -(1 << 80_000), "metric": "x" * 900_000})),
    ("cbor", b"\xc5\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01"),
    ("cbor", b"\xd8\x1e\x82\x01\x00"),
    ("cbor", b"\xd8\x1c\x81\xd8\x1d\x00"),
    ("cbor", b"\xd9\x01\x00\x84\x78\xff" + b"a" * 255 + b"\xd8\x19\x00" * 3),
    ("cbor", b"\x7a\x00\x98\x96\x80" + b"x" * 10_000_000),
    ("cose", _senml(b"1e99999999")),
    ("cose", _senml(b"-1e-99999999")),
    ("cose", _senml(b"9" * 5_000)),
    ("cose", _senml(b"0." + b"3" * 5_000)),
    ("cose", cose(home_key(), b"[" * 15_000)),
    ("cose", cose(home_key(), senml_json(*[{"n": "m", "u": "Wh", "t": TIME, "v": 1}] * 300))),
    ("ocmf", b"OCMF|" + b"{" * 100_000 + b"|{}"),
    ("ocmf", b"OCMF|" + b'{"RD":' * 50_000 + b"|{}"),
    ("ocmf", b"|" * 1_000_000),
    ("ocmf", b'OCMF|{"PG":"T1"}|{"SD":"' + b"30" * 500_000 + b'"}'),
    ("document", b'{"PG":"T' + b"1" * 100_000 + b'","RD":[]}'),
]


@pytest.mark.parametrize(("target", "body"), BOMBS, ids=[str(number) for number in range(len(BOMBS))])
def test_read__bomb__is_refused_with_little_memory(target: str, body: bytes) -> None:
    tracemalloc.start()
    try:
        assert not read_anything(target, body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY_BYTES, f"{peak} bytes for {len(body)}"


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_fuzz__short_run_guided_by_coverage__finds_nothing(target: str, tmp_path: Path) -> None:
    """The same seed gives the same inputs, as long as the decoders stay the same."""
    arguments = [f"-runs={FAST_RUNS}", "-seed=1", "-max_len=2048", "-rss_limit_mb=1024", "-timeout=10"]
    found = tmp_path / "found"  # libFuzzer adds what is new to the first folder
    found.mkdir()
    command = [sys.executable, "-m", "tests.fuzz.decoders", target, *arguments, f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(
        [*command, str(found), str(CORPUS / target)],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    assert f"Done {FAST_RUNS} runs" in done.stderr
