from __future__ import annotations

from decimal import ROUND_UP, Context, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.errors import InputError
from gridwitness.scoring.streaming import to_fixed, to_text
from gridwitness.scoring.streaming.fixed_point import MAX_FIXED


@pytest.mark.parametrize(
    ("text", "decimals", "expected"),
    [
        ("412", 6, 412_000_000),
        ("-0.066", 6, -66_000),
        ("1.5e3", 6, 1_500_000_000),
        ("0.0000005", 6, 0),
        ("0.0000015", 6, 2),
        ("-0.0000025", 6, -2),
        ("2.5", 0, 2),
        ("1e-999999", 6, 0),
        ("1e11", 6, MAX_FIXED),
        ("+1", 6, 1_000_000),
        ("1.", 6, 1_000_000),
        (".5", 6, 500_000),
        (" 6.33E-05 ", 6, 63),
        ("0.0000005" + "0" * 30 + "1", 6, 1),
        ("0.0000015" + "0" * 30, 6, 2),
        ("0.0000004" + "9" * 5_000, 6, 0),
    ],
)
def test_to_fixed__decimal__is_rounded_half_to_even(text: str, decimals: int, expected: int) -> None:
    assert to_fixed(text, decimals) == expected


@pytest.mark.parametrize(
    "text",
    ["", "abc", "nan", "inf", "-Infinity", "1e11000000", "100000000001", "1e999999", "1_0", "١", "1２", ".", "e5"],
)
def test_to_fixed__no_number_or_beyond_the_range__raises(text: str) -> None:
    with pytest.raises(InputError, match="value"):
        to_fixed(text)


@given(st.integers(-MAX_FIXED, MAX_FIXED), st.integers(0, 9))
def test_to_text__any_fixed__reads_back(fixed: int, decimals: int) -> None:
    text = to_text(fixed, decimals)
    assert to_fixed(text, decimals) == fixed
    assert "E" not in text
    assert Decimal(text).scaleb(decimals) == fixed


def test_to_fixed__caller_counts_with_few_digits__is_the_same() -> None:
    with localcontext(Context(prec=3, rounding=ROUND_UP)):
        assert to_fixed("123456.7890005") == 123_456_789_000
        assert to_text(123_456_789_001) == "123456.789001"


def test_to_text__whole_number__has_no_trailing_zeros() -> None:
    assert (to_text(412_000_000), to_text(0), to_text(-1_500_000), to_text(100, 0)) == ("412", "0", "-1.5", "100")
