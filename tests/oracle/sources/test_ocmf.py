"""OCMF: published records, its numbers and times, and what makes a reading not count."""

from __future__ import annotations

import base64
import json
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from gridwitness.domain.readings import SignedReading
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256_ORDER, is_signature_of
from gridwitness.errors import InputError, ReadingRejected
from gridwitness.sources.decoding import OCMF, decode
from gridwitness.sources.payloads import to_signed
from gridwitness.sources.signers import Signers
from tests.oracle.signers import home_key, plant_key
from tests.oracle.sources.documents import KEBA, KEBA_KEY, ROAD, ROAD_KEY, Keys, flaw_of, ocmf, ocmf_reading, read

HOME = home_key()


def published(record: bytes, point: bytes) -> list[SignedReading]:
    key_id = keccak(point)
    signers = Signers(Keys(later={key_id: key_id}))
    return [to_signed(payload) for payload in decode(record, OCMF, signers)]


@pytest.mark.parametrize(("record", "point"), [(KEBA, KEBA_KEY), (ROAD, ROAD_KEY)])
def test_read__published_record__its_published_key_is_found_and_verifies(record: bytes, point: bytes) -> None:
    for signed in published(record, point):
        assert signed.signature[:64] == point
        assert signed.document == record.split(b"|")[1]
        assert is_signature_of(keccak(point), sha256(signed.document).digest(), signed.signature)
        assert flaw_of(signed) == ""


def test_read__keba__says_what_the_charger_measured() -> None:
    begin, end = (signed.reading for signed in published(KEBA, KEBA_KEY))
    assert (begin.counter, begin.time, begin.metric, begin.value) == (64 * 256, 1565690595, "1-b:1.8.0:mWh", 259_600)
    assert (end.counter, end.time, end.metric, end.value) == (64 * 256 + 1, 1565690616, "1-b:1.8.0:mWh", 259_700)


def test_read__offset_and_fraction__are_the_second_they_lie_in() -> None:
    begin, _ = (signed.reading for signed in published(ROAD, ROAD_KEY))
    assert (begin.time, begin.value) == (1749887387, 566_980)  # 07:49:47.642 UTC


@pytest.mark.parametrize("key", [HOME, plant_key()])
def test_read__either_curve__is_signed_by_the_device(key) -> None:
    (signed,) = read(ocmf(key, ocmf_reading()), OCMF, key)
    assert signed.reading.device_id == key.device_id
    assert is_signature_of(key.device_id, sha256(signed.document).digest(), signed.signature)


def test_read__white_space_inside__is_kept_as_signed() -> None:
    payload = b' \n{"FV": "1.2",\n  "PG": "F3", "RD": [ ' + json.dumps(ocmf_reading()).encode() + b" ]\n}\n"
    (signed,) = read(ocmf(HOME, payload=payload), OCMF, HOME)
    assert signed.document == payload.strip()
    assert signed.reading.counter == (2 * 3 + 1) * 256


@pytest.mark.parametrize("form", ["base64", "high s", "no algorithm"])
def test_read__signature_written_otherwise__is_the_same(form: str) -> None:
    record = ocmf(HOME, ocmf_reading())
    head, payload, section = record.split(b"|")
    (expected,) = read(record, OCMF, HOME)
    fields = json.loads(section)
    if form == "base64":
        fields |= {"SE": "base64", "SD": base64.b64encode(bytes.fromhex(fields["SD"])).decode()}
    elif form == "high s":
        r, s = decode_dss_signature(bytes.fromhex(fields["SD"]))
        fields["SD"] = encode_dss_signature(r, P256_ORDER - s).hex()
    else:
        del fields["SA"]
    assert read(b"|".join([head, payload, json.dumps(fields).encode()]), OCMF, HOME) == [expected]


FLAWS = [
    ({"ST": "T"}, "meter_error"),
    ({"EF": "E"}, "meter_error"),
    ({"EF": "t"}, "meter_error"),
    ({"TX": "X"}, "meter_error"),
    ({"TM": "2016-07-20T09:45:00,000+0200 U"}, "unsynchronised_clock"),
    ({"RV": 0.0000001}, "inexact_value"),
    ({"RV": 99_999_999_999_999}, "value_out_of_range"),
]


@pytest.mark.parametrize(("changes", "reason"), FLAWS)
def test_read__reading_that_does_not_count__has_the_reason_and_spares_the_others(changes: dict, reason: str) -> None:
    good, bad = read(ocmf(HOME, ocmf_reading(), ocmf_reading(**changes)), OCMF, HOME)
    assert flaw_of(good) == ""
    assert flaw_of(bad) == reason


@pytest.mark.parametrize("state", ["S", "I", "R"])
def test_read__clock_state__counts(state: str) -> None:
    (signed,) = read(ocmf(HOME, ocmf_reading(TM=f"2016-07-20T09:45:00,999+0200 {state}")), OCMF, HOME)
    assert (signed.reading.time, flaw_of(signed)) == (1_469_000_700, "")


BAD = [
    (b"OCMF|{}", "2 sections"),
    (b"OCMF|nonsense|{}", "OCMF payload is not JSON"),
    (ocmf(HOME, ocmf_reading(), FV="2.0"), "version '2.0'"),
    (ocmf(HOME, ocmf_reading(), page="X1"), "pagination 'X1'"),
    (ocmf(HOME, ocmf_reading(), page="T01"), "pagination 'T01'"),
    (ocmf(HOME), "1 to 256 readings"),
    (ocmf(HOME, ocmf_reading(TM="2016-07-20T09:45:00")), "is not as 2018-07-24"),
    (ocmf(HOME, ocmf_reading(TM="2016-13-20T09:45:00,000+0200 S")), "is no date"),
    (ocmf(HOME, ocmf_reading(RU="mOhm")), "unit 'mOhm'"),
    (ocmf(HOME, ocmf_reading(value="12")), "no number RV"),
    (ocmf(HOME, ocmf_reading(), signature={"SE": "base85"}), "encoding 'base85'"),
    (ocmf(HOME, ocmf_reading(), signature={"SM": "text/plain"}), "application/x-der"),
    (ocmf(HOME, ocmf_reading(), signature={"SD": "3000"}), "no DER signature"),
    (ocmf(HOME, payload=b'{"PG":"T1","PG":"T2"}'), "a key stands twice"),
]


@pytest.mark.parametrize(("record", "words"), BAD)
def test_read__not_a_record__says_what_is_wrong(record: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(record, OCMF, HOME)


def test_read__other_algorithm__is_refused_by_name() -> None:
    with pytest.raises(ReadingRejected, match="ECDSA-brainpool256r1-SHA256") as caught:
        read(ocmf(HOME, ocmf_reading(), signature={"SA": "ECDSA-brainpool256r1-SHA256"}), OCMF, HOME)
    assert caught.value.reason == "unsupported_algorithm"


def test_read__no_registered_device_can_have_signed__is_unknown() -> None:
    with pytest.raises(ReadingRejected) as caught:
        read(ocmf(HOME, ocmf_reading()), OCMF, plant_key())
    assert caught.value.reason == "unknown_device"


def test_read__too_large_for_an_answer__is_refused() -> None:
    with pytest.raises(ReadingRejected) as caught:
        read(ocmf(HOME, ocmf_reading(), U1="x" * (16 << 10)), OCMF, HOME)
    assert caught.value.reason == "document_too_large"
