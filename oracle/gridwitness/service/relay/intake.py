"""Taking schedules in: within limits, checked with the market, durably logged, and only then acknowledged."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from gridwitness.api.relay import RetryLater, RowProblem, RowResult
from gridwitness.domain.market import Schedule, SignedSchedule
from gridwitness.encoding.eip712 import schedule_struct_hash
from gridwitness.errors import InputError
from gridwitness.service.relay.batching import RelayRules, closes_at
from gridwitness.service.relay.log import Candidate, RelayLog
from gridwitness.service.relay.market import Judgement, PreviousOf
from gridwitness.service.relay.messages import RowMessage, decode_rows, to_schedule, to_signed
from gridwitness.service.relay.submitting import SubmissionMarket

# Requests looked at together; each costs the node calls, and more would only wait in memory.
_MOST_REQUESTS = 16
_MOST_CLIENTS = 10_000


@dataclass(frozen=True, slots=True)
class _Row:
    signed: SignedSchedule
    previous: Schedule | None


class Allowance:
    """Rows a client may still send: a bucket that holds a minute's worth and fills evenly.

    A client is an IPv4 address or an IPv6 /64 network. The longest unseen are forgotten beyond 10,000.
    """

    def __init__(self, rows_per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rows_per_minute = rows_per_minute
        self._monotonic = monotonic
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, client: str, rows: int) -> int:
        """Take rows from a client's bucket. Returns 0, or the seconds after which there would be enough."""
        name, now = _network(client), self._monotonic()
        left, seen_at = self._left.pop(name, (float(self._rows_per_minute), now))
        left = min(self._rows_per_minute, left + (now - seen_at) * self._rows_per_minute / 60)
        is_enough = rows <= left
        self._left[name] = (left - rows if is_enough else left, now)
        if len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0 if is_enough else int((rows - left) * 60 / self._rows_per_minute) + 1


def _network(client: str) -> str:
    try:
        address = ipaddress.ip_address(client)
    except ValueError:  # a Unix socket has none
        return client
    return client if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


class Intake:
    """The way into the log."""

    def __init__(self, log: RelayLog, market: SubmissionMarket, rules: RelayRules) -> None:
        self._log = log
        self._market = market
        self._rules = rules
        self._allowance = Allowance(rules.client_rows_per_minute)
        self._requests = 0

    async def submit(self, body: bytes, client: str) -> list[RowResult]:
        """Results in order; every accepted schedule is durable when this returns.

        Raises InputError for a body that holds no schedules, RetryLater, StoreError, ChainError; then nothing was
        taken.
        """
        if self._requests >= _MOST_REQUESTS:
            raise RetryLater(HTTPStatus.SERVICE_UNAVAILABLE, f"{_MOST_REQUESTS} requests are being looked at", 1)
        rows = decode_rows(body)
        wait_s = self._allowance.spend(client, len(rows))
        if wait_s:
            limit = self._rules.client_rows_per_minute
            raise RetryLater(HTTPStatus.TOO_MANY_REQUESTS, f"a client may send {limit} schedules a minute", wait_s)
        self._requests += 1
        try:
            return await asyncio.to_thread(self._take, rows)
        finally:
            self._requests -= 1

    def _take(self, messages: Sequence[RowMessage | InputError]) -> list[RowResult]:
        waiting = self._log.count_waiting()
        if waiting + len(messages) > self._rules.max_waiting:
            detail = f"{waiting} schedules wait; at most {self._rules.max_waiting} are kept"
            raise RetryLater(HTTPStatus.SERVICE_UNAVAILABLE, detail, self._rules.retry_s)
        read = [_read(message) for message in messages]
        outcomes = iter(self._judge_and_log([row for row in read if not isinstance(row, RowProblem)]))
        return [
            RowResult(None, None, None, "refused", row)
            if isinstance(row, RowProblem)
            else _result(row.signed.schedule, next(outcomes))
            for row in read
        ]

    def _judge_and_log(self, rows: Sequence[_Row]) -> list[RowProblem | bool]:
        """True for a row that is logged, False for one that was, or why it is refused."""
        logged = [self._is_logged(row.signed.schedule) for row in rows]
        fresh = [row for row, is_logged in zip(rows, logged, strict=True) if not is_logged]
        judgements = iter(self._market.judge([row.signed for row in fresh], self._previous_of(fresh)))
        checked = [
            Candidate(row.signed, 0) if is_logged else self._check(row, next(judgements))
            for row, is_logged in zip(rows, logged, strict=True)
        ]
        candidates = [outcome for outcome in checked if isinstance(outcome, Candidate)]
        appended = iter(self._log.append(candidates, int(time.time()), self._rules.max_versions))
        return [next(appended) if isinstance(outcome, Candidate) else outcome for outcome in checked]

    def _is_logged(self, schedule: Schedule) -> bool:
        known = self._log.find(schedule.device_id, schedule.day, schedule.version)
        return known is not None and known.struct_hash == schedule_struct_hash(schedule)

    def _previous_of(self, rows: Sequence[_Row]) -> PreviousOf:
        """Finds what stands among what the rows bring along, and else in the log."""
        given = {
            (previous.device_id, previous.day, previous.version): previous
            for row in rows
            if (previous := row.previous) is not None
        }

        def find(schedule: Schedule, version: int) -> Schedule | None:
            key = (schedule.device_id, schedule.day, version)
            known = self._log.find(*key) if key not in given else None
            return given.get(key) if known is None else known.signed.schedule

        return find

    def _check(self, row: _Row, judgement: Judgement) -> Candidate | RowProblem:
        if judgement.problem is not None:
            return judgement.problem
        schedule, previous = row.signed.schedule, judgement.previous
        params = self._market.zone_params(schedule.zone, schedule.day)
        return Candidate(row.signed, closes_at(schedule, previous, params), previous)


def _read(message: RowMessage | InputError) -> _Row | RowProblem:
    if isinstance(message, InputError):
        return RowProblem("Malformed", message.message)
    try:
        return _Row(to_signed(message), None if message.previous is None else to_schedule(message.previous))
    except InputError as error:
        return RowProblem("Malformed", error.message)


def _result(schedule: Schedule, outcome: RowProblem | bool) -> RowResult:
    said = ("refused", outcome) if isinstance(outcome, RowProblem) else ("accepted" if outcome else "duplicate", None)
    return RowResult("0x" + schedule.device_id.hex(), schedule.day, schedule.version, *said)
