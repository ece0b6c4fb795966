"""Make encoding.json from eth-account, eth-abi, cryptography and @openzeppelin/merkle-tree, not from gridwitness.

Run from the root of the checkout: python -m tests.vectors.make_encoding
"""

from __future__ import annotations

import json
import random
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.oracle.encoding.references import (
    ACTIVATE,
    BATCH,
    OWNER_ACTIONS,
    READING,
    REGISTER,
    SCHEDULE,
    mountain_peaks,
    mountain_proof,
    packed,
    range_root,
    standard_leaf,
)
from tests.vectors.devices import devices, sign
from tests.vectors.typed_data import CHAIN_ID, CONTRACTS, domains, hashes_of, hexed, types, word

FILE = Path(__file__).with_name("encoding.json")
NODE_SCRIPT = Path(__file__).parents[1] / "integration" / "chain" / "standard_merkle_tree.mjs"
MANUFACTURER = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
OWNER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
READING_TYPES = ["bytes32", "uint64", "uint64", "bytes32", "int256", "uint16", "bytes32"]
PROFILE_TYPES = ["bytes32", "uint32", "uint16", "bytes32", "uint16"]
DRAW = random.Random(712)


def registrations(device: dict[str, Any]) -> list[dict[str, Any]]:
    """Registrations at both ends of their fields."""
    rows = []
    for kind, zone, deadline in ((0, 0, 0), (2, 7, 1_469_000_000), (7, (1 << 24) - 1, (1 << 256) - 1)):
        root = keccak(text=f"fleet {zone}")
        fleet = keccak(encode(["address", "bytes32"], [MANUFACTURER, root]))
        values = {
            "deviceId": bytes.fromhex(device["device_id"][2:]),
            "owner": OWNER,
            "kind": kind,
            "zone": zone,
            "deadline": deadline,
        }
        register = hashes_of("DeviceRegistry", "Register", REGISTER, values)
        activate = hashes_of("DeviceRegistry", "Activate", ACTIVATE, {**values, "fleetId": fleet})
        rows.append(
            {
                "device_id": device["device_id"],
                "owner": OWNER,
                "kind": kind,
                "zone": zone,
                "deadline": word(deadline),
                "manufacturer": MANUFACTURER,
                "fleet_root": hexed(root),
                "fleet_id": hexed(fleet),
                "register_struct_hash": hexed(register.struct_hash),
                "register_digest": hexed(register.digest),
                "activate_struct_hash": hexed(activate.struct_hash),
                "activate_digest": hexed(activate.digest),
            }
        )
    return rows


