"""Refused readings are counted for ever and kept for a while."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gridwitness.errors import StoreError
from gridwitness.store import Database, ReadingLog, Rejection, row_of
from gridwitness.store.database import beside
from gridwitness.store.deadletters import MAX_BODY_BYTES, MAX_CONTENT_TYPE, dead_letters, remove_dead_letters
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "oracle.sqlite")
    yield opened
    opened.close()


def test_append__more_rejections_than_kept__oldest_go_and_the_count_stays(database: Database) -> None:
    log = ReadingLog(database, deadletters_kept=10)
    for number in range(25):
        log.append([], number, [Rejection("malformed", f"message {number}", b"{}", "mqtt")])
    log.append([], 99, [Rejection("malformed", f"late {number}") for number in range(30)])
    with beside(database.path, is_read_only=True) as connection:
        letters = dead_letters(connection)
    assert [letter.message for letter in letters] == [f"late {number}" for number in range(20, 30)]
    assert log.rejections()["malformed"]["count"] == 55


def test_append__refused_on_conflict__keeps_what_was_sent_and_where_from(database: Database) -> None:
    log = ReadingLog(database)
    log.append([row_of(net_energy(home_key(), 1, FIRST_SLOT, 5))], 1)
    fresh, conflicting = net_energy(home_key(), 2, FIRST_SLOT + 1, 5), net_energy(home_key(), 1, FIRST_SLOT + 2, 6)
    log.append(
        [row_of(fresh), row_of(conflicting)],
        8,
        body_of=lambda index: b"body %d" % index,
        source_of=lambda index: ("http", "mqtt")[index],
    )
    with beside(database.path, is_read_only=True) as connection:
        (letter,) = dead_letters(connection, "replayed_counter")
    assert (letter.body, letter.source, letter.at, letter.is_whole) == (b"body 1", "mqtt", 8, True)


def test_append__body_beyond_the_limit__is_cut_and_said_to_be(database: Database) -> None:
    ReadingLog(database).append([], 1, [Rejection("malformed", "too long", b"x" * (MAX_BODY_BYTES + 1))])
    with beside(database.path, is_read_only=True) as connection:
        (letter,) = dead_letters(connection)
    assert letter.body == b"x" * MAX_BODY_BYTES
    assert not letter.is_whole


def test_append__content_type_of_any_length__is_cut(database: Database) -> None:
    ReadingLog(database).append([], 1, [Rejection("malformed", "no JSON", b"{", "mqtt", "text/plain" + "x" * 60_000)])
    with beside(database.path, is_read_only=True) as connection:
        (letter,) = dead_letters(connection)
    assert letter.content_type == "text/plain" + "x" * (MAX_CONTENT_TYPE - 10)


def test_append__not_to_be_kept__is_only_counted(database: Database) -> None:
    log = ReadingLog(database)
    log.append([], 1, [Rejection("rate_limited", "too fast", is_kept=False)])
    assert log.rejections() == {"rate_limited": {"count": 1, "last": []}}


def test_remove__beside_the_oracle__takes_only_those(database: Database) -> None:
    log = ReadingLog(database)
    log.append([], 1, [Rejection(reason, reason) for reason in ("a", "b", "a")])
    with beside(database.path, is_read_only=False) as connection:
        remove_dead_letters(connection, [letter.id for letter in dead_letters(connection, "a")[:1]])
        assert [letter.reason for letter in dead_letters(connection)] == ["b", "a"]
    assert log.rejections()["a"]["count"] == 2


def test_beside__no_file_or_another_schema__is_refused(tmp_path: Path, database: Database) -> None:
    with pytest.raises(StoreError, match="is not there"), beside(tmp_path / "other", is_read_only=True):
        raise AssertionError("there is nothing to read")
    with database.write() as connection:
        connection.execute("UPDATE meta SET value = '2' WHERE key = 'schema_version'")
    with (
        pytest.raises(StoreError, match="has schema 2, this command reads 3"),
        beside(database.path, is_read_only=True),
    ):
        raise AssertionError("it must not be read")
