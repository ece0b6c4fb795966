"""The demo's report: one self-contained page, a picture, tables as CSV, and a summary for the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gridwitness.errors import ConfigError
from gridwitness.service.demo import charts, wording
from gridwitness.service.demo.evidence import SAMPLE_READINGS
from gridwitness.service.demo.facts import FlaggedMeter, HomeFigures, flagged_meters, home_figures, reasons
from gridwitness.service.demo.result import (
    BILL_LINES,
    CLEARING_COLUMNS,
    READING_COLUMNS,
    SETTLEMENT_COLUMNS,
    DemoResult,
)
from gridwitness.service.demo.shares_words import asset_rows, reconciliation_words, refusal_words

MAX_TIMELINES = 6

# What the oracles' channels mean, for the list of reasons. A channel that is not named here is shown by its name.
CHANNEL_WORDS = {
    "frozen": "the meter repeats one value for longer than its own history explains",
    "seasonal": "unlike the same time on earlier days",
    "limit": "a jump beyond anything this meter has shown",
    "residual": "the feeder's meter sees energy that this meter does not report",
}


# Headings of a bill's lines, in the order of BILL_LINES.
BILL_LINE_WORDS = ("Traded", "Fee less premium", "Imbalance", "Penalty", "Residual")


@dataclass(frozen=True)
class Check:
    """One thing that was checked, whether it held, and the exact figures."""

    name: str
    passed: bool
    figures: str


def write_report(result: DemoResult, out_dir: Path) -> None:
    """Write report.html, overview.png, summary.json, settlements.csv, clearings.csv and readings.csv to `out_dir`.

    Raises ConfigError if the folder cannot be written.
    """
    homes = home_figures(result)
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        (out_dir / "report.html").write_text(_render(result, homes), encoding="utf-8")
        summary = json.dumps(result.summary, indent=2, ensure_ascii=False) + "\n"
        (out_dir / "summary.json").write_text(summary, encoding="utf-8")
        _write_csv(result.clearings, CLEARING_COLUMNS, out_dir / "clearings.csv")
        _write_csv(result.settlements, SETTLEMENT_COLUMNS, out_dir / "settlements.csv")
        _write_csv(result.readings, READING_COLUMNS, out_dir / "readings.csv")
        charts.write_overview(out_dir / "overview.png", result, homes, headline=_title(result, len(homes)))
    except OSError as error:
        raise ConfigError(
            f"cannot write the report to {out_dir}: {error.strerror}", hint="choose another folder"
        ) from error


def _write_csv(table: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Only the documented columns, in their order; energies as integers, times as ISO 8601 in UTC, days as dates."""
    table = table[list(columns)].copy()
    for name in columns:
        if name.endswith("_wh"):
            table[name] = pd.to_numeric(table[name]).astype("Int64")
    for name, pattern in (("slot_start", "%Y-%m-%dT%H:%M:%SZ"), ("day", "%Y-%m-%d")):
        if name in table:
            table[name] = pd.to_datetime(table[name], utc=True).dt.strftime(pattern)
    table.to_csv(path, index=False, lineterminator="\n")


