"""Durable, verified ingest against the bare verification of the same signatures, in CPU seconds.

A thousand devices of a fleet report slot by slot, in posts of 100 readings, 32 of them under way at once. Each post is
decoded, judged, verified, written to a new log on disk, synced, and its verdicts encoded; what HTTP costs is measured
by the part `http`. Raw: the same signatures checked one after the other by `cryptography` (P-256) and `coincurve`
(secp256k1, which recovers the key as contracts do), keys and digests ready.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import msgspec
import uvloop
from coincurve import PublicKey
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from bench.fleet import DOMAIN, Intake, make_bodies, make_keys, make_posts
from bench.measuring import cpu_seconds, medians
from bench.results import Figures, Goal
from gridwitness.domain.readings import SignedReading
from gridwitness.encoding.eip712 import reading_digest
from gridwitness.encoding.keys import DeviceKey, P256Key, Secp256k1Key

PLACE = Path("out/bench")
GOALS = MappingProxyType({"in_process_ratio": Goal(at_least=0.85)})
_DEVICES = 1_000
_SLOTS = 10
_UNDER_WAY = 32
_REPEATS = 3
_PREHASHED = ec.ECDSA(utils.Prehashed(hashes.SHA256()))


def measure() -> Figures:
    """Ratios of raw verification to ingest, and what both reach in a second of one core; medians."""
    p256, secp256k1 = _Curve(P256Key, raw_p256), _Curve(Secp256k1Key, _raw_secp256k1)
    # On the disk of the checkout: /tmp may be memory, where syncing costs nothing.
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE) as directory:
        for curve in (p256, secp256k1):
            curve.ingest(Path(directory))
        taken = medians(
            {
                "p256": lambda: p256.ingest(Path(directory)),
                "raw_p256": p256.raw,
                "secp256k1": lambda: secp256k1.ingest(Path(directory)),
                "raw_secp256k1": secp256k1.raw,
            },
            _REPEATS,
        )
    readings = _DEVICES * _SLOTS
    return {
        "in_process_ratio": round(taken["raw_p256"] / taken["p256"], 3),
        "in_process_ratio_secp256k1": round(taken["raw_secp256k1"] / taken["secp256k1"], 3),
        "readings_per_s": round(readings / taken["p256"]),
        "raw_verifications_per_s": round(readings / taken["raw_p256"]),
        "readings_per_s_secp256k1": round(readings / taken["secp256k1"]),
        "raw_verifications_per_s_secp256k1": round(readings / taken["raw_secp256k1"]),
        "overhead_us": round((taken["p256"] - taken["raw_p256"]) / readings * 1e6, 1),
        "readings_per_post": 100,
    }


class _Curve:
    """A fleet with keys of one curve."""

    def __init__(
        self,
        kind: Callable[[int], DeviceKey],
        raw: Callable[[list[SignedReading]], Callable[[], None]],
    ) -> None:
        self._keys = make_keys(kind, _DEVICES)
        posts = make_posts(self._keys, _SLOTS)
        self._bodies = make_bodies(posts)
        self._raw = raw([signed for post in posts for signed in post])
        self._runs = 0

    def raw(self) -> float:
        """CPU seconds for the bare signatures."""
        return cpu_seconds(self._raw)

    def ingest(self, directory: Path) -> float:
        """CPU seconds of all threads for the bodies, into a new log."""
        self._runs += 1
        path = directory / f"{id(self)}-{self._runs}.sqlite"
        intake = Intake(path, self._keys)
        try:
            return cpu_seconds(lambda: uvloop.run(self._post_all(intake)))
        finally:
            intake.close()
            for file in directory.glob(path.name + "*"):
                file.unlink()

    async def _post_all(self, intake: Intake) -> None:
        places = asyncio.Semaphore(_UNDER_WAY)

        async def post(body: bytes) -> None:
            async with places:
                answer = msgspec.json.encode({"results": await intake.ingest.submit_body(body)})
            if answer.count(b'"accepted"') != 100:
                raise AssertionError(f"100 readings were posted, the answer is {answer[:200]!r}")

        await asyncio.gather(*(post(body) for body in self._bodies))


def raw_p256(readings: list[SignedReading]) -> Callable[[], None]:
    """Bare verification of P-256 signatures, keys and digests ready."""
    ready = []
    for signed in readings:
        point, r, s = signed.signature[:64], signed.signature[64:96], signed.signature[96:]
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + point)
        der = utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        ready.append((key, der, reading_digest(DOMAIN, signed.reading)))

    def verify() -> None:
        for key, der, digest in ready:
            key.verify(der, digest, _PREHASHED)

    return verify


def _raw_secp256k1(readings: list[SignedReading]) -> Callable[[], None]:
    ready = [
        (one.signature[:64] + bytes([one.signature[64] - 27]), reading_digest(DOMAIN, one.reading)) for one in readings
    ]

    def recover() -> None:
        for signature, digest in ready:
            PublicKey.from_signature_and_message(signature, digest, hasher=None)

    return recover
