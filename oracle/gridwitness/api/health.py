"""The routes every service has: does the process answer, can it work, how is it doing."""

from __future__ import annotations

from http import HTTPStatus
from typing import Protocol

import msgspec
from fastapi import APIRouter, Response

from gridwitness.api.problems import problem
from gridwitness.api.protocols import Document


class Watched(Protocol):
    """A running service."""

    async def status(self) -> Document:
        """Everything an operator wants to know at a glance."""
        ...

    def not_ready(self) -> list[str]:
        """Why it cannot do its work now; empty when it can."""
        ...


def health_routes(service: Watched) -> APIRouter:
    """/live, /ready and /v1/status of a service."""
    routes = APIRouter(tags=["health"])

    @routes.get("/live")
    async def live() -> Response:
        """Whether the process answers."""
        return _json({"live": True})

    @routes.get("/ready")
    async def ready() -> Response:
        """Whether it can do its work; 503 with the reasons if not."""
        reasons = service.not_ready()
        if reasons:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "; ".join(reasons), reasons=reasons)
        return _json({"ready": True})

    @routes.get("/v1/status")
    async def status() -> Response:
        """Chain, clock, what waits, what is under way, what was refused."""
        return _json(await service.status())

    return routes


def _json(document: object) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")
