"""What a demo leaves behind, and the documented columns of its tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

# One row per zone and delivery slot. Prices in EUR/kWh as shown to people; the rest is the contract's.
CLEARING_COLUMNS = (
    "slot_start",  # UTC start of the delivery slot
    "zone",
    "tick",
    "price_eur_per_kwh",  # what offers receive that are not green
    "network_fee_eur_per_kwh",  # what buyers pay on top
    "green_premium_eur_per_kwh",  # what green sellers receive on top
    "volume_wh",
    "cap_wh",  # most that could have been matched on this feeder
    "bids_wh",  # all bids of the slot, whatever their price
    "offers_wh",  # all offers of the slot
)

# What a bill is made of, from the account's side: received > 0, paid < 0. The residual is the supplier's, outside the
# market: energy beyond the schedule's imbalance limit, or all of it without a schedule, at the grid's tariff.
BILL_LINES = ("traded", "grid", "imbalance", "penalty", "residual")

# One row per meter and delivery day; bills are what is owed.
SETTLEMENT_COLUMNS = (
    "day",  # UTC date
    "meter",
    "device_id",
    "account",
    "kind",  # consumption, prosumer, generation
    "status",  # final, held, or "no orders": then the grid supplied it all, outside the market
    "contracted_wh",  # import positive
    "metered_wh",  # import positive
    "residual_short_wh",  # taken beyond what was contracted and the imbalance limit
    "residual_long_wh",  # fed in beyond those
    *(f"{line}_eur" for line in BILL_LINES),
    "bill_eur",  # −(traded + grid + imbalance + penalty + residual); empty while held
    "grid_only_bill_eur",  # the same metered energy bought from and sold to the grid at its tariff
)

# One row per attested reading of the traded days.
READING_COLUMNS = (
    "slot_start",
    "meter",
    "net_wh",  # as reported, import positive
    "score_bps",
    "channel",
    "reason",
    "flagged",  # score above 9,900
)


@dataclass(frozen=True)
class BookSnapshot:
    """Order book of one delivery slot: sums per book tick (128 each, Wh), price per tick, and its clearing.

    Bids stand in it less the network fee, green offers less their premium.
    """

    slot_start: pd.Timestamp
    bids_wh: list[int]
    offers_wh: list[int]
    price_eur_per_kwh: list[float]
    clearing_price_eur_per_kwh: float
    volume_wh: int
    cap_wh: int


@dataclass(frozen=True)
class DemoResult:
    """Everything the report shows. `summary` is written to summary.json as it is."""

    summary: dict[str, Any]
    clearings: pd.DataFrame
    settlements: pd.DataFrame
    readings: pd.DataFrame
    book: BookSnapshot
    retail_eur_per_kwh: float
    feed_in_eur_per_kwh: float
    network_fee_eur_per_kwh: float
    green_premium_eur_per_kwh: float
