"""What every request gets: an id in log and answer, an entry in the metrics, and an answer even if we fail."""

from __future__ import annotations

import itertools
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gridwitness.api.problems import ProblemError, problem, problem_of
from gridwitness.errors import GridwitnessError

_log = structlog.get_logger()
_ID = re.compile(rb"[!-~]{1,64}")
# As nginx counts them: the client was gone before there was an answer.
_CLIENT_GONE = 499
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


# Ids we make: unlike those of other processes, and counted in this one.
_PROCESS = secrets.token_hex(6)
_counter = itertools.count(1)

Endpoint = Callable[[Request], Awaitable[Response]]


def install_request_context(
    app: FastAPI, registry: CollectorRegistry, direct: Mapping[tuple[str, str], Endpoint]
) -> None:
    """Wrap the app, and register its histogram of durations. `direct` are endpoints by method and path that get their
    requests past FastAPI, which takes longer over one than to decode a hundred readings; they are routes too, so that
    its documentation has them.
    """
    durations = Histogram(
        "gridwitness_http_request_duration_seconds",
        "Time from the head of a request to the end of its answer, by route template and status",
        ("method", "route", "status"),
        buckets=_BUCKETS_S,
        registry=registry,
    )
    app.add_middleware(
        RequestContext, durations=durations, direct={of: _application(endpoint) for of, endpoint in direct.items()}
    )


class RequestContext:
    """ASGI middleware. X-Request-Id is taken over if it is 1 to 64 printable ASCII characters, else one is made."""

    def __init__(self, app: ASGIApp, durations: Histogram, direct: Mapping[tuple[str, str], ASGIApp]) -> None:
        self._app = app
        self._durations = durations
        self._direct = direct
        self._series: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope["headers"])
        started, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        tokens = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            app = self._direct.get((scope["method"], scope["path"]), self._app)
            await app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = _CLIENT_GONE
        except Exception:
            _log.exception("request_failed", method=scope["method"], path=scope["path"])
            if status:
                raise
            answer = problem(HTTPStatus.INTERNAL_SERVER_ERROR, "this is our fault; the log has the reason")
            await answer(scope, receive, send_with_id)
        finally:
            structlog.contextvars.reset_contextvars(**tokens)
            self._observe(scope, status, time.perf_counter() - started)

    def _observe(self, scope: Scope, status: int, duration_s: float) -> None:
        labels = (scope["method"], self._template(scope), status)
        if labels not in self._series:
            self._series[labels] = self._durations.labels(*labels)
        self._series[labels].observe(duration_s)

    def _template(self, scope: Scope) -> str:
        """The route's path with its parameters' names: paths themselves would make a series each."""
        route = scope.get("route")
        if route is not None:
            return str(route.path)
        return scope["path"] if (scope["method"], scope["path"]) in self._direct else "unknown"


def _application(endpoint: Endpoint) -> ASGIApp:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await endpoint(Request(scope, receive))
        except (GridwitnessError, ProblemError) as error:
            response = problem_of(error)
        await response(scope, receive, send)

    return application


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return value.decode()
    return f"{_PROCESS}-{next(_counter):x}"
