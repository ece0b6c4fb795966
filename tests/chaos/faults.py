"""Striking, healing, and measuring how soon things go on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, replace

import httpx

from gridwitness.errors import GridwitnessError
from tests.chaos.ledger import Ledger
from tests.chaos.proxy import Fault, Kind
from tests.chaos.schedule import Event, Plague, Schedule
from tests.chaos.watcher import Watcher, until
from tests.chaos.world import MAX_WAIT_S, Member, World

_PATIENCE_S = 30.0
_LIVE_PATIENCE_S = 60.0
_SENDING = "eth_sendRawTransaction"


@dataclass
class Struck:
    """One event as it happened. Seconds into the run; `back_s` from the RPC's return to the next transaction.

    `lost` attestations were taken back by a reorganisation, `blocks` until the last of them stood again. `disturbed`
    if something else was wrong meanwhile.
    """

    plague: str
    detail: str
    at_s: float
    end_s: float = 0.0
    back_s: float | None = None
    lost: int = 0
    blocks: int | None = None
    blocks_each: list[int] = field(default_factory=list)
    disturbed: bool = False

    def document(self) -> dict[str, object]:
        return asdict(self)


@dataclass
class Chaos:
    """Works a schedule off."""

    world: World
    watcher: Watcher
    ledger: Ledger
    begun: float
    struck: list[Struck] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._down: set[str] = set()
        self._healing: set[asyncio.Task[None]] = set()

    @property
    def now_s(self) -> float:
        return time.monotonic() - self.begun

    @property
    def is_whole(self) -> bool:
        """Whether nothing is struck at the moment."""
        return not self._down

    async def run(self, schedule: Schedule) -> None:
        """Strike at the times of the schedule, later if the event before lasts longer."""
        for event in schedule.events:
            await asyncio.sleep(max(event.at_s - self.now_s, 0))
            task = asyncio.create_task(self._strike(event))
            self._healing.add(task)
            if not event.overlaps:
                await task
            self._healing = {one for one in self._healing if not one.done()} | ({task} if event.overlaps else set())
        await asyncio.gather(*self._healing)

    async def _strike(self, event: Event) -> None:
        name = event.plague.value if event.rpc is None else f"rpc_{event.rpc.value}"
        record = Struck(name, "", self.now_s, disturbed=bool(self._down))
        self._down.add(key := f"{name} {record.at_s}")
        self.struck.append(record)
        self.counts[name] += 1
        try:
            match event.plague:
                case Plague.KILL_ORACLE:
                    await self._kill_oracle(event, record)
                case Plague.KILL_BROKER:
                    await self._kill_broker(event, record)
                case Plague.KILL_WORKER:
                    await self._kill_worker(event, record)
                case Plague.KILL_ANVIL:
                    await self._kill_anvil(event, record)
                case Plague.REORG:
                    await self._reorganise(event, record)
                case Plague.RPC:
                    await self._break_rpc(event, record)
                case Plague.DISK_FULL:
                    await self._fill_disk(event, record)
        finally:
            record.end_s = self.now_s
            record.disturbed |= len(self._down) > 1
            self._down.discard(key)

    async def _kill_oracle(self, event: Event, record: Struck) -> None:
        member = self.world.honest[event.target]
        record.detail = member.name
        if member.process is None:  # struck a moment ago
            return
        member.kill()
        await asyncio.sleep(event.pause_s)
        await self._revive(member)

    async def _revive(self, member: Member) -> None:
        member.start()
        begun = time.monotonic()
        async with httpx.AsyncClient(timeout=1, trust_env=False) as client:
            while time.monotonic() - begun < _LIVE_PATIENCE_S:
                if member.process is None:
                    return
                if member.process.poll() is not None:
                    # Its chain may be away: it must not start blind, and whoever supervises it starts it again.
                    member.start()
                    await asyncio.sleep(0.5)
                try:
                    if (await client.get(f"{member.url}/live")).is_success:
                        return
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.1)
        self.violations.append(f"{member.name} did not come back in {_LIVE_PATIENCE_S:.0f} s after {self.now_s:.0f} s")

    async def _kill_broker(self, event: Event, record: Struck) -> None:
        broker = (self.world.broker, self.world.nats)[event.target]
        record.detail = ("mosquitto", "nats-server")[event.target]
        if broker.process is None:
            return
        broker.kill()
        await asyncio.sleep(event.pause_s)
        await asyncio.to_thread(broker.start)

    async def _kill_worker(self, event: Event, record: Struck) -> None:
        worker = self.world.workers[event.target]
        record.detail = worker.name
        if worker.process is None:
            return
        worker.kill()
        await asyncio.sleep(event.pause_s)
        worker.start()

    async def _kill_anvil(self, event: Event, record: Struck) -> None:
        head = self.watcher.head
        self.world.anvil.kill()
        await asyncio.sleep(event.pause_s)
        self.world.anvil.revive()
        lost = 0 if head is None else head.number - self.world.anvil.node.head().number
        record.detail = f"came back {lost} blocks older"
        await self._measure_return(record)

    async def _break_rpc(self, event: Event, record: Struck) -> None:
        assert event.rpc is not None
        members = self.world.honest if event.target < 0 else [self.world.honest[event.target]]
        fault = {
            Kind.LATENCY: Fault(event.rpc, times=None, delay_s=event.pause_s / 2),
            Kind.STALE_HEAD: Fault(event.rpc, times=None, blocks=event.depth),
            Kind.DROP_AFTER_SEND: Fault(event.rpc, method=_SENDING, times=None),
            Kind.TOO_MANY: Fault(event.rpc, times=None, retry_after_s=1 if event.depth % 2 else None),
        }.get(event.rpc, Fault(event.rpc, times=None))
        record.detail = f"{event.pause_s:.1f} s, {', '.join(member.name for member in members)}"
        proxies = [self.world.proxies[member.index] for member in members]
        if event.target < 0:
            proxies = self.world.proxies
        for proxy in proxies:
            proxy.inject(replace(fault))
        await asyncio.sleep(event.pause_s)
        for proxy in proxies:
            proxy.clear()
        await self._measure_return(record)

    async def _reorganise(self, event: Event, record: Struck) -> None:
        head = self.watcher.head
        if head is None or not await until(lambda: self._is_deep_enough(1), _PATIENCE_S):
            return
        head = self.watcher.head
        assert head is not None
        depth = min(event.depth, head.number - self.world.oldest_fork)
        record.detail = f"{depth} blocks"
        lost = [batch for batch in self.watcher.attested if batch.block_number > head.number - depth]
        try:
            self.world.anvil.reorganise(depth)
            fork = self.world.anvil.node.head().number
        except GridwitnessError as error:  # another event has it down
            record.detail += f": {error.message}"
            return
        record.lost = len(lost)
        if not lost:
            return
        await until(lambda: self.watcher.seq < lost[-1].seq, 1)
        if await until(lambda: self.watcher.seq >= lost[-1].seq, 2 * _PATIENCE_S) is None:
            record.detail += f"; not attested again: {lost[-1].seq}"
            return
        again = {batch.seq: batch.block_number for batch in self.watcher.attested}
        record.blocks_each = [again[batch.seq] - fork for batch in lost if batch.seq in again]
        record.blocks = max(record.blocks_each)

    def _is_deep_enough(self, depth: int) -> bool:
        head = self.watcher.head
        return head is not None and head.number - depth >= self.world.oldest_fork

    async def _fill_disk(self, event: Event, record: Struck) -> None:
        member = self.world.honest[0]
        record.detail = member.name
        self.world.disk.fill(member.process)
        await asyncio.sleep(event.pause_s)
        self.world.disk.free(member.process)

    async def _measure_return(self, record: Struck) -> None:
        """The chain is back: how long until somebody sends a transaction again, if one is due."""
        back, sent = time.monotonic(), self.watcher.transactions_sent()
        if not self._is_due():
            return
        took = await until(lambda: self.watcher.transactions_sent() > sent, _PATIENCE_S)
        record.back_s = time.monotonic() - back if took is None else took

    def _is_due(self) -> bool:
        """Whether a reading has waited longer than it may, and no transaction is in the pool that could hold it."""
        then_s = self.now_s - MAX_WAIT_S - 1
        acknowledged = max((one.acknowledged for one in self.watcher.samples if one.at_s <= then_s), default=0)
        attested = sum(batch.meta.count for batch in self.watcher.attested)
        try:
            pool = self.world.anvil.node.rpc("txpool_status")
        except GridwitnessError:
            return False
        return acknowledged > attested and int(pool["pending"], 16) == 0
