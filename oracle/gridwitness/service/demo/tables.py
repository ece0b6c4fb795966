"""The demo's tables and the book it shows, from what was traded and attested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from gridwitness.domain.market import EUR, Settlement, ZoneParams
from gridwitness.domain.slots import slot_start, slots_of_day
from gridwitness.market.bills import grid_only_bill, market_bill
from gridwitness.scoring import FLAG_SCORE_BPS
from gridwitness.service.demo.actors import Home
from gridwitness.service.demo.delivery import Delivery
from gridwitness.service.demo.meters import Meter
from gridwitness.service.demo.result import (
    BILL_LINES,
    CLEARING_COLUMNS,
    READING_COLUMNS,
    SETTLEMENT_COLUMNS,
    BookSnapshot,
)
from gridwitness.service.demo.trades import Key, Trades
from gridwitness.service.demo.world import ZONE


def _time_of(slot: int) -> pd.Timestamp:
    return pd.Timestamp(slot_start(slot), unit="s", tz="UTC")


def bill_lines(settlement: Settlement, params: ZoneParams) -> tuple[int, ...]:
    """What a settled day brought (> 0) or cost its account, in token units and in the order of `BILL_LINES`.

    The residual is settled by the supplier, at what the grid charges and pays.
    """
    cash = (settlement.traded_cash, settlement.grid_cash, settlement.imbalance_cash, settlement.penalty_cash)
    return (*cash, -market_bill(settlement, params) - sum(cash))


def reading_table(delivery: Delivery, meters: Sequence[Meter], slots: range) -> pd.DataFrame:
    """Attested readings of the traded slots with their scores, homes and feeder."""
    rows = [
        (
            pd.Timestamp(row["time"], unit="s", tz="UTC"),
            meter.name,
            row["value"],
            row["score_bps"],
            row["channel"],
            row["reason"],
            row["score_bps"] > FLAG_SCORE_BPS,
        )
        for meter in meters
        for row in delivery.attested_readings(meter, slot_start(slots.start), slot_start(slots.stop))
    ]
    return pd.DataFrame(rows, columns=list(READING_COLUMNS))


def clearing_table(trades: Trades) -> pd.DataFrame:
    """Result and book of every cleared slot."""
    params = trades.params
    rows = [
        (
            _time_of(slot),
            ZONE,
            clearing.tick,
            clearing.price_per_kwh / EUR,
            params.network_fee_per_kwh / EUR,
            params.green_premium_per_kwh / EUR,
            clearing.volume_wh,
            clearing.cap_wh,
            sum(trades.books[slot].bids_wh),
            sum(trades.books[slot].offers_wh),
        )
        for slot, clearing in sorted(trades.clearings.items())
    ]
    return pd.DataFrame(rows, columns=list(CLEARING_COLUMNS))


def settlement_table(trades: Trades, homes: Sequence[Home], days: range) -> pd.DataFrame:
    """How every home's every day ended."""
    rows = [_settlement_row(trades, home, day) for day in days for home in homes]
    return pd.DataFrame(rows, columns=list(SETTLEMENT_COLUMNS))


def _settlement_row(trades: Trades, home: Home, day: int) -> tuple[Any, ...]:
    key = Key(home.meter.key.device_id, day)
    date = _time_of(slots_of_day(day).start).date().isoformat()
    account, kind = trades.account_of(home), home.meter.kind.name.lower()
    identity = (date, home.meter.name, "0x" + key.device_id.hex(), account, kind)
    profile_wh = trades.profiles_wh[key]
    grid_only = grid_only_bill(profile_wh, trades.params)
    if key in trades.held:
        return (
            *identity,
            "held",
            None,
            sum(profile_wh),
            None,
            None,
            *(None for _ in BILL_LINES),
            None,
            grid_only / EUR,
        )
    if key in trades.runs:
        status, settled = "final", trades.runs[key].settlement
    else:
        short_wh = sum(max(0, energy_wh) for energy_wh in profile_wh)
        status, settled = "no orders", Settlement(0, 0, 0, 0, 0, sum(profile_wh), short_wh, short_wh - sum(profile_wh))
    lines = bill_lines(settled, trades.params)
    return (
        *identity,
        status,
        settled.contracted_wh,
        settled.metered_wh,
        settled.residual_short_wh,
        settled.residual_long_wh,
        *(line / EUR for line in lines),
        -sum(lines) / EUR,
        grid_only / EUR,
    )


def busiest_book(trades: Trades) -> BookSnapshot:
    """The book of the slot in which most was traded."""
    slot = max(trades.clearings, key=lambda candidate: trades.clearings[candidate].volume_wh)
    book, clearing = trades.books[slot], trades.clearings[slot]
    return BookSnapshot(
        slot_start=_time_of(slot),
        bids_wh=list(book.bids_wh),
        offers_wh=list(book.offers_wh),
        price_eur_per_kwh=[trades.params.price_of(tick) / EUR for tick in range(len(book.bids_wh))],
        clearing_price_eur_per_kwh=clearing.price_per_kwh / EUR,
        volume_wh=clearing.volume_wh,
        cap_wh=clearing.cap_wh,
    )
