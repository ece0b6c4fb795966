"""A market and an outbox that do as told, and schedules to send to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gridwitness.api.relay import RowProblem
from gridwitness.chain.outbox import OutboxStatus
from gridwitness.chain.outbox_store import OutboxState
from gridwitness.domain.market import NO_ORDER, Order, Schedule, Side, SignedSchedule, ZoneParams
from gridwitness.domain.slots import SECONDS_PER_DAY, SLOTS_PER_DAY
from gridwitness.encoding.hashing import keccak
from gridwitness.errors import ChainError
from gridwitness.service.relay.market import Judgement, PreviousOf
from tests.oracle.market.orders import ZONE

DAY = 17_026
DAY_START = DAY * SECONDS_PER_DAY
BID = Order(Side.BID, 60, 100)
ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def signed(device: int, orders: Sequence[Order] = (BID,), **changes: Any) -> SignedSchedule:
    """A device's schedule with the given orders from the day's first slot on; nobody here looks at its signature."""
    padded = tuple(orders) + (NO_ORDER,) * (SLOTS_PER_DAY - len(orders))
    schedule = Schedule(device.to_bytes(32, "big"), ACCOUNT, 1, DAY, 1, DAY_START + SECONDS_PER_DAY, 5_000, padded)
    return SignedSchedule(replace(schedule, **changes), b"signature")


@dataclass
class ScriptedMarket:
    """Takes all rows but those of devices told; a row takes `gas_per_row`. Calldata stands for rows by its hash."""

    address: str = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
    gas_per_row: int = 100_000
    problems: dict[int, RowProblem] = field(default_factory=dict)
    unmeasurable: set[int] = field(default_factory=set)
    standing: dict[int, Schedule] = field(default_factory=dict)
    skips: dict[bytes, dict[int, RowProblem]] = field(default_factory=dict)
    error: ChainError | None = None
    sent: dict[bytes, tuple[int, ...]] = field(default_factory=dict)
    estimated: list[int] = field(default_factory=list)

    def zone_params(self, zone: int, day: int) -> ZoneParams:
        return ZONE

    def judge(self, rows: Sequence[SignedSchedule], previous_of: PreviousOf) -> list[Judgement]:
        if self.error is not None:
            raise self.error
        return [self._judge(row.schedule, previous_of) for row in rows]

    def _judge(self, schedule: Schedule, previous_of: PreviousOf) -> Judgement:
        device = device_of(schedule)
        stands = self.standing.get(device)
        previous = previous_of(schedule, stands.version) if stands is not None else None
        return Judgement(self.problems.get(device), previous)

    def submission(self, rows: Sequence[SignedSchedule]) -> bytes:
        return self._calldata("submit", *(device_of(row.schedule) for row in rows))

    def replacement(self, row: SignedSchedule, previous: Schedule) -> bytes:
        return self._calldata("replace", device_of(row.schedule))

    def _calldata(self, kind: str, *devices: int) -> bytes:
        data = keccak(repr((kind, devices)).encode())
        self.sent[data] = devices
        return data

    def estimate(self, data: bytes) -> int | RowProblem:
        devices = self.sent[data]
        self.estimated.append(len(devices))
        if self.unmeasurable.intersection(devices):
            return RowProblem("CallFailed", "eth_estimateGas: out of gas")
        return 21_000 + self.gas_per_row * len(devices)

    def refused(self, transaction: bytes) -> dict[int, RowProblem]:
        return self.skips.get(transaction, {})


@dataclass
class ScriptedOutbox:
    """Mines every transaction at the next step, but fails those that carry a device told; keeps the order."""

    market: ScriptedMarket
    fails: set[int] = field(default_factory=set)
    is_stuck: bool = False
    queued: dict[str, bytes] = field(default_factory=dict)
    states: dict[str, OutboxStatus] = field(default_factory=dict)

    def enqueue(self, key: str, to: str, calldata: bytes) -> None:
        assert self.queued.setdefault(key, calldata) == calldata
        self.states.setdefault(key, OutboxStatus(OutboxState.QUEUED, None, None, "too dear" if self.is_stuck else ""))

    def status(self, key: str) -> OutboxStatus | None:
        return self.states.get(key)

    def step(self) -> None:
        if self.is_stuck:
            return
        for key, data in self.queued.items():
            if self.states[key].state is OutboxState.QUEUED:
                failed = bool(self.fails.intersection(self.market.sent[data]))
                state = OutboxState.FAILED if failed else OutboxState.FINAL
                self.states[key] = OutboxStatus(state, keccak(key.encode()), 1, "ran out of gas" if failed else "")

    def carried(self) -> list[tuple[int, ...]]:
        """Devices of every transaction, in order."""
        return [self.market.sent[data] for data in self.queued.values()]


def device_of(schedule: Schedule) -> int:
    """Number of a schedule's device."""
    return int.from_bytes(schedule.device_id, "big")
