"""Reference clearing of one delivery slot, equal to IEnergyMarket.clear to the bit.

An order stands in the book at the clearing price at which all that it pays or receives is its limit: a bid at its tick
less the network fee, an offer of a green device at its tick less the green premium, but not below tick 0. With S(p) the
offers at book ticks ≤ p and D(p) the bids at book ticks ≥ p, D(128) = 0, both cut at the feeder cap:

* p is the lowest tick with S(p) ≥ D(p + 1).
* If S(p) = D(p + 1), every price from p to q clears the market, q being the next tick above p with a bid or an offer
  within the cap, 127 if there is none; the slot clears at t = floor((p + q) / 2). Otherwise it clears at t = p. An
  empty book gives tick 63.
* The volume V is min(S(t), D(t)). Bids are served from the highest tick down and offers from the lowest up until V is
  reached: at t, or where the cap is reached if that is what ends it. What is left there is shared pro rata, each order
  rounded down to a Wh.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import add
from typing import NamedTuple

from gridwitness.domain.market import MAX_TICK_SUM_WH, TICKS, Clearing, Order, Side, ZoneParams
from gridwitness.errors import InputError


class BookOrder(NamedTuple):
    """An order as it stands in the book: `tick` is its book tick, not its limit."""

    side: Side
    tick: int
    energy_wh: int


def book_order(order: Order, params: ZoneParams, *, green: bool) -> BookOrder:
    """Place an order in the book; `green` says whether its device receives the premium.

    An order without energy is none and stands at tick 0. Raises InputError for one that the zone refuses.
    """
    if order.energy_wh == 0:
        return BookOrder(order.side, 0, 0)
    if not 0 <= order.tick <= params.cap_tick:
        raise InputError(f"order tick {order.tick} is outside 0 to {params.cap_tick}, the zone's price cap")
    if order.energy_wh < params.min_order_wh:
        raise InputError(f"an order of {order.energy_wh} Wh is below the zone's minimum of {params.min_order_wh} Wh")
    if order.side is Side.OFFER:
        premium_ticks = params.green_premium_ticks if green else 0
        return BookOrder(order.side, max(order.tick - premium_ticks, 0), order.energy_wh)
    if order.tick < params.network_fee_ticks:
        raise InputError(f"bid tick {order.tick} is below the network fee of {params.network_fee_ticks} ticks")
    return BookOrder(order.side, order.tick - params.network_fee_ticks, order.energy_wh)


@dataclass(frozen=True, slots=True)
class Book:
    """Sums of bids and of offers per book tick (Wh), `TICKS` of each.

    Raises InputError if there are more or fewer, or a sum is more than the contract's book can hold.
    """

    bids_wh: tuple[int, ...]
    offers_wh: tuple[int, ...]

    def __post_init__(self) -> None:
        for name, sums_wh in (("bids", self.bids_wh), ("offers", self.offers_wh)):
            if len(sums_wh) != TICKS:
                raise InputError(f"a book has {len(sums_wh)} sums of {name}; it must have {TICKS}")
            if max(sums_wh) > MAX_TICK_SUM_WH:
                raise InputError(f"{max(sums_wh)} Wh of {name} at one tick; it holds at most {MAX_TICK_SUM_WH}")

    def supply_wh(self, tick: int) -> int:
        """Offers at `tick` or cheaper: S(tick)."""
        return sum(self.offers_wh[: tick + 1])

    def demand_wh(self, tick: int) -> int:
        """Bids at `tick` or dearer: D(tick)."""
        return sum(self.bids_wh[tick:])

    def within(self, cap_wh: int) -> Book:
        """The book without what lies beyond the cap: the lowest bids and the highest offers are cut off."""
        if sum(self.bids_wh) <= cap_wh and sum(self.offers_wh) <= cap_wh:
            return self
        return Book(_first(self.bids_wh[::-1], cap_wh)[::-1], _first(self.offers_wh, cap_wh))


def _first(sums_wh: Sequence[int], cap_wh: int) -> tuple[int, ...]:
    """The sums up to a total of the cap."""
    reached = [min(total_wh, cap_wh) for total_wh in accumulate(sums_wh, initial=0)]
    return tuple(after - before for before, after in pairwise(reached))


def book_of(orders: Iterable[BookOrder]) -> Book:
    """The book of one slot's orders. Raises InputError if a tick is out of range or its sum too large."""
    bids_wh, offers_wh = [0] * TICKS, [0] * TICKS
    for side, tick, energy_wh in orders:
        if not 0 <= tick < TICKS:
            raise InputError(f"book tick {tick} is outside 0 to {TICKS - 1}")
        side_wh = bids_wh if side is Side.BID else offers_wh
        side_wh[tick] += energy_wh
    return Book(tuple(bids_wh), tuple(offers_wh))


