"""Maximum-volume clearing by trying every price against every single order.

Shares nothing with the reference clearer: no sums per tick, no crossing rule, no margins. It says what any correct
uniform price and any fair sharing must be, and so judges both the reference and the contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridwitness.domain.market import TICKS, Side
from gridwitness.market.clearing import BookOrder


@dataclass(frozen=True, slots=True)
class Optimum:
    """The most a uniform price can match, and the ticks that match it leaving the least energy unserved.

    `unserved_wh` is energy of orders within the feeder cap, with a book tick strictly better than the price, that still
    finds no counterpart; at a clearing price there is none, since orders at the price itself are content either way.
    """

    volume_wh: int
    unserved_wh: int
    ticks: tuple[int, ...]


def best_prices(orders: Sequence[BookOrder], cap_wh: int) -> Optimum:
    """The volume-maximal and, among those, least unserved prices of one slot's orders under a feeder cap."""
    sides, ticks, energies_wh = np.array(orders, dtype=np.int64).reshape(-1, 3).T
    # Prices × orders: by how many ticks the price is better than what the order stands at.
    gains = (ticks - np.arange(TICKS)[:, None]) * np.where(sides == Side.BID, 1, -1)
    of_side_wh = (energies_wh * (sides == np.array(Side)[:, None])).T
    willing_wh, better_wh = (gains >= 0) @ of_side_wh, (gains > 0) @ of_side_wh
    volumes_wh = np.minimum(willing_wh.min(axis=1), cap_wh)
    unserved_wh = np.maximum(0, np.minimum(better_wh, cap_wh) - volumes_wh[:, None]).sum(axis=1)
    most = volumes_wh == volumes_wh.max()
    least = unserved_wh[most].min()
    best = np.flatnonzero(most & (unserved_wh == least))
    return Optimum(int(volumes_wh.max()), int(least), tuple(best.tolist()))


def share_out(orders: Sequence[BookOrder], volume_wh: int) -> list[int]:
    """What each order gets (Wh): each side is served by merit up to the volume, equal ticks pro rata, rounded down."""
    fills_wh = []
    for order in orders:
        rivals = [rival for rival in orders if rival.side is order.side]
        better_wh = sum(rival.energy_wh for rival in rivals if _is_better(rival, order))
        equal_wh = sum(rival.energy_wh for rival in rivals if rival.tick == order.tick)
        left_wh = min(max(0, volume_wh - better_wh), equal_wh)
        fills_wh.append(order.energy_wh * left_wh // equal_wh if equal_wh else 0)
    return fills_wh


def _is_better(rival: BookOrder, order: BookOrder) -> bool:
    return rival.tick > order.tick if order.side is Side.BID else rival.tick < order.tick
