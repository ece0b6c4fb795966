"""What charts are told to draw, and the runs of flagged readings that a home's page tells."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

from gridwitness.api.portal.pages import charts
from gridwitness.api.portal.pages.community_pages import flagged_runs
from gridwitness.api.portal.pages.days import LocalDay
from gridwitness.api.portal.views import BookView, ClearingView, ForecastView, ReadingView, ScheduleView

LONG_DAY = LocalDay(date(2016, 10, 30), ZoneInfo("Europe/Berlin"))
SLOT_S = 900


def clearing(slot_start: int, volume_wh: int, price_per_kwh: int = 120_000) -> ClearingView:
    return ClearingView(
        zone=1,
        slot_start=slot_start,
        tick=25,
        price_per_kwh=price_per_kwh,
        volume_wh=volume_wh,
        cap_wh=40_000,
        bids_wh=2_000,
        offers_wh=3_000,
        imbalance_wh=None,
        transaction="0x",
        block_number=1,
    )


def reading(index: int, value: int, reason: str = "") -> ReadingView:
    return ReadingView(
        device_id="0x",
        device_name="bus-01",
        counter=index,
        time=LONG_DAY.begin + index * SLOT_S,
        metric="1-0:16.29.0",
        value=value,
        received_at=0,
        batch_seq=1,
        score_bps=9_950 + index if reason else 100,
        channel="frozen" if reason else "seasonal",
        reason=reason,
        is_flagged=bool(reason),
        signature="0x",
        channels={},
    )


def test_price_and_volume__slot_without_trade__is_a_gap_in_the_price_of_a_day_of_100_slots() -> None:
    clearings = [clearing(LONG_DAY.begin, 500), clearing(LONG_DAY.begin + SLOT_S, 0)]

    chart = charts.price_and_volume(LONG_DAY, clearings, {"shortPricePerKwh": 320_000})

    price, volume = (plot["series"][0]["values"] for plot in chart["plots"])
    assert len(chart["x"]) == len(price) == 101
    assert price[:3] == [12.0, None, None]
    assert volume[:3] == [0.5, 0.0, None]
    assert chart["plots"][0]["lines"] == [{"at": 32.0, "name": "grid sells at"}]
    assert chart["words"].startswith("2 slots cleared, 0.50 kWh matched in 1 of them; prices between 12.00 ct/kWh")


def test_clearing_curve__bids_and_offers__demand_falls_and_supply_rises_with_the_price() -> None:
    book = BookView(
        zone=1,
        slot_start=0,
        gate_closes_at=0,
        price_per_kwh=[100_000, 110_000, 120_000],
        bids_wh=[0, 300, 700],
        offers_wh=[500, 0, 900],
        clearing=clearing(0, 500, 110_000),
    )

    chart = charts.clearing_curve(book)

    demand, supply = (series["values"] for series in chart["plots"][0]["series"])
    assert demand == [1.0, 1.0, 0.7]
    assert supply == [0.5, 0.5, 1.4]
    assert chart["crossing"] == [11.0, 0.5]


def test_home__orders_of_two_market_days__bids_above_zero_and_offers_below() -> None:
    first_day = LONG_DAY.market_days[0]
    orders = [None] * 88 + [["bid", 100, 400]] * 4 + [["offer", 10, 300]] * 4
    schedule = ScheduleView(
        device_id="0x",
        device_name="bus-01",
        account="0x",
        zone=1,
        day=first_day,
        version=1,
        imbalance_limit_wh=0,
        orders=orders,
        contracted_wh=None,
        transaction="0x",
        block_number=1,
    )

    chart = charts.home(
        LONG_DAY, [reading(0, 410), reading(1, 412, "stuck at 412 Wh for 9 slots")], {first_day: schedule}
    )

    metered, ordered, flagged = (series["values"] for series in chart["plots"][0]["series"])
    assert metered[:3] == [410, 412, None]
    assert ordered[:9] == [400] * 4 + [-300] * 4 + [None]
    assert flagged[:3] == [None, 412, None]


def test_forecast__quantiles__drawn_to_the_end_of_their_last_hour() -> None:
    view = ForecastView(
        device_id="0x", time_from=0, interval_s=3_600, model="m", low_wh=[1, 2], median_wh=[3, 4], high_wh=[5, 6]
    )

    chart = charts.forecast(view)

    assert chart is not None and chart["x"] == [0, 3_600, 7_200]
    assert [series["values"] for series in chart["plots"][0]["series"]] == [[5, 6, 6], [3, 4, 4], [1, 2, 2]]
    assert charts.forecast(None) is None


def test_flagged_runs__interrupted__two_with_the_last_words_of_each() -> None:
    stuck = [f"stuck at 412 Wh for {index} slots" for index in (8, 9)]
    readings = [reading(0, 412, stuck[0]), reading(1, 412, stuck[1]), reading(2, 500), reading(3, 412, stuck[0])]

    runs = flagged_runs(readings)

    assert [(run.reason, run.readings, run.score_bps) for run in runs] == [(stuck[1], 2, 9_951), (stuck[0], 1, 9_953)]
