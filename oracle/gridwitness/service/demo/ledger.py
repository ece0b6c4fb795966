"""Gas and wall-clock time spent, by kind of call and by phase."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Ledger:
    """What the demo spent: gas of each kind of transaction, seconds of each phase."""

    def __init__(self) -> None:
        self._gas: dict[str, list[int]] = defaultdict(list)
        self._wall_s: dict[str, float] = {}

    def spent(self, kind: str, gas_used: int) -> None:
        """Record one transaction of a kind, such as "EnergyMarket.clear"."""
        self._gas[kind].append(gas_used)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase; phases of one name add up."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._wall_s[name] = self._wall_s.get(name, 0.0) + time.monotonic() - start

    def gas(self) -> dict[str, dict[str, int]]:
        """Per kind: number of calls, total gas, mean gas (rounded)."""
        return {
            kind: {"calls": len(used), "total": sum(used), "mean": round(sum(used) / len(used))}
            for kind, used in sorted(self._gas.items())
        }

    def wall_s(self) -> dict[str, Any]:
        """Seconds per phase, to a tenth, in the order they began, and their total."""
        rounded = {name: round(seconds, 1) for name, seconds in self._wall_s.items()}
        return {**rounded, "total": round(sum(self._wall_s.values()), 1)}
