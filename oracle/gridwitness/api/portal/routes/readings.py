"""Readings, their scores and their way to finality."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gridwitness.api.bodies import bytes32
from gridwitness.api.portal.answers import answer_viewer, found
from gridwitness.api.portal.parameters import (
    MAX_INTEGER,
    CounterPath,
    Cursor,
    DayFilter,
    DevicePath,
    DeviceQuery,
    Limit,
    TimeFrom,
    TimeTo,
)
from gridwitness.api.portal.routes.context import Asker, Context, blocking
from gridwitness.api.portal.views import Page, ReadingView, ScoreSummaryView, TrailView


def reading_routes(context: Context) -> APIRouter:
    """/v1/readings and /v1/scores."""
    routes, portal, documents = context.router("readings"), context.portal, context.documents

    @routes.get("/readings", **documents.answers(Page[ReadingView]))
    async def readings(
        request: Request,
        viewer: Asker,
        device: DeviceQuery,
        time_from: TimeFrom = 0,
        time_to: TimeTo = MAX_INTEGER,
        flagged: bool = False,
        cursor: Cursor = "",
        limit: Limit = 100,
    ) -> Response:
        """Readings of a device with from ≤ time < to, by time, with score and reason; none if it is not yours."""
        of = {"time_from": time_from, "time_to": time_to}
        page = await blocking(
            portal.readings, viewer, bytes32("device", device), **of, flagged=flagged, cursor=cursor, limit=limit
        )
        return answer_viewer(request, page, viewer)

    @routes.get("/readings/flagged", **documents.answers(Page[ReadingView]))
    async def flagged_readings(request: Request, viewer: Asker, cursor: Cursor = "", limit: Limit = 100) -> Response:
        """Flagged readings of all devices that are yours, newest first."""
        return answer_viewer(request, await blocking(portal.flagged, viewer, cursor=cursor, limit=limit), viewer)

    @routes.get("/readings/{device}/{counter}", **documents.answers(ReadingView, 404))
    async def reading(request: Request, viewer: Asker, device: DevicePath, counter: CounterPath) -> Response:
        """One reading with its score and the reason for it."""
        view = await blocking(portal.reading, viewer, bytes32("device", device), counter)
        return answer_viewer(request, found(view, f"reading {counter} of device {device}"), viewer)

    @routes.get("/readings/{device}/{counter}/trail", **documents.answers(TrailView, 404))
    async def trail(request: Request, viewer: Asker, device: DevicePath, counter: CounterPath) -> Response:
        """A reading's way: signed, accepted, scored, batched, co-signed, mined, final."""
        view = await blocking(portal.trail, viewer, bytes32("device", device), counter)
        return answer_viewer(request, found(view, f"reading {counter} of device {device}"), viewer)

    @routes.get("/scores", **documents.answers(ScoreSummaryView))
    async def scores(request: Request, viewer: Asker, day: DayFilter = None) -> Response:
        """How scores are distributed, which channels flagged, and the settlements held on scores."""
        return answer_viewer(request, await blocking(portal.scores, viewer, day=day), viewer)

    return routes
