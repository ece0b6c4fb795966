"""No page walks a table that grows with the site: each statement it makes is explained by SQLite and looked at."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gridwitness.api.portal.protocols import EVERYTHING, Viewer
from gridwitness.chain.anvil import Anvil
from tests.integration.portal.conftest import Household
from tests.portal_scene import copied, opened_portal

GROWING = {"logs", "flags", "device_days", "slot_energy", "home_days", "readings", "batches", "dead_letters", "folded"}
ALWAYS = 1 << 40


def walked(file: Path, statement: str) -> list[str]:
    """Growing tables that a statement goes through from end to end."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    except sqlite3.OperationalError:
        return []  # of the other file
    finally:
        connection.close()
    ends_early = " LIMIT " in statement and not any("TEMP B-TREE" in step for step in plan)
    scanned = [match[1] for step in plan if (match := re.match(r"SCAN (\w+)", step))]
    return [] if ends_early else [table for table in scanned if table in GROWING]


def test_ask_everything__each_statement__walks_no_growing_table(
    finished_demo: Path,
    anvil: Anvil,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    held_household: Household,
) -> None:
    folder, statements, connect = copied(finished_demo, tmp_path), set[str](), sqlite3.connect

    def connect_traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.set_trace_callback(statements.add)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_traced)
    with opened_portal(folder, anvil, is_open_data=False) as portal:
        statements.clear()
        portal.refresh()
        device_id, day = held_household.device_id, portal.zones()[0].days[0]
        for viewer in (EVERYTHING, Viewer(accounts=frozenset({held_household.account}))):
            for flagged in (False, True):
                portal.readings(viewer, device_id, time_from=0, time_to=ALWAYS, flagged=flagged, cursor="", limit=100)
            portal.devices(viewer, cursor="", limit=100)
            portal.flagged(viewer, cursor="", limit=100)
            portal.scores(viewer)
            portal.scores(viewer, day=day)
            portal.trail(viewer, device_id, 300)
            for of_device in (None, device_id):
                for of_day in (None, day):
                    portal.schedules(viewer, device_id=of_device, day=of_day, cursor="", limit=10)
                    portal.settlements(viewer, device_id=of_device, day=of_day, cursor="", limit=10)
            portal.bill(viewer, device_id, day)
            portal.community_days(viewer)
            portal.community_day(viewer, day)
            portal.forecast(viewer, device_id)
            portal.events_since(viewer, 0, 100)
        portal.now()
        portal.rejections()
        for stream in portal.streams():
            portal.batches(bytes.fromhex(stream.stream_id[2:]), cursor="", limit=10)
        portal.book(1, day * 96 + 40)
        for of_day in (None, day):
            portal.clearings(1, day=of_day, cursor="", limit=96)
        monkeypatch.undo()
        queries = [one for one in statements if one.lstrip().upper().startswith("SELECT")]
        assert len(queries) > 50
        files = [folder / "site.sqlite", folder / "oracle-1" / "oracle.sqlite"]
        assert {query: tables for query in queries for file in files if (tables := walked(file, query))} == {}
