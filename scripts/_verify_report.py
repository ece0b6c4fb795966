"""What a verification found: every difference, not only the first, for people and for machines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be."""

    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"✗ {self.what}: expected {self.expected}, found {self.found}"


@dataclass
class Report:
    """Counts what was compared, and keeps what differs and what is worth a word."""

    compared: int = 0
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def compare(self, what: str, expected: Any, found: Any) -> bool:
        """Compare two values, lists in their order; whether they are the same."""
        self.compared += 1
        if expected == found:
            return True
        self.differences.append(Difference(what, _text(expected), _text(found)))
        return False

    def differ(self, what: str, expected: Any, found: Any) -> None:
        """Add a difference that was found in another way."""
        self.compared += 1
        self.differences.append(Difference(what, _text(expected), _text(found)))

    def note(self, text: str) -> None:
        """Add what is no difference, but should be known."""
        self.notes.append(text)

    def echo(self, about: str, *, as_json: bool) -> None:
        """Print it. `about` names chain and parameters."""
        if as_json:
            click.echo(json.dumps({"about": about, "verified": not self.differences} | asdict(self), indent=2))
            return
        for note in self.notes:
            click.echo(f"· {note}")
        for difference in self.differences:
            click.echo(str(difference))
        if self.differences:
            click.echo(f"✗ {len(self.differences)} of {self.compared} things differ: {about}")
        else:
            click.echo(f"✓ {self.compared} things are as they should be: {about}")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value or "nothing"
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value) or "nobody"
    return "none" if value is None else str(value)
