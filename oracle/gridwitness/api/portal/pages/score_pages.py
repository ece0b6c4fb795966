"""Scores: how they are distributed, what was flagged and why; and Trail: a reading's way to finality."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from gridwitness.api.bodies import bytes32
from gridwitness.api.portal.pages.paging import PAGE
from gridwitness.api.portal.pages.rendering import Site, off_loop
from gridwitness.api.portal.protocols import Viewer
from gridwitness.api.portal.views import SettlementView
from gridwitness.api.problems import ProblemError
from gridwitness.domain.slots import SECONDS_PER_DAY, SLOT_SECONDS

_FLAGGED_SHOWN = 10
_HELD_SHOWN = 20
_DEVICES_OFFERED = 200
_EXAMPLES = 12
_MAX_COUNTER = (1 << 63) - 1


def score_pages(routes: APIRouter, site: Site) -> None:
    """Scores and trails."""

    @routes.get("/scores")
    async def scores(request: Request, cursor: str = "") -> Response:
        """Distribution, flagged readings, held settlements."""
        viewer = await site.viewer(request)
        return site.page(request, "scores.html.j2", **await off_loop(_scores, site, viewer, cursor))

    @routes.get("/trail")
    async def trails(
        request: Request,
        device: str = "",
        counter: Annotated[int | None, Query(ge=0, le=_MAX_COUNTER)] = None,
    ) -> Response:
        """Readings to choose from."""
        viewer = await site.viewer(request)
        if device and counter is not None:
            return site.page(request, "trail.html.j2", **await off_loop(_trail, site, viewer, device, counter))
        return site.page(request, "trails.html.j2", **await off_loop(_trails, site, viewer, device))

    @routes.get("/trail/{device}/{counter}")
    async def trail(request: Request, device: str, counter: Annotated[int, Path(ge=0, le=_MAX_COUNTER)]) -> Response:
        """One reading's way."""
        viewer = await site.viewer(request)
        return site.page(request, "trail.html.j2", **await off_loop(_trail, site, viewer, device, counter))


def _scores(site: Site, viewer: Viewer, cursor: str) -> dict[str, Any]:
    summary = site.portal.scores(viewer)
    page = site.portal.flagged(viewer, cursor=cursor, limit=_FLAGGED_SHOWN)
    return {
        "summary": summary,
        "held": [(one, _reason_of(site, viewer, one)) for one in summary.held[:_HELD_SHOWN]],
        "total": sum(summary.counts),
        "flagged": page.items,
        "next_cursor": page.next_cursor,
        "cursor": cursor,
    }


def _reason_of(site: Site, viewer: Viewer, held: SettlementView) -> str:
    """What the oracles said last of the readings that a bill is held on; the contract's own reason without any."""
    begin = held.day * SECONDS_PER_DAY
    page = site.portal.readings(
        viewer,
        bytes32("device", held.device_id),
        time_from=begin,
        time_to=begin + SECONDS_PER_DAY,
        flagged=True,
        cursor="",
        limit=PAGE,
    )
    return (page.items[-1].reason or held.reason) if page.items else held.reason


def _trail(site: Site, viewer: Viewer, device: str, counter: int) -> dict[str, Any]:
    trail = site.portal.trail(viewer, bytes32("device", device), counter)
    if trail is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, f"reading {counter} of this device is not here, or not for you to see")
    return {"trail": trail}


def _trails(site: Site, viewer: Viewer, device: str) -> dict[str, Any]:
    devices = site.portal.devices(viewer, cursor="", limit=_DEVICES_OFFERED).items
    readable = [one for one in devices if one.readings]
    chosen = next((one for one in readable if one.device_id == device), readable[0] if readable else None)
    readings = []
    if chosen is not None and chosen.last_seen is not None:
        page = site.portal.readings(
            viewer,
            bytes32("device", chosen.device_id),
            time_from=max(0, chosen.last_seen - _EXAMPLES * SLOT_SECONDS),
            time_to=chosen.last_seen + 1,
            flagged=False,
            cursor="",
            limit=_EXAMPLES,
        )
        readings = page.items[::-1]
    return {"devices": readable, "chosen": chosen, "readings": readings}
