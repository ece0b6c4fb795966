"""Charts of the report: matplotlib figures without pyplot, as SVG that follows the page's colours, or as PNG.

A chart is drawn twice, for a wide and for a narrow screen. SVG colours are placeholders that become CSS variables
(`var(--c-price)`), so one file serves light and dark.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from gridwitness.service.demo.facts import SLOT, FlaggedMeter, HomeFigures
from gridwitness.service.demo.result import BookSnapshot, DemoResult

# Each colour's light value; the first hex digits make them distinct, which the SVG substitution needs.
PALETTE = {
    "ink": "#17211e",
    "muted": "#62706b",
    "grid": "#dfe4e1",
    "price": "#c2560c",
    "volume": "#1f8a70",
    "import": "#2f6690",
    "export": "#e0a422",
    "flag": "#c8302f",
    "paper": "#ffffff",
}
INK, MUTED, GRID, PAPER = (PALETTE[name] for name in ("ink", "muted", "grid", "paper"))
PRICE, VOLUME, IMPORT, EXPORT, FLAG = (PALETTE[name] for name in ("price", "volume", "import", "export", "flag"))

PIXELS_PER_INCH = 72  # matplotlib's SVG unit is the point; the page shows one as one CSS pixel
WIDE, NARROW = 920, 360
MAX_HOMES_SHOWN = 40

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": MUTED,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": GRID,
    "grid.linewidth": 1.0,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "legend.handlelength": 1.2,
    "lines.solid_joinstyle": "miter",
}


@dataclass(frozen=True)
class Chart:
    """A chart as inline SVG for wide and narrow screens, with the words that stand for it where it cannot be seen."""

    alt: str
    wide: str
    narrow: str


Draw = Callable[[Figure, bool], None]


def _chart(name: str, alt: str, draw: Draw, wide_height: int, narrow_height: int) -> Chart:
    return Chart(
        alt,
        _svg(f"{name}-wide", alt, draw, WIDE, wide_height),
        _svg(f"{name}-narrow", alt, draw, NARROW, narrow_height),
    )


def _svg(name: str, alt: str, draw: Draw, width: int, height: int) -> str:
    """Inline SVG of one figure; `name` keeps the ids of one page's charts apart."""
    with mpl.rc_context({**STYLE, "font.size": 12 if width == WIDE else 11, "svg.hashsalt": name}):
        figure = Figure(figsize=(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure, width == WIDE)
        buffer = StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), alt)


def _inline(document: str, alt: str) -> str:
    """The `<svg>` of a document, named for assistive technology, its colours turned into CSS variables."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', lambda m: _open_tag(m.group(1), alt), svg, count=1)
    for name, colour in PALETTE.items():
        svg = svg.replace(colour, f"var(--c-{name})")
    return re.sub(r"\n\s*", "\n", svg).strip()


def _open_tag(view_box: str, alt: str) -> str:
    label = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return f'<svg role="img" aria-label="{label}" viewBox="{view_box}">'


def price_and_volume(zone: int, clearings: pd.DataFrame, result: DemoResult) -> Chart:
    """Clearing price and matched energy of one zone's slots."""
    traded = clearings[clearings["volume_wh"] > 0]
    if traded.empty:
        alt = f"Price and volume per delivery slot, zone {zone}: no energy was matched in any slot."
    else:
        best = traded.sort_values("volume_wh").iloc[-1]
        low, high = traded["price_eur_per_kwh"].min() * 100, traded["price_eur_per_kwh"].max() * 100
        alt = (
            f"Price and volume per delivery slot, zone {zone}. Prices between {low:.1f} and {high:.1f} cents per kWh; "
            f"most energy in the slot of {best['slot_start']:%d %b %H:%M} UTC, {best['volume_wh'] / 1000:.1f} kWh."
        )

    def draw(figure: Figure, wide: bool) -> None:
        price, volume = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        _draw_price_and_volume(price, volume, clearings, result, wide)

    return _chart(f"price-{zone}", alt, draw, 400, 400)


