"""What the report says of homes and meters, drawn from the tables of a demo's result."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pandas as pd

from gridwitness.service.demo.result import BILL_LINES, DemoResult

SLOT = timedelta(minutes=15)


@dataclass(frozen=True)
class HomeFigures:
    """A meter that trades, over all days of the demo.

    Energy in Wh as the meter reported it; `traded_wh` is net contracted, bought > 0, sold < 0. That, `bill_eur` and
    `lines_eur`, what the bill is made of in the order of `BILL_LINES` (owed > 0), are sums of the settled days, None if
    all days are held; `grid_only_eur` covers the same days (all if all are held).
    """

    meter: str
    kind: str
    import_wh: int
    export_wh: int
    traded_wh: int | None
    lines_eur: tuple[float, ...] | None
    bill_eur: float | None
    grid_only_eur: float
    held_days: int
    days: int

    @property
    def saving_eur(self) -> float | None:
        """What the market saved against buying everything from the grid; None while held."""
        return None if self.bill_eur is None else self.grid_only_eur - self.bill_eur


def home_figures(result: DemoResult) -> list[HomeFigures]:
    """Homes in the order of their meters' names, bus-9 before bus-10."""
    net = result.readings["net_wh"].astype("int64")
    readings = result.readings.assign(import_wh=net.clip(lower=0), export_wh=-net.clip(upper=0))
    energy = readings.groupby("meter")[["import_wh", "export_wh"]].sum().to_dict("index")
    groups = {str(meter): days for meter, days in result.settlements.groupby("meter")}
    return [_figures(meter, groups[meter], energy.get(meter, {})) for meter in sorted(groups, key=_natural)]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that counts digits as numbers."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def _figures(meter: str, days: pd.DataFrame, energy: Mapping[Hashable, int]) -> HomeFigures:
    settled = days[days["status"] != "held"]
    compared = days if settled.empty else settled
    lines_eur = tuple(-float(settled[f"{line}_eur"].astype(float).sum()) for line in BILL_LINES)
    return HomeFigures(
        meter=meter,
        kind=str(days["kind"].iloc[0]),
        import_wh=int(energy.get("import_wh", 0)),
        export_wh=int(energy.get("export_wh", 0)),
        traded_wh=None if settled.empty else int(settled["contracted_wh"].astype("int64").sum()),
        lines_eur=None if settled.empty else lines_eur,
        bill_eur=None if settled.empty else float(settled["bill_eur"].astype(float).sum()),
        grid_only_eur=float(compared["grid_only_bill_eur"].astype(float).sum()),
        held_days=len(days) - len(settled),
        days=len(days),
    )


@dataclass(frozen=True)
class FlagRun:
    """Consecutive flagged readings of one meter for one kind of reason; `end` is the end of the last slot."""

    start: pd.Timestamp
    end: pd.Timestamp
    readings: int
    channel: str
    reason: str
    score_bps: int


@dataclass(frozen=True)
class FlaggedMeter:
    """A meter with at least one flagged reading; `slots` holds all its readings in order of time."""

    meter: str
    held: bool
    flagged: int
    runs: tuple[FlagRun, ...]
    slots: pd.DataFrame

    @property
    def main_run(self) -> FlagRun:
        """The run with most readings, the earliest of equals."""
        return max(self.runs, key=lambda run: run.readings)


def flagged_meters(result: DemoResult) -> list[FlaggedMeter]:
    """Meters with flagged readings: held ones first, then those with most."""
    held = set(result.settlements.loc[result.settlements["status"] == "held", "meter"])
    flags = result.readings["flagged"].astype(bool)
    meters = []
    for meter in result.readings.loc[flags, "meter"].unique():
        slots = result.readings[result.readings["meter"] == meter].sort_values("slot_start", ignore_index=True)
        flagged = slots[slots["flagged"].astype(bool)]
        meters.append(FlaggedMeter(str(meter), meter in held, len(flagged), tuple(_runs(flagged)), slots))
    return sorted(meters, key=lambda entry: (not entry.held, -entry.flagged, entry.meter))


def _runs(flagged: pd.DataFrame) -> Iterable[FlagRun]:
    """Split flagged readings, in order of time, where a slot lies between them or the channel changes."""
    breaks = (flagged["slot_start"].diff() > SLOT) | (flagged["channel"] != flagged["channel"].shift())
    for _, run in flagged.groupby(breaks.cumsum()):
        last = run.iloc[-1]
        yield FlagRun(
            start=run["slot_start"].iloc[0],
            end=last["slot_start"] + SLOT,
            readings=len(run),
            channel=str(last["channel"]),
            reason=str(last["reason"]) or "unusual for this meter",
            score_bps=int(run["score_bps"].max()),
        )


def reasons(meters: Iterable[FlaggedMeter]) -> list[tuple[str, int]]:
    """Channels by which readings were flagged, with their number of readings, most frequent first."""
    counts: Counter[str] = Counter()
    for entry in meters:
        for run in entry.runs:
            counts[run.channel] += run.readings
    return counts.most_common()
