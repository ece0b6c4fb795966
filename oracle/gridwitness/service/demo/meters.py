"""The meters of the demo: what truly flows, what each meter reports, and the two that misbehave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import (
    P256_ORDER,
    SECP256K1_ORDER,
    DeviceKey,
    P256Key,
    Secp256k1Key,
)
from gridwitness.errors import CommunityError, InputError
from gridwitness.sources.community_data import Community

FEEDER = "feeder"

# Every fifth meter has a secp256k1 key, the others P-256, which is what secure elements sign with.
SECP256K1_EVERY = 5

# The dishonest meter reports this share of its consumption.
REPORTED_PERCENT = 60

# The thief is drawn from the greatest takers: a tenth of them, at least these.
THIEVES_FROM = 4

# A meter that freezes below this cheats nobody.
WORTH_FREEZING_WH = 100

# Technical losses grow with the square of the flow and reach this share of the flow at its peak.
PEAK_LOSS_SHARE = 0.03
# Accuracy class of the feeder's meter: its error is uniform within this share of the flow.
FEEDER_ERROR_SHARE = 0.002


def secret_of(seed: int, role: str, index: int, order: int) -> int:
    """A private scalar (1 to `order` − 1) for one actor of the demo, the same in every run with this seed."""
    digest = keccak(f"gridwitness demo {seed} {role} {index}".encode())
    return int.from_bytes(digest, "big") % (order - 1) + 1


@dataclass(frozen=True, slots=True)
class Meter:
    """One meter: its name in the community's data, its key and its kind."""

    name: str
    key: DeviceKey
    kind: DeviceKind


@dataclass(frozen=True, slots=True)
class Faults:
    """Which meters misbehave, and the first delivery slot in which they do."""

    underreporting: str
    underreporting_from: int
    frozen: str
    frozen_from: int


def make_meters(community: Community, seed: int) -> list[Meter]:
    """All meters of a community in its order, the feeder's own last. Raises CommunityError if a name is taken."""
    if FEEDER in community.meters:
        raise CommunityError(
            f"{community.name}: a meter is named {FEEDER!r}, which the demo calls its own",
            hint="rename it; the demo adds the feeder's meter itself, as the sum of all others plus losses",
        )

    def key_of(index: int) -> DeviceKey:
        if index % SECP256K1_EVERY == SECP256K1_EVERY - 1:
            return Secp256k1Key(secret_of(seed, "meter", index, SECP256K1_ORDER))
        return P256Key(secret_of(seed, "meter", index, P256_ORDER))

    meters = [Meter(name, key_of(index), community.kind_of(name)) for index, name in enumerate(community.meters)]
    return [*meters, Meter(FEEDER, key_of(len(meters)), DeviceKind.FEEDER)]


def choose_faults(net_wh_of: Callable[[str, int], int], meters: tuple[str, ...], first_slot: int, seed: int) -> Faults:
    """Draw the two misbehaving meters among those whose misbehaviour costs money. `first_slot` is the first traded one.

    The thief is one of those that take most after noon. The frozen meter stands at a value worth money, and varies
    less from day to day than the thief hides: two faults in one residual can only be told apart if neither drowns the
    other. Raises InputError if nobody takes energy after noon.
    """
    rng = np.random.default_rng(seed)
    afternoon = range(first_slot + SLOTS_PER_DAY // 2, first_slot + SLOTS_PER_DAY)
    taken = {name: sum(max(0, net_wh_of(name, slot)) for slot in afternoon) for name in meters}
    ranked = sorted(meters, key=lambda name: (-taken[name], name))
    takers = [name for name in ranked[: max(THIEVES_FROM, len(ranked) // 10)] if taken[name] > 0]
    if not takers or len(meters) < 2:
        raise InputError("the demo needs at least two meters, one of which takes energy after noon (UTC)")
    thief = takers[int(rng.integers(len(takers)))]
    frozen_from = first_slot + int(rng.integers(24, 56))

    def swing_wh(name: str) -> int:
        return sum(abs(net_wh_of(name, slot) - net_wh_of(name, slot - SLOTS_PER_DAY)) for slot in afternoon)

    hidden_wh = taken[thief] * (100 - REPORTED_PERCENT) // 100
    others = sorted((name for name in meters if name != thief), key=swing_wh)
    standing = [name for name in others if abs(net_wh_of(name, frozen_from - 1)) >= WORTH_FREEZING_WH] or others
    steady = [name for name in standing if swing_wh(name) <= hidden_wh] or standing[:1]
    return Faults(thief, afternoon.start, steady[int(rng.integers(len(steady)))], frozen_from)


class MeterBank:
    """True flows of all meters and what the meters report of them, in Wh per delivery slot, import positive."""

    def __init__(self, net_wh: Mapping[str, npt.NDArray[np.int64]], first_slot: int, seed: int) -> None:
        """`net_wh` gives each meter's true net energy for consecutive slots from `first_slot`."""
        self.first_slot = first_slot
        self._net_wh = net_wh
        total = np.sum(list(net_wh.values()), axis=0)
        peak = max(1, int(np.abs(total).max()))
        losses = np.rint(PEAK_LOSS_SHARE * total.astype(float) ** 2 / peak).astype(np.int64)
        error = np.random.default_rng(seed).uniform(-FEEDER_ERROR_SHARE, FEEDER_ERROR_SHARE, total.shape)
        self.losses_wh: npt.NDArray[np.int64] = losses + np.rint(error * total).astype(np.int64)
        self._feeder_wh = total + self.losses_wh
        self.faults: Faults | None = None

    def true_wh(self, name: str, slot: int) -> int:
        """What truly flowed through a meter; the feeder sees the sum plus technical losses."""
        series = self._feeder_wh if name == FEEDER else self._net_wh[name]
        return int(series[slot - self.first_slot])

    def reported_wh(self, name: str, slot: int) -> int:
        """What a meter signs: the truth, unless it misbehaves."""
        faults = self.faults
        if faults is not None and name == faults.underreporting and slot >= faults.underreporting_from:
            true = self.true_wh(name, slot)
            return true * REPORTED_PERCENT // 100 if true > 0 else true
        if faults is not None and name == faults.frozen and slot >= faults.frozen_from:
            return self.true_wh(name, faults.frozen_from - 1)
        return self.true_wh(name, slot)

    def history(self, name: str, before_slot: int) -> npt.NDArray[np.int64]:
        """What a meter reported from the first slot up to (not including) `before_slot`."""
        slots = range(self.first_slot, before_slot)
        return np.array([self.reported_wh(name, slot) for slot in slots], dtype=np.int64)
