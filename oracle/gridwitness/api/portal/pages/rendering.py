"""Turns views into HTML: templates, the words they use, and errors as pages."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Coroutine
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from gridwitness.api.portal.access import Access
from gridwitness.api.portal.pages import wording
from gridwitness.api.portal.pages.static_files import StaticFiles, compressible
from gridwitness.api.portal.pages.wording import SiteClock
from gridwitness.api.portal.protocols import Portal, Viewer
from gridwitness.api.problems import ProblemError, problem, problem_of
from gridwitness.errors import GridwitnessError

_TEMPLATES = Path(__file__).parent / "templates"
_WORDS = (
    "grouped",
    "kwh",
    "wh",
    "euros",
    "cents",
    "better",
    "percent",
    "ether",
    "gwei",
    "duration",
    "short",
    "channel",
    "work_of",
)
_PRIVATE = "private, no-cache"
_COMPRESSION = 5
T = TypeVar("T")


class Site:
    """What every page needs: the portal, who asks, the templates and the site's clock."""

    def __init__(self, portal: Portal, access: Access, static: StaticFiles) -> None:
        self.portal = portal
        self.access = access
        self.view = portal.site()
        self.clock = SiteClock(self.view.time_zone)
        self._templates = self._environment(static)

    def _environment(self, static: StaticFiles) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {name: getattr(wording, name) for name in _WORDS}
        environment.filters |= {"count": wording.count, "json": _compact_json, "measured": self._measured}
        environment.filters |= {
            name: getattr(self.clock, name) for name in ("clock", "date", "moment", "seconds", "iso")
        }
        environment.globals |= {"static": static.url, "site": self.view}
        return environment

    def _measured(self, value: int, metric: str) -> str:
        return wording.measured(value, self.portal.unit_of(metric))

    async def viewer(self, request: Request) -> Viewer:
        """What the one who asks may see."""
        return await self.access.viewer_of(request)

    def page(self, request: Request, template: str, /, *, status: int = 200, **values: Any) -> Response:
        """A whole page, or the part of one that htmx asks for; the router has looked up who asks."""
        has_grant = getattr(request.state, "grant", None) is not None
        values |= {"path": request.url.path, "signed_in": has_grant and self.access.session_token(request) != ""}
        document = self._templates.get_template(template).render(values).encode()
        compressed = gzip.compress(document, _COMPRESSION)
        response = compressible(request, document, compressed, "text/html; charset=utf-8", _PRIVATE)
        response.status_code = status
        return response


async def off_loop(method: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """A method of the portal, which blocks, off the event loop."""
    return await asyncio.to_thread(method, *arguments, **named)


def route_class(site: Site) -> type[APIRoute]:
    """Routes whose errors are pages, with the same words as the API's."""

    class PageRoute(APIRoute):
        """A route of a page."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            """The handler, with errors caught."""
            handler = super().get_route_handler()

            async def handle(request: Request) -> Response:
                try:
                    return await handler(request)
                except (ProblemError, GridwitnessError, HTTPException, RequestValidationError) as error:
                    return _error_page(site, request, error)

            return handle

    return PageRoute


def nothing_here(site: Site) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Answers paths at which there is nothing: with a page to browsers, and a problem as ever to programs."""

    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/"):
            return _error_page(site, request, HTTPException(error.status_code, "There is no page at this address."))
        return problem(HTTPStatus.NOT_FOUND, str(error.detail))

    return answer


def _error_page(site: Site, request: Request, error: Exception) -> Response:
    if isinstance(error, ProblemError | GridwitnessError):
        status = HTTPStatus(problem_of(error).status_code)
        detail = error.detail if isinstance(error, ProblemError) else error.message
        hint = "" if isinstance(error, ProblemError) else error.hint
    elif isinstance(error, HTTPException):
        status, detail, hint = HTTPStatus(error.status_code), str(error.detail), ""
    else:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        status, hint = HTTPStatus.UNPROCESSABLE_ENTITY, ""
        detail = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        structlog.get_logger().warning("page_failed", path=request.url.path, error=detail)
    return site.page(request, "error.html.j2", status=int(status), title=status.phrase, detail=detail, hint=hint)


def _compact_json(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))
