"""`python -m tests.rehearsal`: deploy on two real nodes, killed at every step and under faults, then verify.

Writes out/rehearsal.json and a table; the exit code is 1 if anything was missed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import ape
from rich.console import Console
from rich.table import Table

from scripts._artefacts import load_artefacts
from tests.rehearsal.nodes import CHAINS
from tests.rehearsal.rehearse import CONFIRMATIONS, ROOT, Finding, Rehearsal

SHOWN = 400  # characters of an outcome in the table; the file has all


def main() -> None:
    """Rehearse on the nodes chosen, side by side."""
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal", description=__doc__)
    parser.add_argument("--node", choices=[chain.kind for chain in CHAINS], help="one of the nodes only")
    parser.add_argument("--every", type=int, default=1, help="kill at each n-th step only")
    parser.add_argument("--quick", action="store_true", help="have verify take the compile that deployments use")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "rehearsal.json")
    chosen = parser.parse_args()
    began = time.monotonic()
    folder = chosen.out.parent / "rehearsal"
    shutil.rmtree(folder, ignore_errors=True)
    artefacts = load_artefacts(ape.project)
    rehearsals = [
        Rehearsal(chain, artefacts, folder / chain.kind, chosen.every, clean=not chosen.quick, told=tell)
        for chain in CHAINS
        if chosen.node in (None, chain.kind)
    ]
    with ThreadPoolExecutor(len(rehearsals)) as pool:
        findings = [finding for found in pool.map(Rehearsal.run, rehearsals) for finding in found]
    seconds = time.monotonic() - began
    passed = all(finding.passed for finding in findings)
    content = {"passed": passed, "seconds": round(seconds, 1), "confirmations": CONFIRMATIONS}
    chosen.out.write_text(
        json.dumps(content | {"findings": [asdict(one) for one in findings]}, indent=2, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )
    show(findings, seconds)
    sys.exit(not passed)


def tell(finding: Finding) -> None:
    """Say that something is done, while the rest goes on."""
    print(f"{'✓' if finding.passed else '✗'} {finding.node}: {finding.what} ({finding.seconds:.0f} s)", flush=True)


def show(findings: list[Finding], seconds: float) -> None:
    """The table."""
    table = Table("node", "rehearsed", "outcome", "s", title="Rehearsal of a deployment", title_justify="left")
    for one in findings:
        mark = "✓" if one.passed else "✗"
        outcome = one.outcome if len(one.outcome) <= SHOWN else f"…{one.outcome[-SHOWN:]}"
        table.add_row(one.node, one.what, f"{mark} {outcome}", f"{one.seconds:.1f}")
    Console(width=160).print(table)
    print(f"{sum(one.passed for one in findings)} of {len(findings)} passed in {seconds:.0f} s")


if __name__ == "__main__":
    main()
