"""The relay's way in: results, limits, and what is durable when it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import msgspec
import pytest

from gridwitness.api.relay import RetryLater, RowProblem
from gridwitness.domain.market import SignedSchedule
from gridwitness.errors import ChainError, InputError, StoreError
from gridwitness.service.relay.batching import RelayRules
from gridwitness.service.relay.intake import Allowance, Intake
from gridwitness.service.relay.log import RelayLog, RowState
from gridwitness.service.relay.messages import to_row
from tests.oracle.service.relay_parts import BID, DAY, ScriptedMarket, signed

RULES = RelayRules(max_waiting=5, max_versions=2, client_rows_per_minute=60, retry_s=7)
CLIENT = "192.0.2.1"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RelayLog]:
    opened = RelayLog(tmp_path / "relay.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def market() -> ScriptedMarket:
    return ScriptedMarket()


@pytest.fixture
def intake(log: RelayLog, market: ScriptedMarket) -> Intake:
    return Intake(log, market, RULES)


def body_of(*rows: SignedSchedule) -> bytes:
    return msgspec.json.encode([to_row(row) for row in rows])


def logged(log: RelayLog, device: int) -> list[tuple[int, RowState]]:
    rows = log.of_day(device.to_bytes(32, "big"), DAY)
    return [(row.signed.schedule.version, row.state) for row in rows]


async def test_submit__good_bad_and_unreadable__results_in_order_and_only_the_good_is_logged(
    intake: Intake, log: RelayLog, market: ScriptedMarket, tmp_path: Path
) -> None:
    refusal = RowProblem("InsufficientBalance", "InsufficientBalance(account=…)", "deposit more")
    market.problems[2] = refusal
    body = b"[" + body_of(signed(1), signed(2))[1:-1] + b', {"schedule": 1},' + body_of(signed(3))[1:]
    first, poor, unreadable, last = await intake.submit(body, CLIENT)
    assert (first.device_id, first.day, first.version) == ("0x" + (1).to_bytes(32, "big").hex(), DAY, 1)
    assert [row.status for row in (first, poor, unreadable, last)] == ["accepted", "refused", "refused", "accepted"]
    assert poor.problem == refusal
    assert unreadable.problem is not None
    assert (unreadable.device_id, unreadable.problem.title) == (None, "Malformed")
    assert [logged(log, device) for device in (1, 2, 3)] == [[(1, "waiting")], [], [(1, "waiting")]]
    assert (tmp_path / "relay.sqlite").exists()


async def test_submit__higher_version_while_one_waits__takes_its_place(intake: Intake, log: RelayLog) -> None:
    for version in (1, 5):
        (result,) = await intake.submit(body_of(signed(1, version=version)), CLIENT)
        assert result.status == "accepted"
    assert logged(log, 1) == [(5, "waiting")]
    lower, same, other = await intake.submit(
        body_of(signed(1, version=3), signed(1, version=5), signed(1, [BID, BID], version=5)), CLIENT
    )
    assert (lower.problem is not None, same.status, other.problem is not None) == (True, "duplicate", True)
    assert logged(log, 1) == [(5, "waiting")]


async def test_submit__versions_submitted_without_end__stop_at_the_limit(intake: Intake, log: RelayLog) -> None:
    for version in (1, 2, 3):
        (result,) = await intake.submit(body_of(signed(1, version=version)), CLIENT)
        for row in log.next_rows(1 << 40, 10):
            batch = log.record_batch("submit", b"calldata", [row])
            log.close_batch(batch, {}, bytes(32), 1)
    assert result.problem is not None
    assert result.problem.title == "TooManyVersions"
    assert logged(log, 1) == [(2, "standing"), (1, "replaced")]


async def test_submit__too_many_wait__takes_none_until_there_is_room(intake: Intake, log: RelayLog) -> None:
    await intake.submit(body_of(*(signed(device) for device in range(4))), CLIENT)
    with pytest.raises(RetryLater) as raised:
        await intake.submit(body_of(signed(5), signed(6)), CLIENT)
    assert (raised.value.status, raised.value.after_s) == (HTTPStatus.SERVICE_UNAVAILABLE, 7)
    assert raised.value.detail == "4 schedules wait; at most 5 are kept"
    assert logged(log, 5) == []
    await intake.submit(body_of(signed(5)), CLIENT)


async def test_submit__client_sends_too_fast__is_told_when_and_others_are_not(intake: Intake) -> None:
    flood = body_of(*[signed(1)] * 60)
    with pytest.raises(RetryLater):  # counted, though there is no room for so many
        await intake.submit(flood, CLIENT)
    with pytest.raises(RetryLater) as raised:
        await intake.submit(flood, CLIENT)
    assert raised.value.status == HTTPStatus.TOO_MANY_REQUESTS
    assert raised.value.detail == "a client may send 60 schedules a minute"
    assert 1 <= raised.value.after_s <= 61
    (result,) = await intake.submit(body_of(signed(1)), "192.0.2.2")
    assert result.status == "accepted"


async def test_submit__no_node__takes_nothing(intake: Intake, log: RelayLog, market: ScriptedMarket) -> None:
    market.error = ChainError("no node answers")
    with pytest.raises(ChainError):
        await intake.submit(body_of(signed(1)), CLIENT)
    assert logged(log, 1) == []
    market.error = None
    (result,) = await intake.submit(body_of(signed(1)), CLIENT)
    assert result.status == "accepted"


async def test_submit__one_body_that_is_none__raises(intake: Intake) -> None:
    with pytest.raises(InputError, match="not a signed schedule"):
        await intake.submit(b"{}", CLIENT)


async def test_submit__many_requests_at_once__some_are_sent_away_and_none_waits(
    intake: Intake, market: ScriptedMarket
) -> None:
    bodies = [body_of(signed(1))] * 40
    answers = await asyncio.gather(
        *(intake.submit(body, f"192.0.2.{index}") for index, body in enumerate(bodies)), return_exceptions=True
    )
    away = [answer for answer in answers if isinstance(answer, RetryLater)]
    assert len(away) == 40 - 16
    assert {answer.status for answer in away} == {HTTPStatus.SERVICE_UNAVAILABLE}


def test_log__second_relay_on_its_file__is_refused_and_contents_stay(tmp_path: Path, log: RelayLog) -> None:
    with pytest.raises(StoreError, match="in use by another process"):
        RelayLog(tmp_path / "relay.sqlite")


def test_allowance__minute_passes__is_full_again() -> None:
    now = [0.0]
    allowance = Allowance(60, lambda: now[0])
    assert [allowance.spend("a", 30), allowance.spend("a", 31), allowance.spend("a", 30)] == [0, 2, 0]
    now[0] = 0.5
    assert allowance.spend("a", 1) == 1
    now[0] = 1.0
    assert allowance.spend("a", 1) == 0
    now[0] = 1_000.0
    assert [allowance.spend("a", 60), allowance.spend("a", 1)] == [0, 2]


def test_allowance__addresses_of_one_ipv6_network__share_it() -> None:
    allowance = Allowance(60, lambda: 0.0)
    assert allowance.spend("2001:db8::1", 60) == 0
    assert allowance.spend("2001:db8::2", 1) > 0
    assert allowance.spend("2001:db8:0:1::2", 60) == 0


def test_allowance__more_clients_than_it_remembers__forgets_the_longest_unseen() -> None:
    allowance = Allowance(1, lambda: 0.0)
    for client in range(10_001):
        assert allowance.spend(str(client), 1) == 0
    assert allowance.spend("0", 1) == 0
    assert allowance.spend("10000", 1) > 0
