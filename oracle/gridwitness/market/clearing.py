"""Reference clearing of one delivery slot, equal to IEnergyMarket.clear to the bit.

With S(p) the offers at ticks ≤ p and D(p) the bids at ticks ≥ p, D(128) = 0:

* p is the lowest tick with S(p) ≥ D(p + 1).
* If S(p) = D(p + 1), every price from p to q clears the market, q being the next tick above p with a bid or an offer,
  127 if there is none; the slot clears at floor((p + q) / 2). Otherwise it clears at p. An empty book gives tick 63.
* The volume V is min(S, D) at that tick t. Bids above t and offers below it are filled whole; at t, bids share
  V − D(t + 1) and offers V − S(t − 1) pro rata, each order rounded down to a Wh.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from operator import add

from gridwitness.domain.market import TICKS, Clearing, Order, Side, ZoneParams
from gridwitness.errors import InputError


@dataclass(frozen=True, slots=True)
class Book:
    """Sums of bids and of offers per tick (Wh), `TICKS` of each. Raises InputError if there are more or fewer."""

    bids_wh: tuple[int, ...]
    offers_wh: tuple[int, ...]

    def __post_init__(self) -> None:
        for name, sums_wh in (("bids", self.bids_wh), ("offers", self.offers_wh)):
            if len(sums_wh) != TICKS:
                raise InputError(f"a book has {len(sums_wh)} sums of {name}; it must have {TICKS}")

    def supply_wh(self, tick: int) -> int:
        """Offers at `tick` or cheaper: S(tick)."""
        return sum(self.offers_wh[: tick + 1])

    def demand_wh(self, tick: int) -> int:
        """Bids at `tick` or dearer: D(tick)."""
        return sum(self.bids_wh[tick:])


def book_of(orders: Iterable[Order]) -> Book:
    """The book of one slot's orders. Raises InputError if an order's tick is out of range."""
    bids_wh, offers_wh = [0] * TICKS, [0] * TICKS
    for order in orders:
        if not 0 <= order.tick < TICKS:
            raise InputError(f"order tick {order.tick} is outside 0 to {TICKS - 1}")
        side_wh = bids_wh if order.side is Side.BID else offers_wh
        side_wh[order.tick] += order.energy_wh
    return Book(tuple(bids_wh), tuple(offers_wh))


def clearing_tick(book: Book) -> int:
    """The canonical price tick of a book."""
    # S(p) ≥ D(p + 1) says the same as: offers and bids at ticks ≤ p reach the sum of all bids. One pass finds it.
    all_bids_wh = sum(book.bids_wh)
    reached = enumerate(accumulate(map(add, book.offers_wh, book.bids_wh)))
    lowest, reached_wh = next((tick, sum_wh) for tick, sum_wh in reached if sum_wh >= all_bids_wh)
    if reached_wh > all_bids_wh:
        return lowest
    occupied = (tick for tick in range(lowest + 1, TICKS) if book.bids_wh[tick] or book.offers_wh[tick])
    return (lowest + next(occupied, TICKS - 1)) // 2


def clear(book: Book, params: ZoneParams) -> Clearing:
    """Clear a slot at its canonical price."""
    tick = clearing_tick(book)
    volume_wh = min(book.supply_wh(tick), book.demand_wh(tick))
    return Clearing(
        tick=tick,
        price_per_kwh=params.price_of(tick),
        volume_wh=volume_wh,
        marginal_bid_filled_wh=volume_wh - book.demand_wh(tick + 1),
        marginal_bid_wh=book.bids_wh[tick],
        marginal_offer_filled_wh=volume_wh - book.supply_wh(tick - 1),
        marginal_offer_wh=book.offers_wh[tick],
    )


def fill_wh(order: Order, clearing: Clearing) -> int:
    """Energy (Wh ≥ 0) that an order of the slot's book contracted."""
    if order.energy_wh == 0:
        return 0
    if order.tick == clearing.tick:
        if order.side is Side.BID:
            return order.energy_wh * clearing.marginal_bid_filled_wh // clearing.marginal_bid_wh
        return order.energy_wh * clearing.marginal_offer_filled_wh // clearing.marginal_offer_wh
    better = order.tick > clearing.tick if order.side is Side.BID else order.tick < clearing.tick
    return order.energy_wh if better else 0
