"""Bringing schedules on chain: what goes together, what fails, what waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gridwitness.api.relay import RowProblem
from gridwitness.domain.market import SignedSchedule
from gridwitness.encoding.hashing import keccak
from gridwitness.errors import ChainError
from gridwitness.service.relay.batching import TARGET_GAS, RelayRules
from gridwitness.service.relay.log import Candidate, RelayLog, StoredRow
from gridwitness.service.relay.submitting import Submitter
from tests.oracle.service.relay_parts import BID, DAY, DAY_START, ScriptedMarket, ScriptedOutbox, signed

RULES = RelayRules(enough_rows=1, retry_s=0)


class SetClock:
    """Says what it is told."""

    def __init__(self) -> None:
        self.time = DAY_START - 10 * 86_400

    def now(self) -> int:
        return self.time


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RelayLog]:
    opened = RelayLog(tmp_path / "relay.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def market() -> ScriptedMarket:
    return ScriptedMarket()


@pytest.fixture
def outbox(market: ScriptedMarket) -> ScriptedOutbox:
    return ScriptedOutbox(market)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def submitter(log: RelayLog, market: ScriptedMarket, outbox: ScriptedOutbox, clock: SetClock) -> Submitter:
    return Submitter(log, market, outbox, clock, RULES, 0)


def put(log: RelayLog, *rows: SignedSchedule, closes_at: int = DAY_START) -> None:
    assert all(outcome is True for outcome in log.append([Candidate(row, closes_at) for row in rows], 0, 16))


def row_of(log: RelayLog, device: int) -> StoredRow:
    return log.of_day(device.to_bytes(32, "big"), DAY)[0]


def steps(submitter: Submitter, count: int) -> None:
    for _ in range(count):
        submitter.step(1)


def test_step__rows_of_several_zones_and_days__stand_together_and_the_first_to_close_goes_first(
    log: RelayLog, submitter: Submitter, outbox: ScriptedOutbox
) -> None:
    put(log, signed(1, zone=2), signed(2, zone=1), signed(3, zone=2), signed(4, day=DAY + 1))
    put(log, signed(5, zone=2), closes_at=DAY_START - 1)
    submitter.step(1)
    assert outbox.carried() == [(1, 3, 5, 2, 4)]


def test_step__more_rows_than_fit__go_in_full_transactions(
    log: RelayLog, submitter: Submitter, market: ScriptedMarket, outbox: ScriptedOutbox
) -> None:
    market.gas_per_row = 1_000_000
    put(log, *(signed(device) for device in range(1, 41)))
    submitter.step(1)
    sizes = [len(devices) for devices in outbox.carried()]
    assert sum(sizes) == 40
    assert all(0.9 * TARGET_GAS <= 21_000 + size * market.gas_per_row <= TARGET_GAS for size in sizes[:-1])
    assert len(market.estimated) <= 6


def test_step__row_that_cannot_be_measured__waits_and_stops_nobody(
    log: RelayLog, submitter: Submitter, market: ScriptedMarket, outbox: ScriptedOutbox
) -> None:
    market.unmeasurable = {3}
    put(log, *(signed(device) for device in range(1, 7)))
    steps(submitter, 2)
    assert sorted(device for devices in outbox.carried() for device in devices) == [1, 2, 4, 5, 6]
    waits = row_of(log, 3)
    assert (waits.state, waits.problem) == ("waiting", RowProblem("CallFailed", "eth_estimateGas: out of gas"))
    market.unmeasurable = set()
    steps(submitter, 2)
    assert row_of(log, 3).state == "standing"


def test_step__nothing_can_be_measured__is_the_nodes_fault_and_rows_wait(
    log: RelayLog, submitter: Submitter, market: ScriptedMarket, outbox: ScriptedOutbox
) -> None:
    market.unmeasurable = set(range(1, 41))
    put(log, *(signed(device) for device in range(1, 41)))
    with pytest.raises(ChainError, match="no transaction can be estimated: eth_estimateGas: out of gas"):
        submitter.step(1)
    assert outbox.carried() == []
    assert log.counts() == {"waiting": 40}


def test_step__row_that_fails_every_transaction_it_is_in__ends_alone_and_the_others_stand(
    log: RelayLog, submitter: Submitter, outbox: ScriptedOutbox
) -> None:
    outbox.fails = {5}
    put(log, *(signed(device) for device in range(1, 9)))
    steps(submitter, 8)
    assert log.counts() == {"refused": 1, "standing": 7}
    refused = row_of(log, 5)
    assert refused.problem == RowProblem("TransactionFailed", "ran out of gas")
    # In each transaction that failed were half as many rows as in the one before, and no row was in two that did not.
    failed = [devices for devices in outbox.carried() if 5 in devices]
    assert [len(devices) for devices in failed] == [8, 4, 2, 1]
    stood = [device for devices in outbox.carried() if 5 not in devices for device in devices]
    assert sorted(stood) == [1, 2, 3, 4, 6, 7, 8]


def test_step__new_rows_while_others_are_suspected__do_not_share_their_transactions(
    log: RelayLog, submitter: Submitter, outbox: ScriptedOutbox
) -> None:
    outbox.fails = {1}
    put(log, signed(1), signed(2))
    submitter.step(1)
    put(log, signed(3))
    steps(submitter, 4)
    assert [devices for devices in outbox.carried() if 3 in devices] == [(3,)]
    assert log.counts() == {"refused": 1, "standing": 2}


def test_step__market_refuses_for_now__row_waits_with_the_reason_until_it_closes(
    log: RelayLog, submitter: Submitter, market: ScriptedMarket, outbox: ScriptedOutbox, clock: SetClock
) -> None:
    market.problems[1] = RowProblem("InsufficientBalance", "InsufficientBalance(…)")
    put(log, signed(1), signed(2))
    steps(submitter, 2)
    assert outbox.carried() == [(2,)]
    assert (row_of(log, 1).state, row_of(log, 1).problem) == ("waiting", market.problems[1])
    clock.time = DAY_START
    submitter.step(1)
    assert (row_of(log, 1).state, row_of(log, 1).problem) == ("refused", market.problems[1])


@pytest.mark.parametrize("title", ["GateClosed", "SignatureExpired", "VersionNotHigher"])
def test_step__market_refuses_for_good__row_is_given_up(
    log: RelayLog, submitter: Submitter, market: ScriptedMarket, outbox: ScriptedOutbox, title: str
) -> None:
    market.problems[1] = RowProblem(title, title)
    put(log, signed(1))
    submitter.step(1)
    assert (row_of(log, 1).state, outbox.carried()) == ("refused", [])


def test_step__gate_closed_by_the_clock_though_views_lag__row_is_not_sent(
    log: RelayLog, submitter: Submitter, outbox: ScriptedOutbox, clock: SetClock
) -> None:
    put(log, signed(1))
    clock.time = DAY_START
    submitter.step(1)
    assert (row_of(log, 1).state, outbox.carried()) == ("refused", [])


def test_step__row_skipped_on_chain__is_refused_and_its_version_never_sent_again(
    log: RelayLog, submitter: Submitter, market: ScriptedMarket, outbox: ScriptedOutbox
) -> None:
    put(log, signed(1), signed(2))
    submitter.step(1)
    (key,) = outbox.queued
    market.skips[keccak(key.encode())] = {1: RowProblem("BackstopExhausted", "BackstopExhausted(…)")}
    steps(submitter, 3)
    assert (row_of(log, 1).state, row_of(log, 2).state) == ("standing", "refused")
    (again,) = log.append([Candidate(signed(2), DAY_START)], 0, 16)
    assert again == RowProblem("BackstopExhausted", "BackstopExhausted(…)")
    assert outbox.carried() == [(1, 2)]


def test_step__standing_version__is_replaced_by_a_transaction_of_its_own(
    log: RelayLog, submitter: Submitter, market: ScriptedMarket, outbox: ScriptedOutbox
) -> None:
    put(log, signed(1), signed(2))
    steps(submitter, 2)
    market.standing = {1: signed(1).schedule}
    put(log, signed(1, [BID, BID], version=2), signed(3))
    steps(submitter, 2)
    assert outbox.carried() == [(1, 2), (1,), (3,)]
    assert [row.state for row in log.of_day((1).to_bytes(32, "big"), DAY)] == ["standing", "replaced"]


def test_step__outbox_is_stuck__says_why_and_holds_no_more_than_it_can_send(
    log: RelayLog, submitter: Submitter, market: ScriptedMarket, outbox: ScriptedOutbox
) -> None:
    outbox.is_stuck = True
    market.gas_per_row = TARGET_GAS - 21_000
    put(log, *(signed(device) for device in range(1, 41)))
    steps(submitter, 3)
    assert len(outbox.queued) == 16
    assert log.counts() == {"submitted": 16, "waiting": 24}
    assert submitter.problem == "too dear"


def test_forget__days_long_past__are_gone_but_not_what_is_open(log: RelayLog, submitter: Submitter) -> None:
    put(log, signed(1), signed(2, day=DAY + 1))
    steps(submitter, 2)
    put(log, signed(3))
    log.forget(DAY + 1)
    assert [len(log.of_day(device.to_bytes(32, "big"), DAY)) for device in (1, 3)] == [0, 1]
    assert len(log.of_day((2).to_bytes(32, "big"), DAY + 1)) == 1
