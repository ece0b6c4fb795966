"""The chain's time, where it makes blocks and where it waits for transactions."""

from __future__ import annotations

from gridwitness.service.clock import ChainClock, ChainTime
from tests.oracle.service.oracle_parts import SetClock

HEAD = 1_469_000_000


class Stopwatch:
    """A monotonic clock that is set."""

    def __init__(self) -> None:
        self.seconds = 7.0

    def __call__(self) -> float:
        return self.seconds


def test_tell_time__blocks_come__is_the_newest_heads() -> None:
    stopwatch, clock = Stopwatch(), SetClock(HEAD)
    chain_time = ChainTime(clock, HEAD - 12, stopwatch)
    for _ in range(100):
        stopwatch.seconds += 12
        clock.time += 12
        chain_time.observe(clock.time - 3)
        assert chain_time.now() == clock.time - 3
        stopwatch.seconds += 11
        assert chain_time.now() == clock.time - 3
        stopwatch.seconds -= 11


def test_tell_time__head_stands_still__goes_on_behind_the_machines_clock() -> None:
    clock = SetClock(HEAD)
    chain_time = ChainTime(clock, HEAD, Stopwatch())
    clock.time = HEAD + 3_600
    assert chain_time.now() == HEAD + 3_540


def test_tell_time__head_stands_still_in_the_datas_own_time__goes_on_with_its_age() -> None:
    stopwatch, clock = Stopwatch(), SetClock(HEAD)
    chain_time = ChainTime(clock, HEAD, stopwatch)
    stopwatch.seconds += 100
    chain_time.observe(HEAD)  # the same head again is no news
    stopwatch.seconds += 200
    assert chain_time.now() == HEAD + 240
    chain_time.observe(HEAD + 900)
    assert chain_time.now() == HEAD + 900


async def test_tell_time__node_is_behind_after_a_reorganisation__does_not_go_back() -> None:
    heads = iter([HEAD, HEAD - 61, HEAD + 1])
    clock = ChainClock(lambda: next(heads))
    clock.observe(HEAD - 30)
    assert (clock.now(), await clock.refresh(), await clock.refresh()) == (HEAD, HEAD, HEAD + 1)
