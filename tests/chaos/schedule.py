"""What goes wrong and when: drawn from a seed, so that a run can be repeated."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from tests.chaos.proxy import Kind

MAX_REORG_DEPTH = 32
# A new fault begins while the one before is not over yet, once in so many.
_OVERLAP = 0.15
# Of RPC faults, how many strike one oracle's way to the chain only.
_SINGLE = 0.25
_KILLS_PER_MINUTE, _REORGS_PER_MINUTE, _RPC_PER_MINUTE, _DISK_PER_MINUTE = 3.5, 0.9, 1.75, 0.15
_LEAST_KILLS, _LEAST_REORGS, _LEAST_RPC, _LEAST_DISK = 15, 5, 14, 1


class Plague(StrEnum):
    """Kinds of events."""

    KILL_ORACLE = "kill_oracle"
    KILL_WORKER = "kill_worker"
    KILL_BROKER = "kill_broker"
    KILL_ANVIL = "kill_anvil"
    REORG = "reorg"
    RPC = "rpc"
    DISK_FULL = "disk_full"


@dataclass(frozen=True, slots=True)
class Event:
    """One event, `at_s` seconds into the run. What its numbers mean depends on the kind.

    `target` counts among those that can be struck, -1 for all; `pause_s` is how long it lasts, or how long a killed
    process stays away; `depth` blocks of a reorganisation or of a stale head; `overlaps` if the next may begin before
    this one is over.
    """

    at_s: float
    plague: Plague
    target: int = -1
    pause_s: float = 0.0
    depth: int = 0
    rpc: Kind | None = None
    overlaps: bool = False


@dataclass(frozen=True, slots=True)
class Targets:
    """How many processes of a kind there are to be struck; `workers` 0 without any."""

    oracles: int
    brokers: int
    workers: int = 0


@dataclass
class Schedule:
    """Events in order of time."""

    events: list[Event] = field(default_factory=list)

    def document(self) -> list[dict[str, object]]:
        """For the record of a run."""
        return [
            {name: getattr(event, name) for name in Event.__slots__ if getattr(event, name) not in (None, -1)}
            for event in self.events
        ]


def draw(seed: int, minutes: float, targets: Targets, pace: float = 1) -> Schedule:
    """The schedule of a run of `minutes`, `pace` times as dense as usual; the same for the same arguments."""
    rng = random.Random(f"gridwitness chaos {seed}")
    plagues = list(_plagues(minutes * pace, targets))
    rng.shuffle(plagues)
    # The first seconds are left for traffic to begin, the last for the last event to pass.
    step_s = (60 * minutes - 20) / len(plagues)
    events = [
        _event(rng, 8 + step_s * (index + 0.6 * rng.random()), plague, kind, targets)
        for index, (plague, kind) in enumerate(plagues)
    ]
    return Schedule(events)


def _plagues(minutes: float, targets: Targets) -> Iterator[tuple[Plague, Kind | None]]:
    """What is to be struck how often in that many minutes of usual pace; each kind has its share, however few."""
    kills = [Plague.KILL_ORACLE, Plague.KILL_ANVIL, Plague.KILL_ORACLE, Plague.KILL_BROKER, Plague.KILL_WORKER] * 2
    kills += [Plague.KILL_ANVIL]
    there = {Plague.KILL_BROKER: targets.brokers, Plague.KILL_WORKER: targets.workers}
    kinds = itertools.cycle(one for one in kills if there.get(one, 1))
    yield from ((next(kinds), None) for _ in range(max(_LEAST_KILLS, round(_KILLS_PER_MINUTE * minutes))))
    yield from [(Plague.REORG, None)] * max(_LEAST_REORGS, round(_REORGS_PER_MINUTE * minutes))
    ways = itertools.cycle(Kind)
    yield from ((Plague.RPC, next(ways)) for _ in range(max(_LEAST_RPC, round(_RPC_PER_MINUTE * minutes))))
    yield from [(Plague.DISK_FULL, None)] * max(_LEAST_DISK, round(_DISK_PER_MINUTE * minutes))


def _event(rng: random.Random, at_s: float, plague: Plague, kind: Kind | None, targets: Targets) -> Event:
    number = {
        Plague.KILL_ORACLE: targets.oracles,
        Plague.KILL_WORKER: targets.workers,
        Plague.KILL_BROKER: targets.brokers,
        Plague.RPC: targets.oracles,
    }.get(plague, 1)
    target, pause_s, overlaps = rng.randrange(number), rng.uniform(0, 2), rng.random() < _OVERLAP
    depth = rng.randint(1, MAX_REORG_DEPTH)
    if plague is Plague.RPC:
        single = rng.random() < _SINGLE
        return Event(at_s, plague, target if single else -1, rng.uniform(2, 5), depth, kind)
    if plague is Plague.DISK_FULL:
        return Event(at_s, plague, pause_s=rng.uniform(2, 4))
    if plague is Plague.REORG:
        return Event(at_s, plague, depth=depth)
    return Event(at_s, plague, target, pause_s, overlaps=overlaps)
