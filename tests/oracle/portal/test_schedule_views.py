"""Schedules as they are shown: with what they say, or as unknown where their transaction does not show it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gridwitness.api.portal.protocols import EVERYTHING
from gridwitness.domain.market import Order, Side
from gridwitness.encoding.packing import pack_orders
from gridwitness.service.portal.trading import Trading
from gridwitness.store.site_index import SiteIndex, insert_logs, put_meta
from tests.oracle.portal.sites import site_over
from tests.oracle.portal.test_schedules import DEVICE, SUBMITTED

LIMIT_WH = 5_000
BEFORE_OWN_WERE_READ = 4


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SiteIndex]:
    opened = SiteIndex(tmp_path / "site.sqlite")
    yield opened
    opened.close()


@pytest.mark.parametrize(("is_known", "shown"), [(True, (LIMIT_WH, ["offer", 9, 100])), (False, (None, None))])
def test_list__schedule__its_limit_and_orders_only_if_they_are_known(
    index: SiteIndex, is_known: bool, shown: tuple[int | None, list[object] | None]
) -> None:
    orders = b"".join(word.to_bytes(32, "big") for word in pack_orders([Order(Side.OFFER, 9, 100)] * 96))
    with index.write() as connection:
        insert_logs(connection, [SUBMITTED])
        if is_known:
            connection.execute("INSERT INTO schedules VALUES (?, 1, ?, ?)", (b"\x11" * 32, LIMIT_WH, orders))
    trading = Trading(site_over(index, []))
    (view,) = trading.schedules(EVERYTHING, device_id=DEVICE, day=None, cursor="", limit=10).items
    assert (view.imbalance_limit_wh, view.orders[0]) == shown
    assert len(view.orders) == 96


def test_open__index_without_schedules_of_own_submissions__is_made_anew(tmp_path: Path) -> None:
    old = SiteIndex(tmp_path / "old.sqlite")
    with old.write() as connection:
        put_meta(connection, "settled", "7 00")
    with old.write() as connection:
        connection.execute(f"PRAGMA user_version = {BEFORE_OWN_WERE_READ}")
    old.close()
    new = SiteIndex(tmp_path / "old.sqlite")
    assert new.meta("settled") == ""
    new.close()
