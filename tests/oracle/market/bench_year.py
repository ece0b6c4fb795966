"""How long the reference takes to clear and settle all of a community's days.

    python -m tests.oracle.market.bench_year PATH

Every meter's agent forecasts from the three days before and sends hedged orders. Days are runs of 96 slots from the
first one in the data, UTC or not, so that no slot is left out; the first day is its own history.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from gridwitness.domain.market import Schedule
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.market.agents import make_orders
from gridwitness.market.day import trade_day
from gridwitness.market.forecast import forecast_day
from gridwitness.sources.community import load_community

from .orders import ZONE

HISTORY_DAYS = 3


def main(path: Path) -> None:
    """Print seconds of processor time, of this one thread, and what was traded."""
    start = time.process_time()
    community = load_community(path)
    days_wh = community.energies_wh.reshape(len(community.meters), -1, SLOTS_PER_DAY)
    loaded = time.process_time()
    agents_s = market_s = 0.0
    traded_wh = orders = 0
    for day in range(days_wh.shape[1]):
        began = time.process_time()
        schedules = [
            Schedule(device.to_bytes(32, "big"), "", 1, day, 1, make_orders(forecast_day(history_wh), ZONE))
            for device, history_wh in enumerate(days_wh[:, max(0, day - HISTORY_DAYS) : max(1, day)])
        ]
        metered_wh = {row.device_id: days_wh[device, day].tolist() for device, row in enumerate(schedules)}
        sent = time.process_time()
        result = trade_day(schedules, metered_wh, ZONE)
        market_s += time.process_time() - sent
        agents_s += sent - began
        traded_wh += result.traded_wh
        orders += sum(order.energy_wh > 0 for row in schedules for order in row.orders)
    print(
        f"{days_wh.shape[0]} meters, {days_wh.shape[1] * SLOTS_PER_DAY} slots, {orders} orders, {traded_wh} Wh traded"
    )
    print(f"load {loaded - start:.1f} s, forecast and order {agents_s:.1f} s, clear and settle {market_s:.1f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
