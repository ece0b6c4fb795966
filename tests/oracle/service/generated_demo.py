"""A demo's result in the shape the driver leaves it, generated: same seed, same numbers."""

from __future__ import annotations

import random
from math import exp
from typing import Any

import pandas as pd

from gridwitness.service.demo.result import (
    BILL_LINES,
    CLEARING_COLUMNS,
    READING_COLUMNS,
    SETTLEMENT_COLUMNS,
    BookSnapshot,
    DemoResult,
)

RETAIL, FEED_IN = 0.32, 0.08
NETWORK_FEE, GREEN_PREMIUM = 0.02, 0.01
FEEDER_CAP_WH = 40_000
FIRST_DAY = pd.Timestamp("2016-07-20", tz="UTC")
FEEDER = "feeder"
HISTORY_READINGS = 4_320
SHARE_REASON = "reports about 60 % of what the feeder sees it use"
STUCK_REASON = "stuck at {} Wh for {} slots"
ASSET = {
    "address": "0x" + "a5" * 20,
    "name": "Roof of bus-14",
    "meter": "bus-14",
    "device_id": "0x" + "d1" * 32,
    "shares": 10_000,
    "holders": 3,
    "holders_by_country": [
        {"country": "Germany", "code": 276, "holders": 2, "shares": 7_000, "claimed": 8_641_972},
        {"country": "France", "code": 250, "holders": 1, "shares": 3_000, "claimed": 3_703_702},
    ],
    "fills": [{"from": "Germany", "to": "France", "shares": 250, "eur": 1_250.0}],
    "refused": [{"buyer_from": "the United States", "rule": "country", "value": 840}],
    "days_paid": ["2016-07-20"],
    "unpaid": "",
    "sold_wh": 61_000,
    "attested_wh": 64_000,
    "revenue": 12_345_675,
    "from_sales": 9_000_000,
    "claimed": 12_345_674,
    "eur_per_share": 0.0012345675,
    "reconciles": True,
}


def generated_result(
    days: int = 1, meters: int = 14, *, faults: bool = True, trades: bool = True, seed: int = 7
) -> DemoResult:
    """One zone of `meters` homes and a feeder; with `faults`, home 2 under-reports and home 5 freezes from noon."""
    rng = random.Random(seed)
    kinds = {f"bus-{i + 1:02d}": ("prosumer", "consumption")[i % 3 != 0] for i in range(meters)}
    kinds[f"bus-{meters:02d}"] = "generation"
    slots = pd.date_range(FIRST_DAY, periods=96 * days, freq="15min")
    profiles = {meter: [_net_wh(kind, slot, rng) for slot in slots] for meter, kind in kinds.items()}
    readings = _readings(profiles, slots, rng, faults)
    clearings = _clearings(readings, slots, trades)
    settlements = _settlements(readings, kinds, clearings)
    return DemoResult(
        summary=_summary(readings, clearings, settlements, days),
        clearings=clearings,
        settlements=settlements,
        readings=readings,
        book=_book(slots[min(48, len(slots) - 1)], trades),
        retail_eur_per_kwh=RETAIL,
        feed_in_eur_per_kwh=FEED_IN,
        network_fee_eur_per_kwh=NETWORK_FEE,
        green_premium_eur_per_kwh=GREEN_PREMIUM,
    )


def _net_wh(kind: str, slot: pd.Timestamp, rng: random.Random) -> int:
    hour = slot.hour + slot.minute / 60
    sun = 900 * exp(-(((hour - 12) / 3.2) ** 2)) * rng.uniform(0.75, 1)
    load = (60 + 110 * exp(-(((hour - 7) / 1.5) ** 2)) + 190 * exp(-(((hour - 19) / 2.2) ** 2))) * rng.uniform(0.7, 1.4)
    return round({"consumption": load, "prosumer": load - sun, "generation": -2 * sun}[kind])


