"""Streams made of integers only, the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator

SLOT_SECONDS = 900
SLOTS_PER_DAY = 96
START = 1_735_689_600  # 2025-01-01 00:00 UTC


def noise(seed: int) -> Iterator[int]:
    """Evenly spread integers from 0 to 999: D. Knuth's MMIX generator, its upper bits."""
    while True:
        seed = (seed * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % (1 << 64)
        yield (seed >> 33) % 1_000


def household(days: int, seed: int = 1) -> tuple[list[int], list[int]]:
    """Times, and energies in µWh, of a house that uses 200 Wh a slot, and 600 Wh between 17 and 21 h."""
    draws = noise(seed)
    count = days * SLOTS_PER_DAY
    times = [START + index * SLOT_SECONDS for index in range(count)]
    evening = [17 <= time // 3_600 % 24 < 21 for time in times]
    return times, [1_000_000 * (600 if busy else 200) + 50_000 * next(draws) for busy in evening]


def troubled(days: int = 21) -> tuple[list[int], list[int]]:
    """A household with a spike, a freeze, a new level, a missing evening, a gap and a clock set back by an hour."""
    times, values = household(days)
    day = SLOTS_PER_DAY
    values[9 * day + 5] = 3_000_000_000
    values[11 * day : 11 * day + 30] = [values[11 * day]] * 30
    values[13 * day : 13 * day + 50] = [value + 900_000_000 for value in values[13 * day : 13 * day + 50]]
    values[15 * day + 68 : 15 * day + 84] = values[15 * day + 30 : 15 * day + 46]
    times = [time + 7_200 * (index > 17 * day) - 3_600 * (index > 18 * day) for index, time in enumerate(times)]
    return times, values


def power_and_voltage(count: int = 700, fault: int = 600, seed: int = 1) -> list[list[int]]:
    """Readings of (µW of a house, µV at its meter): what it draws lowers the voltage. From `fault` on twelve readings
    have the voltage of 350 readings before, so that each metric by itself is as ever.
    """
    draws = noise(seed)
    readings = []
    for _ in range(count):
        power = 100_000_000 + 2_000_000 * next(draws) if next(draws) < 400 else 150_000_000 + 40_000 * next(draws)
        readings.append([power, 236_000_000 - power // 400 + 300 * next(draws)])
    for index in range(fault, min(fault + 12, count)):
        readings[index][1] = readings[index - 350][1]
    return readings
