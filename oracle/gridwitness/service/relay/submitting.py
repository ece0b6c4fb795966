"""Bringing waiting schedules on chain: as many in a transaction as fit, each version in no more than one that counts.

A transaction is written to the log before the outbox hears of it, and the outbox sends a key at most once. Rows go into
another transaction only when theirs failed for good. So a kill at any moment neither loses a row nor sends it twice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import structlog

from gridwitness.api.relay import RowProblem
from gridwitness.chain.outbox import MAX_IN_FLIGHT, OutboxStatus
from gridwitness.chain.outbox_store import OutboxState
from gridwitness.domain.market import Schedule, SignedSchedule, ZoneParams
from gridwitness.errors import ChainError
from gridwitness.service.clock import Clock
from gridwitness.service.relay.batching import FIRST_GUESS_ROWS, TARGET_GAS, RelayRules, fitting_rows, is_due
from gridwitness.service.relay.log import ANY_ROWS, Batch, BatchKind, RelayLog, StoredRow
from gridwitness.service.relay.market import Judgement, PreviousOf

_log = structlog.get_logger()
# Rows of one round; more wait for the next.
_ROUND_ROWS = 2_000
# Rows that cannot be measured even alone, after which a round ends.
_MOST_UNMEASURED = 16
# What no later block will think otherwise of.
_FOR_GOOD = frozenset({"GateClosed", "SignatureExpired", "VersionNotHigher"})
_LATE = RowProblem("GateClosed", "a gate closed, or its deadline passed, before it could be submitted")


class SubmissionMarket(Protocol):
    """What is needed of relay.market.RelayMarket."""

    address: str

    def zone_params(self, zone: int, day: int) -> ZoneParams:
        """Rules of a zone for a day."""

    def judge(self, rows: Sequence[SignedSchedule], previous_of: PreviousOf) -> list[Judgement]:
        """What the market says of each row."""

    def submission(self, rows: Sequence[SignedSchedule]) -> bytes:
        """Calldata for first versions."""

    def replacement(self, row: SignedSchedule, previous: Schedule) -> bytes:
        """Calldata for a replacement."""

    def estimate(self, data: bytes) -> int | RowProblem:
        """Gas of a transaction."""

    def refused(self, transaction: bytes) -> dict[int, RowProblem]:
        """Rows a transaction skipped."""


class SubmissionOutbox(Protocol):
    """What is needed of chain.Outbox."""

    def enqueue(self, key: str, to: str, calldata: bytes) -> None:
        """Queue a call."""

    def status(self, key: str) -> OutboxStatus | None:
        """Where an intent is."""

    def step(self) -> None:
        """Take every intent as far as it gets."""


class Submitter:
    """Works on the log with one account's outbox; `problem` says what holds transactions up."""

    def __init__(
        self,
        log: RelayLog,
        market: SubmissionMarket,
        outbox: SubmissionOutbox,
        clock: Clock,
        rules: RelayRules,
        confirmations: int,
    ) -> None:
        self.problem = ""
        self._log = log
        self._market = market
        self._outbox = outbox
        self._clock = clock
        self._rules = rules
        self._confirmations = confirmations
        self._guess = FIRST_GUESS_ROWS

    def step(self, head_number: int) -> None:
        """One round; may block. Raises ChainError or StoreError: what is done stays done, step again later."""
        batches = self._log.open_batches()
        for batch in batches:
            if self._outbox.status(batch.key) is None:  # this process or the one before ended in between
                self._outbox.enqueue(batch.key, self._market.address, self._log.calldata(batch))
        if batches:
            self._outbox.step()
        self.problem = next((problem for batch in batches if (problem := self._follow(batch, head_number))), "")
        now, room = int(time.time()), MAX_IN_FLIGHT - len(self._log.open_batches())
        if room > 0 and is_due(self._log.waiting(now), self._rules, now, self._clock.now()):
            self._submit(now, room)

    def _follow(self, batch: Batch, head_number: int) -> str:
        """Note how a transaction ended, if it did. Returns what holds it up, if anything."""
        status = self._outbox.status(batch.key)
        if status is None:
            return ""
        if status.state is OutboxState.FINAL and status.transaction is not None:
            refused = self._market.refused(status.transaction) if batch.kind is BatchKind.SUBMIT else {}
            self._log.close_batch(batch, refused, status.transaction, status.block_number or 0)
            _log.info("batch_final", kind=batch.kind, rows=batch.rows, refused=len(refused), block=status.block_number)
        elif status.state is OutboxState.FAILED and self._is_buried(status, head_number):
            self._take_back(batch, status)
        return status.error

    def _is_buried(self, status: OutboxStatus, head_number: int) -> bool:
        return status.block_number is None or head_number - status.block_number >= self._confirmations

    def _take_back(self, batch: Batch, status: OutboxStatus) -> None:
        """Rows of a failed transaction wait again, half as many at once: so one that makes others fail ends up alone.

        One that failed alone on chain is given up; had it only not been sent, the next judgement finds out why.
        """
        problem = RowProblem("TransactionFailed", status.error)
        _log.warning("batch_failed", kind=batch.kind, rows=batch.rows, error=status.error)
        if batch.rows == 1 and status.transaction is not None:
            self._log.close_batch(batch, {0: problem}, status.transaction, status.block_number or 0)
        else:
            retry_at = int(time.time()) + (self._rules.retry_s if batch.rows == 1 else 0)
            self._log.return_batch(batch, problem, max(1, batch.rows // 2), retry_at)

    def _submit(self, now: int, room: int) -> None:
        """Put what waits into at most `room` transactions, half of them for replacements, which take one each."""
        good = self._judge(self._log.next_rows(now, _ROUND_ROWS), now)
        replacing = [(row, previous) for row, previous in good if previous is not None][: (room + 1) // 2]
        for row, previous in replacing:
            self._record(BatchKind.REPLACE, self._market.replacement(row.signed, previous), [row])
        first = [row for row, previous in good if previous is None]
        sound = [row for row in first if row.most_rows == ANY_ROWS]
        suspect = [row for row in first if row.most_rows < ANY_ROWS]
        self._submit_first(suspect, now, self._submit_first(sound, now, room - len(replacing)))

    def _judge(self, rows: Sequence[StoredRow], now: int) -> list[tuple[StoredRow, Schedule | None]]:
        """Rows the market would take now, with what they replace. The others are given up, or put off."""
        good, ended, waiting = [], [], []
        judgements = self._market.judge([row.signed for row in rows], self._known) if rows else []
        for row, judgement in zip(rows, judgements, strict=True):
            # Views may still answer for the time of a block before the gate closed.
            is_late = row.closes_at <= self._clock.now()
            problem = judgement.problem or (_LATE if is_late else None)
            if problem is None:
                good.append((row, judgement.previous))
            elif is_late or problem.title in _FOR_GOOD:
                ended.append((row, problem))
            else:
                waiting.append((row, problem))
        self._log.refuse(ended)
        self._log.put_off(waiting, now + self._rules.retry_s)
        return good

    def _known(self, schedule: Schedule, version: int) -> Schedule | None:
        row = self._log.find(schedule.device_id, schedule.day, version)
        return None if row is None else row.signed.schedule

    def _submit_first(self, rows: Sequence[StoredRow], now: int, room: int) -> int:
        """Put first versions into transactions as large as fit. Returns the room left.

        Raises ChainError if many rows in turn cannot be measured even alone: then it is the node's fault.
        """
        unmeasured: list[tuple[StoredRow, RowProblem]] = []
        while rows and room > 0 and len(unmeasured) < _MOST_UNMEASURED:
            count, problem = self._fitting(rows)
            if problem is not None:
                unmeasured.append((rows[0], problem))
                rows = rows[1:]
                continue
            self._record(BatchKind.SUBMIT, self._submission(rows[:count]), rows[:count])
            rows, room = rows[count:], room - 1
        self._log.put_off(unmeasured, now + self._rules.retry_s)
        if len(unmeasured) == _MOST_UNMEASURED:
            raise ChainError(f"no transaction can be estimated: {unmeasured[-1][1].detail}")
        return room

    def _fitting(self, rows: Sequence[StoredRow]) -> tuple[int, RowProblem | None]:
        """How many rows to put into one transaction, from the first on; or why not even that one."""
        problem = RowProblem("TooMuchGas", f"it needs more than {TARGET_GAS} gas even alone")

        def gas_of(count: int) -> int | None:
            nonlocal problem
            answer = self._market.estimate(self._submission(rows[:count]))
            if isinstance(answer, int):
                return answer
            problem = answer
            return None

        count = self._guess = fitting_rows(_most_together(rows), self._guess, gas_of)
        return count, None if count else problem

    def _submission(self, rows: Sequence[StoredRow]) -> bytes:
        return self._market.submission([row.signed for row in rows])

    def _record(self, kind: BatchKind, data: bytes, rows: Sequence[StoredRow]) -> None:
        batch = self._log.record_batch(kind, data, rows)
        if batch is not None:
            _log.info("batch_made", kind=kind, rows=len(rows), key=batch.key)
            self._outbox.enqueue(batch.key, self._market.address, data)
            self._outbox.step()  # so that the next one's estimate sees what this one leaves


def _most_together(rows: Sequence[StoredRow]) -> int:
    """How many rows, from the first on, may share a transaction by the fewest that any of them asks for."""
    most = rows[0].most_rows
    for count, row in enumerate(rows):
        most = min(most, row.most_rows)
        if count >= most:
            return count
    return len(rows)