def _readings(
    profiles: dict[str, list[int]], slots: pd.DatetimeIndex, rng: random.Random, faults: bool
) -> pd.DataFrame:
    rows = []
    for slot_index, slot in enumerate(slots):
        since_noon = slot_index - 48
        for meter, profile in profiles.items():
            net_wh, score, channel, reason = profile[slot_index], rng.randint(0, 9_890), "seasonal", ""
            if faults and meter == "bus-02" and since_noon >= 0:
                net_wh = round(net_wh * 0.6)
                if since_noon >= 6:
                    score, channel, reason = 9_990, "residual", SHARE_REASON
            if faults and meter == "bus-05" and 0 <= since_noon < 48:
                net_wh = profile[48]
                if since_noon >= 5:
                    score, channel, reason = 9_960, "frozen", STUCK_REASON.format(net_wh, since_noon + 1)
            rows.append((slot, meter, net_wh, score, channel, reason, score > 9_900))
        total = round(sum(profile[slot_index] for profile in profiles.values()) * 1.02)
        rows.append((slot, FEEDER, total, rng.randint(0, 9_890), "seasonal", "", False))
    return pd.DataFrame(rows, columns=list(READING_COLUMNS))


def _clearings(readings: pd.DataFrame, slots: pd.DatetimeIndex, trades: bool) -> pd.DataFrame:
    homes = readings[readings.meter != FEEDER]
    rows = []
    for slot, group in homes.groupby("slot_start"):
        bids, offers = int(group.net_wh.clip(lower=0).sum()), int(-group.net_wh.clip(upper=0).sum())
        if not trades:
            bids = offers = 0
        tick = 63 if not bids + offers else round(20 + 90 * bids / (bids + offers))
        price = FEED_IN + tick * 0.0019
        volume = min(bids, offers)
        rows.append((slot, 1, tick, price, NETWORK_FEE, GREEN_PREMIUM, volume, FEEDER_CAP_WH, bids, offers))
    assert len(rows) == len(slots)
    return pd.DataFrame(rows, columns=list(CLEARING_COLUMNS))


def _settlements(readings: pd.DataFrame, kinds: dict[str, str], clearings: pd.DataFrame) -> pd.DataFrame:
    prices = clearings.set_index("slot_start").price_eur_per_kwh
    matched = clearings.set_index("slot_start").volume_wh
    rows = []
    for (day, meter), group in readings[readings.meter != FEEDER].groupby([readings.slot_start.dt.date, "meter"]):
        net = group.set_index("slot_start").net_wh
        traded = (net * 0.4).round().where(matched > 0, 0)
        grid_only = (net.clip(lower=0).sum() * RETAIL + net.clip(upper=0).sum() * FEED_IN) / 1000
        rest = net - traded
        residual = rest.where(rest.index.hour == 23, 0)
        lines = (
            -(traded * prices).sum() / 1000,
            -(traded.clip(lower=0).sum() * NETWORK_FEE + traded.clip(upper=0).sum() * GREEN_PREMIUM) / 1000,
            _at_tariff(rest - residual),
            -0.004321,
            _at_tariff(residual),
        )
        held = bool((group.score_bps > 9_900).sum() >= 4)
        settled = (*(round(line, 6) for line in lines), round(-sum(lines), 6))
        number = int(meter.removeprefix("bus-"))
        rows.append(
            (
                day.isoformat(),
                meter,
                f"0x{number:064x}",
                f"0x{number:040x}",
                kinds[meter],
                "held" if held else "final",
                float("nan") if held else int(traded.sum()),
                int(net.sum()),
                float("nan") if held else int(residual.clip(lower=0).sum()),
                float("nan") if held else -int(residual.clip(upper=0).sum()),
                *((float("nan"),) * len(settled) if held else settled),
                round(grid_only, 6),
            )
        )
    return pd.DataFrame(rows, columns=list(SETTLEMENT_COLUMNS))


