"""What households traded, delivered and owe: theirs to see."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gridwitness.api.bodies import bytes32
from gridwitness.api.portal.answers import answer_viewer, found
from gridwitness.api.portal.parameters import Cursor, DayFilter, DayPath, DeviceFilter, DevicePath, Limit
from gridwitness.api.portal.routes.context import Asker, Context, blocking
from gridwitness.api.portal.views import BillView, CommunityDayView, Page, ScheduleView, SettlementView


def household_routes(context: Context) -> APIRouter:
    """/v1/schedules, /v1/settlements, /v1/bills and /v1/community."""
    routes, portal, documents = context.router("households"), context.portal, context.documents

    @routes.get("/schedules", **documents.answers(Page[ScheduleView]))
    async def schedules(
        request: Request,
        viewer: Asker,
        device: DeviceFilter = None,
        day: DayFilter = None,
        cursor: Cursor = "",
        limit: Limit = 100,
    ) -> Response:
        """Schedules of yours that stand on chain, newest day first."""
        page = await blocking(portal.schedules, viewer, device_id=_id_of(device), day=day, cursor=cursor, limit=limit)
        return answer_viewer(request, page, viewer)

    @routes.get("/settlements", **documents.answers(Page[SettlementView]))
    async def settlements(
        request: Request,
        viewer: Asker,
        device: DeviceFilter = None,
        day: DayFilter = None,
        cursor: Cursor = "",
        limit: Limit = 100,
    ) -> Response:
        """Settlement runs of yours with their state, newest day first."""
        page = await blocking(portal.settlements, viewer, device_id=_id_of(device), day=day, cursor=cursor, limit=limit)
        return answer_viewer(request, page, viewer)

    @routes.get("/bills/{device}/{day}", **documents.answers(BillView, 404))
    async def bill(request: Request, viewer: Asker, device: DevicePath, day: DayPath) -> Response:
        """What a day costs a home, line by line, beside the grid's tariff."""
        view = await blocking(portal.bill, viewer, bytes32("device", device), day)
        return answer_viewer(request, found(view, f"a bill of device {device} for day {day}"), viewer)

    @routes.get("/community", **documents.answers(list[CommunityDayView]))
    async def community(request: Request, viewer: Asker) -> Response:
        """Energy and money of the community by UTC day, newest first, with the homes that are yours.

        Sums are null where fewer homes stand behind them than hide each other.
        """
        return answer_viewer(request, await blocking(portal.community_days, viewer), viewer)

    return routes


def _id_of(device: str | None) -> bytes | None:
    return None if device is None else bytes32("device", device)
