"""How soon an oracle is at work again with ten million readings in its log.

The file is made once, out/bench/ten-million.sqlite, by SQL and not by ingest: 5,000 devices over 2,000 slots, all but
the last two slots attested in 2,440 batches, signatures of zeros. Started is a process of its own that imports what a
node does, opens the log, and asks it everything that a node's start, its first rounds, /ready and `status` do; the
chain is not part of it. Raw: the same process with the imports alone.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import MappingProxyType

from bench.measuring import cpu_seconds, medians, say
from bench.results import Figures, Goal
from gridwitness.domain.readings import NET_ENERGY_METRIC
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.store import Database

GOALS = MappingProxyType({"ready_s": Goal(at_most=2.0)})
PATH = Path("out/bench/ten-million.sqlite")
STREAM = b"\x01" * 32
READINGS, DEVICES, WAITING_SLOTS = 10_000_000, 5_000, 2
_SLOTS = READINGS // DEVICES
_FIRST_SLOT = 1_900_000
_BATCH = 4_096
_REPEATS = 5


def measure() -> Figures:
    """Seconds of wall clock from starting the process to its end, median; CPU seconds of the log's part alone; size."""
    build(PATH)
    _start_once(_IMPORTS)
    taken = medians(
        {
            "ready": lambda: _start_once(_IMPORTS + _OPEN),
            "raw": lambda: _start_once(_IMPORTS),
            "log": lambda: cpu_seconds(_open_log),
        },
        _REPEATS,
    )
    return {
        "ready_s": round(taken["ready"], 3),
        "raw_imports_s": round(taken["raw"], 3),
        "log_cpu_s": round(taken["log"], 3),
        "readings_stored": READINGS,
        "log_gib": round(PATH.stat().st_size / (1 << 30), 2),
    }


def build(path: Path) -> None:
    """Make the file of ten million readings if it is not there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    for old in path.parent.glob(draft.name + "*"):
        old.unlink()
    say(f"  making {path}, once")
    database = Database(draft)
    with database.write() as connection:
        connection.execute("INSERT INTO metrics (name) VALUES (?)", (NET_ENERGY_METRIC,))
        connection.executemany(
            "INSERT INTO devices (device_id) VALUES (?)", ((n.to_bytes(32, "big"),) for n in range(1, DEVICES + 1))
        )
    for slot in range(0, _SLOTS, 100):
        with database.write() as connection:
            _insert_slots(connection, range(slot, min(slot + 100, _SLOTS)))
    attested = (_SLOTS - WAITING_SLOTS) * DEVICES
    with database.write() as connection:
        connection.executemany(
            "UPDATE counters SET value = ? WHERE name = ?", [(READINGS, "stored"), (attested, "attested")]
        )
        connection.execute(
            "INSERT INTO waiting SELECT time, metric, COUNT(*), MIN(received_at) FROM readings WHERE time >= ?"
            " GROUP BY time, metric",
            ((_FIRST_SLOT + _SLOTS - WAITING_SLOTS) * SLOT_SECONDS,),
        )
        connection.executemany(
            "INSERT INTO batches VALUES (?, ?, zeroblob(32), zeroblob(32), 0, 1, zeroblob(32), zeroblob(32),"
            " zeroblob(32), ?, 'final', ?, '{}')",
            [(STREAM, seq, seq, _FIRST_SLOT * SLOT_SECONDS) for seq in range(1, attested // _BATCH + 2)],
        )
    database.close()
    draft.replace(path)
    for rest in path.parent.glob(draft.name + "-*"):
        rest.unlink()


def _insert_slots(connection: sqlite3.Connection, slots: range) -> None:
    connection.executemany(
        "INSERT INTO readings (device, counter, time, metric, value, received_at, signature, batch_seq, score_bps,"
        " channel, reason) VALUES (?, ?, ?, 1, 412, ?, zeroblob(128), ?, ?, ?, ?)",
        (
            (
                device,
                slot,
                (_FIRST_SLOT + slot) * SLOT_SECONDS,
                (_FIRST_SLOT + slot) * SLOT_SECONDS,
                *_score(slot, device),
            )
            for slot in slots
            for device in range(1, DEVICES + 1)
        ),
    )


def _score(slot: int, device: int) -> tuple[int | None, int | None, str | None, str | None]:
    if slot >= _SLOTS - WAITING_SLOTS:
        return None, None, None, None
    return (slot * DEVICES + device) // _BATCH + 1, 50, "level", "as usual"


_OPEN = f"""
from pathlib import Path
from gridwitness.store import BatchLog, Database, ProfileLog, ReadingLog
database = Database(Path({str(PATH)!r}))
log, batches = ReadingLog(database), BatchLog(database)
stream = {STREAM!r}
assert log.counts()["stored"] == {READINGS}
assert log.waiting()[0] == {DEVICES * WAITING_SLOTS}
assert len(log.waiting_per_time({NET_ENERGY_METRIC!r}, 0)) == {WAITING_SLOTS}
assert batches.head(stream) is not None and batches.slots_to(stream) > 0
batches.finalise(stream, 1 << 40)
ProfileLog(database).open_days()
log.rejections()
assert len(log.unattested(1 << 62, {_BATCH})) == {_BATCH}
database.close()
"""


_IMPORTS = "from gridwitness.cli import run\n"


def _open_log() -> None:
    exec(_OPEN, {})  # noqa: S102 (ours)


def _start_once(program: str) -> float:
    """With compiled bytecode at hand, as an installed oracle has it, whatever this process was told."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(PATH.parent.absolute() / "bytecode")
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)  # noqa: S603 (ours)
    return time.monotonic() - started
