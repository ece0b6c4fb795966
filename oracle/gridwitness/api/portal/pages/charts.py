"""What charts.js draws: documents of plots with their series, and the sentence that says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gridwitness.api.portal.pages import wording
from gridwitness.api.portal.pages.days import LocalDay
from gridwitness.api.portal.views import BookView, ClearingView, ForecastView, ReadingView, ScheduleView
from gridwitness.domain.slots import SLOT_SECONDS, SLOTS_PER_DAY

_UNITS_PER_CENT = 10_000
Document = dict[str, Any]
Values = Sequence[float | None]


def _series(name: str, colour: str, values: Values, *, kind: str = "steps", unit: str = "") -> Document:
    return {"name": name, "colour": colour, "values": values, "kind": kind, "unit": unit}


def _slots(day: LocalDay) -> list[int]:
    return list(range(day.begin, day.end, SLOT_SECONDS))


def _steps(values: Values) -> Values:
    """The values with the last one again, for the end of its slot."""
    return [*values, values[-1]]


def price_and_volume(day: LocalDay, clearings: Sequence[ClearingView], params: Mapping[str, Any]) -> Document:
    """Price, energy matched and imbalance over a local day."""
    starts, by_start = _slots(day), {one.slot_start: one for one in clearings}
    found = [by_start.get(start) for start in starts]
    traded = [one for one in clearings if one.volume_wh]
    prices = [one.price_per_kwh / _UNITS_PER_CENT if one and one.volume_wh else None for one in found]
    lines = [
        {"at": params[key] / _UNITS_PER_CENT, "name": name}
        for key, name in (("shortPricePerKwh", "grid sells at"), ("longPricePerKwh", "grid buys at"))
        if key in params
    ]
    volume = [one.volume_wh / 1000 if one else None for one in found]
    plots = [
        {
            "title": "Clearing price, ct/kWh; gaps: nothing matched",
            "series": [_series("price", "price", _steps(prices), unit="ct/kWh")],
            "lines": lines,
            "tall": True,
        },
        {
            "title": "Energy matched, kWh per quarter hour",
            "series": [_series("matched", "volume", _steps(volume), kind="area", unit="kWh")],
        },
    ]
    if any(one is not None and one.imbalance_wh is not None for one in found):
        imbalance = [one.imbalance_wh / 1000 if one and one.imbalance_wh is not None else None for one in found]
        title = "Imbalance, kWh per quarter hour: metered more than contracted is above zero"
        series = [_series("imbalance", "import", _steps(imbalance), kind="area", unit="kWh")]
        plots.append({"title": title, "series": series})
    return {"x": [*starts, day.end], "is_time": True, "plots": plots, "words": _price_words(traded, len(clearings))}


def _price_words(traded: Sequence[ClearingView], cleared: int) -> str:
    if not traded:
        return f"{wording.count(cleared, 'slot')} cleared, and no bid met an offer in any of them."
    low, high = (wording.cents(pick(one.price_per_kwh for one in traded)) for pick in (min, max))
    volume = wording.kwh(sum(one.volume_wh for one in traded))
    return (
        f"{wording.count(cleared, 'slot')} cleared, {volume} matched in {wording.grouped(len(traded))} of them; "
        f"prices between {low} and {high}."
    )


def clearing_curve(book: BookView) -> Document:
    """Supply and demand of a slot, price upwards and energy to the right, with the crossing."""
    demand, supply, total = [], [], sum(book.bids_wh)
    offered = 0
    for bids, offers in zip(book.bids_wh, book.offers_wh, strict=True):
        offered += offers
        demand.append(total / 1000)
        supply.append(offered / 1000)
        total -= bids
    clearing = book.clearing
    document: Document = {
        "x": [price / _UNITS_PER_CENT for price in book.price_per_kwh],
        "is_time": False,
        "is_upright": True,
        "plots": [
            {
                "title": "Price, ct/kWh, over energy, kWh",
                "series": [
                    _series("bids (demand)", "import", demand, kind="falling", unit="kWh"),
                    _series("offers (supply)", "export", supply, unit="kWh"),
                ],
                "tall": True,
            }
        ],
    }
    if clearing is not None and clearing.volume_wh:
        price, volume = clearing.price_per_kwh, clearing.volume_wh
        document["crossing"] = [price / _UNITS_PER_CENT, volume / 1000]
        document["words"] = f"They cross at {wording.cents(price)}, where {wording.kwh(volume)} change hands."
    elif clearing is not None:
        document["words"] = "Bids and offers do not meet, so nothing was traded."
    else:
        document["words"] = "The slot is not cleared yet: orders may still come until its gate closes."
    return document


def home(day: LocalDay, readings: Sequence[ReadingView], schedules: Mapping[int, ScheduleView]) -> Document:
    """What a meter reported on a local day beside what was ordered for it, flagged readings marked."""
    starts, by_start = _slots(day), {one.time: one for one in readings}
    found = [by_start.get(start) for start in starts]
    values: Values = [one.value if one else None for one in found]
    # A flagged reading's step ends where the next begins, so the flag reaches that far.
    flagged: Values = [one.value if one and one.is_flagged else None for one in found]
    series = [_series("metered", "import", _steps(values), unit="Wh")]
    ordered = [_ordered(schedules, start) for start in starts]
    if any(ordered):
        series.append(_series("ordered", "muted", _steps(ordered), kind="dashed", unit="Wh"))
    if any(one is not None for one in flagged):
        series.append(_series("flagged", "flag", _steps(flagged), kind="mark", unit="Wh"))
    words = (
        f"{wording.kwh(sum(max(one.value, 0) for one in readings))} taken from the grid and "
        f"{wording.kwh(-sum(min(one.value, 0) for one in readings))} fed in, in {len(readings)} of {len(starts)} "
        "quarter hours."
    )
    title = "Net energy, Wh per quarter hour: import above zero, export below"
    return {
        "x": [*starts, day.end],
        "is_time": True,
        "plots": [{"title": title, "series": series, "tall": True}],
        "words": words,
    }


def _ordered(schedules: Mapping[int, ScheduleView], start: int) -> int | None:
    slot = start // SLOT_SECONDS
    schedule = schedules.get(slot // SLOTS_PER_DAY)
    order = schedule.orders[slot % SLOTS_PER_DAY] if schedule is not None else None
    if order is None:
        return None
    side, _, energy_wh = order
    return int(energy_wh) if side == "bid" else -int(energy_wh)


def forecast(view: ForecastView | None) -> Document | None:
    """The next day of a meter with its 80 % band; None without one."""
    if view is None:
        return None
    times = [view.time_from + index * view.interval_s for index in range(len(view.median_wh))]
    end = view.time_from + len(times) * view.interval_s
    series = [
        _series("high (9 in 10 below)", "muted", _steps(view.high_wh), kind="dashed", unit="Wh"),
        _series("expected", "import", _steps(view.median_wh), unit="Wh"),
        _series("low (1 in 10 below)", "muted", _steps(view.low_wh), kind="dashed", unit="Wh"),
    ]
    words = f"{wording.kwh(sum(view.median_wh))} expected net over {len(times)} hours; 8 of 10 hours lie in the band."
    title = "Expected net energy, Wh per hour"
    return {"x": [*times, end], "is_time": True, "plots": [{"title": title, "series": series}], "words": words}
