"""NAB's scoring rules on cases small enough to be computed by hand from the published formulas."""

from __future__ import annotations

from math import exp, inf

import pytest

from gridwitness.service.bench.nab_corpus import NabStream
from gridwitness.service.bench.nab_rules import (
    Profile,
    best_threshold,
    counted_rows,
    position_values,
    probation,
    scaled_sigmoid,
    score_at,
    sweep,
)

ROWS = 100
WINDOW = (40, 59)
EARLIEST = 2 / (1 + exp(-5)) - 1  # what NAB's paper gives as 0.98661


def stream(windows: tuple[tuple[int, int], ...] = (WINDOW,), rows: int = ROWS) -> NabStream:
    return NabStream("a/b.csv", ("",) * rows, ("0",) * rows, (0,) * rows, (0,) * rows, windows)


def normalised(detections: dict[int, float], profile: Profile, threshold: float = 0.5) -> float:
    scores = [detections.get(row, 0.0) for row in range(ROWS)]
    return score_at(*counted_rows([(stream(), scores)]), profile, threshold)


@pytest.mark.parametrize(("position", "expected"), [(-1.0, 0.98661), (-0.5, 0.84828), (0.0, 0.0), (1.0, -0.98661)])
def test_scaled_sigmoid__positions_of_the_paper__are_its_values(position: float, expected: float) -> None:
    assert scaled_sigmoid(position) == pytest.approx(expected, abs=5e-6)


def test_scaled_sigmoid__three_widths_behind__is_minus_one() -> None:
    assert (scaled_sigmoid(3.0), scaled_sigmoid(70.0)) == (-1.0, -1.0)
    assert scaled_sigmoid(2.99) > -1.0


@pytest.mark.parametrize(("rows", "expected"), [(0, 0), (100, 15), (1_639, 245), (5_000, 750), (22_695, 750)])
def test_probation__rows__are_15_percent_up_to_750(rows: int, expected: int) -> None:
    assert probation(rows) == expected


@pytest.mark.parametrize("profile", Profile)
def test_score_at__no_detection__is_zero_and_at_the_window_start_a_hundred(profile: Profile) -> None:
    assert normalised({}, profile) == 0
    assert normalised({40: 1.0}, profile) == pytest.approx(100)


@pytest.mark.parametrize(("profile", "lost"), [(Profile.STANDARD, 1 / 2), (Profile.LOW_FN, 1 / 3)])
def test_score_at__window_end__earns_little_more_than_a_miss(profile: Profile, lost: float) -> None:
    late = (2 / (1 + exp(-5 * 1 / 20)) - 1) / EARLIEST
    assert normalised({59: 1.0}, profile) == pytest.approx(100 * (1 - lost * (1 - late)))


@pytest.mark.parametrize(
    ("profile", "left"), [(Profile.STANDARD, 94.5), (Profile.LOW_FP, 89.0), (Profile.LOW_FN, 289 / 3)]
)
def test_score_at__false_alarm_before_any_window__costs_its_whole_weight(profile: Profile, left: float) -> None:
    assert normalised({40: 1.0, 20: 1.0}, profile) == pytest.approx(left)


def test_score_at__false_alarm_behind_a_window__costs_by_distance() -> None:
    cost = 1 - 2 / (1 + exp(5 * 3 / 19))
    assert normalised({40: 1.0, 62: 1.0}, Profile.STANDARD) == pytest.approx(100 - 100 * 0.11 * cost / 2)


def test_score_at__only_the_earliest_in_a_window_counts() -> None:
    one, many = normalised({45: 1.0}, Profile.STANDARD), normalised(dict.fromkeys(range(45, 60), 1.0), Profile.STANDARD)
    assert one == many


def test_score_at__probation__counts_from_row_15_on() -> None:
    assert normalised({40: 1.0, 14: 1.0}, Profile.STANDARD) == pytest.approx(100)
    assert normalised({40: 1.0, 15: 1.0}, Profile.STANDARD) == pytest.approx(94.5)


def test_score_at__threshold_between_scores__takes_those_that_reach_it() -> None:
    detections = {20: 0.6, 40: 0.8}
    assert normalised(detections, Profile.STANDARD, 0.6) == pytest.approx(94.5)
    assert normalised(detections, Profile.STANDARD, 0.61) == pytest.approx(100)
    assert normalised(detections, Profile.STANDARD, 0.9) == 0


def test_best_threshold__two_files__is_one_for_both() -> None:
    quiet = [0.9 if row == 20 else 0.7 if row == 40 else 0.0 for row in range(ROWS)]
    clear = [0.8 if row == 40 else 0.0 for row in range(ROWS)]
    rows, windows = counted_rows([(stream(), quiet), (stream(), clear)])
    assert windows == 2
    assert [at for at, _ in sweep(rows, windows, Profile.STANDARD)] == [inf, 0.9, 0.8, 0.7, 0.0]
    assert best_threshold(rows, windows, Profile.STANDARD) == 0.7
    assert score_at(rows, windows, Profile.STANDARD, 0.7) == pytest.approx(100 * (4 - 0.11) / 4)
    assert score_at(rows, windows, Profile.STANDARD, 0.8) == pytest.approx(100 * (2 - 0.11) / 4)


def test_sweep__file_without_windows__costs_every_alarm_alike() -> None:
    rows, windows = counted_rows([(stream(()), [1.0] * ROWS), (stream(), [0.0] * ROWS)])
    assert score_at(rows, windows, Profile.STANDARD, 1.0) == pytest.approx(-100 * 0.11 * 85 / 2)


def test_position_values__second_window__is_measured_from_the_nearest_before() -> None:
    values = position_values(30, [(5, 9), (15, 19)])
    assert values[4] == -1.0
    assert values[5] == values[15] == pytest.approx(1.0)
    assert values[11] == values[21] == pytest.approx(2 / (1 + exp(5 * 2 / 4)) - 1)
