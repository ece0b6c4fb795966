"""What was traded and settled in a demo, as the chain told it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gridwitness.chain.market import Backstop, EndedDispute, MadeRun
from gridwitness.domain.market import Clearing, Schedule, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY, day_of, slots_of_day
from gridwitness.market.clearing import Book, BookOrder, book_order
from gridwitness.service.demo.actors import Home


class Key(NamedTuple):
    """A device's delivery day, which has at most one schedule."""

    device_id: bytes
    day: int


@dataclass
class Trades:
    """Everything the market did; `green` are the ids of the devices whose offers receive the premium.

    `payees` are the accounts that devices' schedules settle on, where that is not the owner's.
    """

    params: ZoneParams
    green: frozenset[bytes]
    payees: dict[bytes, str] = field(default_factory=dict)
    # Schedules with energy by day; profiles' 96 net energies (Wh) of all devices, whether they trade or not.
    schedules: dict[int, list[Schedule]] = field(default_factory=dict)
    profiles_wh: dict[Key, Sequence[int]] = field(default_factory=dict)
    books: dict[int, Book] = field(default_factory=dict)
    clearings: dict[int, Clearing] = field(default_factory=dict)
    # The newest run of each schedule, and what accounts received (> 0) or paid for good, in token units.
    runs: dict[Key, MadeRun] = field(default_factory=dict)
    final_cash: dict[Key, int] = field(default_factory=dict)
    held: set[Key] = field(default_factory=set)
    disputes: list[EndedDispute] = field(default_factory=list)
    # The zone's money after every transaction.
    backstops: list[Backstop] = field(default_factory=list)

    def all_schedules(self) -> Iterator[tuple[Key, Schedule]]:
        """Every schedule with its key, day by day."""
        for day, schedules in self.schedules.items():
            for schedule in schedules:
                yield Key(schedule.device_id, day), schedule

    def is_green(self, schedule: Schedule) -> bool:
        """Whether a schedule's offers receive the premium."""
        return schedule.device_id in self.green

    def account_of(self, home: Home) -> str:
        """Account that a home's schedules settle on."""
        return self.payees.get(home.meter.key.device_id, home.owner.address)

    def book_orders(self, slot: int) -> list[BookOrder]:
        """All orders of a slot as they stand in its book."""
        orders = (
            book_order(schedule.orders[slot % SLOTS_PER_DAY], self.params, green=self.is_green(schedule))
            for schedule in self.schedules[day_of(slot)]
        )
        return [order for order in orders if order.energy_wh]

    def clearings_of(self, day: int) -> list[Clearing]:
        """The 96 clearings of a day."""
        return [self.clearings[slot] for slot in slots_of_day(day)]
