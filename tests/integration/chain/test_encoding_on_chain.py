"""Digests, ids and signature verdicts of Python and of the contracts are the same."""

from __future__ import annotations

import random
from typing import Any

import pytest

from gridwitness.chain.attestation import batch_tuple
from gridwitness.chain.client import Chain
from gridwitness.chain.market import schedule_tuple
from gridwitness.domain.batches import Batch, BatchMeta
from gridwitness.domain.devices import DeviceKind, Registration
from gridwitness.domain.market import Order, Schedule, Side
from gridwitness.domain.readings import Reading
from gridwitness.encoding import eip712
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256_ORDER, SECP256K1_ORDER, P256Key, Secp256k1Key, is_signature_of
from gridwitness.encoding.packing import metric_bytes

DRAW = random.Random(5)
OWNER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
DIGEST = keccak(b"a digest")


def ask(chain: Chain, contract: str, view: str, *arguments: Any) -> Any:
    return chain.call(chain.contract(contract).functions[view](*arguments))


def test_digest__registration__equals_the_registrys(chain: Chain) -> None:
    domain = eip712.registry_domain(chain.chain_id, chain.manifest.address("DeviceRegistry"))
    for kind in DeviceKind:
        registration = Registration(DRAW.randbytes(32), OWNER, kind, DRAW.getrandbits(24), DRAW.getrandbits(256))
        fields = (registration.device_id, OWNER, int(kind), registration.zone, registration.deadline)
        assert ask(chain, "DeviceRegistry", "registerDigest", fields) == eip712.register_digest(domain, registration)
        root = DRAW.randbytes(32)
        activate = eip712.activate_digest(domain, registration, root)
        assert ask(chain, "DeviceRegistry", "activateDigest", fields, root) == activate


@pytest.mark.parametrize("value", [0, 412, -1_250, (1 << 255) - 1, -(1 << 255)])
def test_digest__reading__equals_the_registrys(chain: Chain, value: int) -> None:
    domain = eip712.registry_domain(chain.chain_id, chain.manifest.address("DeviceRegistry"))
    reading = Reading(DRAW.randbytes(32), DRAW.getrandbits(64), DRAW.getrandbits(64), "1-0:16.29.0", value)
    fields = (reading.device_id, reading.counter, reading.time, metric_bytes(reading.metric), value)
    assert ask(chain, "DeviceRegistry", "readingDigest", *fields) == eip712.reading_digest(domain, reading)


def test_digest__batch__equals_the_attestations(chain: Chain) -> None:
    domain = eip712.attestation_domain(chain.chain_id, chain.manifest.address("DataAttestation"))
    meta = BatchMeta(1_344, 12, 9_987, 1_469_016_000, 1_469_016_900, DRAW.randbytes(12))
    batch = Batch(
        DRAW.randbytes(32), 7, DRAW.randbytes(32), DRAW.randbytes(20), meta, 3, 1_469_016_900, 1_469_017_020, 9
    )
    given = ask(chain, "DataAttestation", "batchDigest", batch_tuple(batch), batch.config)
    assert given == eip712.batch_digest(domain, batch)


def test_digest__schedule__equals_the_markets(chain: Chain) -> None:
    domain = eip712.market_domain(chain.chain_id, chain.manifest.address("EnergyMarket"))
    orders = tuple(Order(DRAW.choice(list(Side)), DRAW.randrange(128), DRAW.getrandbits(24)) for _ in range(96))
    numbers = (DRAW.getrandbits(bits) for bits in (24, 24, 32, 40, 32))
    schedule = Schedule(DRAW.randbytes(32), OWNER, *numbers, orders)
    expected = eip712.schedule_digest(domain, schedule)
    assert ask(chain, "EnergyMarket", "scheduleDigest", schedule_tuple(schedule)) == expected


def signatures(curve: type[P256Key | Secp256k1Key]) -> list[tuple[str, bytes, bytes]]:
    """Name, device id and signature over DIGEST: good ones and every way of being bad."""
    key, stranger = curve(7), curve(8)
    good = key.sign(DIGEST)
    p256 = isinstance(key, P256Key)
    order, s_end = (P256_ORDER, 128) if p256 else (SECP256K1_ORDER, 64)
    s = int.from_bytes(good[s_end - 32 : s_end], "big")
    tail = good[s_end:] if p256 else bytes([55 - good[64]])
    zero = bytes(32)
    return [
        ("good", key.device_id, good),
        ("high s", key.device_id, good[: s_end - 32] + (order - s).to_bytes(32, "big") + tail),
        ("another device's", stranger.device_id, good),
        ("over something else", key.device_id, key.sign(keccak(DIGEST))),
        ("one byte short", key.device_id, good[:-1]),
        ("one byte long", key.device_id, good + b"\0"),
        ("empty", key.device_id, b""),
        ("zero r", key.device_id, good[: s_end - 64] + zero + good[s_end - 32 :]),
        ("zero s", key.device_id, good[: s_end - 32] + zero + good[s_end:]),
        ("r of the order", key.device_id, good[: s_end - 64] + order.to_bytes(32, "big") + good[s_end - 32 :]),
        ("all zero", zero, bytes(len(good))),
        ("all ones", key.device_id, b"\xff" * len(good)),
    ]


@pytest.mark.parametrize("curve", [P256Key, Secp256k1Key])
def test_check_signature__good_and_bad__same_verdict_as_the_registry(
    chain: Chain, curve: type[P256Key | Secp256k1Key]
) -> None:
    for name, device_id, signature in signatures(curve):
        verdict = is_signature_of(device_id, DIGEST, signature)
        assert verdict == (name == "good"), name
        assert ask(chain, "DeviceRegistry", "isDeviceSignature", device_id, DIGEST, signature, 0) == verdict, name


def test_check_signature__any_v__same_verdict_as_the_registry(chain: Chain) -> None:
    key = Secp256k1Key(7)
    good = key.sign(DIGEST)
    view = chain.contract("DeviceRegistry").functions.isDeviceSignature
    candidates = [good[:64] + bytes([v]) for v in range(256)]
    verdicts = chain.call_many([view(key.device_id, DIGEST, signature, 0) for signature in candidates])
    assert verdicts == [is_signature_of(key.device_id, DIGEST, signature) for signature in candidates]
    assert [v for v, verdict in enumerate(verdicts) if verdict] == [good[64]]
