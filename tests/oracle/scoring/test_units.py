"""Values as reasons show them."""

from __future__ import annotations

import pytest

from gridwitness.domain.readings import NET_ENERGY_METRIC
from gridwitness.scoring.units import shown
from gridwitness.sources.quantities import MILLIWATT_HOURS, UNITS


@pytest.mark.parametrize(
    ("metric", "value", "expected"),
    [
        (NET_ENERGY_METRIC, -412, "-412 Wh"),
        ("hall:mCel", 21_700, "21.7 °C"),
        ("hall:mCel", -50, "-0.05 °C"),
        ("hall:mCel", -18_000, "-18 °C"),
        ("temperature.cold.mdegC", 4_005, "4.005 °C"),
        ("1-0:32.7.0:mV", 229_900, "229.9 V"),
        ("01-00:B2.08.00*FF:mWh", 7_042, "7.042 Wh"),
        ("hall:m%RH", 45_500, "45.5 % RH"),
        ("tank:ml", 0, "0 l"),
        ("1-0:3.8.0:varh", 12, "12 varh"),
        ("door:count", 3, "3"),
        ("1-0:1.8.0", 7, "7"),
        ("", 7, "7"),
    ],
)
def test_shown__value__is_exact_in_the_unit_its_metric_says(metric: str, value: int, expected: str) -> None:
    assert shown(metric, value) == expected


@pytest.mark.parametrize(
    "suffix", sorted({suffix for _, suffix in UNITS.values()} - {"", ":count"} | {MILLIWATT_HOURS})
)
def test_shown__every_suffix_that_documents_bring__has_a_unit(suffix: str) -> None:
    assert " " in shown(f"a{suffix}", 1)
