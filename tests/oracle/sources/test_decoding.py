"""Bodies by content type: native CBOR, and SenML in COSE with published vectors."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.domain.devices import KeyType
from gridwitness.encoding.keys import DeviceKey, P256Key, is_signature_of, low_s, p256_candidates
from gridwitness.errors import InputError, Overloaded, ReadingRejected, UnsupportedContent
from gridwitness.sources.cose import FIRST_COUNTER, open_cose
from gridwitness.sources.decoding import CBOR, COSE, JSON, decode
from gridwitness.sources.documents import check_document
from gridwitness.sources.payloads import encode_body, to_payload
from gridwitness.sources.quantities import UNITS, unit_of
from gridwitness.sources.signers import Signers
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy, plant_key
from tests.oracle.sources.documents import TIME, Keys, cose, flaw_of, net_energy_record, read, senml_json

HOME, PLANT = home_key(), plant_key()
# Key "11" and two messages it signed, with the bytes to be signed: ecdsa-examples/ecdsa-sig-01.json of
# github.com/cose-wg/Examples, and RFC 9052 appendix C.2.1.
WG_KEY = bytes.fromhex(
    "BAC5B11CAD8F99F9C72B05CF4B9E26D244DC189F745228255A219A86D6A09EFF"
    "20138BF82DC1B6D562BE0FA54AB7804A3A64B6D72CCFED6B6FB6ED28BBFC117E"
)
WG_CONTENT = "546869732069732074686520636F6E74656E742E"
WG_MESSAGES = [
    (
        f"D28445A201260300A10442313154{WG_CONTENT}5840EAE868ECC176883766C5DC5BA5B8DCA25DAB3C2E56A551CE5705B793914348E1"
        "72727F48461FABBBA2E343492DDECAC3983686250BC68E9F1A7A07D41225B59F",
        f"846A5369676E61747572653145A20126030040 54{WG_CONTENT}",
    ),
    (
        f"D28443A10126A10442313154{WG_CONTENT}58408EB33E4CA31D1C465AB05AAC34CC6B23D58FEF5C083106C4D25A91AEF0B0117E"
        "2AF9A291AA32E14AB834DC56ED2A223444547E01F11D3B0916E5A4C345CACB36",
        f"846A5369676E61747572653143A10126 40 54{WG_CONTENT}",
    ),
]


def cbor_of(signed: Any, **changes: Any) -> dict[str, Any]:
    reading = signed.reading
    fields = {
        "device_id": reading.device_id,
        "counter": reading.counter,
        "time": reading.time,
        "metric": reading.metric,
        "value": reading.value,
        "signature": signed.signature,
    }
    return fields | changes


def test_decode__native_cbor__is_the_same_as_json() -> None:
    signed = [net_energy(key, 1, FIRST_SLOT, -5) for key in (HOME, PLANT)]
    many = cbor2.dumps([cbor_of(one) for one in signed])
    assert read(many, CBOR) == read(encode_body(signed), JSON) == signed
    assert read(cbor2.dumps(cbor_of(signed[0])), "Application/CBOR; q=1") == signed[:1]


BAD_CBOR = [
    (cbor2.dumps(cbor_of(net_energy(HOME, 1, FIRST_SLOT, 1), colour="red")), "unknown field"),
    (cbor2.dumps(cbor_of(net_energy(HOME, 1, FIRST_SLOT, 1), value=1.5)), "int"),
    (cbor2.dumps([]), "0 readings"),
    (cbor2.dumps([1] * 1_001), "1001 readings"),
    (cbor2.dumps({1: 2}), "not a reading"),
    (cbor2.dumps(5), "not a map"),
    (cbor2.dumps({}) + b"\x00", "bytes follow"),
    (bytes.fromhex("bf616101ff"), "indefinite"),
    (bytes.fromhex("a2616101616102"), "Duplicate map key"),
    (b"\x81" * 100, "nesting"),
    (bytes.fromhex("9b00000000ffffffff"), "premature end"),
    (bytes.fromhex("c11a514b67b0"), "not read here"),
]


@pytest.mark.parametrize(("body", "words"), BAD_CBOR)
def test_decode__cbor_that_is_no_reading__says_why(body: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(body, CBOR)


def test_decode__unknown_type_or_too_much__is_refused() -> None:
    with pytest.raises(UnsupportedContent, match="text/csv"):
        read(b"{}", "text/csv")
    with pytest.raises(InputError, match="1048577 bytes"):
        read(b" " * ((1 << 20) + 1), JSON)


@pytest.mark.parametrize(("message", "to_be_signed"), WG_MESSAGES)
def test_open__published_message__gives_the_bytes_to_be_signed_and_its_key(message: str, to_be_signed: str) -> None:
    # Their key id is "11", and ours have 32 bytes; the unprotected header is not signed, so it may be taken out.
    signed = open_cose(bytes.fromhex(message.replace("A104423131", "A0")))
    assert signed.document == bytes.fromhex(to_be_signed)
    scalars = low_s(KeyType.P256, signed.r, signed.s)
    assert scalars is not None
    assert WG_KEY in p256_candidates(sha256(signed.document).digest(), scalars)


@pytest.mark.parametrize("key", [HOME, PLANT])
@pytest.mark.parametrize("is_tagged", [True, False])
def test_decode__senml_in_cose__is_the_devices_reading(key: DeviceKey, is_tagged: bool) -> None:
    body = cose(key, senml_json(net_energy_record(-3)), counter=9, tagged=is_tagged)
    (signed,) = read(body, 'application/cose; cose-type="cose-sign1"', key)
    reading = signed.reading
    assert (reading.device_id, reading.counter, reading.time) == (key.device_id, 9, TIME)
    assert (reading.metric, reading.value) == ("1-0:16.29.0", -3)
    assert is_signature_of(key.device_id, sha256(signed.document).digest(), signed.signature)
    assert flaw_of(signed) == ""


def test_decode__base_fields_and_labels__are_resolved_in_json_and_cbor_alike() -> None:
    records = [
        {"bn": "urn:dev:mac:0024befffe804ff1:", "bt": TIME - 10, "bu": "kWh", "bv": 1, "n": "1-0:1.8.0", "v": 0.5},
        {"n": "hall", "u": "Cel", "t": 10.75, "bv": 0, "v": 21.7},
        {"bn": "roof/", "n": "sun", "u": "/", "v": 0.25, "t": 20},
    ]
    labels = {"bn": -2, "bt": -3, "bu": -4, "bv": -5, "n": 0, "u": 1, "v": 2, "t": 6}
    packed = cbor2.dumps([{labels[name]: value for name, value in record.items()} for record in records])
    for payload in (senml_json(*records), packed):
        readings = [signed.reading for signed in read(cose(HOME, payload, counter=4), COSE, HOME)]
        assert [(one.counter, one.time, one.metric, one.value) for one in readings] == [
            (4, TIME - 10, "1-0:1.8.0", 1_500),
            (5, TIME, "hall:mCel", 21_700),
            (6, TIME + 10, "roof/sun:ppm", 250_000),
        ]


def test_decode__single_precision__is_the_decimal_that_was_meant() -> None:
    payload = bytes.fromhex("81a4") + b"\x00\x61a\x01\x63Cel\x06" + cbor2.dumps(TIME) + b"\x02\xfa\x41\xad\x99\x9a"
    (signed,) = read(cose(HOME, payload), COSE, HOME)
    assert (signed.reading.metric, signed.reading.value) == ("a:mCel", 21_700)


@pytest.mark.parametrize(
    ("unit", "value", "metric", "integer"),
    [("J", 7_200, "m", 2), ("kWh", 0.001, "m", 1), ("W", 0.5, "m:mW", 500), ("%", 12.5, "m:ppm", 125_000)],
)
def test_decode__unit__becomes_integers_of_ours(unit: str, value: float, metric: str, integer: int) -> None:
    (signed,) = read(cose(HOME, senml_json({"n": "m", "u": unit, "v": value, "t": TIME})), COSE, HOME)
    assert (signed.reading.metric, signed.reading.value) == (metric, integer)
    assert unit_of(metric) == UNITS[unit][1][1:]


FLAWS = [
    ({"n": "m", "u": "J", "v": 1, "t": TIME}, "inexact_value"),
    ({"n": "m", "u": "kWh", "v": 1e17, "t": TIME}, "value_out_of_range"),
    ({"n": "m", "u": "Wh", "vs": "twelve", "t": TIME}, "malformed"),
]


@pytest.mark.parametrize(("record", "reason"), FLAWS)
def test_decode__measurement_that_does_not_count__has_the_reason_and_spares_the_others(
    record: dict[str, Any], reason: str
) -> None:
    good, bad = read(cose(HOME, senml_json(net_energy_record(1), record)), COSE, HOME)
    assert (flaw_of(good), flaw_of(bad)) == ("", reason)


def _sealed(record: dict[str, Any]) -> bytes:
    return cose(HOME, senml_json(record))


BAD_COSE = [
    (b"\x84\x40", "not CBOR"),
    (cbor2.dumps([b"", {}, b""]), "not COSE_Sign1"),
    (cbor2.dumps([b"", {}, None, b""]), "must be byte strings"),
    (cose(HOME, b"[]"), "0 measurements"),
    (cose(HOME, senml_json(*[net_energy_record(1)] * 257)), "257 measurements"),
    (cose(HOME, b"[1]"), "not an array of records"),
    (cose(HOME, senml_json(net_energy_record(1)), protected={1: -7}), "no counter"),
    (cose(HOME, senml_json(net_energy_record(1)), counter=1 << 63), "no counter"),
    (cose(HOME, b"[]", protected={1: -7, 2: [99], FIRST_COUNTER: 1}), "critical"),
    (cose(HOME, b"[]", protected={1: -7, 3: 60, FIRST_COUNTER: 1}), "content type 60"),
    (cose(HOME, b"[]", unprotected={4: b"11"}), "32 bytes"),
    (_sealed({"n": "m", "u": "Wh", "v": 1, "t": 5}), "relative"),
    (_sealed({"n": "m", "u": "furlong", "v": 1, "t": TIME}), "furlong"),
    (_sealed({"n": "m", "u": "Wh", "v": 1, "t": TIME, "must_": 1}), "must be understood"),
    (_sealed({"bver": 11, "n": "m", "u": "Wh", "v": 1, "t": TIME}), "version 11"),
    (_sealed({"n": "m", "u": "Wh", "v": "1", "t": TIME}), "field v is not a number"),
    (_sealed({"n": "", "u": "Wh", "v": 1, "t": TIME}), "visible ASCII"),
    (_sealed({"n": "m" * 33, "u": "Wh", "v": 1, "t": TIME}), "visible ASCII"),
    (cose(HOME, b'[{"n":"m","u":"Wh","v":NaN,"t":1469000700}]'), "NaN"),
    (cose(HOME, b'[{"n":"m","u":"Wh","v":1e999999999,"t":1469000700}]'), "exponent"),
    (cose(HOME, cbor2.dumps([{0: "m", 1: "Wh", 2: float("nan"), 6: TIME}])), "must be a number"),
]


@pytest.mark.parametrize(("body", "words"), BAD_COSE)
def test_decode__cose_that_says_nothing__says_why(body: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(body, COSE, HOME)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (cose(HOME, senml_json(net_energy_record(1)), protected={1: -8, FIRST_COUNTER: 1}), "unsupported_algorithm"),
        (cose(HOME, senml_json(net_energy_record(1)), unprotected={1: -7}, protected={}), "unsupported_algorithm"),
        (cose(HOME, senml_json(net_energy_record(1)), unprotected={4: bytes(32)}), "unknown_device"),
        (cose(P256Key(7), senml_json(net_energy_record(1)), unprotected={}), "unknown_device"),
        (cose(P256Key(7), senml_json(net_energy_record(1)), unprotected={4: HOME.device_id}), "wrong_signature"),
        (cose(PLANT, senml_json(net_energy_record(1)), unprotected={4: HOME.device_id}), "wrong_signature"),
    ],
)
def test_decode__cose_of_somebody_else__is_refused_by_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(ReadingRejected) as caught:
        read(body, COSE, HOME, PLANT)
    assert caught.value.reason == reason


def test_identify__same_device_again__costs_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    signers = Signers(Keys(HOME))
    decode(cose(HOME, senml_json(net_energy_record(1)), counter=1), COSE, signers)
    monkeypatch.setattr("gridwitness.sources.signers.p256_candidates", pytest.fail)
    (payload,) = decode(cose(HOME, senml_json(net_energy_record(2)), counter=2), COSE, signers)
    assert payload.device_id == "0x" + HOME.device_id.hex()


def test_identify__another_search_is_under_way__is_put_off_unless_the_key_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    third = P256Key(333)
    signers = Signers(Keys(HOME, third))
    known, new = (cose(key, senml_json(net_energy_record(1))) for key in (HOME, third))
    decode(known, COSE, signers)
    monkeypatch.setattr("gridwitness.sources.signers._SEARCH_PATIENCE_S", 0.01)

    def search(digest: bytes, scalars: bytes) -> list[bytes]:
        assert len(decode(known, COSE, signers)) == 1
        with pytest.raises(Overloaded):
            decode(new, COSE, signers)
        return p256_candidates(digest, scalars)

    monkeypatch.setattr("gridwitness.sources.signers.p256_candidates", search)
    assert decode(new, COSE, signers)[0].device_id == "0x" + third.device_id.hex()


def test_identify__rotated_key__is_its_devices_again() -> None:
    new = P256Key(909)
    signers = Signers(Keys(HOME, later={new.device_id: HOME.device_id}))
    old = cose(HOME, senml_json(net_energy_record(1)))
    assert decode(old, COSE, signers)[0].device_id == "0x" + HOME.device_id.hex()
    body = cose(new, senml_json(net_energy_record(1)), unprotected={4: HOME.device_id})
    assert decode(body, COSE, signers)[0].device_id == "0x" + HOME.device_id.hex()


@pytest.mark.parametrize("field", ["counter", "time", "metric", "value"])
def test_check__leaf_the_document_does_not_say__is_refused(field: str) -> None:
    (signed,) = read(cose(HOME, senml_json(net_energy_record(4))), COSE, HOME)
    other = "other" if field == "metric" else getattr(signed.reading, field) + 1
    false = replace(signed, reading=replace(signed.reading, **{field: other}))
    with pytest.raises(ReadingRejected, match="does not say") as caught:
        check_document(false)
    assert caught.value.reason == "wrong_document"


@pytest.mark.parametrize("document", [b"nonsense", b"\x84\x00\x00\x00\x00", b'{"PG":"T1"}'])
def test_check__document_nobody_can_read__is_refused(document: bytes) -> None:
    (signed,) = read(cose(HOME, senml_json(net_energy_record(4))), COSE, HOME)
    assert flaw_of(replace(signed, document=document)) == "wrong_document"


def test_payload__document_and_gateway__survive_the_way_to_a_peer() -> None:
    (signed,) = read(cose(HOME, senml_json(net_energy_record(4))), COSE, HOME)
    signed = replace(signed, gateway_signature=b"\x01" * 65)
    assert read(encode_body([signed]), JSON) == [signed]
    assert to_payload(signed).gateway_signature == "0x" + "01" * 65


@given(st.integers(min_value=1), st.binary(min_size=32, max_size=32))
def test_recover__any_digest__finds_the_key(secret: int, digest: bytes) -> None:
    key = P256Key(secret % (1 << 200) + 1)
    assert key.public_key in p256_candidates(digest, key.sign(digest)[64:])