def _render(result: DemoResult, homes: Sequence[HomeFigures]) -> str:
    environment = Environment(
        loader=PackageLoader("gridwitness.service.demo"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = (
        wording.grouped, wording.kwh, wording.euros, wording.exact_euros, wording.cents, wording.percent,
        wording.better, wording.clock, wording.count,
    )  # fmt: skip
    environment.filters.update({word.__name__: word for word in words})
    flagged = flagged_meters(result)
    return environment.get_template("report.html.j2").render(
        title=_title(result, len(homes)),
        witnesses=result.readings["meter"].nunique() - len(homes),
        readings_shown=len(result.readings),
        summary=result.summary,
        saved_eur=result.summary["grid_only_bills_eur"] - result.summary["bills_eur"],
        homes=homes,
        several_days=result.summary["days"] > 1,
        others=_others_flagged(result, flagged),
        flagged=flagged,
        timelines=[(entry, charts.flag_timeline(entry)) for entry in flagged[:MAX_TIMELINES]],
        reasons=[(CHANNEL_WORDS.get(channel, channel), readings) for channel, readings in reasons(flagged)],
        prices=[charts.price_and_volume(int(zone), table, result) for zone, table in _by_zone(result.clearings)],
        book=result.book,
        curve=charts.clearing_curve(result.book),
        energy=charts.energy_per_home(homes),
        bills=charts.bills(homes),
        retail=result.retail_eur_per_kwh,
        feed_in=result.feed_in_eur_per_kwh,
        network_fee=result.network_fee_eur_per_kwh,
        green_premium=result.green_premium_eur_per_kwh,
        bill_lines=BILL_LINE_WORDS,
        disputes=[_dispute_words(dispute) for dispute in result.summary["disputes"]],
        refusals=[refusal_words(refused) for refused in (result.summary["asset"] or {}).get("refused", ())],
        checks=checks(result),
        shown_at_most=charts.MAX_HOMES_SHOWN,
    )


def _by_zone(clearings: pd.DataFrame) -> Iterable[tuple[Any, pd.DataFrame]]:
    return clearings.groupby("zone")


def _title(result: DemoResult, homes: int) -> str:
    first, last = result.clearings["slot_start"].min(), result.clearings["slot_start"].max()
    days = f"{first.day} {first:%B %Y}"
    if last.date() != first.date():
        days = f"{first.day} {first:%B} to {last.day} {last:%B %Y}"
    return f"{wording.count(homes, 'home')} trading energy, {days}"


def _others_flagged(result: DemoResult, flagged: Sequence[FlaggedMeter]) -> tuple[int, int]:
    """Flagged readings of meters that are not held, and all readings of those meters."""
    held = {entry.meter for entry in flagged if entry.held}
    others = result.readings[~result.readings["meter"].isin(held)]
    return int(others["flagged"].astype(bool).sum()), len(others)


def checks(result: DemoResult) -> list[Check]:
    """What was proven and balanced, with exact figures."""
    summary = result.summary
    cash_in, cash_out, cash_left = (summary[f"cash_{place}"] for place in ("in", "out", "left"))
    sample = min(SAMPLE_READINGS, summary["readings_signed"])
    slots = wording.count(summary["slots_cleared"], "slot")
    return [
        Check(
            "Readings proven on chain",
            summary["readings_proven"] == sample,
            f"{wording.grouped(summary['readings_proven'])} of {wording.count(sample, 'reading')} drawn at random, by "
            "the contract itself and by the device's signature",
        ),
        Check(
            "Money conserved",
            bool(summary["cash_conserved"]),
            f"{wording.exact_euros(cash_in)} in = {wording.exact_euros(cash_out)} out + "
            f"{wording.exact_euros(cash_left)} left; difference {wording.exact_euros(cash_in - cash_out - cash_left)}",
        ),
        Check(
            "Backstop covers all",
            bool(summary["backstop_covers"]),
            f"it might have owed {wording.exact_euros(summary['most_exposed'])} at most, and had "
            f"{wording.exact_euros(summary['balance_when_most_exposed'])}; only held schedules lock money now",
        ),
        Check(
            "Energy conserved",
            bool(summary["energy_conserved"]),
            "the feeder's readings equal all true flows plus losses, and every settlement has exactly the energy that "
            f"was attested and contracted; {wording.grouped(summary['traded_wh'])} Wh matched in {slots}",
        ),
        Check(
            "Clearing is the best there is",
            bool(summary["clearing_equals_brute_force"]),
            f"{slots} equal an independent search, order by order, for the greatest volume under the feeder's cap",
        ),
        Check(
            "Settlement is by the rules",
            bool(summary["settlement_equals_reference"]),
            f"{wording.count(summary['schedules_final'], 'schedule')} ended as the reference in Python settles them, "
            f"to the unit; {wording.grouped(summary['schedules_held'])} held",
        ),
        *_asset_check(summary["asset"]),
    ]


def _asset_check(asset: dict[str, Any] | None) -> list[Check]:
    if asset is None:
        return []
    return [Check("Shares paid what was proven", bool(asset["reconciles"]), reconciliation_words(asset))]


def print_summary(result: DemoResult, console: Console) -> None:
    """Print the table the demo ends with."""
    table = Table(title=_title(result, result.settlements["meter"].nunique()), title_justify="left", show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for section in (_measured_rows(result.summary), _market_rows(result), asset_rows(result.summary["asset"])):
        for name, figures in section:
            table.add_row(name, figures)
        table.add_section()
    for entry in flagged_meters(result):
        if entry.held:
            run = entry.main_run
            table.add_row(f"held: {entry.meter}", Text(f"{run.reason} (flagged from {_moment(run.start)})", "yellow"))
    for dispute in result.summary["disputes"]:
        table.add_row("disputed", _dispute_words(dispute))
    table.add_section()
    for check in checks(result):
        mark = Text("✓ ", "green") if check.passed else Text("✗ ", "bold red")
        table.add_row(check.name, mark + Text(check.figures, "default"))
    seconds = result.summary["wall_s"].get("total")
    if seconds is not None:
        table.add_row("took", f"{wording.grouped(seconds, 1)} s")
    console.print(table)


def _dispute_words(dispute: dict[str, Any]) -> str:
    """How a dispute ended, in a sentence."""
    bond = wording.euros(dispute["bond_eur"])
    if dispute["upheld"]:
        return f"{dispute['doubted_by']} doubted the bill of {dispute['meter']}, and it was corrected"
    return (
        f"{dispute['doubted_by']} doubted the bill of {dispute['meter']} and staked {bond}; no correction came, so "
        f"{dispute['meter']} got the stake"
    )


def _moment(time: pd.Timestamp) -> str:
    return f"{wording.clock(time, day=True)} UTC"


def _measured_rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    signed, accepted, rejected = (
        wording.grouped(summary[f"readings_{verdict}"]) for verdict in ("signed", "accepted", "rejected")
    )
    return [
        ("meters", wording.grouped(summary["meters"])),
        ("readings", f"{signed} signed, {accepted} accepted, {rejected} rejected"),
        ("batches attested", wording.grouped(summary["batches_attested"])),
        ("flagged meters", wording.grouped(len(summary["flagged_devices"]))),
    ]


def _bill_line_words(lines_eur: dict[str, float]) -> list[str]:
    return [
        f"{words.lower()} {wording.euros(lines_eur[line])}"
        for line, words in zip(BILL_LINES, BILL_LINE_WORDS, strict=True)
    ]


def _market_rows(result: DemoResult) -> list[tuple[str, str]]:
    summary = result.summary
    bills, grid_only = summary["bills_eur"], summary["grid_only_bills_eur"]
    return [
        ("traded", f"{wording.kwh(summary['traded_wh'])} in {wording.count(summary['slots_cleared'], 'slot')}"),
        ("bills", f"{wording.euros(bills)} instead of {wording.euros(grid_only)} from the grid alone"),
        ("of which", ", ".join(_bill_line_words(summary["bill_lines_eur"]))),
        (
            "saved",
            f"{wording.better(grid_only - bills)}, {wording.percent(summary['saving_pct'])} of what the imports would "
            "cost from the grid",
        ),
        ("self-sufficiency", wording.percent(summary["self_sufficiency_pct"])),
    ]
