"""What time it is for an oracle: the machine's, or the chain's where the chain runs in the data's own time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

# More than a public chain takes for a block and clocks differ by, so that there the head decides.
_LAG_S = 60


class Clock(Protocol):
    """Unix seconds. `now` never blocks; `refresh` may ask elsewhere first; `observe` tells it a new head's time."""

    def now(self) -> int:
        """The time as last known."""
        ...

    def observe(self, head_time: int) -> None:
        """Learn of a new head."""
        ...

    async def refresh(self) -> int:
        """The time, read anew."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Seconds now."""
        return int(time.time())

    def observe(self, head_time: int) -> None:
        """The chain's time is not ours."""

    async def refresh(self) -> int:
        """Seconds now."""
        return self.now()


class ChainTime:
    """The chain's time, to say when a signed batch is valid: the newest head's timestamp.

    Development chains make blocks only for transactions, and then the head's timestamp stands still while time goes on.
    So after `_LAG_S` the head's age counts too, and the oracle's own clock less as much.
    """

    def __init__(self, clock: Clock, head_time: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._head_time = head_time
        self._seen_at = monotonic()

    def observe(self, head_time: int) -> None:
        """Take the timestamp of a head just read."""
        if head_time != self._head_time:
            self._head_time, self._seen_at = head_time, self._monotonic()

    def now(self) -> int:
        """Unix seconds; the next block's timestamp is not before it."""
        head_age_s = int(self._monotonic() - self._seen_at)
        return max(self._head_time, self._head_time + head_age_s - _LAG_S, self._clock.now() - _LAG_S)


class ChainClock:
    """The timestamp of the chain's newest block; whoever reads a head anyway may tell it with `observe`.

    It does not go back with a reorganisation, or to a node that is behind: what was over then is over.
    """

    def __init__(self, head_time: Callable[[], int]) -> None:
        """`head_time` asks the node; it may block and may raise ChainError."""
        self._head_time = head_time
        self._now = head_time()

    def now(self) -> int:
        """The newest timestamp that was read."""
        return self._now

    def observe(self, head_time: int) -> None:
        """Take the timestamp of a head just read."""
        self._now = max(self._now, head_time)

    async def refresh(self) -> int:
        """Read the newest block's timestamp. Raises ChainError."""
        self.observe(await asyncio.to_thread(self._head_time))
        return self._now
