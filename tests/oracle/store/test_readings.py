"""The log of readings on a real SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridwitness.domain.readings import NET_ENERGY_METRIC, SignedReading
from gridwitness.domain.slots import slot_start
from gridwitness.errors import StoreError
from gridwitness.store import Append, Database, ReadingLog, Rejection, row_of
from gridwitness.store.log_reader import LogReader
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy, plant_key


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "oracle.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def log(database: Database) -> ReadingLog:
    return ReadingLog(database)


def append(log: ReadingLog, readings: list[SignedReading], at: int) -> list[Append | Rejection]:
    return list(log.append([row_of(signed) for signed in readings], at))


def test_read__threads_that_have_ended__leave_no_file_open(database: Database, log: ReadingLog) -> None:
    """A server of many threads, or tests of one, would else come to the end of its descriptors."""
    reader = LogReader(database.path)

    def look() -> None:
        log.unattested(1 << 62, 10)
        reader.reading(bytes(32), 1)

    def open_files() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    look()
    before = open_files()
    for _ in range(20):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert open_files() < before + 10  # SQLite keeps a few by itself
    reader.close()


def test_append__new_reading__is_found_by_counter_time_and_device(log: ReadingLog) -> None:
    signed = net_energy(home_key(), 7, FIRST_SLOT, -412)
    assert append(log, [signed], 1) == [Append.STORED]
    device_id = signed.reading.device_id
    found = log.find([(device_id, 7), (device_id, 8)])
    assert found[0] is not None
    assert found[0].signed == signed
    assert found[1] is None
    assert log.at(device_id, NET_ENERGY_METRIC, slot_start(FIRST_SLOT)) == found[0]
    assert log.of_device(device_id, 0, 1 << 62, -1, 10) == [found[0]]
    assert log.unattested(1 << 62, 10) == [found[0]]


# INV-O2
def test_append__same_reading_twice__is_stored_once(log: ReadingLog) -> None:
    signed = net_energy(home_key(), 1, FIRST_SLOT, 5)
    assert append(log, [signed, signed], 1) == [Append.STORED, Append.DUPLICATE]
    assert append(log, [signed], 2) == [Append.DUPLICATE]
    assert log.counts() == {"stored": 1, "attested": 0, "unattested": 1, "pruned": 0}


# INV-O2
def test_append__counter_or_slot_used_before__is_refused_naming_both(log: ReadingLog) -> None:
    key = home_key()
    append(log, [net_energy(key, 1, FIRST_SLOT, 5)], 1)
    replayed, taken = append(log, [net_energy(key, 1, FIRST_SLOT, 6), net_energy(key, 2, FIRST_SLOT, 5)], 1)
    assert replayed == Rejection(
        "replayed_counter",
        f"counter 1 was used for {NET_ENERGY_METRIC} = 5 at {slot_start(FIRST_SLOT)}; "
        f"this one says {NET_ENERGY_METRIC} = 6 at {slot_start(FIRST_SLOT)}",
    )
    assert taken == Rejection(
        "slot_already_reported",
        f"{NET_ENERGY_METRIC} at {slot_start(FIRST_SLOT)} was reported with counter 1; this one has 2",
    )
    assert {reason: entry["count"] for reason, entry in log.rejections().items()} == {
        "replayed_counter": 1,
        "slot_already_reported": 1,
    }


def test_append__many_rejections__keeps_the_last_twenty_messages(log: ReadingLog) -> None:
    for number in range(50):
        log.append([], number, [Rejection("malformed", f"message {number}")])
    entry = log.rejections()["malformed"]
    assert entry["count"] == 50
    assert entry["last"] == [f"message {number}" for number in range(49, 29, -1)]


# INV-O1
def test_append__disk_full__raises_and_keeps_nothing_of_the_transaction(log: ReadingLog, database: Database) -> None:
    with database.write() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    database._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    readings = [net_energy(home_key(), counter, FIRST_SLOT + counter, counter) for counter in range(400)]
    with pytest.raises(StoreError, match="full") as caught:
        append(log, readings, 1)
    assert "free some disk space" in caught.value.hint
    assert log.counts()["stored"] == 0
    database._writer.execute(f"PRAGMA max_page_count = {pages + 10_000}")
    assert append(log, readings, 1) == [Append.STORED] * 400


def test_write__file_locked_by_another_program__raises_with_its_name(tmp_path: Path, database: Database) -> None:
    other = sqlite3.connect(tmp_path / "oracle.sqlite")
    other.execute("BEGIN IMMEDIATE")
    database._writer.execute("PRAGMA busy_timeout = 10")
    with pytest.raises(StoreError, match=r"oracle\.sqlite: database is locked"), database.write():
        raise AssertionError("the transaction must not begin")
    other.close()


def test_open__file_in_use_by_another_oracle__is_refused(tmp_path: Path, database: Database) -> None:
    with pytest.raises(StoreError, match="in use by another process"):
        Database(tmp_path / "oracle.sqlite")


def test_open__schema_of_another_version__is_refused(tmp_path: Path, database: Database) -> None:
    with database.write() as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    database.close()
    with pytest.raises(StoreError, match="schema 99, this version reads 1 to 3"):
        Database(tmp_path / "oracle.sqlite")


def test_adopt__conflicting_unattested_reading__gives_way_and_is_counted(log: ReadingLog) -> None:
    key = home_key()
    append(log, [net_energy(key, 1, FIRST_SLOT, 5)], 1)
    other = net_energy(key, 1, FIRST_SLOT, 6)
    assert log.adopt([other], 2) == []
    stored = log.find([(key.device_id, 1)])[0]
    assert stored is not None
    assert stored.signed == other
    assert log.rejections()["equivocation"]["count"] == 1


def test_adopt__reading_against_an_attested_one__is_returned_and_changes_nothing(
    log: ReadingLog, database: Database
) -> None:
    key = home_key()
    mine = net_energy(key, 1, FIRST_SLOT, 5)
    append(log, [mine], 1)
    with database.write() as connection:
        connection.execute("UPDATE readings SET batch_seq = 1, score_bps = 0, channel = '', reason = ''")
    other = net_energy(key, 2, FIRST_SLOT, 6)
    assert log.adopt([other], 2) == [other]
    stored = log.find([(key.device_id, 1)])[0]
    assert stored is not None
    assert stored.signed == mine


def test_unattested__readings_of_several_slots__come_in_canonical_order(log: ReadingLog) -> None:
    keys = sorted((home_key(), plant_key()), key=lambda key: key.device_id)
    readings = [net_energy(key, 10 - slot, FIRST_SLOT + slot, 1) for slot in (2, 0, 1) for key in reversed(keys)]
    append(log, readings, 1)
    order = [(stored.signed.reading.time, stored.signed.reading.device_id) for stored in log.unattested(1 << 62, 99)]
    assert order == sorted(order)
    assert len(order) == 6
