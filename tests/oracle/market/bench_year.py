"""How long the reference takes to clear and settle all of a community's days.

    python -m tests.oracle.market.bench_year PATH

Every meter's agent forecasts from the three days before and sends hedged orders. Buyers pay a network fee, every third
meter is green, and the feeder has a cap. Days are runs of 96 slots from the
first one in the data, UTC or not, so that no slot is left out; the first day is its own history.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridwitness.domain.market import Schedule
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.market.agents import imbalance_limit_wh, make_orders
from gridwitness.market.day import trade_day
from gridwitness.market.forecast import forecast_day
from gridwitness.sources.community import load_community

from .orders import FEE_ZONE

HISTORY_DAYS = 3
RULES = replace(FEE_ZONE, feeder_cap_wh=5_000)


def is_green(device: int) -> bool:
    """Every third meter."""
    return device % 3 == 0


def send_schedule(device: int, day: int, history_wh: NDArray[np.int64]) -> Schedule:
    """A meter's orders for a day, from a history of days × slots."""
    forecast = forecast_day(history_wh)
    orders = make_orders(forecast, RULES, green=is_green(device))
    return Schedule(device.to_bytes(32, "big"), "", 1, day, 1, 0, imbalance_limit_wh(forecast), orders)


def main(path: Path) -> None:
    """Print seconds of processor time, of this one thread, and what was traded."""
    start = time.process_time()
    community = load_community(path)
    days_wh = community.energies_wh.reshape(len(community.meters), -1, SLOTS_PER_DAY)
    green = {device.to_bytes(32, "big") for device in range(len(days_wh)) if is_green(device)}
    loaded = time.process_time()
    agents_s = market_s = 0.0
    traded_wh = orders = capped = 0
    for day in range(days_wh.shape[1]):
        began = time.process_time()
        schedules = [
            send_schedule(device, day, history_wh)
            for device, history_wh in enumerate(days_wh[:, max(0, day - HISTORY_DAYS) : max(1, day)])
        ]
        metered_wh = {row.device_id: days_wh[device, day].tolist() for device, row in enumerate(schedules)}
        sent = time.process_time()
        result = trade_day(schedules, metered_wh, RULES, green=green)
        market_s += time.process_time() - sent
        agents_s += sent - began
        traded_wh += result.traded_wh
        capped += sum(clearing.volume_wh == clearing.cap_wh for clearing in result.clearings)
        orders += sum(order.energy_wh > 0 for row in schedules for order in row.orders)
    meters, days = days_wh.shape[:2]
    print(f"{meters} meters, {days * SLOTS_PER_DAY} slots ({capped} capped), {orders} orders, {traded_wh} Wh traded")
    print(f"load {loaded - start:.1f} s, forecast and order {agents_s:.1f} s, clear and settle {market_s:.1f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
