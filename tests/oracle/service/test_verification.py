"""Signatures verified in this process and in others; those that die are replaced."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from gridwitness.domain.slots import slot_end
from gridwitness.service.admission import Admission
from gridwitness.service.evidence import Decoder
from gridwitness.service.ingest import Ingest
from gridwitness.service.verification import KeyedRow, Verifier
from gridwitness.sources.payloads import to_payload
from gridwitness.store import row_of
from tests.oracle.service.oracle_parts import Parts
from tests.oracle.signers import FIRST_SLOT, REGISTRY, home_key, net_energy, plant_key


@pytest.fixture
def verifier() -> Iterator[Verifier]:
    made = Verifier(REGISTRY, 1)
    yield made
    made.close()


def keyed(count: int) -> list[KeyedRow]:
    """Readings of both curves; every third is said to be of the other's key."""
    keys = (home_key(), plant_key())
    rows = [(keys[n % 2], row_of(net_energy(keys[n % 2], n, FIRST_SLOT + n, n))) for n in range(count)]
    return [(keys[1 - n % 2].device_id if n % 3 == 0 else key.device_id, row) for n, (key, row) in enumerate(rows)]


async def test_verify__in_another_process__gives_the_same_verdicts(verifier: Verifier) -> None:
    here = Verifier(REGISTRY, 0)
    readings = keyed(20)
    expected = bytes(n % 3 != 0 for n in range(20))
    assert await here.verify(readings) == expected
    assert await verifier.verify(readings) == expected
    here.close()


async def test_verify__worker_killed_under_way__verdicts_come_all_the_same(verifier: Verifier) -> None:
    await verifier.verify(keyed(1))
    assert isinstance(verifier._executor, ProcessPoolExecutor)
    (pid,) = verifier._executor._processes
    calls = [asyncio.create_task(verifier.verify(keyed(200))) for _ in range(3)]
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    assert await asyncio.gather(*calls) == [bytes(n % 3 != 0 for n in range(200))] * 3


async def test_submit__worker_killed_under_way__every_reading_is_accepted_once(oracle: Parts) -> None:
    oracle.clock.time = slot_end(FIRST_SLOT)
    admission = Admission(oracle.fleet, oracle.clock, REGISTRY, verify_workers=1)
    ingest = Ingest(admission, Decoder(oracle.fleet), oracle.readings, oracle.clock)
    payloads = [to_payload(net_energy(home_key(), n, FIRST_SLOT - n, n)) for n in range(300)]
    assert [one.status for one in await ingest.submit(payloads[:1])] == ["accepted"]
    executor = admission._verifier._executor
    assert isinstance(executor, ProcessPoolExecutor)
    calls = [asyncio.create_task(ingest.submit(payloads[start : start + 50])) for start in range(0, 300, 50)]
    await asyncio.sleep(0)
    os.kill(next(iter(executor._processes)), signal.SIGKILL)
    verdicts = [one.status for call in await asyncio.gather(*calls) for one in call]
    assert verdicts == ["duplicate"] + ["accepted"] * 299
    assert oracle.readings.counts()["stored"] == 300
    admission.close()
