"""Errors as RFC 9457 problem details; `instance` is the id of the request, as it stands in X-Request-Id and the log."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from gridwitness.errors import (
    ChainError,
    GridwitnessError,
    InputError,
    Overloaded,
    ProofError,
    RateLimited,
    ReadingRejected,
    StoreError,
    StoreFull,
    TryLater,
    UnsupportedContent,
)

_STATUS: tuple[tuple[type[GridwitnessError], HTTPStatus], ...] = (
    (ProofError, HTTPStatus.NOT_FOUND),
    (UnsupportedContent, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (InputError, HTTPStatus.BAD_REQUEST),
    (RateLimited, HTTPStatus.TOO_MANY_REQUESTS),
    (Overloaded, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreFull, HTTPStatus.INSUFFICIENT_STORAGE),
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (ChainError, HTTPStatus.SERVICE_UNAVAILABLE),
)


_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


class ProblemError(Exception):
    """A problem that a route found by itself; `is_last` if what else the client sends is not to be read."""

    def __init__(
        self, status: HTTPStatus, detail: str, *, is_last: bool = False, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.is_last = is_last
        self.headers = headers or {}


def problem(status: HTTPStatus, detail: str, **members: object) -> Response:
    """A problem+json response; `members` are extension members."""
    body = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail, **members}
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id is not None:
        body["instance"] = "urn:request:" + quote(request_id, safe="")
    # Caches may keep a 404 by themselves, and what one may not see another may.
    headers = {"cache-control": "no-store"}
    return Response(
        msgspec.json.encode(body), status_code=int(status), media_type="application/problem+json", headers=headers
    )


def problem_of(error: GridwitnessError | ProblemError) -> Response:
    """The answer to an error that is no fault of ours."""
    if isinstance(error, ProblemError):
        response = problem(error.status, error.detail)
        response.headers.update(error.headers)
        if error.is_last:
            response.headers["connection"] = "close"
        return response
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    members = {"hint": error.hint} if error.hint else {}
    if isinstance(error, ReadingRejected):  # a document of which nothing was taken
        members["reason"] = error.reason
    response = problem(status, error.message, **members)
    if isinstance(error, TryLater):
        response.headers["retry-after"] = str(error.retry_after_s)
    return response


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the app with a problem."""

    async def own(_: Request, error: Exception) -> Response:
        assert isinstance(error, GridwitnessError | ProblemError)
        return problem_of(error)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = problem(HTTPStatus(error.status_code), str(error.detail))
        response.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["allow"] = ", ".join(_methods_of(request))
        return response

    async def validation(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where} {first.get('input')!r}: {first['msg']}")

    app.add_exception_handler(GridwitnessError, own)
    app.add_exception_handler(ProblemError, own)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, validation)


def _methods_of(request: Request) -> list[str]:
    """Methods that this path has: routes of one path may be several, and each knows its own alone."""
    scope = dict(request.scope)
    found = []
    for method in _METHODS:
        scope["method"] = method
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            found.append(method)
    return found
