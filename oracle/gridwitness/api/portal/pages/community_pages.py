"""Community: energy and money per home, and a home's own page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from gridwitness.api.bodies import bytes32
from gridwitness.api.portal.pages import charts
from gridwitness.api.portal.pages.days import LocalDay, day_of_market, local_day_of, parse_day
from gridwitness.api.portal.pages.paging import everything
from gridwitness.api.portal.pages.rendering import Site, off_loop
from gridwitness.api.portal.protocols import Viewer
from gridwitness.api.portal.views import DeviceView, ReadingView
from gridwitness.api.problems import ProblemError
from gridwitness.domain.readings import NET_ENERGY_METRIC

_MOST_READINGS = 2_000


def community_pages(routes: APIRouter, site: Site) -> None:
    """The community's day, and a home's."""

    @routes.get("/community")
    async def community(request: Request, day: str = "") -> Response:
        """All homes on a day."""
        viewer = await site.viewer(request)
        return site.page(request, "community.html.j2", **await off_loop(_community, site, viewer, day))

    @routes.get("/homes/{device}")
    async def home(request: Request, device: str, day: str = "") -> Response:
        """A home on a day."""
        viewer = await site.viewer(request)
        values = await off_loop(_home, site, viewer, bytes32("device", device), day)
        return site.page(request, "home.html.j2", **values)


def _community(site: Site, viewer: Viewer, text: str) -> dict[str, Any]:
    days = site.portal.days()
    day = parse_day(text, site.clock.zone) if text else None
    wanted = day.market_day if day is not None else next(iter(days), None)
    shown = None if wanted is None else site.portal.community_day(viewer, wanted)
    if shown is None:
        return {"day": day, "shown": None, "days": _known_days(site, days)}
    flows = [flow for home in shown.homes for flow in (home.import_wh, -home.export_wh)]
    amounts = [amount for home in shown.homes for amount in (home.bill, home.grid_only) if amount is not None]
    return {
        "day": day_of_market(shown.day, site.clock.zone),
        "shown": shown,
        "days": _known_days(site, days),
        "energy_range": (min([0, *flows]), max([0, *flows])),
        "money_range": (min([0, *amounts]), max([0, *amounts])),
    }


def _known_days(site: Site, days: Sequence[int]) -> list[LocalDay]:
    return [day_of_market(day, site.clock.zone) for day in days]


@dataclass(frozen=True, slots=True)
class FlaggedRun:
    """Flagged readings of one reason that follow each other."""

    reason: str
    first: ReadingView
    last: ReadingView
    readings: int
    score_bps: int


def flagged_runs(readings: list[ReadingView]) -> list[FlaggedRun]:
    """Neighbouring flagged readings of a device with one reason, counted together; the last one's words stand."""
    runs: list[list[ReadingView]] = []
    previous: ReadingView | None = None
    for reading in readings:
        if reading.is_flagged:
            if previous is not None and previous.is_flagged and previous.channel == reading.channel:
                runs[-1].append(reading)
            else:
                runs.append([reading])
        previous = reading
    return [
        FlaggedRun(run[-1].reason or "", run[0], run[-1], len(run), max(one.score_bps or 0 for one in run))
        for run in runs
    ]


def _home(site: Site, viewer: Viewer, device_id: bytes, text: str) -> dict[str, Any]:
    device = site.portal.device(viewer, device_id)
    if device is None or device.readings is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "this home is not here, or its owner’s alone to see after signing in")
    days = site.portal.days()
    day = _day_of_home(site, device, days, text)
    readings = everything(
        lambda cursor, limit: site.portal.readings(
            viewer, device_id, time_from=day.begin, time_to=day.end, flagged=False, cursor=cursor, limit=limit
        ),
        _MOST_READINGS,
    )
    schedules = {
        one.day: one
        for market_day in day.market_days
        for one in site.portal.schedules(viewer, device_id=device_id, day=market_day, cursor="", limit=1).items
    }
    net = [one for one in readings if one.metric == NET_ENERGY_METRIC]
    settlements = site.portal.settlements(viewer, device_id=device_id, day=day.market_day, cursor="", limit=1).items
    return {
        "device": device,
        "day": day,
        "days": _known_days(site, days),
        "readings": readings,
        "runs": flagged_runs(readings),
        "chart": charts.home(day, net, schedules) if net else None,
        "schedule": schedules.get(day.market_day),
        "bill": site.portal.bill(viewer, device_id, day.market_day),
        "settlement": settlements[0] if settlements else None,
        "forecast": charts.forecast(site.portal.forecast(viewer, device_id)),
    }


def _day_of_home(site: Site, device: DeviceView, days: Sequence[int], text: str) -> LocalDay:
    if text:
        return parse_day(text, site.clock.zone)
    if days:
        return day_of_market(days[0], site.clock.zone)
    return local_day_of(device.last_seen or site.portal.now().time, site.clock.zone)
