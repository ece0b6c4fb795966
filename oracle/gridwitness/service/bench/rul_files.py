"""Files of the Commercial Modular Aero-Propulsion System Simulation (C-MAPSS), NASA's turbofan run-to-failure data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridwitness.errors import InputError
from gridwitness.scoring.remaining_life import Unit

SETTINGS, SENSORS = 3, 21
COLUMNS = 2 + SETTINGS + SENSORS


def load_units(path: Path) -> list[Unit]:
    """Units of a file of unit, cycle, 3 settings, 21 sensors, separated by blanks, in the order of their numbers.

    Raises InputError if it is malformed, or a unit's cycles are not 1, 2, 3 and so on.
    """
    table = _numbers(path)
    if table.shape[1] != COLUMNS:
        raise InputError(f"{path}: {table.shape[1]} columns; unit, cycle, {SETTINGS} settings, {SENSORS} sensors")
    units = []
    for number in np.unique(table[:, 0]):
        rows = table[table[:, 0] == number]
        if not np.array_equal(rows[:, 1], np.arange(1, len(rows) + 1)):
            raise InputError(f"{path}: cycles of unit {number:g} are not 1 to {len(rows)} in order")
        units.append(Unit(int(number), rows[:, 2 : 2 + SETTINGS], rows[:, 2 + SETTINGS :]))
    return units


def load_remaining(path: Path, units: int) -> NDArray[np.float64]:
    """True remaining lives, one number a line for each of `units` units. Raises InputError for any other count."""
    table = _numbers(path)
    if table.shape != (units, 1):
        raise InputError(f"{path}: {table.shape[0]} rows of {table.shape[1]}; one number for each of {units} units")
    remaining: NDArray[np.float64] = table[:, 0]
    if (remaining < 0).any():
        raise InputError(f"{path}: a remaining life of {remaining.min():g} cycles; at least 0")
    return remaining


def _numbers(path: Path) -> NDArray[np.float64]:
    try:
        table = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error
    if not table.size or not np.isfinite(table).all():
        raise InputError(f"{path}: empty, or a value is not a finite number")
    return table
