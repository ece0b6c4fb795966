"""Figures of readings in a site's index: added up batch by batch, they are what the log would give if gone through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gridwitness.domain.batches import AttestedBatch, BatchMeta
from gridwitness.domain.readings import Score, ScoredReading
from gridwitness.domain.slots import SECONDS_PER_DAY, slot_start
from gridwitness.errors import StoreError
from gridwitness.store import BatchLog, Database, ReadingLog, StoredBatch, row_of
from gridwitness.store.log_reader import LogReader
from gridwitness.store.site_index import SiteIndex
from gridwitness.store.site_readings import add_batch, add_days_again
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy, plant_key

STREAM = b"\x01" * 32
FLAG_ABOVE_BPS = 9_900
SLOTS_A_BATCH = 40
FIGURES = ("device_days", "slot_energy", "scores", "flag_channels", "flags")


def attest(database: Database, seq: int) -> None:
    """Batch `seq` of both devices' next slots; one reading of it is flagged."""
    first = FIRST_SLOT + (seq - 1) * SLOTS_A_BATCH
    slots = range(first, first + SLOTS_A_BATCH)
    signed = [
        net_energy(key, slot - FIRST_SLOT, slot, slot % 7 - 3) for slot in slots for key in (home_key(), plant_key())
    ]
    ReadingLog(database).append([row_of(one) for one in signed], slot_start(slots[-1] + 1))
    signed.sort(key=lambda one: (one.reading.time, one.reading.device_id))
    scores = [Score(9_950 if place == seq else place * 100 % 9_900, "frozen", "stuck") for place in range(len(signed))]
    scored = [ScoredReading(one, score) for one, score in zip(signed, scores, strict=True)]
    meta = BatchMeta(len(signed), 1, 9_950, slot_start(slots[0]), slot_start(slots[-1] + 1), bytes(12))
    batch = AttestedBatch(STREAM, seq, bytes([seq]) * 32, meta, 0, 1, bytes([seq]) * 32, 7, bytes([seq]) * 32, 10 + seq)
    BatchLog(database).commit_readings(StoredBatch(batch, "attested", "{}"), scored, b"{}")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "oracle.sqlite")
    for seq in range(1, 6):
        attest(opened, seq)
    yield opened
    opened.close()


@pytest.fixture
def log(database: Database) -> Iterator[LogReader]:
    reader = LogReader(database.path)
    yield reader
    reader.close()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SiteIndex]:
    opened = SiteIndex(tmp_path / "site.sqlite")
    yield opened
    opened.close()


def add(log: LogReader, index: SiteIndex, *seqs: int) -> None:
    with index.write() as connection:
        for seq in seqs:
            add_batch(log, connection, seq, FLAG_ABOVE_BPS, {home_key().device_id})


def figures(index: SiteIndex) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sorted(index.rows(f"SELECT * FROM {table}")) for table in FIGURES}


def test_add__batches__sums_of_each_device_and_day(log: LogReader, index: SiteIndex, database: Database) -> None:
    add(log, index, 1, 2, 3, 4, 5)
    with database.read() as connection:
        by_hand = connection.execute(
            "SELECT device_id, time / 86400, SUM(MAX(value, 0)), SUM(MAX(-value, 0)), COUNT(*), COUNT(*),"
            " SUM(score_bps > 9900), MIN(counter), MAX(counter) FROM signed_readings GROUP BY 1, 2"
        ).fetchall()
    shown = figures(index)
    assert shown["device_days"] == sorted(by_hand)
    assert len(shown["flags"]) == sum(count for _, _, count in shown["flag_channels"]) == 5
    assert sum(count for _, _, count in shown["scores"]) == 5 * 2 * SLOTS_A_BATCH
    assert {homes for *_, homes in shown["slot_energy"]} == {1}  # the plant was not named a home
    assert len(index.rows("SELECT * FROM dirty")) == len(by_hand)


def test_take_back__batches_the_chain_took_back__as_if_they_had_never_been(
    log: LogReader, index: SiteIndex, database: Database, tmp_path: Path
) -> None:
    add(log, index, 1, 2, 3)
    before = figures(index)
    add(log, index, 4, 5)
    BatchLog(database).roll_back_readings(STREAM, 3)
    first, last = FIRST_SLOT + 3 * SLOTS_A_BATCH, FIRST_SLOT + 5 * SLOTS_A_BATCH
    days = range(slot_start(first) // SECONDS_PER_DAY, slot_start(last - 1) // SECONDS_PER_DAY + 1)
    with index.write() as connection:
        add_days_again(log, connection, days, 3, FLAG_ABOVE_BPS, {home_key().device_id})
    assert figures(index) == before


def test_page__readings_by_counter_and_waiting_ones(log: LogReader, database: Database) -> None:
    device_id = home_key().device_id
    late = net_energy(home_key(), 900, FIRST_SLOT + 900, 5)
    ReadingLog(database).append([row_of(late)], 99)
    rows = log.readings_of(device_id, range(10, 20), 0, 1 << 40)
    assert [row.stored.signed.reading.counter for row in rows] == list(range(10, 20))
    (waiting,) = log.waiting_readings(device_id, 0, 1 << 40)
    assert (waiting.stored.signed, waiting.received_at) == (late, 99)
    assert log.waiting_readings(plant_key().device_id, 0, 1 << 40) == []
    newest = log.newest_readings(device_id, 2)
    assert [row.stored.signed.reading.counter for row in newest] == [900, 199]


def test_page__batches__by_number(log: LogReader) -> None:
    assert [batch.seq for batch in log.batches_before(STREAM, 5, 2)] == [4, 3]
    assert [batch.seq for batch in log.batches_after(STREAM, 3, 9)] == [4, 5]
    assert log.batches_before(b"\x02" * 32, 9, 9) == []


@pytest.mark.parametrize(("seconds", "accepted"), [(1, 80), (SLOTS_A_BATCH * 900, 80), (SLOTS_A_BATCH * 900 + 1, 160)])
def test_count__received_lately__without_going_through_them(log: LogReader, seconds: int, accepted: int) -> None:
    assert log.received_within(seconds) == (accepted, 0)


def test_open__log_for_reading__takes_no_lock_and_writes_nothing(log: LogReader, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="for reading only"):
        log.write()
    with pytest.raises(StoreError, match="is not there"):
        LogReader(tmp_path / "none.sqlite")


def test_open__index_again__positions_go_on(tmp_path: Path) -> None:
    first = SiteIndex(tmp_path / "again.sqlite")
    position, key = first.latest_position(), first.meta("cursor_key")
    first.close()
    second = SiteIndex(tmp_path / "again.sqlite")
    assert (second.latest_position(), second.meta("cursor_key")) == (position, key)
    second.close()
    assert position > 1_700_000_000_000
