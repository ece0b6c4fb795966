"""What senders know: which readings were acknowledged by whom, which were refused, and what order they may expect."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from gridwitness.domain.readings import Reading

Key = tuple[bytes, int]


def key_of(reading: Reading) -> Key:
    """What names a reading: device and counter."""
    return reading.device_id, reading.counter


@dataclass(slots=True)
class Acknowledged:
    """A reading, who acknowledged it, and when (monotonic seconds) somebody did first."""

    reading: Reading
    oracles: set[int]
    at: float


@dataclass
class Ledger:
    """Safe for several threads.

    `answered` and `attempted` count refusals by (oracle, reason): a call that was cut off may have been counted by the
    oracle or not, so what it counted lies between the two. `open_ended` are reasons for which nobody knows how often a
    broker delivered. `followed` are pairs of readings of a device, of which every honest oracle had acknowledged the
    first before the second was sent.
    """

    acknowledged: dict[Key, Acknowledged] = field(default_factory=dict)
    answered: Counter[tuple[int, str]] = field(default_factory=Counter)
    attempted: Counter[tuple[int, str]] = field(default_factory=Counter)
    open_ended: set[str] = field(default_factory=set)
    followed: list[tuple[Key, Key]] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    per_format: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self, oracle: int, readings: Sequence[Reading], what: str) -> None:
        """An oracle said that it has these."""
        with self._lock:
            for reading in readings:
                key = key_of(reading)
                known = self.acknowledged.get(key)
                if known is None:
                    self.acknowledged[key] = Acknowledged(reading, {oracle}, time.monotonic())
                    self.per_format[what] += 1
                else:
                    known.oracles.add(oracle)

    def attempt(self, oracle: int, reason: str, number: int = 1) -> None:
        """What must be refused leaves for an oracle."""
        with self._lock:
            self.attempted[oracle, reason] += number

    def refuse(self, oracle: int, reason: str, number: int = 1) -> None:
        """An oracle refused it for a reason."""
        with self._lock:
            self.answered[oracle, reason] += number

    def surprise(self, what: str) -> None:
        """Something that must not happen."""
        with self._lock:
            self.surprises.append(what)

    def count(self, what: str) -> None:
        """Something was sent."""
        with self._lock:
            self.sent[what] += 1
