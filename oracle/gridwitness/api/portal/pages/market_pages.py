"""Market: price and volume over a day, and one slot's order book with its clearing curve."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from gridwitness.api.portal.pages import charts
from gridwitness.api.portal.pages.days import LocalDay, day_of_market, local_day_of, parse_day
from gridwitness.api.portal.pages.paging import everything
from gridwitness.api.portal.pages.rendering import Site, off_loop
from gridwitness.api.portal.views import BookView, ClearingView, Page, ZoneView
from gridwitness.api.problems import ProblemError
from gridwitness.domain.slots import SLOT_SECONDS, slot_of

_MAX_ZONE = (1 << 24) - 1
# In the year 6325: within what dates can hold in any zone.
_MAX_TIME = (1 << 37) - 1
_MOST_CLEARINGS = 200


def market_pages(routes: APIRouter, site: Site) -> None:
    """The market's day."""

    @routes.get("/market")
    async def market(
        request: Request,
        zone: Annotated[int | None, Query(ge=0, le=_MAX_ZONE)] = None,
        day: str = "",
        slot: Annotated[int | None, Query(ge=0, le=_MAX_TIME)] = None,
    ) -> Response:
        """A zone on a local day; `slot` is the start of the one whose book is shown."""
        return site.page(request, "market.html.j2", **await off_loop(_market, site, zone, day, slot))


def _market(site: Site, number: int | None, text: str, slot_start: int | None) -> dict[str, Any]:
    zones = site.portal.zones()
    zone = next((one for one in zones if number is None or one.zone == number), None)
    if zone is None:
        if number is not None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"zone {number} is not here")
        return {"zone": None, "zones": zones}
    day = _day(site, zone, text, slot_start)
    clearings = _clearings(site, zone, day)
    book = site.portal.book(zone.zone, slot_of(slot_start or _busiest(clearings, day)))
    return {
        "zone": zone,
        "zones": zones,
        "day": day,
        "days": [day_of_market(one, site.clock.zone) for one in zone.days],
        "clearings": clearings,
        "chart": charts.price_and_volume(day, clearings, zone.params) if clearings else None,
        "slots": range(day.begin, day.end, SLOT_SECONDS),
        "book": book,
        "curve": charts.clearing_curve(book) if book is not None else None,
        "steps": _book_steps(book) if book is not None else [],
    }


def _day(site: Site, zone: ZoneView, text: str, slot_start: int | None) -> LocalDay:
    if text:
        return parse_day(text, site.clock.zone)
    if slot_start is not None:
        return local_day_of(slot_start, site.clock.zone)
    if zone.days:
        return day_of_market(max(zone.days), site.clock.zone)
    return local_day_of(site.portal.now().time, site.clock.zone)


def _clearings(site: Site, zone: ZoneView, day: LocalDay) -> list[ClearingView]:
    """Those of the local day, which lies in two or three of the market's."""
    found: list[ClearingView] = []
    for market_day in day.market_days:
        read = partial(_page_of_clearings, site, zone.zone, market_day)
        found += everything(read, _MOST_CLEARINGS)
    return [one for one in found if day.begin <= one.slot_start < day.end]


def _page_of_clearings(site: Site, zone: int, market_day: int, cursor: str, limit: int) -> Page[ClearingView]:
    return site.portal.clearings(zone, day=market_day, cursor=cursor, limit=limit)


def _busiest(clearings: list[ClearingView], day: LocalDay) -> int:
    """Start of the slot most was traded in: it shows best how the market works."""
    return max(clearings, key=lambda one: one.volume_wh).slot_start if clearings else day.begin


def _book_steps(book: BookView) -> list[tuple[int, int, int]]:
    """Price, bids and offers of the ticks that have any, dearest first."""
    ticks = zip(book.price_per_kwh, book.bids_wh, book.offers_wh, strict=True)
    return [(price, bids, offers) for price, bids, offers in ticks if bids or offers][::-1]
