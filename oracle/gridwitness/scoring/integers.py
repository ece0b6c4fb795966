"""Integer arithmetic for scores that many machines must agree on: no floats, no tables that a library may change."""

from __future__ import annotations

from collections.abc import Sequence

LOG_ONE = 256
"""`log2_q8` counts in 1/256 of a doubling."""


def log2_q8(value: int) -> int:
    """Binary logarithm of `value` ≥ 1 in 1/256, rounded down.

    The fraction comes bit by bit from repeated squaring (D. Knuth, TAOCP 1, section 1.2.2, exercise 25).
    """
    exponent = value.bit_length() - 1
    mantissa = value << 30 >> exponent
    fraction = 0
    for _ in range(8):
        mantissa = mantissa * mantissa >> 30
        fraction <<= 1
        if mantissa >= 1 << 31:
            mantissa >>= 1
            fraction |= 1
    return exponent * LOG_ONE + fraction


def median(values: Sequence[int]) -> int:
    """Lower median of at least one integer."""
    return sorted(values)[(len(values) - 1) // 2]


def median_and_mad(values: Sequence[int]) -> tuple[int, int]:
    """Lower median and median absolute deviation of at least one integer."""
    middle = median(values)
    return middle, median([abs(value - middle) for value in values])


def clamp(value: int, low: int, high: int) -> int:
    """`value`, or the bound it exceeds."""
    return low if value < low else min(value, high)
