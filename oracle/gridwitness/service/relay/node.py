"""One relay: schedules in by HTTP, transactions out, in step with its chain."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from gridwitness import __version__
from gridwitness.api.protocols import Document
from gridwitness.api.relay import RowResult
from gridwitness.chain.client import Chain
from gridwitness.chain.outbox import Outbox, OutboxRules
from gridwitness.chain.signing_key import SigningKey
from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.errors import ChainError, Overloaded, StoreError
from gridwitness.service.clock import ChainClock, Clock, SystemClock
from gridwitness.service.metric_families import StatusCollector, make_registry
from gridwitness.service.node_status import STOPPING_RETRY_S, describe_account, describe_fees
from gridwitness.service.relay.batching import RelayRules
from gridwitness.service.relay.intake import Intake
from gridwitness.service.relay.log import RelayLog, StoredRow
from gridwitness.service.relay.market import RelayMarket
from gridwitness.service.relay.metrics import relay_families
from gridwitness.service.relay.submitting import Submitter

_log = structlog.get_logger()
# A device's place for a day is taken by a day 16 later; what came of it is told for as long.
DAYS_KEPT = 16


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """Everything a relay needs to know. The clock that says when gates close is "system" or "chain"."""

    data_dir: Path
    clock: str = "system"
    poll_interval_s: float = 0.5
    outbox: OutboxRules = field(default_factory=OutboxRules)
    rules: RelayRules = field(default_factory=RelayRules)


class RelayNode:
    """A running relay; fulfils api.relay.Relay. Make it, `run` it, `stop` it, `close` it."""

    def __init__(self, config: RelayConfig, chain: Chain, key: SigningKey) -> None:
        """Open the log and the outbox in `data_dir`. Raises StoreError, ChainError, ConfigError."""
        self.config = config
        self.address = key.address
        self._chain = chain
        self._stopping = asyncio.Event()
        self._problem = "starting"
        self._head = chain.head()
        self._balance_wei = chain.node.balance_wei(self.address)
        self._clock: Clock = ChainClock(chain.head_time) if config.clock == "chain" else SystemClock()
        self._log = RelayLog(config.data_dir / "relay.sqlite")
        self._outbox = Outbox(chain, key, config.data_dir / "outbox.sqlite", config.outbox)
        market = RelayMarket(chain, self.address)
        self._intake = Intake(self._log, market, config.rules)
        self._submitter = Submitter(
            self._log, market, self._outbox, self._clock, config.rules, config.outbox.confirmations
        )
        self._forgotten_before = 0
        self.registry = make_registry()
        self.registry.register(StatusCollector(self._status, relay_families))

    async def run(self) -> None:
        """Submit and follow until `stop` is called. Trouble with chain or disk is logged and tried again."""
        _log.info("relay_started", address=self.address)
        while not self._stopping.is_set():
            try:
                await asyncio.to_thread(self.step)
                self._problem = ""
            except (ChainError, StoreError) as error:
                if error.message != self._problem:
                    _log.error("step_failed", error=error.message)
                self._problem = error.message
            try:
                await asyncio.wait_for(self._stopping.wait(), self.config.poll_interval_s)
            except TimeoutError:
                continue
        _log.info("relay_stopped")

    def stop(self) -> None:
        """Ask `run` to end after the step it is in."""
        self._stopping.set()

    def close(self) -> None:
        """Close files."""
        self._outbox.close()
        self._log.close()

    def step(self) -> None:
        """One round; blocks. Raises ChainError or StoreError; everything already done stays done."""
        head = self._chain.head()
        if head.hash != self._head.hash:
            self._head, self._balance_wei = head, self._chain.node.balance_wei(self.address)
        self._clock.observe(head.time)
        self._submitter.step(head.number)
        kept_from = self._clock.now() // SECONDS_PER_DAY - DAYS_KEPT
        if kept_from > self._forgotten_before:
            self._log.forget(kept_from)
            self._forgotten_before = kept_from

    # What follows answers the HTTP interface.

    async def submit(self, body: bytes, client: str) -> list[RowResult]:
        """Check and log the schedules of a JSON body."""
        if self._stopping.is_set():
            raise Overloaded("this relay is stopping", STOPPING_RETRY_S)
        return await self._intake.submit(body, client)

    async def schedules(self, device_id: bytes, day: int) -> Document | None:
        """What became of a device's schedules of a day."""
        return await asyncio.to_thread(self._schedules, device_id, day)

    def _schedules(self, device_id: bytes, day: int) -> Document | None:
        rows = self._log.of_day(device_id, day)
        if not rows:
            return None
        return {"deviceId": "0x" + device_id.hex(), "day": day, "versions": [self._version(row) for row in rows]}

    def _version(self, row: StoredRow) -> Document:
        mined = None if row.batch is None else self._log.transaction(row.batch)
        return {
            "version": row.signed.schedule.version,
            "status": row.state,
            "receivedAt": row.received_at,
            "closesAt": row.closes_at,
            "transaction": None if mined is None else "0x" + mined[0].hex(),
            "block": None if mined is None else mined[1],
            "problem": row.problem,
        }

    async def status(self) -> Document:
        """Everything an operator wants to know at a glance."""
        return await asyncio.to_thread(self._status)

    def _status(self) -> Document:
        oldest_at = self._log.waiting(int(time.time())).oldest_at
        return {
            "address": self.address,
            "version": __version__,
            "balance_wei": self._balance_wei,
            "ready": not self.not_ready(),
            "problems": self.not_ready(),
            "chain": {"id": self._chain.chain_id, "block": self._head.number, "time": self._head.time},
            "clock": {"kind": self.config.clock, "now": self._clock.now()},
            "schedules": self._log.counts(),
            "oldest_waiting_age_s": None if oldest_at is None else int(time.time()) - oldest_at,
            "outbox": self._outbox.counts(),
            "account": {"balance_wei": self._balance_wei, **describe_account(self._outbox)},
            "fees": describe_fees(self._head, self.config.outbox),
            "warnings": self._outbox.warnings(),
            "rpc": self._chain.node.provider.report(),
        }

    def not_ready(self) -> list[str]:
        """Why this relay cannot do its work now: trouble with chain or disk, no money, a transaction held up."""
        poor = "" if self._balance_wei else f"{self.address} has no money for gas"
        stopping = "stopping" if self._stopping.is_set() else ""
        problems = (stopping, self._problem, self._outbox.halted, poor, self._submitter.problem)
        return [problem for problem in problems if problem]
