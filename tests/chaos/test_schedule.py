"""A run can be repeated, and strikes as often as it says."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.chaos.proxy import Kind
from tests.chaos.schedule import MAX_REORG_DEPTH, Plague, Targets, draw

TARGETS = Targets(oracles=3, brokers=2, workers=2)


def test_draw__same_seed__is_the_same_schedule_and_another_is_not() -> None:
    assert draw(7, 5, TARGETS) == draw(7, 5, TARGETS)
    assert draw(7, 5, TARGETS) != draw(8, 5, TARGETS)


@pytest.mark.parametrize(("minutes", "kills", "reorgs", "rpc"), [(5, 15, 5, 12), (60, 200, 50, 100)])
def test_draw__short_and_long__strikes_often_enough(minutes: float, kills: int, reorgs: int, rpc: int) -> None:
    counts = Counter(event.plague for event in draw(1, minutes, TARGETS).events)
    assert sum(count for plague, count in counts.items() if plague.startswith("kill_")) >= kills
    assert counts[Plague.REORG] >= reorgs
    assert counts[Plague.RPC] >= rpc
    assert counts[Plague.DISK_FULL] >= 1


def test_draw__short__has_every_kind() -> None:
    events = draw(1, 5, TARGETS).events
    assert {event.plague for event in events} == set(Plague)
    assert {event.rpc for event in events} == {None, *Kind}


def test_draw__any__lies_within_the_run_and_its_limits() -> None:
    events = draw(3, 60, TARGETS).events
    assert [event.at_s for event in events] == sorted(event.at_s for event in events)
    assert 0 < events[0].at_s < events[-1].at_s < 3_600
    depths = {event.depth for event in events if event.plague is Plague.REORG}
    assert 1 <= min(depths) <= max(depths) <= MAX_REORG_DEPTH
    assert {event.target for event in events if event.plague is Plague.KILL_BROKER} == {0, 1}
