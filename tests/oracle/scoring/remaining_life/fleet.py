"""A made-up fleet: sensors that drift once wear begins, and noise."""

from __future__ import annotations

import numpy as np

from gridwitness.scoring.remaining_life import Unit

WEAR_CYCLES = 60


def worn_units(count: int, seed: int = 1, points: int = 1) -> list[Unit]:
    """Units that ran to failure after 80 to 160 cycles, at `points` operating points that move all sensors."""
    noise = np.random.default_rng(seed)
    units = []
    for number in range(1, count + 1):
        cycles = int(noise.integers(80, 160))
        wear = np.clip(WEAR_CYCLES - np.arange(cycles)[::-1], 0, None) / WEAR_CYCLES
        at = noise.integers(0, points, cycles)
        drifting = wear[:, None] * [2.0, -1.0] + 0.1 * noise.standard_normal((cycles, 2)) + 10 * at[:, None]
        constant = np.full((cycles, 1), 7.0)
        units.append(Unit(number, 10.0 * at[:, None], np.hstack([drifting, constant])))
    return units


def after(unit: Unit, cycles: int) -> Unit:
    """A unit as it was then."""
    return Unit(unit.number, unit.settings[:cycles], unit.sensors[:cycles])
