"""Whether memory stays flat over millions of readings.

A process of its own appends synthetic rows, unsigned and unverified, in groups as ingest does, 5,000 devices slot by
slot, and lets each slot be attested. Resident memory is read before the first (raw), after one million and after ten.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from bench.results import Figures, Goal
from gridwitness.domain.readings import NET_ENERGY_METRIC
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.store import Database, ReadingLog, ReadingRow

PLACE = Path("out/bench")
GOALS = MappingProxyType({"growth_ratio": Goal(at_most=1.1)})
_DEVICES = 5_000
_EARLY, _LATE = 1_000_000, 10_000_000


def measure() -> Figures:
    """Resident memory in MiB at all marks, and the ratio of the last two."""
    # On the disk of the checkout: /tmp may be memory, where syncing costs nothing.
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE) as directory:
        output = subprocess.run(  # noqa: S603 (ours)
            [sys.executable, "-m", "bench.memory", directory], check=True, capture_output=True, text=True
        ).stdout
    bare, early, late = (float(line) for line in output.split())
    return {
        "raw_rss_mib": round(bare, 1),
        "rss_1m_mib": round(early, 1),
        "rss_10m_mib": round(late, 1),
        "growth_ratio": round(late / early, 3),
        "readings": _LATE,
    }


def append_all(directory: Path, marks: tuple[int, ...]) -> Iterator[float]:
    """Append up to the last mark; yields resident MiB before the first reading and at each mark."""
    database = Database(directory / "oracle.sqlite")
    log = ReadingLog(database)
    devices = [number.to_bytes(32, "big") for number in range(1, _DEVICES + 1)]
    yield _resident_mib()
    for slot in range(marks[-1] // _DEVICES):
        log.append(_rows(devices, slot), slot * SLOT_SECONDS)
        with database.write() as connection:
            connection.execute("UPDATE readings SET batch_seq = ? WHERE time = ?", (slot + 1, slot * SLOT_SECONDS))
            connection.execute("DELETE FROM waiting")
            connection.execute("UPDATE counters SET value = value + ? WHERE name = 'attested'", (_DEVICES,))
        if (slot + 1) * _DEVICES in marks:
            yield _resident_mib()
    database.close()


def _rows(devices: list[bytes], slot: int) -> list[ReadingRow]:
    return [(one, slot, slot * SLOT_SECONDS, NET_ENERGY_METRIC, 412, bytes(128), b"", b"") for one in devices]


def _resident_mib() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    for resident_mib in append_all(Path(sys.argv[1]), (_EARLY, _LATE)):
        print(resident_mib, flush=True)
