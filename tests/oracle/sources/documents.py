"""Signed documents as devices make them, and published ones."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gridwitness.domain.devices import KeyType
from gridwitness.domain.readings import SignedReading
from gridwitness.encoding.keys import DeviceKey
from gridwitness.errors import ReadingRejected
from gridwitness.sources.cose import ALGORITHM, FIRST_COUNTER, KEY_ID
from gridwitness.sources.decoding import decode
from gridwitness.sources.documents import check_document
from gridwitness.sources.payloads import to_signed
from gridwitness.sources.signers import Signers

# A charging session in the test data of the Transparenzsoftware of S.A.F.E. e.V., by a KEBA KCP30, with its public key.
KEBA = (
    b'OCMF|{"FV":"1.0","GI":"KEBA_KCP30","GS":"17619300","GV":"2.8.5","PG":"T32","IS":false,"IL":"NONE",'
    b'"IF":["RFID_NONE","OCPP_NONE","ISO15118_NONE","PLMN_NONE"],"IT":"NONE","ID":"","RD":['
    b'{"TM":"2019-08-13T10:03:15,000+0000 I","TX":"B","EF":"","ST":"G","RV":0.2596,"RI":"1-b:1.8.0","RU":"kWh"},'
    b'{"TM":"2019-08-13T10:03:36,000+0000 R","TX":"E","EF":"","ST":"G","RV":0.2597,"RI":"1-b:1.8.0","RU":"kWh"}]}|'
    b'{"SD":"304502200E2F107C987A300AC1695CA89EA149A8CDFA16188AF0A33EE64B67964AA943F9022100889A72B6D65364BEA8562E7F6A'
    b'0253157ACFF84FE4929A93B5964D23C4265699"}'
)
KEBA_KEY = bytes.fromhex(
    "3AEEB45C392357820A58FDFB0857BD77ADA31585C61C430531DFA53B440AFBFDD95AC887C658EA55260F808F55CA948DF235C2108A0D6DC7"
    "D4AB1A5E1A7955BE"
)
# Example of github.com/road-labs/ocmf-js, with its public key.
ROAD = (
    b'OCMF|{"FV":"1.0","GI":"TEST","GS":"1234567","GV":"1.0.0","PG":"T1","MV":"MV","MM":"MM","MS":"1234567","MF":"1.0",'
    b'"IS":true,"IL":"VERIFIED","IF":["RFID_PLAIN","OCPP_RS_TLS"],"IT":"ISO14443","ID":"2AB46E883AD3BB","CI":"CSONE",'
    b'"CT":"CBIDC","RD":[{"TM":"2025-06-14T08:49:47,642+0100 S","TX":"B","RV":0.56698,"RI":"1-b","RU":"kWh","EI":1523,'
    b'"ST":"G"},{"TM":"2025-06-14T11:49:47,642+0100 S","TX":"E","RV":8.36706,"RI":"1-b","RU":"kWh","EI":1523,"ST":"G"}'
    b']}|{"SA":"ECDSA-secp256r1-SHA256","SD":"3045022100DB41C0B8AC1580F274574DC8A5C9AD856C1A4B0D5BF2252D119F55202E3639'
    b'68022053BD9DBE36DF6EF1F712C76A0E12F80E8B7E614683375C046371871E128B9BA3"}'
)
ROAD_KEY = bytes.fromhex(
    "EF1766AFD940A49FBA863779837F394EB053BF87DB529DE69FDDE8B32485D7AD715CD8F291656B1DEAA29337A65E4B1B7F9F2808E4E53019"
    "B867D4C9294948C9"
)
_ALGORITHMS = {KeyType.P256: -7, KeyType.SECP256K1: -47}
_OCMF_ALGORITHMS = {KeyType.P256: "ECDSA-secp256r1-SHA256", KeyType.SECP256K1: "ECDSA-secp256k1-SHA256"}
TIME = 1_469_000_700


def scalars(key: DeviceKey, document: bytes) -> bytes:
    """`r || s` over the document's SHA-256."""
    signature = key.sign(sha256(document).digest())
    return signature[-64:] if len(signature) == 128 else signature[:64]


def net_energy_record(energy_wh: int, time: int = TIME) -> dict[str, Any]:
    return {"n": "1-0:16.29.0", "u": "Wh", "t": time, "v": energy_wh}


def cose(
    key: DeviceKey,
    payload: bytes,
    counter: int = 1,
    *,
    protected: dict[int, Any] | None = None,
    unprotected: dict[int, Any] | None = None,
    tagged: bool = True,
) -> bytes:
    """A COSE_Sign1 message."""
    header = {ALGORITHM: _ALGORITHMS[key.key_type], FIRST_COUNTER: counter} if protected is None else protected
    encoded = cbor2.dumps(header)
    signature = scalars(key, cbor2.dumps(["Signature1", encoded, b"", payload]))
    named = {KEY_ID: key.device_id} if unprotected is None else unprotected
    message = cbor2.dumps([encoded, named, payload, signature])
    return b"\xd2" + message if tagged else message


def senml_json(*records: dict[str, Any]) -> bytes:
    return json.dumps(list(records)).encode()


def ocmf_reading(value: object = 12.345, **changes: Any) -> dict[str, Any]:
    fields = {
        "TM": "2016-07-20T09:45:00,000+0200 S",
        "TX": "B",
        "RV": value,
        "RI": "1-b:1.8.0",
        "RU": "kWh",
        "EF": "",
        "ST": "G",
    }
    return {name: field for name, field in (fields | changes).items() if field is not None}


def ocmf(
    key: DeviceKey,
    *readings: dict[str, Any],
    page: str = "T7",
    payload: bytes = b"",
    signature: dict[str, Any] | None = None,
    **fields: Any,
) -> bytes:
    """An OCMF record; `payload` in place of one made of the readings."""
    table = {"FV": "1.0", "GI": "Charger", "GS": "1", "PG": page, "MS": "9", "RD": list(readings)} | fields
    document = payload or json.dumps(table).encode()
    both = scalars(key, document.strip())
    der = encode_dss_signature(int.from_bytes(both[:32], "big"), int.from_bytes(both[32:], "big"))
    section = {"SA": _OCMF_ALGORITHMS[key.key_type], "SD": der.hex()} | (signature or {})
    return b"OCMF|" + document + b"|" + json.dumps(section).encode()


class Keys:
    """A registry's answer to whose a key is: devices by their own id, and by later keys."""

    def __init__(self, *keys: DeviceKey, later: dict[bytes, bytes] | None = None) -> None:
        self._devices = {key.device_id: key.device_id for key in keys} | (later or {})

    def device_of_key(self, key_id: bytes) -> bytes | None:
        return self._devices.get(key_id)


def read(body: bytes, content_type: str, *keys: DeviceKey) -> list[SignedReading]:
    """Signed readings of a body whose signers are registered."""
    return [to_signed(payload) for payload in decode(body, content_type, Signers(Keys(*keys)))]


def flaw_of(signed: SignedReading) -> str:
    """Reason for which a reading's document does not count; empty if it does."""
    try:
        check_document(signed)
    except ReadingRejected as rejected:
        return rejected.reason
    return ""
