"""Files of earlier versions become files of this one, and lose nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gridwitness.errors import StoreError
from gridwitness.store import Append, BatchLog, Database, ReadingLog, row_of
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy, plant_key
from tests.oracle.store.old_schemas import make_old_file

ATTESTED = [net_energy(key, 1, FIRST_SLOT, 5) for key in (home_key(), plant_key())]
WAITING = [net_energy(home_key(), 2, FIRST_SLOT + 1, -7), net_energy(plant_key(), 2, FIRST_SLOT + 1, 8)]


@pytest.mark.parametrize("version", [1, 2])
def test_open__file_of_an_earlier_version__has_all_its_rows(tmp_path: Path, version: int) -> None:
    path = tmp_path / "oracle.sqlite"
    make_old_file(path, version, ATTESTED, WAITING)
    for _ in range(2):  # made anew, and opened once more
        database = Database(path)
        log, batches = ReadingLog(database), BatchLog(database)
        assert log.counts() == {"stored": 4, "attested": 2, "unattested": 2, "pruned": 0}
        assert {one.signed.signature for one in log.of_batch(1)} == {one.signature for one in ATTESTED}
        assert [one.scored.score.channel for one in log.of_batch(1)] == ["level", "level"]
        assert sorted(one.signed.signature for one in log.unattested(1 << 62, 9)) == sorted(
            one.signature for one in WAITING
        )
        assert log.waiting() == (2, WAITING[0].reading.time, 1_000)
        assert log.rejections() == {"malformed": {"count": 3, "last": ["no JSON"]}}
        stored = batches.get(b"\x01", 1)
        assert stored is not None
        assert (stored.batch.block_number, stored.batch.supersedes, stored.status) == (7, 0, "final")
        assert len(batches.votes(b"\x01", 2)) == version - 1  # the first version's votes bind to nothing any more
        database.close()


@pytest.mark.parametrize("version", [1, 2])
def test_append__migrated_file__knows_what_it_had(tmp_path: Path, version: int) -> None:
    make_old_file(tmp_path / "oracle.sqlite", version, ATTESTED, WAITING)
    database = Database(tmp_path / "oracle.sqlite")
    log = ReadingLog(database)
    fresh = net_energy(home_key(), 3, FIRST_SLOT + 2, 5)
    rows = [row_of(signed) for signed in (*ATTESTED, *WAITING, fresh)]
    assert log.append(rows, 9) == [Append.DUPLICATE] * 4 + [Append.STORED]
    database.close()


def test_open__migration_that_fails__leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "oracle.sqlite"
    make_old_file(path, 2, ATTESTED, WAITING)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE devices (id INTEGER)")  # in the way of the new one
        before = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    with pytest.raises(StoreError, match="devices already exists"):
        Database(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == before
        assert connection.execute("SELECT COUNT(*) FROM readings").fetchone() == (4,)
