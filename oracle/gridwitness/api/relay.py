"""HTTP interface of a relay of signed schedules."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Protocol

import msgspec
from fastapi import APIRouter, FastAPI, Path, Request, Response
from prometheus_client import CollectorRegistry

from gridwitness.api.bodies import bytes32, read_body
from gridwitness.api.health import Watched, health_routes
from gridwitness.api.metrics import metrics_routes
from gridwitness.api.problems import ProblemError, install_problem_handlers, problem
from gridwitness.api.protocols import Document
from gridwitness.api.requests import install_request_context

_MAX_DAY = (1 << 24) - 1


class RowProblem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a schedule is refused, or waits: an RFC 9457 title (the contract's error), detail with the values, hint."""

    title: str
    detail: str
    hint: str = ""


class RowResult(msgspec.Struct, frozen=True, rename="camel"):
    """What became of one schedule posted: accepted, duplicate (taken before) or refused, with the problem.

    `device_id`, `day` and `version` are those of the schedule, null if it could not be read.
    """

    device_id: str | None
    day: int | None
    version: int | None
    status: str
    problem: RowProblem | None = None


class RetryLater(ProblemError):
    """The relay takes nothing from this client now; it may ask again after `after_s` seconds."""

    def __init__(self, status: HTTPStatus, detail: str, after_s: int) -> None:
        super().__init__(status, detail)
        self.after_s = after_s


class Relay(Watched, Protocol):
    """One running relay. Methods raise InputError for bad requests, RetryLater when there is too much to do, StoreError
    and ChainError for what the relay cannot do now.
    """

    async def submit(self, body: bytes, client: str) -> list[RowResult]:
        """Check and log the schedules of a JSON body; returns once the accepted ones are durable."""
        ...

    async def schedules(self, device_id: bytes, day: int) -> Document | None:
        """What became of a device's schedules of a day (days since the epoch); None if there is none."""
        ...


def create_relay_app(relay: Relay, *, registry: CollectorRegistry | None = None) -> FastAPI:
    """The HTTP interface of `relay`. /metrics shows `registry`, with the durations of requests beside what it has."""
    app = FastAPI(title="Gridwitness relay", version="1", docs_url="/docs", redoc_url=None)
    registry = registry or CollectorRegistry()
    app.include_router(health_routes(relay))
    app.include_router(metrics_routes(registry))
    app.include_router(_schedule_routes(relay))
    install_problem_handlers(app)
    app.add_exception_handler(RetryLater, _retry_later)
    install_request_context(app, registry, {})
    return app


async def _retry_later(_: Request, error: Exception) -> Response:
    assert isinstance(error, RetryLater)
    response = problem(error.status, error.detail)
    response.headers["retry-after"] = str(error.after_s)
    return response


def _json(document: object) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")


def _schedule_routes(relay: Relay) -> APIRouter:
    routes = APIRouter(prefix="/v1/schedules", tags=["schedules"])

    @routes.post("")
    async def post_schedules(request: Request) -> Response:
        """Post one signed schedule or an array of at most 500. Answers once all accepted ones are durable, with a
        result for each in order; what the market would refuse now is refused with its reason.
        """
        client = request.client.host if request.client is not None else ""
        return _json({"results": await relay.submit(await read_body(request), client)})

    @routes.get("/{device}/{day}")
    async def schedules(device: str, day: Annotated[int, Path(ge=0, le=_MAX_DAY)]) -> Response:
        """What became of a device's schedules of a UTC day (days since the epoch), the newest version first."""
        document = await relay.schedules(bytes32("device", device), day)
        if document is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"no schedule of {device} for day {day} is here")
        return _json(document)

    return routes
