from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gridwitness.domain.market import Order, Side
from gridwitness.encoding.packing import pack_orders
from gridwitness.service.portal.schedules import fold, schedule_state
from gridwitness.store.site_index import ChainLog, SiteIndex, insert_logs

DEVICE, DAY = b"d" * 32, 17_026
ACCOUNT = "0x79869B7a8fA64EbA6c7f1b5836fB46fC9759826c"
SETTLEMENT = [-100, 20, -30, 0, 500, 520, 0, 0]


def log(number: int, name: str, **args: Any) -> ChainLog:
    account = ACCOUNT.lower() if name == "ScheduleSubmitted" else None
    return ChainLog(number, 0, b"", b"", name, DEVICE, DAY, account, None, None, None, None, args)


def run_made(number: int, profile_seq: int) -> ChainLog:
    run = ["0x", ACCOUNT, 1, DAY, "0x", profile_seq, 0, 0, 0, 0, 0, "0x", 0]
    return log(number, "RunMade", run=run, settlement=SETTLEMENT)


SUBMITTED = log(1, "ScheduleSubmitted", account=ACCOUNT, version=1, scheduleHash="0x" + "11" * 32)
HELD = log(2, "SettlementHeld", scoreBps=9_990, holdScoreBps=9_900)
DISPUTED = log(4, "RunDisputed", disputer=ACCOUNT)
REVOKED = log(4, "RunRevoked", profileSeq=3)
ENDED = log(5, "DisputeEnded", upheld=False)
FINAL = log(6, "ScheduleFinal", cash=-110)


@pytest.mark.parametrize(
    ("logs", "status"),
    [
        ([SUBMITTED], "open"),
        ([SUBMITTED, HELD], "held"),
        ([SUBMITTED, run_made(3, 4)], "provisional"),
        ([SUBMITTED, HELD, run_made(3, 4)], "provisional"),
        ([SUBMITTED, run_made(3, 4), DISPUTED], "disputed"),
        ([SUBMITTED, run_made(3, 4), REVOKED], "open"),
        ([SUBMITTED, run_made(3, 4), DISPUTED, ENDED, FINAL], "final"),
        ([SUBMITTED, run_made(3, 4), FINAL], "final"),
        ([SUBMITTED, run_made(3, 0), FINAL], "missing"),
        ([SUBMITTED, run_made(3, 0), run_made(4, 5), FINAL], "final"),
    ],
)
def test_fold__events_of_a_schedule__its_status(logs: list[ChainLog], status: str) -> None:
    state = fold(logs)
    assert state is not None
    assert state.status == status
    assert (state.settlement is None) == (status in ("open", "held"))


def test_fold__no_schedule__is_nothing() -> None:
    assert fold([]) is None
    assert fold([FINAL]) is None


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SiteIndex]:
    opened = SiteIndex(tmp_path / "site.sqlite")
    yield opened
    opened.close()


@pytest.mark.parametrize(("energy_wh", "status"), [(500, "open"), (0, None)])
def test_look_up__schedule_without_energy__is_cancelled(index: SiteIndex, energy_wh: int, status: str | None) -> None:
    orders = b"".join(word.to_bytes(32, "big") for word in pack_orders([Order(Side.BID, 5, energy_wh)] * 96))
    with index.write() as connection:
        insert_logs(connection, [SUBMITTED])
        connection.execute("INSERT INTO schedules VALUES (?, 1, 0, ?)", (b"\x11" * 32, orders))
    state = schedule_state(index, DEVICE, DAY)
    assert (None if state is None else state.status) == status
