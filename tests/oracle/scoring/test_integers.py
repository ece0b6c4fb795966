from math import log2

from hypothesis import given
from hypothesis import strategies as st

from gridwitness.scoring.integers import LOG_ONE, clamp, log2_q8, median, median_and_mad


@given(st.integers(1, 1 << 200))
def test_log2_q8__any_positive__is_the_logarithm_to_one_256th(value: int) -> None:
    assert 0 <= LOG_ONE * log2(value) - log2_q8(value) + 0.01 < 1.1


@given(st.integers(0, 200))
def test_log2_q8__power_of_two__is_exact(exponent: int) -> None:
    assert log2_q8(1 << exponent) == exponent * LOG_ONE


@given(st.lists(st.integers(), min_size=1))
def test_median__any_list__has_half_the_values_on_either_side(values: list[int]) -> None:
    middle = median(values)
    assert middle in values
    assert 2 * sum(value < middle for value in values) <= len(values)
    assert 2 * sum(value > middle for value in values) <= len(values)


def test_median_and_mad__one_outlier__ignores_it() -> None:
    assert median_and_mad([10, 11, 12, 13, 10_000]) == (12, 1)


def test_clamp__outside__is_the_bound() -> None:
    assert (clamp(-5, 0, 3), clamp(5, 0, 3), clamp(2, 0, 3)) == (0, 3, 2)