def owner_actions(known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every action of an owner, with everyday fields and with every field at its end."""
    rows = []
    for action, fields in OWNER_ACTIONS.items():
        for high in (False, True):
            values: dict[str, Any] = {}
            for field in fields:
                kind = field["type"]
                if kind == "bytes32":
                    values[field["name"]] = known[0 if field["name"] == "deviceId" else 1]["device_id"]
                elif kind == "address":
                    values[field["name"]] = MANUFACTURER if field["name"] == "to" else OWNER
                else:
                    values[field["name"]] = (1 << int(kind.removeprefix("uint"))) - 1 if high else 5
            values["nonce"] = 65_535 if high else 0
            message = {
                field["name"]: bytes.fromhex(values[field["name"]][2:])
                if field["type"] == "bytes32"
                else values[field["name"]]
                for field in fields
            }
            hashed = hashes_of("DeviceRegistry", action, fields, message)
            rows.append(
                {
                    "action": action,
                    **values,
                    "deadline": word(values["deadline"]),
                    "struct_hash": hexed(hashed.struct_hash),
                    "digest": hexed(hashed.digest),
                }
            )
    return rows


def documents() -> list[dict[str, Any]]:
    """The hash a leaf holds of a signature over a document."""
    rows = []
    signed = ((b"\x11" * 128, b'{"FV":"1.0"}'), (b"\x22" * 65, b"\xa0"), (b"\x33" * 65, b"\x00" * 200))
    for signature, document in signed:
        hashed = keccak(encode(["bytes32", "bytes32"], [keccak(signature), sha256(document).digest()]))
        rows.append({"signature": hexed(signature), "document": hexed(document), "signature_hash": hexed(hashed)})
    return rows


def readings(known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Readings of every device: import, export, and the ends of the value's range."""
    rows = []
    extremes = (412, -1_250, 0, (1 << 255) - 1, -(1 << 255))
    for index, value in enumerate(extremes * 2):
        device = known[index % len(known)]
        counter, time = (index, 1_469_016_000 + 900 * index) if index else ((1 << 64) - 1, (1 << 64) - 1)
        metric = b"1-0:16.29.0".ljust(32, b"\0")
        identity = bytes.fromhex(device["device_id"][2:])
        values = {"deviceId": identity, "counter": counter, "time": time, "metric": metric, "value": value}
        hashed = hashes_of("DeviceRegistry", "Reading", READING, values)
        signature = sign(int(device["secret"], 16), device["key_type"], hashed.digest)
        score_bps = DRAW.choice((0, 4_210, 9_901, 10_000))
        fields = [identity, counter, time, metric, value, score_bps, keccak(signature)]
        rows.append(
            {
                "device_id": device["device_id"],
                "counter": str(counter),
                "time": str(time),
                "metric": "1-0:16.29.0",
                "metric_bytes32": hexed(metric),
                "value": str(value),
                "struct_hash": hexed(hashed.struct_hash),
                "digest": hexed(hashed.digest),
                "signature": hexed(signature),
                "signature_hash": hexed(keccak(signature)),
                "score_bps": score_bps,
                "leaf": hexed(standard_leaf(READING_TYPES, fields)),
            }
        )
    return rows


def profiles(device: dict[str, Any]) -> list[dict[str, Any]]:
    """Day profiles: nothing, everyday, and the ends of 32 bits."""
    days = ([0] * 96, [DRAW.randrange(-3_000, 3_000) for _ in range(96)], [-(1 << 31), (1 << 31) - 1] * 48)
    rows = []
    for index, energy_wh in enumerate(days):
        raw = packed(energy_wh, 32).to_bytes(384, "big")
        fields = [bytes.fromhex(device["device_id"][2:]), 1_632_192 + 96 * index, 96, keccak(raw), 2_500 * index]
        rows.append(
            {
                "device_id": device["device_id"],
                "first_slot": fields[1],
                "energy_wh": energy_wh,
                "words": [hexed(raw[start : start + 32]) for start in range(0, 384, 32)],
                "energy_hash": hexed(keccak(raw)),
                "score_bps": fields[4],
                "leaf": hexed(standard_leaf(PROFILE_TYPES, fields)),
            }
        )
    return rows


def schedules(device: dict[str, Any]) -> list[dict[str, Any]]:
    """Schedules: empty, everyday, and every field at its end."""
    everyday = [(DRAW.randrange(2), DRAW.randrange(128), DRAW.randrange(3_000)) for _ in range(96)]
    terms = ((0, 0), (1_469_012_400, 25_000), ((1 << 40) - 1, (1 << 32) - 1))
    rows = []
    for version, orders in enumerate(([(0, 0, 0)] * 96, everyday, [(1, 127, (1 << 24) - 1)] * 96), start=1):
        deadline, imbalance_limit_wh = terms[version - 1]
        raw = packed([side << 31 | tick << 24 | energy_wh for side, tick, energy_wh in orders], 32).to_bytes(384, "big")
        words = [int.from_bytes(raw[start : start + 32], "big") for start in range(0, 384, 32)]
        values = {
            "deviceId": bytes.fromhex(device["device_id"][2:]),
            "account": OWNER,
            "zone": 7,
            "day": 17_002,
            "version": version,
            "deadline": deadline,
            "imbalanceLimitWh": imbalance_limit_wh,
            "orders": words,
        }
        hashed = hashes_of("EnergyMarket", "Schedule", SCHEDULE, values)
        rows.append(
            {
                "device_id": device["device_id"],
                "account": OWNER,
                "zone": 7,
                "day": 17_002,
                "version": version,
                "deadline": deadline,
                "imbalance_limit_wh": imbalance_limit_wh,
                "orders": [list(order) for order in orders],
                "words": [word(value) for value in words],
                "orders_hash": hexed(keccak(raw)),
                "struct_hash": hexed(hashed.struct_hash),
                "digest": hexed(hashed.digest),
            }
        )
    return rows


def batches() -> list[dict[str, Any]]:
    """Batch summaries and digests, zero, everyday and full."""
    fields = ("count", "flagged_count", "max_score_bps", "time_from", "time_to")
    widths = (32, 32, 16, 40, 40)
    everyday = (1_344, 12, 9_987, 1_469_016_000, 1_469_016_900)
    full = ((1 << 32) - 1, (1 << 32) - 1, 10_000, (1 << 40) - 1, (1 << 40) - 1)
    windows = ((0, 0, 0), (1, 1_469_016_900, 1_469_017_020), ((1 << 32) - 1, (1 << 40) - 1, (1 << 40) - 1))
    rows = []
    for seq, values in enumerate(((0,) * 5, everyday, full), start=1):
        model_hash = keccak(text=f"model {seq}")[:12]
        meta = 0
        for value, bits in zip(values, widths, strict=True):
            meta = meta << bits | value
        meta = meta << 96 | int.from_bytes(model_hash, "big")
        root, previous, stream = keccak(text=f"root {seq}"), keccak(text=f"previous {seq}")[:20], keccak(text="stream")
        supersedes, valid_from, valid_until = windows[seq - 1]
        message = {
            "streamId": stream,
            "seq": seq,
            "root": root,
            "previous": previous,
            "meta": meta,
            "supersedes": supersedes,
            "validFrom": valid_from,
            "validUntil": valid_until,
            "config": seq + 1,
        }
        hashed = hashes_of("DataAttestation", "Batch", BATCH, message)
        rows.append(
            {
                "stream_id": hexed(stream),
                "seq": seq,
                "root": hexed(root),
                "previous": hexed(previous),
                "config": seq + 1,
                "meta": {**dict(zip(fields, values, strict=True)), "model_hash": hexed(model_hash)},
                "meta_word": word(meta),
                "supersedes": supersedes,
                "valid_from": valid_from,
                "valid_until": valid_until,
                "struct_hash": hexed(hashed.struct_hash),
                "digest": hexed(hashed.digest),
                "head": hexed(hashed.digest[:20]),
                "range_leaf": hexed(keccak(seq.to_bytes(32, "big") + root + meta.to_bytes(32, "big"))),
            }
        )
    return rows


def trees() -> list[dict[str, Any]]:
    """Trees of 1 to 9 fleet leaves, by @openzeppelin/merkle-tree."""
    questions = [
        {
            "types": ["bytes32", "uint8"],
            "rows": [[hexed(keccak(text=f"device {size} {index}")), str(index % 8)] for index in range(size)],
            "subsets": [list(range(size)), [0], list(range(0, size, 2)), list(range(size - 1, size // 2 - 1, -1))],
        }
        for size in (1, 2, 3, 5, 8, 9)
    ]
    command = ["node", str(NODE_SCRIPT)]
    answers = subprocess.run(command, input=json.dumps(questions), capture_output=True, text=True, check=True).stdout
    return [
        {"rows": asked["rows"], **{name: answer[name] for name in ("leaves", "root", "proofs", "multiproofs")}}
        for asked, answer in zip(questions, json.loads(answers), strict=True)
    ]


def proven_indices(length: int) -> list[int]:
    """The first, the last and a middle leaf of every mountain."""
    indices, start = set(), 0
    for height in reversed(range(length.bit_length())):
        size = length & 1 << height
        if size:
            indices |= {start, start + size // 3, start + size - 1}
        start += size
    return sorted(indices)


def ranges() -> list[dict[str, Any]]:
    """Peaks, roots and proofs of mountain ranges of several lengths; leaf i is keccak256 of the text "batch i"."""
    rows = []
    for length in (1, 2, 3, 7, 8, 11, 100):
        leaves = [keccak(text=f"batch {index}") for index in range(length)]
        peaks = {str(height): hexed(peak) for height, peak in mountain_peaks(leaves).items()}
        proofs = {
            str(index): [hexed(node) for node in mountain_proof(leaves, index)] for index in proven_indices(length)
        }
        rows.append({"length": length, "peaks": peaks, "root": hexed(range_root(leaves)), "proofs": proofs})
    return rows


def main() -> None:
    """Write the file."""
    known = devices()
    vectors = {
        "about": "made by tests/vectors/make_encoding.py from libraries other than gridwitness",
        "chain_id": CHAIN_ID,
        "contracts": CONTRACTS,
        "domains": domains(),
        "types": types(),
        "devices": known,
        "registrations": registrations(known[0]),
        "owner_actions": owner_actions(known),
        "documents": documents(),
        "readings": readings(known),
        "profiles": profiles(known[1]),
        "schedules": schedules(known[0]),
        "batches": batches(),
        "trees": trees(),
        "ranges": ranges(),
    }
    FILE.write_text(json.dumps(vectors, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
