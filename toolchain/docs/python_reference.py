"""The reference of the Python packages: mkdocstrings reads their docstrings; here stands what it shows."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

# Packages for programs of others, and what each is for. Of the scoring only its front doors.
PACKAGES = {
    "gridwitness.client": "The HTTP API and the contracts, typed; checks proofs by itself.",
    "gridwitness.encoding": "Digests, keys, leaves and trees, as contracts and oracles make them.",
    "gridwitness.market": "The market's rules in plain Python, forecasts, trading agents, bills.",
    "gridwitness.scoring": "Scores that come out alike on every machine.",
}
FRONT_DOORS = {"gridwitness.scoring": ["gridwitness.scoring", "gridwitness.scoring.streaming"]}


def modules_of(package: str) -> list[str]:
    """Modules whose public things are shown."""
    if package in FRONT_DOORS:
        return FRONT_DOORS[package]
    found = import_module(package)
    return [package, *(f"{package}.{one.name}" for one in pkgutil.iter_modules(found.__path__))]


def python_pages(root: Path) -> Iterator[tuple[str, str]]:
    """Name and Markdown of each package's page."""
    for package, purpose in PACKAGES.items():
        parts = [f"# {package}\n", f"{purpose}\n"]
        for module in modules_of(package):
            names = getattr(import_module(module), "__all__", None)
            parts.append(f"::: {module}\n")
            if names:
                listed = "\n".join(f"        - {name}" for name in names)
                parts[-1] += f"    options:\n      members:\n{listed}\n"
        yield package.rpartition(".")[2], "\n".join(parts)
