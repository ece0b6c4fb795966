"""Figures of `gridwitness bench faults`: by kind of fault, as numbers, CSV and a picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.errors import InputError
from gridwitness.service.bench.fault_kinds import FaultKind
from gridwitness.service.bench.faults import FAULT_SLOTS, WITHIN_SLOTS, FaultBench, FaultCase
from gridwitness.service.demo.charts import INK, MUTED, PAPER, STYLE

SLOTS_PER_HOUR = 3600 // SLOT_SECONDS
DAYS_PER_YEAR = 365
COLUMNS = ("scene", "kind", "meter", "detail", "misreported_wh", "found_after_h", "flags", "reason", "wrong")
GOAL = "scale and freeze"
GROUPS: Mapping[str, tuple[FaultKind, ...]] = MappingProxyType(
    {kind.value: (kind,) for kind in FaultKind} | {GOAL: (FaultKind.SCALE, FaultKind.FREEZE)}
)
"""What figures are given for: every kind of fault, and the two together that the scorer promises to find."""


@dataclass(frozen=True, slots=True)
class KindFigures:
    """Shares and delays of some cases.

    Delays are hours from the onset to the hold; None if fewer than half, or nine tenths, were found within the day.
    `wrongly_held` is the share of cases in which an untouched meter was held.
    """

    cases: int
    found: float
    within_6_h: float
    median_delay_h: float | None
    p90_delay_h: float | None
    wrongly_held: float


def figures_of(cases: Sequence[FaultCase]) -> KindFigures | None:
    """Figures of some cases; None if there are none."""
    if not cases:
        return None
    delays = sorted(case.found_after_slots or FAULT_SLOTS + 1 for case in cases)
    return KindFigures(
        len(cases),
        sum(delay <= FAULT_SLOTS for delay in delays) / len(cases),
        sum(delay <= WITHIN_SLOTS for delay in delays) / len(cases),
        _delay_h(delays, 50),
        _delay_h(delays, 90),
        sum(bool(case.wrong) for case in cases) / len(cases),
    )


def _delay_h(delays: Sequence[int], percent: int) -> float | None:
    """The smallest delay that `percent` per cent do not exceed."""
    delay = delays[-(-len(delays) * percent // 100) - 1]
    return delay / SLOTS_PER_HOUR if delay <= FAULT_SLOTS else None


def summary_of(bench: FaultBench, seed: int, matters_wh: int) -> dict[str, Any]:
    """Everything as one JSON object.

    `faults` are of the cases that misreport enough to matter, `left_out` counts the others, and `faults_of_any_size`
    are of both: of all cases drawn, of which a fault that changes no reading within six hours is never one. Figures of
    no case are null.
    """
    drawn = {name: [case for case in bench.cases if case.kind in kinds] for name, kinds in GROUPS.items()}
    mattering = {name: [case for case in cases if matters(case, matters_wh)] for name, cases in drawn.items()}
    reached = figures_of(mattering[GOAL])
    years = bench.honest.meter_days / DAYS_PER_YEAR
    return {
        "community": bench.community,
        "meters": bench.meters,
        "seed": seed,
        "matters_wh": matters_wh,
        "faults": _by_group(mattering),
        "left_out": {name: len(cases) - len(mattering[name]) for name, cases in drawn.items()},
        "faults_of_any_size": _by_group(drawn),
        "scale_and_freeze_within_6_h": reached.within_6_h if reached else None,
        "honest_meter_years": round(years, 2),
        "false_holds_per_meter_year": round(len(bench.honest.held) / years, 3) if years else None,
        "false_flags_per_meter_year": round(bench.honest.flags / years, 1) if years else None,
    }


def _by_group(cases_of: Mapping[str, Sequence[FaultCase]]) -> dict[str, dict[str, Any] | None]:
    figures = {name: figures_of(cases) for name, cases in cases_of.items()}
    return {name: asdict(one) if one else None for name, one in figures.items()}


def matters(case: FaultCase, matters_wh: int) -> bool:
    """Whether a case counts: it misreports enough in six hours, or nothing is wrong at all."""
    return case.kind is FaultKind.NONE or case.misreported_wh >= matters_wh


def write_report(folder: Path, bench: FaultBench, summary: dict[str, Any], matters_wh: int) -> None:
    """Write faults.csv, faults.png and summary.json. Raises InputError if the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_cases(folder / "faults.csv", bench.cases)
        write_picture(folder / "faults.png", bench, matters_wh)
        (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write the results to {folder}: {error.strerror}") from error


def write_cases(path: Path, cases: Sequence[FaultCase]) -> None:
    """One row per faulty meter; `found_after_h` is empty if it was not found within the day."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for case in cases:
            found = case.found_after_slots
            found_h = "" if found is None else found / SLOTS_PER_HOUR
            row = (case.scene, case.kind.value, case.meter, case.detail, case.misreported_wh, found_h)
            writer.writerow([*row, len(case.flags_after_slots), case.reason, " ".join(case.wrong)])


def write_picture(path: Path, bench: FaultBench, matters_wh: int) -> None:
    """For every kind the share of meters found against hours since the onset; 1,200 pixels wide."""
    hours = np.arange(FAULT_SLOTS + 1) / SLOTS_PER_HOUR
    colors = mpl.colormaps["tab10"].colors
    with mpl.rc_context({**STYLE, "font.size": 13, "figure.facecolor": PAPER}):
        figure = Figure(figsize=(12, 5.4), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        for kind, color in zip(FaultKind, colors, strict=True):
            cases = [case for case in bench.cases if case.kind is kind and matters(case, matters_wh)]
            if not cases:
                continue
            delays = np.array([case.found_after_slots or FAULT_SLOTS + 1 for case in cases])
            shares = [100 * float((delays <= slots).mean()) for slots in range(FAULT_SLOTS + 1)]
            axes.step(hours, shares, where="post", color=color, linewidth=2, label=f"{kind.value} ({len(cases)})")
        axes.axvline(WITHIN_SLOTS / SLOTS_PER_HOUR, color=MUTED, linewidth=1, linestyle=":")
        axes.set(xlim=(0, FAULT_SLOTS / SLOTS_PER_HOUR), ylim=(-2, 102), xticks=range(0, 25, 3))
        axes.set_title(f"{bench.community}: meters found, in % (cases)", color=INK, loc="left")
        axes.set_xlabel("hours since the fault began", loc="right")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        buffer = BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    path.write_bytes(buffer.getvalue())