def clearing_tick(book: Book) -> int:
    """The canonical price tick of a book within its cap."""
    # S(p) ≥ D(p + 1) says the same as: offers and bids at ticks ≤ p reach the sum of all bids. One pass finds it.
    all_bids_wh = sum(book.bids_wh)
    reached = enumerate(accumulate(map(add, book.offers_wh, book.bids_wh)))
    lowest, reached_wh = next((tick, sum_wh) for tick, sum_wh in reached if sum_wh >= all_bids_wh)
    if reached_wh > all_bids_wh:
        return lowest
    occupied = (tick for tick in range(lowest + 1, TICKS) if book.bids_wh[tick] or book.offers_wh[tick])
    return (lowest + next(occupied, TICKS - 1)) // 2


def clear(book: Book, params: ZoneParams, cap_wh: int | None = None) -> Clearing:
    """Clear a slot at its canonical price; `cap_wh` is the cap set for this slot, if not the zone's applies."""
    cap_wh = params.feeder_cap_wh if cap_wh is None else cap_wh
    capped = book.within(cap_wh)
    tick = clearing_tick(capped)
    volume_wh = min(capped.supply_wh(tick), capped.demand_wh(tick))
    bid_tick = offer_tick = tick
    if volume_wh == cap_wh:
        bid_tick = max(rank for rank in range(TICKS) if book.demand_wh(rank) >= cap_wh)
        offer_tick = min(rank for rank in range(TICKS) if book.supply_wh(rank) >= cap_wh)
    return Clearing(
        tick=tick,
        price_per_kwh=params.price_of(tick),
        volume_wh=volume_wh,
        cap_wh=cap_wh,
        bid_tick=bid_tick,
        offer_tick=offer_tick,
        marginal_bid_filled_wh=volume_wh - book.demand_wh(bid_tick + 1),
        marginal_bid_wh=book.bids_wh[bid_tick],
        marginal_offer_filled_wh=volume_wh - book.supply_wh(offer_tick - 1),
        marginal_offer_wh=book.offers_wh[offer_tick],
    )


def fill_wh(order: BookOrder, clearing: Clearing) -> int:
    """Energy (Wh ≥ 0) that an order of the slot's book contracted, rounded down at the margin."""
    filled, of_all = _served(order, clearing)
    return order.energy_wh * filled // of_all


def is_rounded(order: BookOrder, clearing: Clearing) -> bool:
    """Whether an order of the slot's book contracted less than its exact share."""
    filled, of_all = _served(order, clearing)
    return order.energy_wh * filled % of_all != 0


def _served(order: BookOrder, clearing: Clearing) -> tuple[int, int]:
    """The share of an order that is served, as a fraction."""
    side, tick, energy_wh = order
    if energy_wh == 0:
        return 0, 1
    if side is Side.BID:
        if tick == clearing.bid_tick:
            return clearing.marginal_bid_filled_wh, clearing.marginal_bid_wh
        return int(tick > clearing.bid_tick), 1
    if tick == clearing.offer_tick:
        return clearing.marginal_offer_filled_wh, clearing.marginal_offer_wh
    return int(tick < clearing.offer_tick), 1
