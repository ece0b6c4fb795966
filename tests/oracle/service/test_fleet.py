"""Many ask for the registry at once; the chain is asked once, and all hear what came of it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gridwitness.domain.devices import Device
from gridwitness.errors import ChainError
from gridwitness.service.fleet import Fleet


class Registry:
    """A registry behind a node that may be away."""

    head_time = 0

    def __init__(self) -> None:
        self.is_away = False
        self.reads = 0
        self.slow: threading.Event | None = None

    def sync(self) -> None:
        self.reads += 1
        if self.slow is not None:
            self.slow.wait(30)
        if self.is_away:
            raise ChainError("the node is away")

    def device(self, _: bytes) -> Device | None:
        return None

    def device_of_key(self, _: bytes) -> bytes | None:
        return None

    def devices(self, _: int) -> list[Device]:
        return []


async def test_refresh__many_at_once__ask_the_chain_at_most_twice() -> None:
    registry = Registry()
    fleet = Fleet(registry, 1)
    await asyncio.gather(*(fleet.refresh() for _ in range(20)))
    assert registry.reads <= 2


async def test_refresh__the_read_waited_for_failed__everyone_hears_so_and_the_next_asks_again() -> None:
    registry = Registry()
    fleet = Fleet(registry, 1)
    registry.is_away = True
    answers = await asyncio.gather(*(fleet.refresh() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(answer, ChainError) for answer in answers)
    assert registry.reads < 5
    with pytest.raises(ChainError, match="away"):
        await fleet.refresh()
    registry.is_away = False
    await fleet.refresh()


async def test_refresh__the_read_waited_for_was_broken_off__the_next_in_line_asks_again() -> None:
    registry = Registry()
    fleet = Fleet(registry, 1)
    await fleet.refresh()
    registry.slow = threading.Event()
    second, third = (asyncio.create_task(fleet.refresh()) for _ in range(2))
    while registry.reads < 2:  # the second's, which began after the third had asked
        await asyncio.sleep(0.01)
    second.cancel()
    registry.slow.set()
    await third
    assert registry.reads == 3
