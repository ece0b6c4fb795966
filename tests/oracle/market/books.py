"""Seeded books that try to break a clearing, thousands of them: Hypothesis goes for depth, these for breadth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from gridwitness.domain.market import MAX_TICK_SUM_WH, TICKS, Order, Side, ZoneParams
from gridwitness.market.clearing import BookOrder, book_of, clear

from .orders import FEE_ZONE, ZONE, fitting, in_book

# Fees above most limits, and premiums that bring offers down to tick 0 at once.
ZONES = (
    ZONE,
    FEE_ZONE,
    *(
        replace(ZONE, network_fee_ticks=fee, green_premium_ticks=premium)
        for fee, premium in ((0, 127), (60, 1), (127, 3))
    ),
    replace(FEE_ZONE, cap_tick=64),
)


def adversarial_books(count: int, seed: int) -> Iterator[tuple[list[BookOrder], ZoneParams, int]]:
    """Orders at their book ticks, the rules they were placed under, and a feeder cap."""
    random = Random(seed)
    for _ in range(count):
        params = random.choice(ZONES)
        green = random.random() < 0.5
        orders = random.choice(SHAPES)(random)
        placed = in_book(fitting(orders, [green] * len(orders), params), params, green=green)
        volume_wh = clear(book_of(placed), params).volume_wh
        near = (0, 1, volume_wh, max(0, volume_wh - 1), volume_wh + 1, volume_wh // 2, params.feeder_cap_wh)
        yield placed, params, random.choice(near)


def _energy_wh(random: Random) -> int:
    return random.choice(
        (1, 2, 3, random.randint(1, 50), random.randint(1, 5_000), MAX_TICK_SUM_WH, MAX_TICK_SUM_WH - 1)
    )


def _orders(random: Random, ticks: range | tuple[int, ...]) -> list[Order]:
    return [
        Order(random.choice((Side.BID, Side.OFFER)), random.choice(ticks), _energy_wh(random))
        for _ in range(random.randint(0, 8))
    ]


def _anywhere(random: Random) -> list[Order]:
    return _orders(random, range(TICKS))


def _crowded(random: Random) -> list[Order]:
    middle = random.randrange(1, TICKS - 1)
    return _orders(random, (middle - 1, middle, middle + 1))


def _at_the_ends(random: Random) -> list[Order]:
    return _orders(random, (0, TICKS - 1))


def _at_one_tick(random: Random) -> list[Order]:
    return _orders(random, (random.randrange(TICKS),))


def _balanced(random: Random) -> list[Order]:
    """Supply meets demand to the Wh, with idle orders outside."""
    low, high = sorted((random.randrange(TICKS), random.randrange(TICKS)))
    parts_wh = [_energy_wh(random) for _ in range(random.randint(1, 3))]
    return [
        *(Order(Side.OFFER, low, part_wh) for part_wh in parts_wh),
        *(Order(Side.BID, high, part_wh) for part_wh in reversed(parts_wh)),
        Order(Side.BID, random.randint(0, low), _energy_wh(random)),
        Order(Side.OFFER, random.randint(high, TICKS - 1), _energy_wh(random)),
    ]


def _full(random: Random) -> list[Order]:
    """Tick sums near all they can hold."""
    return [replace(order, energy_wh=MAX_TICK_SUM_WH - random.randint(0, 2)) for order in _anywhere(random)]


SHAPES = (_anywhere, _crowded, _at_the_ends, _at_one_tick, _balanced, _full)
