"""Lists of readings while these are on their way: attested or not, known to the site's index or not yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gridwitness.api.portal.protocols import EVERYTHING, Viewer
from gridwitness.domain.slots import slot_start
from gridwitness.service.portal import readings as readings_module
from gridwitness.service.portal.readings import Readings
from gridwitness.store import Database, ReadingLog, row_of
from gridwitness.store.log_reader import LogReader
from gridwitness.store.site_index import SiteIndex, put_meta
from gridwitness.store.site_readings import add_batch
from tests.oracle.portal.sites import account_of, home, site_over
from tests.oracle.portal.test_site_readings import SLOTS_A_BATCH, attest
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy

BATCHES, INDEXED = 5, 2
WAITING = range(BATCHES * SLOTS_A_BATCH, (BATCHES + 1) * SLOTS_A_BATCH)
FLAG_ABOVE_BPS = 9_900
OWNER = account_of(1)


@pytest.fixture
def readings(tmp_path: Path) -> Iterator[Readings]:
    """Five batches of which the index has two, and readings that wait."""
    database, index = Database(tmp_path / "oracle.sqlite"), SiteIndex(tmp_path / "site.sqlite")
    for seq in range(1, BATCHES + 1):
        attest(database, seq)
    waiting = [net_energy(home_key(), number, FIRST_SLOT + number, 5) for number in WAITING]
    ReadingLog(database).append([row_of(one) for one in waiting], 99)
    log = LogReader(database.path)
    with index.write() as connection:
        for seq in range(1, INDEXED + 1):
            add_batch(log, connection, seq, FLAG_ABOVE_BPS, {home_key().device_id})
        put_meta(connection, "folded", f"{INDEXED} {bytes([INDEXED]).hex() * 32}")
    handed_over = slot_start(FIRST_SLOT + INDEXED * SLOTS_A_BATCH + 7)
    device = replace(home(1, OWNER, handed_over), device_id=home_key().device_id)
    yield Readings(site_over(index, [device], log))
    for one in (log, index, database):
        one.close()


def counters(readings: Readings, viewer: Viewer, time_from: int = 0, limit: int = 1_000) -> list[int]:
    page = readings.page(
        viewer, home_key().device_id, time_from=time_from, time_to=1 << 40, flagged=False, cursor="", limit=limit
    )
    return [one.counter for one in page.items]


def test_list__attested_and_not_in_the_index_yet__each_reading_once_in_order(readings: Readings) -> None:
    assert counters(readings, EVERYTHING) == list(range(WAITING.stop))


def test_poll__from_the_newest_seen_on__passes_none_over(readings: Readings) -> None:
    seen: list[int] = []
    while found := counters(readings, EVERYTHING, slot_start(FIRST_SLOT + len(seen)), limit=17):
        seen += found
    assert seen == list(range(WAITING.stop))


def test_list__device_handed_over__nothing_of_before_in_whichever_way_it_is_found(readings: Readings) -> None:
    assert counters(readings, Viewer(accounts=frozenset({OWNER}))) == list(
        range(INDEXED * SLOTS_A_BATCH + 7, WAITING.stop)
    )
    assert counters(readings, Viewer(accounts=frozenset({account_of(2)}))) == []


def test_list__index_far_behind__ends_where_the_index_does(readings: Readings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings_module, "BATCHES_AT_ONCE", BATCHES - INDEXED)
    assert counters(readings, EVERYTHING) == list(range(INDEXED * SLOTS_A_BATCH))
