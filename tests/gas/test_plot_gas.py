"""docs/gas.png shows the figures of gas.json."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gridwitness.service.demo.charts import STYLE, VOLUME
from tests.gas.conftest import SNAPSHOT, drifted
from toolchain.plot_gas import CLEAR, PICTURE, PLACE, SETTLE, Curve, draw, our_gas, write_picture


@pytest.fixture
def calls() -> dict[str, dict[str, int]]:
    """Calls of the snapshot."""
    found: dict[str, dict[str, int]] = json.loads(SNAPSHOT.read_text(encoding="utf-8"))["calls"]
    return found


@pytest.fixture
def ours(calls: dict[str, dict[str, int]]) -> dict[str, Curve]:
    """What the picture takes from it."""
    return our_gas(calls)


def carried_by(path: Path) -> dict[str, dict[int, int]]:
    """The figures a picture says it shows."""
    with Image.open(path) as picture:
        described = json.loads(picture.text["Description"])
    return {step: {int(orders): gas for orders, gas in curve.items()} for step, curve in described.items()}


def test_our_gas__snapshot__is_gas_by_number_of_orders(
    calls: dict[str, dict[str, int]], ours: dict[str, Curve]
) -> None:
    gas = {key.removeprefix("EnergyMarket."): call["gas"] for key, call in calls.items()}
    settled_gas = 9_600 * gas["settle/100x96,per-slot-order"] + 100 * gas["finalize/100,per-schedule"]
    assert (ours[PLACE][1], ours[PLACE][9_600]) == (
        gas["submit/own-1-slot"],
        9_600 * gas["submit/100x96,per-slot-order"],
    )
    assert (ours[CLEAR][10], ours[CLEAR][1_000]) == (gas["clear/10"], gas["clear/1000"])
    assert ours[SETTLE][9_600] == settled_gas


def test_draw__our_figures__are_the_points_in_our_colour(ours: dict[str, Curve]) -> None:
    with mpl.rc_context(STYLE):
        figure = Figure()
        draw(figure, ours)
    drawn = {
        axes.get_title("left"): dict(zip(*line.get_data(), strict=True))
        for axes in figure.axes
        for line in axes.lines
        if line.get_color() == VOLUME
    }
    assert drawn == ours


def test_write_picture__twice__is_the_same_and_carries_its_figures(ours: dict[str, Curve], tmp_path: Path) -> None:
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    write_picture(first, ours)
    write_picture(second, ours)
    assert first.read_bytes() == second.read_bytes()
    with Image.open(first) as picture:
        assert picture.width == 1400
    assert carried_by(first) == ours


def test_show_picture__readme__is_within_a_per_cent_of_the_snapshot(ours: dict[str, Curve]) -> None:
    shown, measured = (
        {(step, orders): gas for step, curve in curves.items() for orders, gas in curve.items()}
        for curves in (carried_by(PICTURE), ours)
    )
    hint = "if meant: make gas-plot, and commit docs/gas.png"
    assert shown.keys() == measured.keys(), hint
    drifts = {key: (gas, measured[key]) for key, gas in shown.items() if drifted(measured[key], gas)}
    assert not drifts, hint
