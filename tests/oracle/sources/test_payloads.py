"""Decoding what anyone may post."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.domain.readings import Reading, SignedReading
from gridwitness.errors import InputError, ReadingRejected
from gridwitness.sources.payloads import MAX_READINGS, ReadingPayload, decode_body, encode_body, to_payload, to_signed

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
U63 = st.integers(0, (1 << 63) - 1)
METRICS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=32)
SIGNATURES = st.one_of(st.binary(min_size=65, max_size=65), st.binary(min_size=128, max_size=128))
READINGS = st.builds(Reading, st.binary(min_size=32, max_size=32), U63, U63, METRICS, INT64)
SIGNED = st.builds(SignedReading, READINGS, SIGNATURES)
GOOD = ReadingPayload("0x" + "11" * 32, 1, 1_466_640_000, "1-0:16.29.0", 412, "0x" + "22" * 65)


@given(st.lists(SIGNED, min_size=1, max_size=5))
def test_decode__encoded_readings__come_back_as_they_were(readings: list[SignedReading]) -> None:
    assert [to_signed(payload) for payload in decode_body(encode_body(readings))] == readings


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_decode__any_bytes__are_readings_or_one_line_of_error(body: bytes) -> None:
    try:
        payloads = decode_body(body)
    except InputError as error:
        assert "\n" not in error.message
    else:
        assert payloads


@given(
    st.fixed_dictionaries(
        {name: st.one_of(st.none(), st.text(max_size=90), st.integers()) for name in ReadingPayload.__struct_fields__}
    )
)
def test_decode__any_field_values__are_a_reading_or_refused_with_a_reason(fields: dict[str, object]) -> None:
    try:
        signed = to_signed(decode_body(msgspec.json.encode(fields))[0])
    except ReadingRejected as rejected:
        assert rejected.reason in ("malformed", "value_out_of_range")
    except InputError as error:
        assert "the body is not a reading" in error.message
    else:
        assert len(signed.reading.device_id) == 32
        assert len(signed.signature) in (65, 128)


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"device_id": "0x12"}, "malformed", "device_id '0x12' has 4 characters; it must be 0x and 32 bytes"),
        ({"device_id": "0x" + "zz" * 32}, "malformed", "is not hexadecimal"),
        ({"signature": "0x" + "11" * 64}, "malformed", "it must be 0x and 65 or 128 bytes"),
        ({"metric": ""}, "malformed", "metric '' is not 1 to 32 printable ASCII"),
        ({"metric": "Wärme"}, "malformed", "metric 'Wärme' is not"),
        ({"counter": -1}, "value_out_of_range", "counter -1 is outside 0 to"),
        ({"counter": 1 << 63}, "value_out_of_range", "counter 9223372036854775808 is outside"),
        ({"value": 1 << 63}, "value_out_of_range", "value 9223372036854775808 is outside -9223372036854775808"),
        ({"time": -1}, "value_out_of_range", "time -1 is outside 0 to"),
    ],
)
def test_convert__bad_field__is_refused_naming_value_and_limit(
    change: dict[str, object], reason: str, words: str
) -> None:
    with pytest.raises(ReadingRejected) as caught:
        to_signed(msgspec.structs.replace(GOOD, **change))
    assert caught.value.reason == reason
    assert words in caught.value.message


@pytest.mark.parametrize("count", [0, MAX_READINGS + 1])
def test_decode__too_few_or_too_many_readings__names_number_and_limit(count: int) -> None:
    with pytest.raises(InputError, match=f"the body holds {count} readings; it must hold 1 to 1000"):
        decode_body(msgspec.json.encode([GOOD] * count))


def test_decode__unknown_field__is_refused() -> None:
    body = msgspec.json.encode(msgspec.structs.asdict(GOOD) | {"note": "hello"})
    with pytest.raises(InputError, match="unknown field `note`"):
        decode_body(body)


def test_convert__payload_of_a_reading__is_the_native_json() -> None:
    assert to_payload(to_signed(GOOD)) == GOOD
