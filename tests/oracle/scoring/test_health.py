"""Health of a device by its written formula."""

from __future__ import annotations

import pytest

from gridwitness.errors import InputError
from gridwitness.scoring.health import Health, health_of

WELL = {"age_s": 900, "interval_s": 900, "due": 96, "received": 96, "flagged": 0, "clock_skew_s": 3}


def test_health_of__device_in_order__is_whole() -> None:
    health = health_of(**WELL)
    assert health == Health(10_000, 10_000, 10_000, 10_000, 10_000)
    assert health.weakest == "none"


@pytest.mark.parametrize(
    ("change", "score_bps", "weakest"),
    [
        ({"age_s": 1_800}, 10_000, "none"),
        ({"age_s": 14 * 900}, 5_000, "freshness"),
        ({"age_s": 26 * 900}, 0, "freshness"),
        ({"received": 72}, 7_500, "completeness"),
        ({"received": 100, "due": 96}, 10_000, "none"),
        ({"received": 200, "due": 200, "flagged": 2}, 10_000, "none"),
        ({"received": 200, "due": 200, "flagged": 27}, 5_000, "behaviour"),
        ({"clock_skew_s": -30}, 10_000, "none"),
        ({"clock_skew_s": 465}, 5_000, "clock"),
        ({"clock_skew_s": -465, "received": 48}, 2_500, "completeness"),
        ({"due": 0, "received": 0}, 10_000, "none"),
    ],
)
def test_health_of__one_trouble__costs_what_the_formula_says(change: dict, score_bps: int, weakest: str) -> None:
    health = health_of(**(WELL | change))
    assert (health.score_bps, health.weakest) == (score_bps, weakest)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"age_s": -1}, "age_s is -1; at least 0"),
        ({"interval_s": 0}, "interval_s is 0; at least 1"),
        ({"flagged": 97}, "flagged is 97; at most the 96 received"),
    ],
)
def test_health_of__impossible_numbers__names_them(change: dict, named: str) -> None:
    with pytest.raises(InputError, match=named):
        health_of(**(WELL | change))