def _draw_price_and_volume(price: Axes, volume: Axes, clearings: pd.DataFrame, result: DemoResult, wide: bool) -> None:
    table = clearings.set_index("slot_start").sort_index()
    edges = _edges(table.index)
    slots = table.reindex(edges[:-1])
    matched = slots["volume_wh"].fillna(0).to_numpy(dtype=float)
    cents = np.where(matched > 0, slots["price_eur_per_kwh"].to_numpy(dtype=float) * 100, np.nan)
    price.stairs(cents, edges, baseline=None, color=PRICE, linewidth=2.2)
    for level, name in ((result.retail_eur_per_kwh, "grid sells at"), (result.feed_in_eur_per_kwh, "grid buys at")):
        price.axhline(level * 100, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        price.annotate(
            f"{name} {level * 100:.1f} ct", (1, level * 100), (0, 3), xycoords=("axes fraction", "data"),
            textcoords="offset points", ha="right", va="bottom", color=MUTED, fontsize="small",
        )  # fmt: skip
    price.set_ylim(0, result.retail_eur_per_kwh * 100 * 1.18)
    price.set_title("Clearing price, ct/kWh (gaps: nothing matched)", color=PRICE)
    volume.stairs(matched / 1000, edges, fill=True, color=VOLUME)
    volume.set_title("Energy matched, kWh per quarter hour", color=VOLUME, pad=12)
    volume.set_ylim(bottom=0, top=None if matched.any() else 1)
    if not matched.any():
        volume.text(0.5, 0.5, "no energy was matched", transform=volume.transAxes, ha="center", color=MUTED)
    _time_axis(volume, edges, wide)


def _edges(starts: pd.Index) -> pd.DatetimeIndex:
    """Starts of all slots from the first to the last, and the end of the last."""
    return pd.date_range(starts.min(), starts.max() + SLOT, freq=SLOT)


def _time_axis(axes: Axes, edges: pd.DatetimeIndex, wide: bool) -> None:
    axes.set_xlim(edges[0], edges[-1])
    days = (edges[-1] - edges[0]).days
    if days <= 2:
        axes.xaxis.set_major_locator(mdates.HourLocator(byhour=range(0, 24, 3 if wide else 6)))
        axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M", tz="UTC"))
    else:
        axes.xaxis.set_major_locator(mdates.DayLocator(interval=max(1, days // (8 if wide else 4))))
        axes.xaxis.set_major_formatter(mdates.DateFormatter("%d %b", tz="UTC"))
    axes.set_xlabel("UTC", loc="right", fontsize="small")


def clearing_curve(book: BookSnapshot) -> Chart:
    """Supply and demand of one slot over price, with the crossing."""
    alt = (
        f"Supply and demand of the delivery slot of {book.slot_start:%d %b %Y %H:%M} UTC. They meet at "
        f"{book.volume_wh / 1000:.2f} kWh and {book.clearing_price_eur_per_kwh * 100:.2f} cents per kWh."
    )
    return _chart("curve", alt, lambda figure, wide: _draw_curve(figure.subplots(), book, wide), 380, 340)


def _draw_curve(axes: Axes, book: BookSnapshot, wide: bool) -> None:
    price, volume = book.clearing_price_eur_per_kwh * 100, book.volume_wh / 1000
    demand = _ladder(book.bids_wh[::-1], book.price_eur_per_kwh[::-1])
    supply = _ladder(book.offers_wh, book.price_eur_per_kwh)
    axes.plot(*demand, color=IMPORT, linewidth=2.2, label="bids (demand)")
    axes.plot(*supply, color=EXPORT, linewidth=2.2, label="offers (supply)")
    if book.volume_wh:
        axes.plot([0, volume, volume], [price, price, book.price_eur_per_kwh[0] * 100], color=PRICE, linestyle=":")
        axes.plot([volume], [price], "o", color=PRICE, markersize=9, markeredgecolor=PAPER, zorder=5, clip_on=False)
        label = {"textcoords": "offset points", "color": PRICE, "weight": "bold"}
        axes.annotate(f"{price:.2f} ct/kWh", (0, price), (6, 5), **label)
        axes.annotate(f"{volume:.2f} kWh", (volume, book.price_eur_per_kwh[0] * 100), (7, 7), **label)
    else:
        axes.text(0.5, 0.5, "bids and offers did not meet", transform=axes.transAxes, ha="center", color=MUTED)
    axes.set_xlim(left=0, right=None if any(book.bids_wh) or any(book.offers_wh) else 1)
    axes.set_ylim(book.price_eur_per_kwh[0] * 100, book.price_eur_per_kwh[-1] * 100)
    axes.set_title("Price, ct/kWh")
    axes.set_xlabel("Energy, kWh", loc="right", fontsize="small")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1 if wide else 1.06), ncols=2, borderaxespad=0.2)


def _ladder(quantities_wh: Sequence[int], prices: Sequence[float]) -> tuple[list[float], list[float]]:
    """Corners of a merit order: cumulated kWh and ct/kWh, in the order given."""
    energy, cents, total = [], [], 0
    for quantity, price in zip(quantities_wh, prices, strict=True):
        if quantity:
            energy += [total / 1000, (total + quantity) / 1000]
            cents += [price * 100] * 2
            total += quantity
    return energy, cents


def energy_per_home(homes: Sequence[HomeFigures]) -> Chart:
    """Import, export and net traded energy of each home."""
    shown = _largest(homes, lambda home: home.import_wh + home.export_wh)
    alt = (
        f"Energy per home for {len(shown)} homes: {sum(h.import_wh for h in shown) / 1000:.0f} kWh imported, "
        f"{sum(h.export_wh for h in shown) / 1000:.0f} kWh exported. The table below has the figures."
    )
    height = 90 + 24 * len(shown)
    return _chart("energy", alt, lambda figure, wide: _draw_energy(figure.subplots(), shown), height, height)


def _largest(homes: Sequence[HomeFigures], size: Callable[[HomeFigures], float]) -> list[HomeFigures]:
    """The MAX_HOMES_SHOWN largest, in the order given."""
    chosen = {home.meter for home in sorted(homes, key=size, reverse=True)[:MAX_HOMES_SHOWN]}
    return [home for home in homes if home.meter in chosen]


def _draw_energy(axes: Axes, homes: Sequence[HomeFigures]) -> None:
    rows = np.arange(len(homes))
    axes.barh(rows, [h.import_wh / 1000 for h in homes], 0.62, color=IMPORT, label="import")
    axes.barh(rows, [-h.export_wh / 1000 for h in homes], 0.62, color=EXPORT, label="export")
    known = [(row, home.traded_wh / 1000) for row, home in enumerate(homes) if home.traded_wh is not None]
    axes.plot(
        [traded for _, traded in known], [row for row, _ in known], "D", color=INK, markersize=5.5,
        markeredgecolor=PAPER, linestyle="none", label="traded, net",
    )  # fmt: skip
    _home_axis(axes, homes, "kWh, export to the left")


def _home_axis(axes: Axes, homes: Sequence[HomeFigures], unit: str) -> None:
    axes.set_yticks(np.arange(len(homes)), [home.meter for home in homes])
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_ylim(len(homes) - 0.4, -0.6)
    axes.axvline(0, color=MUTED, linewidth=1)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.spines["bottom"].set_visible(False)
    axes.set_xlabel(unit, loc="right", fontsize="small")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1), ncols=3, columnspacing=1.2, borderaxespad=0.2)


