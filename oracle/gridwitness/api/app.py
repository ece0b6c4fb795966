"""The routes. Everything stands under /v1 but the two health checks."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from prometheus_client import CollectorRegistry

from gridwitness.api.bodies import (
    BODY_TIMEOUT_S,
    MAX_COMMITTEE_BODY_BYTES,
    bytes32,
    check_is_json,
    content_type,
    read_body,
)
from gridwitness.api.describing import Documents, problem_responses
from gridwitness.api.health import health_routes
from gridwitness.api.metrics import metrics_routes
from gridwitness.api.problems import ProblemError, install_problem_handlers
from gridwitness.api.protocols import Oracle, Verdicts
from gridwitness.api.requests import Endpoint, install_request_context
from gridwitness.api.rights import OpenToAll, Rights
from gridwitness.domain.readings import NET_ENERGY_METRIC

MAX_PAGE = 1_000
_MAX_INTEGER = (1 << 63) - 1
_QueryInteger = Annotated[int, Query(ge=0, le=_MAX_INTEGER)]
_PathInteger = Annotated[int, Path(ge=0, le=_MAX_INTEGER)]
_OPEN = OpenToAll()
_READING_BODIES = ("application/json", "application/cbor", "application/cose", "application/x-ocmf")


def create_app(
    oracle: Oracle,
    *,
    registry: CollectorRegistry | None = None,
    body_timeout_s: float = BODY_TIMEOUT_S,
    rights: Rights = _OPEN,
    has_portal: bool = False,
) -> FastAPI:
    """The HTTP interface of `oracle`. /metrics shows `registry`, with the durations of requests beside what it has.

    With a portal beside it, readings and proofs are for the portal to answer (`install_portal`).
    """
    app = FastAPI(title="Gridwitness oracle", version="1", docs_url="/docs", redoc_url=None)
    registry = registry or CollectorRegistry()
    documents = Documents(app)
    post_readings = _intake(oracle, rights, body_timeout_s)
    app.include_router(health_routes(oracle))
    app.include_router(metrics_routes(registry))
    app.include_router(_intake_routes(post_readings, documents))
    if not has_portal:
        app.include_router(_reading_routes(oracle, rights))
        app.include_router(_proof_routes(oracle, rights))
    app.include_router(_committee_routes(oracle, rights, body_timeout_s))
    install_problem_handlers(app)
    install_request_context(app, registry, {("POST", "/v1/readings"): post_readings})
    return app


def _json(document: object) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")


def _found(body: bytes | None, what: str) -> Response:
    if body is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, f"{what} is not here")
    return Response(body, media_type="application/json")


def _intake(oracle: Oracle, rights: Rights, body_timeout_s: float) -> Endpoint:
    async def post_readings(request: Request) -> Response:
        """Post one signed reading, an array of at most 1,000, or a signed document of readings. Answers once all
        accepted ones are durable, with a verdict for each in order; a reading that was sent before is a duplicate,
        which is as good as accepted.
        """
        await rights.may_post(request)
        body = await read_body(request, timeout_s=body_timeout_s)
        return _json({"results": await oracle.ingest(body, content_type(request))})

    return post_readings


def _intake_routes(post_readings: Endpoint, documents: Documents) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["readings"])
    body = {"required": True, "content": {media_type: {} for media_type in _READING_BODIES}}
    responses = documents.answers(Verdicts, 403, 408, 413, 415, 507, has_tag=False)["responses"]
    routes.post("/readings", openapi_extra={"requestBody": body}, responses=responses, operation_id="post_readings")(
        post_readings
    )
    return routes


def _reading_routes(oracle: Oracle, rights: Rights) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["readings"], dependencies=[Depends(rights.may_read)])

    @routes.get("/readings")
    async def get_readings(
        device: str,
        time_from: Annotated[int, Query(alias="from", ge=0, le=_MAX_INTEGER)] = 0,
        time_to: Annotated[int, Query(alias="to", ge=0, le=_MAX_INTEGER)] = _MAX_INTEGER,
        after: Annotated[int, Query(ge=-1, le=_MAX_INTEGER)] = -1,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = MAX_PAGE,
    ) -> Response:
        """Readings of a device with from ≤ time < to in the order of its counter; send a page's `next_after` back as
        `after` for the next page.
        """
        page = await oracle.readings(bytes32("device", device), time_from, time_to, after, limit + 1)
        next_after = page[limit - 1]["counter"] if len(page) > limit else None
        return _json({"readings": page[:limit], "next_after": next_after})

    return routes


def _proof_routes(oracle: Oracle, rights: Rights) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["proofs"], dependencies=[Depends(rights.may_read)])

    @routes.get("/proofs/readings")
    async def reading_at(device: str, time: _QueryInteger, metric: str = NET_ENERGY_METRIC) -> Response:
        """Proof of a device's reading at a time (unix seconds, start of the interval)."""
        return _json(await oracle.prove_reading_at(bytes32("device", device), time, metric))

    @routes.get("/proofs/readings/{device}/{counter}")
    async def reading(device: str, counter: _PathInteger) -> Response:
        """Proof of a device's reading by its counter."""
        return _json(await oracle.prove_reading(bytes32("device", device), counter))

    @routes.get("/proofs/profiles/{device}/{day}")
    async def profile(device: str, day: _PathInteger) -> Response:
        """Proof of a device's profile of a UTC day (days since the epoch)."""
        return _json(await oracle.prove_profile(bytes32("device", device), day))

    return routes


def _committee_routes(oracle: Oracle, rights: Rights, body_timeout_s: float) -> APIRouter:
    """Asking for a signature is open to all: it is worth nothing but for exactly the batch it covers, and that is the
    committee's. What was voted for and attested holds signed readings.
    """
    routes = APIRouter(prefix="/v1/committee", tags=["committee"])
    problems = problem_responses(400, 401, 403, 404, 422)

    @routes.post("/sign")
    async def sign(request: Request) -> Response:
        """Recompute a proposal and sign it; 409 with the problem if this oracle cannot or must not."""
        check_is_json(request)
        reply = await oracle.sign(await read_body(request, MAX_COMMITTEE_BODY_BYTES, body_timeout_s))
        status = HTTPStatus.OK if reply.signed else HTTPStatus.CONFLICT
        return Response(reply.body, status_code=int(status), media_type="application/json")

    @routes.get("/votes/{stream}/{seq}", dependencies=[Depends(rights.may_cosign)], responses=problems)
    async def votes(stream: str, seq: _PathInteger) -> Response:
        """The content this oracle last voted for, so that a proposer can take it over."""
        return _found(await oracle.voted_content(bytes32("stream", stream), seq), f"a vote for batch {seq}")

    @routes.get("/batches/{stream}/{seq}", dependencies=[Depends(rights.may_cosign)], responses=problems)
    async def attested(stream: str, seq: _PathInteger) -> Response:
        """An attested batch: what stands on chain, the keys of its content, and the signed readings."""
        return _found(await oracle.batch(bytes32("stream", stream), seq), f"batch {seq} of stream {stream}")

    return routes
