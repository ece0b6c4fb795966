"""Tables of figures between markers in a document, and how far two of them differ."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"


def figure(gas: float | None) -> str:
    """Gas as a table shows it; a dash where there is nothing alike."""
    if gas is None:
        return "–"
    return f"{gas:,.0f}" if gas >= 100 else f"{gas:.3g}"


def shown_table(name: str, document: Path = README) -> str:
    """What a document has between the markers of a name."""
    begin, end = _markers(name)
    return document.read_text(encoding="utf-8").split(begin)[1].split(end)[0]


def write_table(name: str, text: str, document: Path = README) -> None:
    """Put a table between a document's markers of a name."""
    begin, end = _markers(name)
    content = document.read_text(encoding="utf-8")
    shown = begin + shown_table(name, document) + end
    document.write_text(content.replace(shown, begin + text + end), encoding="utf-8")


def differences(shown: str, fresh: str, tolerance: float = 0.01) -> list[str]:
    """Figures that differ by more than the tolerance, and text that differs at all."""
    cell = re.compile(r"(?<=\| )[\d,.]+(?= \|)")
    if cell.sub("#", shown) != cell.sub("#", fresh):
        return ["the tables differ in more than figures"]
    pairs = zip(cell.findall(shown), cell.findall(fresh), strict=True)
    values = [(float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs]
    return [
        f"{kept:,} shown, {measured:,} measured"
        for kept, measured in values
        if abs(kept - measured) > tolerance * measured
    ]


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->\n", f"<!-- /{name} -->"
