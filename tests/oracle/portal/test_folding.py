"""Figures of readings after the chain took batches back and got them again: each reading is counted once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gridwitness.domain.batches import AttestedBatch, BatchMeta
from gridwitness.domain.readings import Reading, Score, ScoredReading
from gridwitness.domain.slots import SECONDS_PER_DAY, SLOT_SECONDS
from gridwitness.service.portal.folding import Folding
from gridwitness.store import BatchLog, Database, ReadingLog, StoredBatch, row_of
from gridwitness.store.log_reader import LogReader
from gridwitness.store.site_index import SiteIndex
from tests.oracle.portal.sites import STREAM, home, site_over
from tests.oracle.signers import home_key, sign

DAY = 20_000
MIDNIGHT = DAY * SECONDS_PER_DAY
# Temperatures at 23:30, 23:45 and 00:00: of an instant each, so the newest one's time is where a batch ends.
SIGNED = [
    sign(home_key(), Reading(home_key().device_id, place, time, "temperature.cold.mdegC", 4_000))
    for place, time in enumerate(range(MIDNIGHT - 2 * SLOT_SECONDS, MIDNIGHT + 1, SLOT_SECONDS))
]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "oracle.sqlite")
    ReadingLog(opened).append([row_of(one) for one in SIGNED], MIDNIGHT)
    yield opened
    opened.close()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SiteIndex]:
    opened = SiteIndex(tmp_path / "site.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def folding(database: Database, index: SiteIndex) -> Iterator[Folding]:
    log = LogReader(database.path)
    yield Folding(site_over(index, [replace(home(1), device_id=home_key().device_id)], log))
    log.close()


def attest(database: Database, seq: int, places: Sequence[int], digest: bytes) -> None:
    """Batch `seq` of some of the readings."""
    signed = [SIGNED[place] for place in places]
    scored = [ScoredReading(one, Score(0, "none", "")) for one in signed]
    meta = BatchMeta(len(signed), 0, 0, signed[0].reading.time, signed[-1].reading.time, bytes(12))
    batch = AttestedBatch(STREAM, seq, digest, meta, 0, 1, digest, 7, digest, 10 + seq)
    BatchLog(database).commit_readings(StoredBatch(batch, "attested", "{}"), scored, b"{}")


def fold(folding: Folding, index: SiteIndex) -> dict[int, int]:
    """Number of readings by day, once all is added."""
    while folding.refresh():
        pass
    return dict(index.rows("SELECT day, readings FROM device_days"))


@pytest.mark.parametrize(("first", "second"), [([0], [1, 2]), ([0, 1], [2])])
def test_fold__batch_up_to_midnight_attested_again__its_readings_count_once(
    database: Database, index: SiteIndex, folding: Folding, first: list[int], second: list[int]
) -> None:
    attest(database, 1, first, b"\x01" * 32)
    attest(database, 2, second, b"\x02" * 32)
    before = fold(folding, index)
    BatchLog(database).roll_back_readings(STREAM, 1)
    attest(database, 2, second, b"\x03" * 32)
    assert fold(folding, index) == before == {DAY - 1: 2, DAY: 1}
