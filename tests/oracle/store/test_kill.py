"""SIGKILL at any moment: what was acknowledged is there after a restart."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gridwitness.store import Database, ReadingLog

# Ingests through the service with its group commit, and prints each counter once it is acknowledged.
_WRITER = """
import asyncio, sys
from pathlib import Path
from gridwitness.service.admission import Admission
from gridwitness.service.clock import SystemClock
from gridwitness.service.evidence import Decoder
from gridwitness.service.fleet import Fleet
from gridwitness.service.ingest import Ingest
from gridwitness.sources.payloads import to_payload
from gridwitness.store import Database, ReadingLog
from tests.oracle.signers import FIRST_SLOT, REGISTRY, ZONE, Registry, home_key, net_energy

async def main():
    registry, key = Registry(), home_key()
    registry.register(key)
    registry.sync()
    clock = SystemClock()
    log = ReadingLog(Database(Path(sys.argv[1])))
    fleet = Fleet(registry, ZONE)
    ingest = Ingest(Admission(fleet, clock, REGISTRY, int(sys.argv[2])), Decoder(fleet), log, clock)
    async def post(counter):
        payload = to_payload(net_energy(key, counter, FIRST_SLOT + counter, counter))
        (verdict,) = await ingest.submit([payload])
        assert verdict.status == "accepted", verdict
        print(counter, flush=True)
    for start in range(0, 100_000, 8):
        await asyncio.gather(*(post(start + offset) for offset in range(8)))

asyncio.run(main())
"""


# INV-O1, INV-O10
@pytest.mark.parametrize(("verify_workers", "counts"), [(0, (1, 20, 150)), (1, (30,))])
def test_ingest__killed_in_the_middle__every_acknowledged_reading_is_there(
    tmp_path: Path, verify_workers: int, counts: tuple[int, ...]
) -> None:
    path = tmp_path / "oracle.sqlite"
    for count in counts:
        path.unlink(missing_ok=True)
        command = [sys.executable, "-c", _WRITER, str(path), str(verify_workers)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(count)]
        writer.send_signal(signal.SIGKILL)
        # Comes to its end only when the workers, which hold the pipe too, have ended with their parent.
        acknowledged += [int(line) for line in writer.stdout.read().split()]
        writer.wait()
        database = Database(path)
        stored = {one.signed.reading.counter for one in ReadingLog(database).unattested(1 << 62, 1 << 30)}
        database.close()
        assert len(acknowledged) >= count
        assert set(acknowledged) <= stored
