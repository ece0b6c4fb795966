"""Maximum-volume clearing by trying every price against every single order.

Shares nothing with the reference clearer: no sums per tick, no crossing rule. It says what any correct uniform price
must be, and so judges both the reference and the contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gridwitness.domain.market import TICKS, Order, Side


@dataclass(frozen=True, slots=True)
class Optimum:
    """The most a uniform price can match, and the ticks that match it leaving the least energy unserved.

    `unserved_wh` is energy of orders with a limit strictly better than the price that still finds no counterpart; at a
    clearing price there is none, since orders at the price itself are content either way.
    """

    volume_wh: int
    unserved_wh: int
    ticks: tuple[int, ...]


def best_prices(orders: Sequence[Order]) -> Optimum:
    """The volume-maximal and, among those, least unserved prices of one slot's orders."""
    bids = sorted((order for order in orders if order.side is Side.BID), key=lambda order: -order.tick)
    offers = sorted((order for order in orders if order.side is Side.OFFER), key=lambda order: order.tick)
    outcomes = {tick: _match_at(bids, offers, tick) for tick in range(TICKS)}
    volume_wh = max(volume for volume, _ in outcomes.values())
    unserved_wh = min(unserved for volume, unserved in outcomes.values() if volume == volume_wh)
    ticks = tuple(tick for tick, outcome in outcomes.items() if outcome == (volume_wh, unserved_wh))
    return Optimum(volume_wh, unserved_wh, ticks)


def _match_at(bids: Sequence[Order], offers: Sequence[Order], tick: int) -> tuple[int, int]:
    """Match willing orders best first at one price: (volume, energy of strictly better orders left over)."""
    willing_bids = [(bid.energy_wh, bid.tick > tick) for bid in bids if bid.tick >= tick]
    willing_offers = [(offer.energy_wh, offer.tick < tick) for offer in offers if offer.tick <= tick]
    volume_wh = 0
    while willing_bids and willing_offers:
        (bid_wh, bid_better), (offer_wh, offer_better) = willing_bids[0], willing_offers[0]
        matched_wh = min(bid_wh, offer_wh)
        volume_wh += matched_wh
        willing_bids[:1] = [(bid_wh - matched_wh, bid_better)] if bid_wh > matched_wh else []
        willing_offers[:1] = [(offer_wh - matched_wh, offer_better)] if offer_wh > matched_wh else []
    unserved_wh = sum(energy_wh for energy_wh, better in (*willing_bids, *willing_offers) if better)
    return volume_wh, unserved_wh
