"""Now: what the oracle takes in, what waits, what the market did last, and what just happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from gridwitness.api.portal.chain_views import EventView
from gridwitness.api.portal.pages import wording
from gridwitness.api.portal.pages.days import day_of_market
from gridwitness.api.portal.pages.rendering import Site, off_loop
from gridwitness.api.portal.protocols import Viewer
from gridwitness.domain.slots import slot_start

_EVENTS_SHOWN = 12
_EVENTS_LOOKED_THROUGH = 200
_SETTLEMENTS = MappingProxyType(
    {
        "RunMade": "was reckoned",
        "RunDisputed": "was disputed",
        "ScheduleFinal": "is final",
        "SettlementHeld": "is held until somebody has looked",
    }
)


def now_pages(routes: APIRouter, site: Site) -> None:
    """The first page, and its figures for htmx to fetch again."""

    @routes.get("/")
    async def now(request: Request) -> Response:
        """The first page."""
        return site.page(request, "now.html.j2", **await off_loop(_values, site, await site.viewer(request)))

    @routes.get("/now/figures")
    async def figures(request: Request) -> Response:
        """What changes on it."""
        values = await off_loop(_values, site, await site.viewer(request))
        return site.page(request, "now_figures.html.j2", **values)


def _values(site: Site, viewer: Viewer) -> dict[str, Any]:
    portal = site.portal
    latest = portal.latest_position()
    events = portal.events_since(viewer, max(0, latest - _EVENTS_LOOKED_THROUGH), _EVENTS_LOOKED_THROUGH)
    streams = {stream.stream_id: stream.name for stream in portal.streams()}
    told = [(event, _words(site, streams, event)) for event in _merged(list(reversed(events)))]
    return {"now": portal.now(), "happenings": _counted(told)[:_EVENTS_SHOWN]}


def _counted(told: Sequence[tuple[EventView, str]]) -> list[tuple[EventView, str, int]]:
    """The newest of those that follow each other with the same words, and how many they are."""
    groups = [list(group) for _, group in groupby(told, key=lambda one: one[1])]
    return [(*group[0], len(group)) for group in groups]


def _merged(newest_first: Sequence[EventView]) -> list[EventView]:
    """Readings come many a minute: those with nothing else between them are told as one."""
    merged: list[EventView] = []
    for kind, group in groupby(newest_first, key=lambda event: event.kind):
        events = list(group)
        if kind == "readings":
            summed = {key: sum(one.document[key] for one in events) for key in ("count", "flagged")}
            events = [msgspec.structs.replace(events[0], document=summed)]
        merged += events
    return merged


def _words(site: Site, streams: Mapping[str, str], event: EventView) -> str:
    """What happened, in a sentence; for a kind this page does not know its name."""
    said = event.document
    if event.kind == "readings":
        flagged = f", {wording.grouped(said['flagged'])} flagged" if said["flagged"] else ""
        return f"{wording.count(said['count'], 'reading')} scored{flagged}"
    if event.kind == "batch":
        stream = streams.get(said["stream_id"], "an unknown stream")
        return f"Batch {said['seq']} of {stream} mined in block {wording.grouped(said['block_number'])}"
    if event.kind == "clearing":
        slot = site.clock.clock(slot_start(said["slot"]))
        if not said["volume_wh"]:
            return f"The slot of {slot} cleared: no bid met an offer"
        return f"The slot of {slot} cleared: {wording.kwh(said['volume_wh'])} at {wording.cents(said['price_per_kwh'])}"
    if event.kind == "settlement":
        day = day_of_market(said["day"], site.clock.zone)
        return f"A bill of {day.date:%-d %B} {_SETTLEMENTS.get(said['event'], 'changed')}"
    return event.kind
