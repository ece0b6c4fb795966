"""Follows a contract's events from its first block on, in bounded requests, through reorganisations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gridwitness.chain.client import Chain
from gridwitness.chain.events import Event, decode_log, topic_of
from gridwitness.errors import ChainError, NodeUnavailable

BLOCK_RANGE = 2_000  # what public RPC providers accept in one request
REORG_DEPTH = 12  # blocks below the head that are read again at every new head


class LogFollower:
    """All events of some kinds of one contract, kept in chain order.

    The last `reorg_depth` blocks are read again whenever the head moves. A deeper reorganisation is noticed by the hash
    of the block below them, and then everything is read again; so the events always are those of the node's chain.
    `head_time` is the timestamp (unix seconds) of the newest block that was read.
    """

    def __init__(
        self,
        chain: Chain,
        contract: str,
        events: Sequence[str],
        *,
        topics: Sequence[str | None] = (),
        abi: str = "",
        block_range: int = BLOCK_RANGE,
        reorg_depth: int = REORG_DEPTH,
    ) -> None:
        """`topics` further restrict the indexed arguments, as in eth_getLogs; `abi` is the events', if another."""
        self.events: list[Event] = []
        self.head_time = 0
        self._chain = chain
        self._contract = contract
        self._abi = abi or contract
        self._topics = [["0x" + topic_of(self._abi, event).hex() for event in events], *topics]
        self._first_block = chain.manifest.block(contract)
        self._block_range = block_range
        self._reorg_depth = reorg_depth
        self._head_hash = b""
        self._settled: tuple[int, bytes] | None = None  # last block that is not read again, with its hash

    def sync(self) -> int:
        """Read up to the head. Returns the index from which `events` changed: its old length if it only grew."""
        epoch = self._chain.node.provider.epoch
        head = self._chain.head()
        if head.hash == self._head_hash:
            return len(self.events)
        start = self._resume_at()
        kept = [event for event in self.events if event.block_number < start]
        fresh = self._read(start, head.number)
        settled = self._chain.node.block(max(head.number - self._reorg_depth, 0))
        if self._chain.node.provider.epoch != epoch:  # one node's head must not stand for another's logs
            raise NodeUnavailable("another node took over while events were read", hint="they are read again")
        old = self.events
        self.events = kept + fresh
        self._settled = (settled.number, settled.hash) if settled and settled.number >= self._first_block else None
        self._head_hash, self.head_time = head.hash, head.time
        return _first_difference(old, self.events)

    def _resume_at(self) -> int:
        if self._settled is None:
            return self._first_block
        number, block_hash = self._settled
        block = self._chain.node.block(number)
        return number + 1 if block is not None and block.hash == block_hash else self._first_block

    def _read(self, start: int, end: int) -> list[Event]:
        events = []
        address = self._chain.manifest.address(self._contract)
        for first in range(start, end + 1, self._block_range):
            last = min(first + self._block_range - 1, end)
            query: dict[str, Any] = {
                "address": address,
                "topics": self._topics,
                "fromBlock": hex(first),
                "toBlock": hex(last),
            }
            logs = self._chain.node.rpc("eth_getLogs", query)
            if not isinstance(logs, list):
                raise ChainError(f"eth_getLogs for blocks {first} to {last} answered no list")
            decoded = (decode_log(self._abi, log) for log in logs)
            events += [event for event in decoded if event is not None]
        return events


def _first_difference(old: Sequence[Event], new: Sequence[Event]) -> int:
    for index, (before, after) in enumerate(zip(old, new, strict=False)):
        if (before.block_hash, before.log_index) != (after.block_hash, after.log_index):
            return index
    return min(len(old), len(new))
