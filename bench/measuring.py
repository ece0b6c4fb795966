"""Timing: CPU time, as other processes disturb the wall clock; interleaved, as the machine's speed drifts."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process that `work` takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


def medians(works: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """Median of what each work returns; all of them in turn, `repeats` times."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for repeat in range(repeats):
        say(f"  round {repeat + 1} of {repeats}")
        for name, work in works.items():
            taken[name].append(work())
    return {name: statistics.median(values) for name, values in taken.items()}


def say(line: str) -> None:
    """Progress, on standard error."""
    print(line, file=sys.stderr, flush=True)
