"""Devices of the site, and what is expected of them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gridwitness.api.bodies import bytes32
from gridwitness.api.portal.answers import answer_viewer, found
from gridwitness.api.portal.parameters import Cursor, DevicePath, Limit, TextFilter, ZoneFilter
from gridwitness.api.portal.routes.context import Asker, Context, blocking
from gridwitness.api.portal.views import DeviceView, ForecastView, Page


def device_routes(context: Context) -> APIRouter:
    """/v1/devices and /v1/forecasts."""
    routes, portal, documents = context.router("devices"), context.portal, context.documents

    @routes.get("/devices", **documents.answers(Page[DeviceView]))
    async def devices(
        request: Request,
        viewer: Asker,
        kind: TextFilter = "",
        status: TextFilter = "",
        zone: ZoneFilter = None,
        cursor: Cursor = "",
        limit: Limit = 100,
    ) -> Response:
        """Devices by id. What is a household's is null where it is not yours."""
        page = await blocking(portal.devices, viewer, cursor=cursor, limit=limit, kind=kind, status=status, zone=zone)
        return answer_viewer(request, page, viewer)

    @routes.get("/devices/{device}", **documents.answers(DeviceView, 404))
    async def device(request: Request, viewer: Asker, device: DevicePath) -> Response:
        """A device with its keys, rotations and DID; with its health and last readings if it is yours."""
        view = await blocking(portal.device, viewer, bytes32("device", device))
        return answer_viewer(request, found(view, f"device {device}"), viewer)

    @routes.get("/forecasts/{device}", **documents.answers(ForecastView, 404))
    async def forecast(request: Request, viewer: Asker, device: DevicePath) -> Response:
        """The day ahead of a meter by the hour, with its .1, .5 and .9 quantiles."""
        view = await blocking(portal.forecast, viewer, bytes32("device", device))
        return answer_viewer(request, found(view, f"a forecast of device {device}"), viewer)

    return routes
