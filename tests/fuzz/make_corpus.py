"""Writes the corpus: one valid message of each kind and shape, for fuzzers to start from."""

from __future__ import annotations

from pathlib import Path

import cbor2

from gridwitness.sources.cose import open_cose
from gridwitness.sources.payloads import encode_body
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy, plant_key
from tests.oracle.sources.documents import KEBA, ROAD, TIME, cose, net_energy_record, ocmf, ocmf_reading, senml_json

CORPUS = Path(__file__).parent / "corpus"


def messages() -> dict[str, dict[str, bytes]]:
    """Bodies by target and name; the same every time."""
    home, plant = home_key(), plant_key()
    signed = [net_energy(key, 1, FIRST_SLOT, 412) for key in (home, plant)]
    native = [
        {
            "device_id": one.reading.device_id,
            "counter": 1,
            "time": one.reading.time,
            "metric": one.reading.metric,
            "value": 412,
            "signature": one.signature,
        }
        for one in signed
    ]
    senml = [{-2: "urn:dev:x:", -3: TIME, -4: "kWh", 0: "a", 2: 0.5}, {0: "b", 1: "Cel", 6: 1, 2: 21.5}]
    sealed = {
        "json": cose(home, senml_json(net_energy_record(1), {"n": "b", "u": "Cel", "v": 21.5, "t": TIME})),
        "cbor": cose(plant, cbor2.dumps(senml), counter=7, tagged=False),
    }
    records = {
        "keba": KEBA,
        "road": ROAD,
        "flawed": ocmf(home, ocmf_reading(), ocmf_reading(ST="T"), ocmf_reading(EF="E"), page="F3"),
        "secp256k1": ocmf(plant, ocmf_reading(RU="Wh", RV=12), signature={"SE": "hex", "SM": "application/x-der"}),
    }
    return {
        "json": {"one": encode_body(signed[:1])[1:-1], "two": encode_body(signed)},
        "cbor": {"one": cbor2.dumps(native[0]), "two": cbor2.dumps(native)},
        "cose": sealed,
        "ocmf": records,
        "document": {
            **{f"cose-{name}": open_cose(message).document for name, message in sealed.items()},
            **{f"ocmf-{name}": record.split(b"|")[1] for name, record in records.items() if name != "flawed"},
        },
    }


def main() -> None:
    """Write every message to its file."""
    for target, bodies in messages().items():
        for name, body in bodies.items():
            path = CORPUS / target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)


if __name__ == "__main__":
    main()
