"""Draw into docs/gas.png what placing, clearing and settling orders costs, here and on other markets' contracts.

Run `python toolchain/plot_gas.py`. Ours is read from tests/gas/gas.json: whole transactions in steady state. The others
were measured on their public contracts in the same way, on anvil (osaka). An order is for one delivery slot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from gridwitness.service.demo.charts import INK, MUTED, PAPER, PRICE, STYLE, VOLUME

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / "tests/gas/gas.json"
PICTURE = ROOT / "docs/gas.png"
GAS_LIMIT = 16_777_216  # of one transaction, EIP-7825
MOST_ORDERS = 10_000
PLACE, CLEAR, SETTLE = "Place orders", "Clear a slot", "Settle orders"

Curve = Mapping[int, int]  # gas by number of orders

# Others' gas: of each order, as they handle one after the other; and of a slot's clearing.
OTHERS_EACH = {
    PLACE: {"EasyAuction": 125_016, "FAU local energy market": 111_519, "VU transactive": 52_276},
    SETTLE: {"FAU, usage and escrow": 341_000, "EasyAuction, claim": 83_583},
}
OTHERS_CLEAR: Mapping[str, Curve] = {
    "energy_trading": {100: 8_250_000, 400: 72_000_000},
    "EasyAuction": {400: 576_000},
}


def our_gas(calls: Mapping[str, Mapping[str, int]]) -> dict[str, Curve]:
    """Our gas of each step, of the snapshot's calls. A settlement ends with `finalize`, so that is counted with it."""
    gas = {call.removeprefix("EnergyMarket."): spent["gas"] for call, spent in calls.items()}
    ours: dict[str, dict[int, int]] = {PLACE: {1: gas["submit/own-1-slot"]}, CLEAR: {}, SETTLE: {}}
    for call, spent in gas.items():
        if slot := re.fullmatch(r"clear/(\d+)", call):
            ours[CLEAR][int(slot[1])] = spent
        elif batch := re.fullmatch(r"(submit|settle)/(\d+)x(\d+),per-slot-order", call):
            rows, orders = int(batch[2]), int(batch[2]) * int(batch[3])
            if batch[1] == "submit":
                ours[PLACE][orders] = spent * orders
            else:
                ours[SETTLE][orders] = spent * orders + gas[f"finalize/{rows},per-schedule"] * rows
    return {step: dict(sorted(curve.items())) for step, curve in ours.items()}


def draw(figure: Figure, ours: Mapping[str, Curve]) -> None:
    """A panel for each step: gas over orders, both logarithmic."""
    headline = " What orders cost in gas, here and elsewhere"
    figure.suptitle(headline, x=0.012, ha="left", weight="bold", fontsize="x-large")
    place, clear, settle = figure.subplots(1, 3, sharex=True, sharey=True)
    place.set(xscale="log", yscale="log", xlim=(0.7, 14_000), ylim=(10_000, 3e10))
    for axis, powers in ((place.xaxis, range(5)), (place.yaxis, range(4, 10))):
        axis.set_major_locator(FixedLocator([10**power for power in powers]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
        axis.set_minor_locator(NullLocator())
    for axes, step in ((place, PLACE), (clear, CLEAR), (settle, SETTLE)):
        axes.set_title(step, color=INK)
        axes.set_xlabel("orders", loc="right", fontsize="small")
        axes.axhline(GAS_LIMIT, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    _draw_orders(place, OTHERS_EACH[PLACE], ours[PLACE])
    _draw_orders(settle, OTHERS_EACH[SETTLE], ours[SETTLE])
    _draw_clearing(clear, ours[CLEAR])


def _draw_orders(axes: Axes, others_each: Mapping[str, int], ours: Curve) -> None:
    """Others as lines from one order on; ours as it was measured, since nothing in between was."""
    for gas in others_each.values():
        axes.plot([1, MOST_ORDERS], [gas, gas * MOST_ORDERS], color=PRICE, linewidth=1.8, marker="o", markevery=[0])
    names = "\n".join(f"{name}, {gas:,} each" for name, gas in others_each.items())
    axes.annotate(names, (0.02, 1), xycoords="axes fraction", va="top", color=PRICE, linespacing=1.5)
    axes.plot(*_points(ours), "o", color=VOLUME, markersize=9)
    for orders, gas in ours.items():
        right, align = (-4, "left") if orders == 1 else (6, "right")
        _name(axes, f"here, {gas / orders:,.0f}{' each' * (orders > 1)}", (orders, gas), (right, -22), align)


def _draw_clearing(axes: Axes, ours: Curve) -> None:
    for name, curve in OTHERS_CLEAR.items():
        axes.plot(*_points(curve), color=PRICE, linewidth=1.8, marker="o")
        orders, gas = max(curve.items())
        _name(axes, f"{name}, {_short(gas)}", (orders, gas), (6, 10), "right", PRICE)
    axes.plot(*_points(ours), color=VOLUME, linewidth=2.6, marker="o", markersize=9)
    orders, gas = max(ours.items())
    _name(axes, f"here, {_short(gas)}", (orders, gas), (6, -22), "right")
    axes.annotate(
        "most in one transaction", (1, GAS_LIMIT), (0, 5), textcoords="offset points", color=MUTED, fontsize="small"
    )


def _name(
    axes: Axes, text: str, point: tuple[int, int], offset: tuple[int, int], align: str, colour: str = VOLUME
) -> None:
    weight = "bold" if colour == VOLUME else "normal"
    axes.annotate(text, point, offset, textcoords="offset points", ha=align, color=colour, weight=weight)


def _points(curve: Curve) -> tuple[list[int], list[int]]:
    return list(curve), list(curve.values())


def _short(value: float) -> str:
    return f"{value / 1e6:,.0f} M" if value >= 1e6 else f"{value:,.0f}"


def write_picture(path: Path, ours: Mapping[str, Curve]) -> None:
    """The picture, 1400 pixels wide; our figures stand in its description too, for a test to compare with."""
    with mpl.rc_context({**STYLE, "font.size": 13, "lines.markersize": 5, "figure.facecolor": PAPER}):
        figure = Figure(figsize=(14, 5.2), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=0.2, h_pad=0.12, wspace=0.04)
        draw(figure, ours)
        buffer = BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None, "Description": json.dumps(ours)})
    path.write_bytes(buffer.getvalue())


if __name__ == "__main__":
    write_picture(PICTURE, our_gas(json.loads(SNAPSHOT.read_text(encoding="utf-8"))["calls"]))
