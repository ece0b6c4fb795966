"""A real file system without room: nothing acknowledged that is not there, and on it goes once there is some."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridwitness.domain.slots import slot_end
from gridwitness.errors import StoreFull
from gridwitness.sources.payloads import to_payload
from tests.oracle.service.oracle_parts import Parts
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy

_SIZE = "6m"
_ROOM_BYTES = 400_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 6 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(place)], capture_output=True)
    assert mounted.returncode == 0, f"a full disk is a small tmpfs, and mounting needs root: {mounted.stderr.decode()}"
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


# INV-O1
async def test_submit__disk_full_in_the_middle__keeps_what_it_acknowledged_and_recovers(small_disk: Path) -> None:
    oracle = Parts(small_disk / "oracle.sqlite")
    oracle.clock.time = slot_end(FIRST_SLOT)
    disk = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(bytes(disk.f_bavail * disk.f_frsize - _ROOM_BYTES))
    readings = [to_payload(net_energy(home_key(), n, FIRST_SLOT - n, n)) for n in range(900)]
    posts = [readings[start : start + 50] for start in range(0, len(readings), 50)]
    acknowledged: set[int] = set()
    refused = 0
    for start in range(0, len(posts), 2):
        for result in await asyncio.gather(
            *map(oracle.ingest.submit, posts[start : start + 2]), return_exceptions=True
        ):
            if isinstance(result, BaseException):
                assert isinstance(result, StoreFull)
                refused += 1
            else:
                acknowledged |= {verdict.counter for verdict in result}
    assert refused
    assert acknowledged
    assert "full" in oracle.ingest.problem
    stored = {one.signed.reading.counter for one in oracle.readings.unattested(1 << 62, 1 << 30)}
    assert stored == acknowledged
    assert oracle.readings.counts()["stored"] == len(acknowledged)
    (small_disk / "ballast").unlink()
    await oracle.ingest.probe()
    assert oracle.ingest.problem == ""
    for post in posts:
        verdicts = await oracle.ingest.submit(post)
        assert {(verdict.status == "duplicate") == (verdict.counter in acknowledged) for verdict in verdicts} == {True}
    assert oracle.readings.counts()["stored"] == len(readings)
    oracle.close()
