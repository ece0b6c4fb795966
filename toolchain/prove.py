"""Prove the checks of tests/symbolic with Halmos; two contracts at a time.

Run `python toolchain/prove.py`, or with the names of contracts. Fails on a counterexample, and on a proof that gave up
(time, an operation Halmos lacks), that no call can reach (every path reverts), or that left a loop before its end.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SYMBOLIC = ROOT / "tests" / "symbolic"
HALMOS = ROOT / ".toolchain" / "halmos-0.3.3" / "bin"
OUT = "out/symbolic"
# The solver of the wheel, named outright: left alone, Halmos would download one.
SOLVER = f"{HALMOS / 'yices-smt2'} --smt2-model-format --bvconst-in-decimal"
TIMEOUT_SECONDS = 600
VERDICTS = ("proven", "COUNTEREXAMPLE", "TIMEOUT", "STUCK", "ALL PATHS REVERT", "EXCEPTION")


def contracts() -> dict[str, int]:
    """Number of checks of each contract in tests/symbolic that has any."""
    found = {}
    for path in sorted(SYMBOLIC.glob("*.t.sol")):
        source = path.read_text(encoding="utf-8")
        name = re.search(r"^contract (\w+)", source, re.MULTILINE)
        if name is None:
            raise SystemExit(f"{path.name} holds no contract")
        found[name[1]] = len(re.findall(r"function check_\w+", source))
    return found


def build(environment: dict[str, str]) -> None:
    """Compile once, just as Halmos asks forge to, so that no two of its runs compile at a time."""
    command = ["forge", "build", "--quiet", "--ast", "--root", str(ROOT), "--extra-output", "storageLayout", "metadata"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)  # noqa: S603


def prove(contract: str, environment: dict[str, str]) -> tuple[list[dict[str, Any]], str]:
    """What Halmos found of each check of a contract, and all it said."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [str(HALMOS / "halmos"), "--root", str(ROOT), "--forge-build-out", OUT, "--contract", contract]
        command += ["--solver-command", SOLVER, "--no-status", "--early-exit", "--json-output", str(answer)]
        run = subprocess.run(  # noqa: S603
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
        results = json.loads(answer.read_text())["test_results"] if answer.exists() else {}
    return [check for checks in results.values() for check in checks], run.stdout + run.stderr


def report(contract: str, expected: int, checks: list[dict[str, Any]], said: str) -> bool:
    """Print each verdict; whether all of the contract's checks are proven, to the end of every loop."""
    proven = 0
    for check in checks:
        cut, name = check["num_bounded_loops"], check["name"].split("(")[0]
        verdict = "LOOP CUT SHORT" if check["exitcode"] == 0 and cut else VERDICTS[check["exitcode"]]
        proven += verdict == "proven"
        paths, seconds = (check["num_paths"] or [0])[0], (check["time"] or [0.0])[0]
        print(f"{verdict:8} {contract}.{name}: {paths} paths, {seconds:.1f} s")
    if proven != expected:
        print(f"{contract}: {proven} of {expected} proven\n{said[-8000:]}")
    return proven == expected


def main() -> None:
    """Prove all, or the contracts named."""
    path = f"{HALMOS}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "FOUNDRY_PROFILE": "symbolic", "COLUMNS": "200"}
    known = contracts()
    names = sys.argv[1:] or list(known)
    build(environment)
    with ThreadPoolExecutor(max_workers=2) as pool:
        answers = zip(names, pool.map(lambda name: prove(name, environment), names), strict=True)
        verdicts = [report(name, known[name], *answer) for name, answer in answers]
    sys.exit(0 if all(verdicts) else 1)


if __name__ == "__main__":
    main()
