"""What a scrape asks of the log stays cheap however many readings there are: it walks no large table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from gridwitness.chain.outbox_store import OutboxStore
from gridwitness.service.node_status import describe_readings
from gridwitness.store import BatchLog, Database, ReadingLog

LARGE = ("readings", "batches", "device_days", "documents", "intents", "attempts")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "oracle.sqlite")


def plans(connection: sqlite3.Connection, ask: Callable[[], object]) -> list[str]:
    """How SQLite finds what `ask` wants, a line a table."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    ask()
    connection.set_trace_callback(None)
    queries = [statement for statement in statements if statement.startswith("SELECT")]
    assert queries
    return [row[3] for query in queries for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]


def walks(lines: list[str]) -> list[str]:
    """Those that read a whole large table."""
    return [
        line for line in lines if line.startswith("SCAN") and line.split()[1] in LARGE and "COVERING INDEX" not in line
    ]


def test_scrape__the_log__walks_no_large_table(database: Database) -> None:
    readings, batches = ReadingLog(database), BatchLog(database)

    def ask() -> None:
        describe_readings(readings, 0)
        readings.rejections()
        batches.head(bytes(32))
        batches.newest_final(bytes(32))

    with database.read() as connection:
        assert walks(plans(connection, ask)) == []


def test_scrape__the_outbox__walks_no_large_table(tmp_path: Path) -> None:
    store = OutboxStore(tmp_path / "outbox.sqlite", "an account")
    assert walks(plans(store._database, store.counts)) == []


def test_walk__a_count_of_readings__is_noticed(database: Database) -> None:
    with database.read() as connection:
        lines = plans(connection, lambda: connection.execute("SELECT SUM(value) FROM readings").fetchone())
    assert walks(lines) == ["SCAN readings"]
