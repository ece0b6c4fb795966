"""What is true on chain at each moment, seen by a way that nobody disturbs."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import httpx

from gridwitness.chain.attestation import StreamView
from gridwitness.chain.node import Block
from gridwitness.domain.batches import AttestedBatch
from gridwitness.errors import ChainError
from tests.chaos.world import World

_EVERY_S = 0.15
_STATUS_EVERY_S = 4.0
_KEEP_EVERY_S = 4.0
_SENT = "eth_sendRawTransaction"


@dataclass(frozen=True, slots=True)
class Sample:
    """A point of the timeline: seconds into the run, batches, readings in them, readings acknowledged."""

    at_s: float
    seq: int
    attested: int
    acknowledged: int


@dataclass
class Watcher:
    """Looks at chain and members until cancelled. `failures` by member and kind, as its peers name them in status."""

    world: World
    head: Block | None = None
    attested: list[AttestedBatch] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    failures: defaultdict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    signed: Counter[int] = field(default_factory=Counter)
    last_failures: dict[int, str] = field(default_factory=dict)
    proven: int = 0

    def __post_init__(self) -> None:
        self._view = StreamView(self.world.chain, self.world.readings_stream, reorg_depth=64)

    @property
    def chain_time(self) -> int:
        """Timestamp of the newest block seen."""
        return self.world.anvil.head_time if self.head is None else max(self.head.time, self.world.anvil.head_time)

    @property
    def seq(self) -> int:
        return len(self.attested)

    def transactions_sent(self) -> int:
        """How often honest oracles have sent a transaction."""
        return sum(self.world.proxies[member.index].seen[_SENT] for member in self.world.honest)

    def tasks(self) -> tuple[Coroutine[None, None, None], ...]:
        """All that it does beside the run."""
        return self.run(), self.keep_state(), self.ask_members()

    async def run(self) -> None:
        """Look at the chain again and again."""
        while True:
            try:
                self.head, self.attested = await asyncio.to_thread(self._look)
                self.world.anvil.head_time = max(self.world.anvil.head_time, self.head.time)
                self._check(self.attested)
            except ChainError:
                pass  # killed at this moment
            await asyncio.sleep(_EVERY_S)

    def _look(self) -> tuple[Block, list[AttestedBatch]]:
        return self.world.chain.head(), self._view.attested(0)

    def _check(self, attested: list[AttestedBatch]) -> None:
        for number, batch in enumerate(attested, 1):
            if batch.seq != number:
                self.violations.append(f"batch {batch.seq} stands on chain as number {number}")
        blocks = [batch.block_number for batch in attested]
        if blocks != sorted(blocks):
            self.violations.append("a batch stands before one with a lower number")

    async def keep_state(self) -> None:
        """Keep the chain's newest state."""
        while True:
            await asyncio.to_thread(self.world.anvil.keep)
            await asyncio.sleep(_KEEP_EVERY_S)

    async def ask_members(self) -> None:
        """Read again and again what honest members say of the others."""
        async with httpx.AsyncClient(timeout=3, trust_env=False) as client:
            while True:
                for member in self.world.honest:
                    try:
                        status = (await client.get(f"{member.url}/v1/status")).json()
                    except (httpx.HTTPError, ValueError):
                        continue
                    self._note(status["members"])
                await asyncio.sleep(_STATUS_EVERY_S)

    def _note(self, members: list[dict[str, Any]]) -> None:
        indices = {member.account.address: member.index for member in self.world.members}
        for said in members:
            index = indices[said["address"]]
            for kind, count in said["failures"].items():
                self.failures[index][kind] = max(self.failures[index][kind], count)
            self.signed[index] = max(self.signed[index], said["signed"])
            if said["last_failure"]:
                self.last_failures[index] = said["last_failure"]


async def until(condition: Any, patience_s: float, every_s: float = 0.02) -> float | None:
    """Seconds until a condition holds; None if it did not in time."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > patience_s:
            return None
        await asyncio.sleep(every_s)
    return time.monotonic() - begun
