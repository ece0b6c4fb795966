"""Addresses that come in a URL, and how pages write shares and cash."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.api.portal.addresses import address_of
from gridwitness.api.portal.asset_views import AssetBriefView, ProductionDayView, RatingView, ShareValueView
from gridwitness.api.portal.pages import asset_wording
from gridwitness.api.problems import ProblemError

RIGHT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def brief(decimals: int = 6) -> AssetBriefView:
    value = ShareValueView(net_asset_value=None, last_price=None, last_price_at=None, per_share=None, basis="")
    rating = RatingView(points=None, band="", known_weight=0, least_weight=60, window_days=90, parts=[])
    return AssetBriefView(
        address=RIGHT,
        name="",
        symbol="",
        decimals=0,
        supply=0,
        holders=0,
        cash="",
        cash_symbol="tEUR",
        cash_decimals=decimals,
        value=value,
        dividend_yield=None,
        rating=rating,
        problem="",
    )


# --- addresses ---


@pytest.mark.parametrize("text", [RIGHT, RIGHT.lower(), "0x" + RIGHT[2:].upper()])
def test_address__of_one_case_or_with_its_checksum__is_taken(text: str) -> None:
    assert address_of("account", text) == RIGHT


@pytest.mark.parametrize(
    "text",
    ["", "0x", RIGHT[2:], RIGHT[:-1], RIGHT + "0", "0x" + "g" * 40, "0X" + RIGHT[2:], " " + RIGHT[1:], "0x" + "é" * 40],
)
def test_address__that_is_none__is_refused_with_its_name(text: str) -> None:
    with pytest.raises(ProblemError, match=r"account .* is not an address") as refused:
        address_of("account", text)
    assert refused.value.status == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize("place", range(2, 42))
def test_address__one_letter_in_the_wrong_case__is_a_wrong_checksum(place: int) -> None:
    text = RIGHT[:place] + RIGHT[place].swapcase() + RIGHT[place + 1 :]
    if text == RIGHT:
        return  # a digit has no case
    with pytest.raises(ProblemError, match="wrong checksum"):
        address_of("account", text)


# --- words ---


@pytest.mark.parametrize(
    ("amount", "decimals", "words"),
    [
        (1_363_200, 6, "1.36 tEUR"),
        (13_200_000_000, 6, "13,200.00 tEUR"),
        (-1_999_999, 6, "−1.99 tEUR"),
        (9_999, 6, "0.009999 tEUR"),
        (0, 6, "0.00 tEUR"),
        (1, 0, "1.00 tEUR"),
        (5, 1, "0.50 tEUR"),
    ],
)
def test_money__cut_to_the_cent__and_below_one_in_full(amount: int, decimals: int, words: str) -> None:
    assert asset_wording.money(amount, brief(decimals)) == words


@given(st.integers(-(10**20), 10**20), st.integers(0, 18))
def test_fixed__all_decimals__is_the_number_again(amount: int, decimals: int) -> None:
    text = asset_wording.fixed(amount, decimals)

    assert int(text.replace("−", "-").replace(",", "").replace(".", "")) == amount


def test_per_share__millionths_of_a_unit__six_decimals_of_the_token() -> None:
    assert asset_wording.per_share(136_319_999, brief()) == "0.000136 tEUR"


def test_production__days_without_readings__are_no_bars_and_no_division_by_zero() -> None:
    empty = ProductionDayView(day=17_003, read_wh=None, sold_wh=None, metered_wh=None, is_paid=False)
    full = ProductionDayView(day=17_004, read_wh=8_000, sold_wh=4_000, metered_wh=8_000, is_paid=True)

    assert asset_wording.production_bars([]) == (
        [], "0.00 kWh fed in by attested readings and 0.00 kWh sold, over 0 days.",
    )  # fmt: skip
    assert asset_wording.production_bars([empty, full])[0] == [(empty, 0, 0), (full, 100, 50)]
