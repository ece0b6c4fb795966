"""Readings, what devices sign; scores, what oracles add; profiles, what contracts settle on."""

from __future__ import annotations

from dataclasses import dataclass

# OBIS (IEC 62056-61): 1-0 electricity, C=16 import minus export over all phases, D=29 energy of the load-profile
# interval. In Wh, import positive. Left-aligned ASCII in 32 bytes on chain.
NET_ENERGY_METRIC = "1-0:16.29.0"

MAX_SCORE_BPS = 10_000


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement.

    `device_id` 32 bytes; `counter` the device's own, strictly increasing, u64; `time` unix seconds (start of the
    interval for interval metrics, else the instant), u64; `metric` ASCII of at most 32 characters; `value` in the
    metric's unit (Wh for energy), i256.
    """

    device_id: bytes
    counter: int
    time: int
    metric: str
    value: int


@dataclass(frozen=True, slots=True)
class SignedReading:
    """A reading with the device's signature: `x || y || r || s` (P-256) or `r || s || v` (secp256k1).

    `document` is what was signed, over its SHA-256, if the reading came out of a COSE or OCMF document; empty if the
    device signed the reading itself. `gateway_signature` (`r || s || v`) is there if a gateway keeps the device's key.
    """

    reading: Reading
    signature: bytes
    document: bytes = b""
    gateway_signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Score:
    """An anomaly score: `score_bps` 0 to 10,000, the channel that decided, and a reason a householder understands."""

    score_bps: int
    channel: str
    reason: str


@dataclass(frozen=True, slots=True)
class ScoredReading:
    """A reading as the committee co-signs it."""

    signed: SignedReading
    score: Score


@dataclass(frozen=True, slots=True)
class Profile:
    """A device's net energies (Wh, import positive) over consecutive delivery slots, with one score for all."""

    device_id: bytes
    first_slot: int
    energy_wh: tuple[int, ...]
    score_bps: int
