"""Fleet: every device with its health, and a device's own page."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from gridwitness.api.bodies import bytes32
from gridwitness.api.portal.pages.rendering import Site, off_loop
from gridwitness.api.portal.protocols import Viewer
from gridwitness.api.problems import ProblemError

_PAGE = 100
_NEWEST_READINGS = 12
_DAY_S = 86_400
_KINDS = ("consumption", "prosumer", "generation", "storage", "charger", "feeder", "sensor")
_STATUSES = ("active", "suspended", "retired")


def fleet_pages(routes: APIRouter, site: Site) -> None:
    """The fleet, and a device."""

    @routes.get("/fleet")
    async def fleet(request: Request, kind: str = "", status: str = "", cursor: str = "") -> Response:
        """Devices, filtered; with a cursor the rows that follow."""
        viewer = await site.viewer(request)
        values = await off_loop(_fleet, site, viewer, kind, status, cursor)
        return site.page(request, "fleet.html.j2", **values)

    @routes.get("/devices/{device}")
    async def one(request: Request, device: str) -> Response:
        """A device."""
        viewer = await site.viewer(request)
        values = await off_loop(_device, site, viewer, bytes32("device", device))
        return site.page(request, "device.html.j2", **values)


def _fleet(site: Site, viewer: Viewer, kind: str, status: str, cursor: str) -> dict[str, Any]:
    page = site.portal.devices(viewer, cursor=cursor, limit=_PAGE, kind=kind, status=status)
    return {
        "devices": page.items,
        "next_cursor": page.next_cursor,
        "cursor": cursor,
        "wanted": {"kind": kind, "status": status},
        "kinds": _KINDS,
        "statuses": _STATUSES,
        "now": site.portal.now(),
        "rejections": site.portal.rejections(),
    }


def _device(site: Site, viewer: Viewer, device_id: bytes) -> dict[str, Any]:
    device = site.portal.device(viewer, device_id)
    if device is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "this device is not here")
    newest = []
    if device.last_seen is not None:
        span = {"time_from": max(0, device.last_seen - _DAY_S), "time_to": device.last_seen + 1}
        page = site.portal.readings(viewer, device_id, **span, flagged=False, cursor="", limit=_PAGE)
        newest = page.items[-_NEWEST_READINGS:][::-1]
    return {"device": device, "now": site.portal.now(), "newest": newest}