def _at_tariff(net: pd.Series) -> float:
    """What the grid's tariff brings (> 0) or costs for energy."""
    return -(net.clip(lower=0).sum() * RETAIL + net.clip(upper=0).sum() * FEED_IN) / 1000


def _flagged(readings: pd.DataFrame, settlements: pd.DataFrame) -> list[dict[str, Any]]:
    held = set(settlements[settlements.status == "held"].meter)
    devices = []
    for meter, group in readings[readings.flagged].groupby("meter"):
        devices.append(
            {
                "device_id": f"0x{int(str(meter).removeprefix('bus-')):064x}",
                "meter": str(meter),
                "flagged_readings": len(group),
                "first_flagged": group.slot_start.iloc[0].strftime("%Y-%m-%dT%H:%M:%SZ"),
                "reason": group.reason.iloc[-1],
                "held": meter in held,
            }
        )
    return devices


def _summary(readings: pd.DataFrame, clearings: pd.DataFrame, settlements: pd.DataFrame, days: int) -> dict[str, Any]:
    settled = settlements[settlements.status == "final"]
    bills, grid_only = settled.bill_eur.sum(), settled.grid_only_bill_eur.sum()
    return {
        "days": days,
        "meters": readings.meter.nunique() - 1,
        "readings_signed": len(readings) + HISTORY_READINGS,
        "readings_accepted": len(readings) + HISTORY_READINGS - 3,
        "readings_rejected": 3,
        "batches_attested": 96 * days + days,
        "readings_proven": 200,
        "slots_cleared": len(clearings),
        "schedules_final": len(settled),
        "schedules_held": len(settlements) - len(settled),
        "traded_wh": int(clearings.volume_wh.sum()),
        "bills_eur": float(bills),
        "bill_lines_eur": {line: -float(settled[f"{line}_eur"].sum()) for line in BILL_LINES},
        "grid_only_bills_eur": float(grid_only),
        "saving_pct": float(100 * (grid_only - bills) / abs(grid_only)),
        "self_sufficiency_pct": 41.3,
        "flagged_devices": _flagged(readings, settlements),
        "disputes": [{"meter": "bus-01", "doubted_by": "bus-04", "bond_eur": 5.0, "upheld": False}],
        "asset": ASSET,
        "cash_in": 2_800_000_000,
        "cash_out": 1_790_123_456,
        "cash_left": 1_009_876_544,
        "cash_conserved": True,
        "most_exposed": 325_323_333,
        "balance_when_most_exposed": 5_000_000_000,
        "backstop_covers": True,
        "energy_conserved": True,
        "clearing_equals_brute_force": True,
        "settlement_equals_reference": True,
        "gas": {
            "EnergyMarket.submit": {"calls": days, "total": 2_100_345 * days, "mean": 2_100_345},
            "DataAttestation.attest": {"calls": 97 * days, "total": 5_722_612 * days, "mean": 58_996},
            "DeviceRegistry.register": {"calls": 9, "total": 545_121, "mean": 60_569},
        },
        "wall_s": {"deploy": 4.21, "trade and measure": 38.4, "settle": 3.02},
        "unknown_key_of_a_later_version": "must not be shown",
    }


def _book(slot: pd.Timestamp, trades: bool) -> BookSnapshot:
    rng = random.Random(3)
    prices = [FEED_IN + tick * 0.0019 for tick in range(128)]
    bids = [rng.choice((0, 0, 240, 610)) if trades and tick > 40 else 0 for tick in range(128)]
    offers = [rng.choice((0, 0, 0, 880, 1_420)) if trades and 10 < tick < 90 else 0 for tick in range(128)]
    crossing = next(tick for tick in range(128) if sum(offers[: tick + 1]) >= sum(bids[tick + 1 :]))
    price = crossing if trades else 63
    volume = min(sum(offers[: price + 1]), sum(bids[price:]))
    return BookSnapshot(slot, bids, offers, prices, prices[price], volume, FEEDER_CAP_WH)
