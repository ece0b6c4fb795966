"""What strangers and owners are told of the community's days, and what it takes to tell them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gridwitness.api.portal.protocols import ANYBODY, EVERYTHING, Viewer
from gridwitness.api.portal.views import CommunityDayView
from gridwitness.errors import StoreError
from gridwitness.service.portal import money as money_module
from gridwitness.service.portal.money import HomeDay, Money
from gridwitness.store.site_index import SiteIndex, mark_dirty
from tests.oracle.portal.sites import account_of, home, site_over

DAY, DAY_S = 17_026, 86_400
SHARED_WH, SHARED_IMPORT_WH = 300, 1_200


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SiteIndex]:
    opened = SiteIndex(tmp_path / "site.sqlite")
    yield opened
    opened.close()


def home_day(number: int, day: int = DAY, status: str = "final", **changes: Any) -> HomeDay:
    bill = None if status == "held" else 40
    made = HomeDay(day, number.to_bytes(32, "big"), account_of(number), "prosumer", status, 100, 30, None, bill, 50)
    return made._replace(**changes)


def write(index: SiteIndex, *homes: HomeDay) -> None:
    with index.write() as connection:
        connection.executemany("INSERT OR REPLACE INTO home_days VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", homes)
        shares = {(one.day, SHARED_WH, SHARED_IMPORT_WH) for one in homes}
        connection.executemany("INSERT OR REPLACE INTO shared_days VALUES (?, ?, ?)", shares)


def community(index: SiteIndex, homes: int, held: int) -> Money:
    write(index, *(home_day(number, status="held" if number < held else "final") for number in range(homes)))
    return Money(site_over(index, [home(number) for number in range(homes)]))


def sharing(day: CommunityDayView) -> tuple[int | None, int | None]:
    return day.shared_wh, day.self_sufficiency_bps


@pytest.mark.parametrize(
    ("homes", "held", "is_told"),
    [(4, 0, True), (3, 0, False), (9, 1, False), (9, 3, False), (8, 4, True), (7, 4, False), (4, 4, False)],
)
def test_tell__homes_of_which_some_are_held__sharing_only_if_no_few_are_the_difference(
    index: SiteIndex, homes: int, held: int, is_told: bool
) -> None:
    money = community(index, homes, held)
    (told,), (known,) = money.community_days(ANYBODY), money.community_days(EVERYTHING)
    assert sharing(known) == (SHARED_WH, 2_500)
    assert sharing(told) == (sharing(known) if is_told else (None, None))
    assert (told.homes_count, told.held) == (homes, held)
    assert told.import_wh == (100 * homes if homes >= 4 else None)


def test_tell__homes_without_a_bill__money_of_the_others_only_if_no_few_are_left_out(index: SiteIndex) -> None:
    community(index, 9, 0)
    money = Money(site_over(index, []))
    assert [(one.bills, one.grid_only) for one in money.community_days(ANYBODY)] == [(360, 450)]
    write(index, home_day(8, bill=None))
    money = Money(site_over(index, []))
    assert [(one.bills, one.grid_only) for one in money.community_days(ANYBODY)] == [(None, None)]
    assert [(one.bills, one.grid_only) for one in money.community_days(EVERYTHING)] == [(320, 400)]


@pytest.mark.parametrize("grid_only", [50, None])
def test_bill__settled_day__beside_the_grids_only_where_readings_are_attested(
    index: SiteIndex, monkeypatch: pytest.MonkeyPatch, grid_only: int | None
) -> None:
    monkeypatch.setattr(money_module, "rules_of", lambda *_: "rules")
    write(index, home_day(1, status="no orders", grid_only=grid_only))
    bill = Money(site_over(index, [home(1)])).bill(EVERYTHING, home_day(1).device, DAY)
    assert bill is not None
    assert (bill.total, bill.grid_only) == (40, grid_only)


def test_look__stranger__asks_the_index_nothing(index: SiteIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    write(index, *(home_day(number, day) for number in range(5) for day in range(DAY - 200, DAY)))
    money = Money(site_over(index, []))
    monkeypatch.setattr(index, "rows", None)
    days = money.community_days(ANYBODY)
    assert money.days() == [one.day for one in days] == list(range(DAY - 1, DAY - 93, -1))
    assert money.community_day(ANYBODY, DAY - 7) == days[6]
    assert money.community_day(ANYBODY, DAY - 100) is None


def test_look__open_data__homes_are_read_once(index: SiteIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    write(index, *(home_day(number, day) for number in range(5) for day in (DAY, DAY + 1)))
    money = Money(site_over(index, [home(number) for number in range(5)], is_open_data=True))
    days = money.community_days(ANYBODY)
    monkeypatch.setattr(index, "rows", None)
    assert money.community_days(EVERYTHING) == days
    assert money.community_day(ANYBODY, DAY) == days[1]
    assert [len(one.homes) for one in days] == [5, 5]


def test_look__owner__own_days_and_those_traded_on_the_account_and_no_more(
    index: SiteIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, handed_over = account_of(1), (DAY + 1) * DAY_S
    devices = [home(1), home(2, owner, handed_over), *(home(number) for number in range(3, 7))]
    days = (DAY, DAY + 1)
    write(
        index,
        *(home_day(number, day) for number in range(4, 7) for day in days),
        *(home_day(1, day) for day in days),
        *(home_day(2, day, status="no orders", account=owner) for day in days),  # the first was another's
        *(home_day(3, day, account=owner if day == DAY else account_of(3)) for day in days),
    )
    with index.write() as connection:
        logs = [(day, home_day(3).device, owner if day == DAY else account_of(3)) for day in days]
        connection.executemany(
            "INSERT INTO logs (block, log_index, block_hash, tx, name, day, device, account, args)"
            " VALUES (?1, 0, x'', x'', 'ScheduleSubmitted', ?1, ?2, ?3, '{}')",
            logs,
        )
    money, read = Money(site_over(index, devices)), list[tuple[Any, ...]]()
    ask = index.rows
    monkeypatch.setattr(index, "rows", lambda *asked: read.extend(found := ask(*asked)) or found)
    found = money.community_days(Viewer(accounts=frozenset({owner})))
    assert [[int(one.device_id, 16) for one in day.homes] for day in found] == [[1, 2], [1, 3]]
    homes_read = {(row[0], row[1]) for row in read if len(row) == len(HomeDay._fields)}
    assert homes_read == {(day, home_day(number).device) for number in (1, 2, 3) for day in days}


def test_refresh__home_changed__its_day_is_told_anew_and_the_others_are_as_they_were(index: SiteIndex) -> None:
    homes = range(1, 6)
    for day in (DAY, DAY + 1):
        write(index, *(home_day(number, day) for number in homes))
    money = Money(site_over(index, [home(number) for number in homes]))
    before = money.community_days(EVERYTHING)
    with index.write() as connection:
        device_day = (home_day(1).device, DAY, 70_000, 0, 96, 96, 0, 0, 95)
        connection.execute("INSERT INTO device_days VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", device_day)
        mark_dirty(connection, [(DAY, home_day(1).device)])
    assert money.refresh() == {DAY}
    other, changed = money.community_days(EVERYTHING)
    assert other is before[0]
    assert changed.import_wh == 70_400
    assert [one.import_wh for one in changed.homes] == [70_000, 100, 100, 100, 100]
    assert money.community_days(ANYBODY)[1].import_wh == 70_400


def test_refresh__home_is_gone_with_its_day__day_is_not_told_of(index: SiteIndex) -> None:
    write(index, home_day(1), home_day(1, DAY + 1))
    money = Money(site_over(index, []))
    with index.write() as connection:
        mark_dirty(connection, [(DAY, home_day(1).device)])
    money.refresh()
    assert money.days() == [DAY + 1]
    assert money.community_day(EVERYTHING, DAY) is None


def test_refresh__stopped_while_it_writes__bills_and_sharing_stay_of_one_moment(
    index: SiteIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    money = community(index, 5, 0)

    def fail(connection: sqlite3.Connection, day: int) -> tuple[int, int]:
        raise StoreError("the disk is full")

    with index.write() as connection:
        mark_dirty(connection, [(DAY, home_day(1).device)])
    monkeypatch.setattr(money, "_share", fail)
    with pytest.raises(StoreError):
        money.refresh()
    assert len(index.rows("SELECT * FROM home_days")) == 5
    assert len(index.rows("SELECT * FROM dirty")) == 1
