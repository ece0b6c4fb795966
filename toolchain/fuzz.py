"""Run forge's fuzzers and invariants, and count what the invariants were tried with.

Run `python toolchain/fuzz.py`; arguments go to `forge test`. Fails if a test does, if the market's handler was called
less than 200,000 times, or if a handler's function reverted in over half of its calls: such a call tries nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LEAST_CALLS = {"MarketHandler": 200_000, "SharesHandler": 200_000}
MOST_REVERTS = 0.5


def forge(arguments: list[str]) -> dict[str, Any]:
    """Results of each suite by its name."""
    command = ["forge", "test", "--json", *arguments]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if not run.stdout.startswith("{"):
        sys.exit(f"forge gave no results (exit code {run.returncode}): {run.stdout[-2000:]}")
    suites: dict[str, Any] = json.loads(run.stdout)
    return suites


def failures(suites: dict[str, Any]) -> list[str]:
    """Tests that failed, with forge's reason."""
    return [
        f"{suite} {test}: {result['reason']}"
        for suite, results in suites.items()
        for test, result in results["test_results"].items()
        if result["status"] != "Success"
    ]


def count(suites: dict[str, Any]) -> tuple[Counter[str], Counter[str]]:
    """Calls and reverts of each function of each handler, over all invariants."""
    calls: Counter[str] = Counter()
    reverts: Counter[str] = Counter()
    for results in suites.values():
        for result in results["test_results"].values():
            handlers = result["kind"].get("Invariant", {}).get("metrics", {})
            for function, metrics in handlers.items():
                name = function.rpartition("/")[2].rpartition(":")[2]
                calls[name] += metrics["calls"]
                reverts[name] += metrics["reverts"]
    return calls, reverts


def main() -> None:
    """Run, count, judge."""
    suites = forge(sys.argv[1:])
    wrong = failures(suites)
    tests = sum(len(results["test_results"]) for results in suites.values())
    calls, reverts = count(suites)
    for name in sorted(calls):
        print(f"{name:45} {calls[name]:8,} calls {reverts[name] / calls[name]:7.1%} reverted")
        if reverts[name] > MOST_REVERTS * calls[name]:
            wrong.append(f"{name} reverted in {reverts[name]:,} of {calls[name]:,} calls")
    print(f"{tests} tests, {calls.total():,} calls of the invariants' handlers, {reverts.total():,} reverted")
    for handler, least in LEAST_CALLS.items() if len(sys.argv) == 1 else ():
        total = sum(number for name, number in calls.items() if name.startswith(f"{handler}."))
        print(f"{handler} was called {total:,} times")
        if total < least:
            wrong.append(f"{total:,} calls of {handler} are less than {least:,}: raise runs or depth of its invariant")
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
