"""Old readings out of the log: exported whole, pruned only when nobody needs them, never taken again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from gridwitness.cli import build_app
from gridwitness.domain.readings import SignedReading
from gridwitness.domain.slots import SLOT_SECONDS, slot_start
from gridwitness.errors import InputError, StoreError
from gridwitness.service.archive import export, prune_all, prune_exported
from gridwitness.sources.files import read_items
from gridwitness.sources.payloads import to_signed
from gridwitness.store import Append, Database, ReadingLog, Rejection, row_of
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy, plant_key

STREAM = b"\x01" * 32
CUT = FIRST_SLOT + 50
BEFORE = slot_start(CUT)


def make_readings(slots: int = 100) -> list[SignedReading]:
    keys = (home_key(), plant_key())
    return [net_energy(key, n, FIRST_SLOT + n, n) for n in range(slots) for key in keys]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "oracle.sqlite")
    yield opened
    opened.close()


def fill(database: Database, *, status: str = "final", attested_slots: int = 100) -> list[SignedReading]:
    """200 readings, those of the first slots in batch 1 of the stream."""
    readings = make_readings()
    ReadingLog(database).append([row_of(one) for one in readings], 7)
    with database.write() as connection:
        until = slot_start(FIRST_SLOT + attested_slots)
        connection.execute(
            "UPDATE readings SET batch_seq = 1, score_bps = 0, channel = '', reason = '' WHERE time < ?", (until,)
        )
        connection.execute("DELETE FROM waiting WHERE time < ?", (until,))
        connection.execute("UPDATE counters SET value = ? WHERE name = 'attested'", (2 * attested_slots,))
        connection.execute(
            "INSERT INTO batches VALUES (?, 1, x'', x'', 0, 1, x'', x'', x'', 1, ?, 0, '{}')", (STREAM, status)
        )
    return readings


def test_export__part_of_a_log__is_a_file_that_replay_reads(tmp_path: Path, database: Database) -> None:
    readings = fill(database)
    out = tmp_path / "first.parquet"
    assert list(export(database.path, 0, BEFORE, out))[-1] == 100
    written = [to_signed(payload) for payload in read_items(out)]
    assert sorted(one.signature for one in written) == sorted(one.signature for one in readings[:100])
    table = pq.read_table(out)
    assert set(table.column("batch").to_pylist()) == {1}
    assert set(table.column("received_at").to_pylist()) == {7}
    with pytest.raises(InputError, match="exists already"):
        list(export(database.path, 0, BEFORE, out))


def test_prune__exported__goes_for_good_and_shrinks_the_file(tmp_path: Path, database: Database) -> None:
    readings = fill(database)
    log = ReadingLog(database)
    log.append([], 1)  # has looked at what was pruned before
    list(export(database.path, 0, BEFORE, tmp_path / "old.parquet"))
    with database.read() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    assert list(prune_exported(database.path, STREAM, BEFORE, [tmp_path / "old.parquet"]))[-1] == 100
    assert log.counts() == {"stored": 100, "attested": 100, "unattested": 0, "pruned": 100}
    with database.read() as connection:
        assert connection.execute("PRAGMA page_count").fetchone()[0] < pages
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
    again = log.append([row_of(one) for one in readings], 9)
    assert [one.reason for one in again[:100] if isinstance(one, Rejection)] == ["already_pruned"] * 100
    assert again[100:] == [Append.DUPLICATE] * 100


def test_prune__counter_of_a_pruned_reading_used_again__is_refused(database: Database) -> None:
    fill(database)
    log = ReadingLog(database)
    list(prune_all(database.path, STREAM, BEFORE))
    reused, fresh = (net_energy(home_key(), counter, FIRST_SLOT + 200 + counter, 1) for counter in (49, 1_000))
    outcomes = log.append([row_of(reused), row_of(fresh)], 9)
    assert isinstance(outcomes[0], Rejection)
    assert outcomes[0].message == "counter 49 is not above 49, the highest that was pruned"
    assert outcomes[1] is Append.STORED
    assert log.adopt([reused], 9) == [reused]


def test_prune__no_further_than_before__keeps_the_documents_of_what_comes_after(database: Database) -> None:
    """A document that no reading has any more goes, and the log must not go on naming it."""
    log = ReadingLog(database)
    fill(database)
    list(prune_all(database.path, STREAM, BEFORE))
    first, instead, later = (net_energy(home_key(), 1_000 + n, FIRST_SLOT + 200 + n // 2, n) for n in range(3))
    in_document = [replace(one, document=b"a signed document") for one in (first, later)]
    log.append([row_of(in_document[0])], 9)
    assert log.adopt([instead], 9) == []
    list(prune_all(database.path, STREAM, BEFORE))
    log.append([row_of(in_document[1])], 9)
    (found,) = log.find([(later.reading.device_id, later.reading.counter)])
    assert found is not None
    assert found.signed == in_document[1]


def test_prune__readings_that_wait__are_refused(database: Database) -> None:
    fill(database, attested_slots=40)
    with pytest.raises(StoreError, match=f"20 readings from {slot_start(FIRST_SLOT + 40)} on are not attested yet"):
        list(prune_all(database.path, STREAM, BEFORE))
    assert ReadingLog(database).counts()["stored"] == 200


def test_prune__batch_not_final__is_refused(database: Database) -> None:
    fill(database, status="attested")
    with pytest.raises(StoreError, match="batch 1, with readings of before, is not final yet"):
        list(prune_all(database.path, STREAM, BEFORE))


def test_prune__day_without_its_profiles__is_refused(database: Database) -> None:
    fill(database)
    day = BEFORE // 86_400 - 1
    with database.write() as connection:
        connection.execute("INSERT INTO device_days (day, device_id, attested) VALUES (?, x'00', 96)", (day,))
    with pytest.raises(StoreError, match=f"profiles of day {day}"):
        list(prune_all(database.path, STREAM, BEFORE))


def test_prune__export_that_lacks_a_reading__is_refused(tmp_path: Path, database: Database) -> None:
    fill(database)
    out = tmp_path / "short.parquet"
    list(export(database.path, slot_start(FIRST_SLOT + 1), BEFORE, out))
    with pytest.raises(InputError, match="has 98 of the 100 readings to be pruned"):
        list(prune_exported(database.path, STREAM, BEFORE, [out]))
    assert ReadingLog(database).counts()["stored"] == 200


@pytest.fixture
def config(tmp_path: Path, database: Database) -> Path:
    """Settings of the oracle whose log it is."""
    manifest = {"chain_id": 1, "contracts": {}, "streams": {"readings": {"id": "0x" + STREAM.hex()}}}
    (tmp_path / "1.json").write_text(json.dumps(manifest))
    path = tmp_path / "oracle.toml"
    path.write_text(
        f'name = "o"\ndata_dir = "{database.path.parent}"\nrpc_url = "http://127.0.0.1:1"\nmanifest = "1.json"\n'
        'zone = 1\nkeystore = "k"\npassword_file = "p"\n'
    )
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(arguments), list(arguments))


def test_log__exported_then_pruned_by_command__leaves_what_is_younger(
    tmp_path: Path, database: Database, config: Path
) -> None:
    fill(database, attested_slots=100)
    first_day = datetime.fromtimestamp(slot_start(FIRST_SLOT), UTC).date()
    next_day = first_day + timedelta(days=1)
    young = slot_start(FIRST_SLOT + 100) - int(datetime.combine(next_day, time(), UTC).timestamp())
    younger = max(0, young // SLOT_SECONDS) * 2
    out = tmp_path / "day.parquet"
    common = ("--config", str(config))
    told = run("log", "export", *common, "--from", str(first_day), "--to", str(next_day), "--out", str(out))
    assert told.exit_code == 0, told.output
    assert told.output.split()[0] == str(200 - younger)
    pruned = run("log", "prune", *common, "--before", str(next_day), "--exported", str(out), "--bond-over")
    assert pruned.exit_code == 0, pruned.output
    assert f"{200 - younger} readings of before {next_day} are gone" in pruned.output.replace("\n", "")
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM readings").fetchone() == (younger,)


@pytest.mark.parametrize(
    ("options", "named"),
    [(["--yes"], "can be challenged for every reading"), (["--bond-over"], "nothing says that these readings")],
)
def test_log__prune_without_a_safeguard__is_refused(
    options: list[str], named: str, database: Database, config: Path
) -> None:
    fill(database)
    refused = run("log", "prune", "--config", str(config), "--before", "2100-01-01", *options)
    assert isinstance(refused.exception, InputError)
    assert named in refused.exception.message
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM readings").fetchone() == (200,)
