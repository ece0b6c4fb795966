"""What happens, as it happens: server-sent events."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from gridwitness.api.describing import problem_responses
from gridwitness.api.portal.chain_views import EventView
from gridwitness.api.portal.event_stream import EventFeed, EventStream
from gridwitness.api.portal.limits import address_of
from gridwitness.api.portal.routes.context import Asker, Context

_DESCRIPTION = "Events; `id` is the position, `event` the kind, `data` an Event. Comments keep the connection alive"


def event_routes(context: Context, feed: EventFeed) -> APIRouter:
    """/v1/events."""
    routes = context.router("events")
    context.documents.reference(EventView)
    content = {"text/event-stream": {"schema": {"type": "string"}}}
    responses: dict[int | str, dict[str, Any]] = {200: {"description": _DESCRIPTION, "content": content}}
    responses |= problem_responses(400, 401, 422, 429, 503)

    @routes.get("/events", responses=responses)
    async def events(
        request: Request,
        viewer: Asker,
        last_event_id: Annotated[
            str | None, Header(pattern="^[0-9]{1,19}$", description="Position after which to go on; else from now on")
        ] = None,
    ) -> Response:
        """Batches, clearings, settlements, readings and rejections as they come, without end (server-sent events)."""
        after = None if last_event_id is None else int(last_event_id)
        return await EventStream.open(feed, viewer, address_of(request), after)

    return routes