def bills(homes: Sequence[HomeFigures]) -> Chart:
    """Each home's bill beside buying everything from the grid; held bills are outlined, not drawn as zero."""
    shown = _largest(homes, lambda home: abs(home.grid_only_eur))
    held = sum(home.bill_eur is None for home in shown)
    alt = (
        f"Bills of {len(shown)} homes against buying everything from the grid; {held} held. The table has the figures."
    )
    height = 90 + 32 * len(shown)
    return _chart("bills", alt, lambda figure, wide: _draw_bills(figure.subplots(), shown), height, height)


def _draw_bills(axes: Axes, homes: Sequence[HomeFigures]) -> None:
    rows = np.arange(len(homes))
    axes.barh(
        rows - 0.2, [h.grid_only_eur for h in homes], 0.36, color=GRID, edgecolor=MUTED, label="all from the grid"
    )
    settled = [row for row in rows if homes[row].bill_eur is not None]
    axes.barh([r + 0.2 for r in settled], [homes[r].bill_eur or 0.0 for r in settled], 0.36, color=VOLUME, label="bill")
    for row in set(rows) - set(settled):
        axes.annotate(
            "held until checked", (0, row + 0.2), (5, 0), textcoords="offset points", va="center",
            color=FLAG, weight="bold", fontsize="small",
        )  # fmt: skip
    _home_axis(axes, homes, "€, below zero the home is paid")


def flag_timeline(entry: FlaggedMeter) -> Chart:
    """What a flagged meter reported, with the flagged slots marked."""
    run = entry.main_run
    alt = (
        f"Energy reported by {entry.meter}; {entry.flagged} readings flagged, most of them from "
        f"{run.start:%d %b %H:%M} to {run.end:%d %b %H:%M} UTC: {run.reason}."
    )
    return _chart(
        f"flag-{entry.meter}", alt, lambda figure, wide: _draw_timeline(figure.subplots(), entry, wide), 190, 190
    )


def _draw_timeline(axes: Axes, entry: FlaggedMeter, wide: bool) -> None:
    table = entry.slots.drop_duplicates("slot_start").set_index("slot_start")
    edges = _edges(table.index)
    net = table["net_wh"].reindex(edges[:-1]).to_numpy(dtype=float)
    for run in entry.runs:
        axes.axvspan(run.start, run.end, color=FLAG, alpha=0.16, linewidth=0)
    flagged = table["flagged"].reindex(edges[:-1], fill_value=False).to_numpy(dtype=bool)
    axes.stairs(net, edges, baseline=None, color=IMPORT, linewidth=1.8)
    axes.stairs(np.where(flagged, net, np.nan), edges, baseline=None, color=FLAG, linewidth=2.6)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_title(
        "Reported net energy, Wh per quarter hour; flagged slots in red" if wide else "Reported, Wh per slot"
    )
    _time_axis(axes, edges, wide)


def write_overview(path: Path, result: DemoResult, homes: Sequence[HomeFigures], headline: str) -> None:
    """The picture for the README: price and volume over the days beside energy per home, 1400 pixels wide."""
    zone = result.clearings["zone"].iloc[0]
    shown = _largest(homes, lambda home: home.import_wh + home.export_wh)[:16]
    with mpl.rc_context({**STYLE, "font.size": 14, "figure.facecolor": PAPER}):
        figure = Figure(figsize=(14, 7.2), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(f" {headline}", x=0.012, ha="left", weight="bold", fontsize="x-large")
        figure.get_layout_engine().set(w_pad=0.2, h_pad=0.12, wspace=0.05)
        left, right = figure.subfigures(1, 2, width_ratios=(3, 2))
        price, volume = left.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        clearings = result.clearings[result.clearings["zone"] == zone]
        _draw_price_and_volume(price, volume, clearings, result, wide=True)
        _draw_energy(right.subplots(), shown)
        buffer = BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    path.write_bytes(buffer.getvalue())
