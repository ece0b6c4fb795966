"""Keeps order books in the index while the chain still has them: their ring is taken again after some days."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from gridwitness.chain.market import Market
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import TICKS, Order, Side
from gridwitness.domain.slots import SLOTS_PER_DAY, slot_of, slots_of_day
from gridwitness.errors import InputError
from gridwitness.market.clearing import book_order
from gridwitness.service.portal.schedules import submission
from gridwitness.service.portal.sources import Site
from gridwitness.service.portal.zone_rules import rules_of
from gridwitness.store.site_index import put_meta

# A slot's place in the ring may be ordered in again so many slots after it started (IEnergyMarket).
_RING_KEEPS_SLOTS = 736
_FORMAT = f">{TICKS}I"
Sums = tuple[int, ...]


class Books:
    """Books of the site's zone."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._market = Market(site.chain)

    def refresh(self, days: Iterable[int]) -> None:
        """Read the books of days anew whose schedules have changed. Raises ChainError."""
        for day in sorted(set(days)):
            key, stamp = f"books {day}", self._stamp(day)
            if stamp and stamp != self._site.index.meta(key):
                books = self._read(day)
                rows = [(self._site.options.zone, slot, _pack(bids), _pack(offers)) for slot, bids, offers in books]
                with self._site.index.write() as connection:
                    connection.executemany("INSERT OR REPLACE INTO books VALUES (?, ?, ?, ?)", rows)
                    put_meta(connection, key, stamp)

    def _stamp(self, day: int) -> str:
        """Names the schedules that stand for a day; empty without any."""
        query = "SELECT COUNT(*), MAX(block), SUM(block * 4096 + log_index) FROM logs"
        ((count, *rest),) = self._site.index.rows(f"{query} WHERE name = 'ScheduleSubmitted' AND day = ?", (day,))
        return f"{count} {rest}" if count else ""

    def _read(self, day: int) -> list[tuple[int, Sums, Sums]]:
        site, slots = self._site, slots_of_day(day)
        if slots[0] + _RING_KEEPS_SLOTS <= slot_of(site.head.time):
            return self._add_up(day)
        return [(slot, *book) for slot, book in zip(slots, self._market.books(site.options.zone, slots), strict=True)]

    def _add_up(self, day: int) -> list[tuple[int, Sums, Sums]]:
        """Books from the schedules themselves, for days whose place in the ring is taken."""
        bids = [[0] * TICKS for _ in range(SLOTS_PER_DAY)]
        offers = [[0] * TICKS for _ in range(SLOTS_PER_DAY)]
        for device_id, orders in self._orders(day):
            for place, order in self._placed(device_id, day, orders):
                side = bids if order.side is Side.BID else offers
                side[place][order.tick] += order.energy_wh
        return [
            (slot, tuple(bid), tuple(offer)) for slot, bid, offer in zip(slots_of_day(day), bids, offers, strict=True)
        ]

    def _orders(self, day: int) -> list[tuple[bytes, Sequence[Order]]]:
        """Orders that stood, of each device the newest."""
        clause = "WHERE name = 'ScheduleSubmitted' AND day = ? ORDER BY block, log_index"
        newest = {log.device: log for log in self._site.index.logs(clause, (day,))}
        found: list[tuple[bytes, Sequence[Order]]] = []
        for device_id, log in newest.items():
            said = submission(self._site.index, bytes.fromhex(log.args["scheduleHash"][2:]))
            if said is not None and device_id is not None and said.zone == self._site.options.zone:
                found.append((device_id, said.orders))
        return found

    def _placed(self, device_id: bytes, day: int, orders: Sequence[Order]) -> list[tuple[int, Order]]:
        rules = rules_of(self._site, self._site.options.zone, day)
        device = self._site.registry.device(device_id)
        if rules is None or device is None:
            return []
        green = rules.is_green(DeviceKind(device.kind))
        placed = []
        for place, order in enumerate(orders):
            try:
                side, tick, energy_wh = book_order(order, rules, green=green)
            except InputError:
                continue  # the market took no such order: the rules it went by are older than those known here
            placed.append((place, Order(side, tick, energy_wh)))
        return placed


def book_of(site: Site, zone: int, slot: int) -> tuple[Sums, Sums] | None:
    """Sums of bids and of offers (Wh) per tick of a slot; None if nobody ever ordered in it."""
    rows = site.index.rows("SELECT bids_wh, offers_wh FROM books WHERE zone = ? AND slot = ?", (zone, slot))
    return (_unpack(rows[0][0]), _unpack(rows[0][1])) if rows else None


def _pack(sums_wh: Sequence[int]) -> bytes:
    return struct.pack(_FORMAT, *sums_wh)


def _unpack(packed: bytes) -> Sums:
    return struct.unpack(_FORMAT, packed)
