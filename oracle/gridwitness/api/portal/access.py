"""Who asks, and whether they may: an API key in `Authorization: Bearer`, or the cookie of a wallet's session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import Request, Response

from gridwitness.api.portal.limits import RequestLimits
from gridwitness.api.portal.protocols import ANYBODY, EVERYTHING, Grant, Keys, Scope, Viewer
from gridwitness.api.problems import ProblemError
from gridwitness.errors import RateLimited

# No longer than a session, which ends by itself.
_COOKIE_S = 12 * 3_600
_MAX_TOKEN_CHARACTERS = 200
_BEARER = "bearer "


class Access:
    """Resolves requests to grants. Where the site is open data everybody sees everything, and keys are needed only to
    trade and to operate.

    A key that is not good is an error and never "anybody": who sends one expects more than anybody may see. A session
    that has ended is not: browsers send their cookie until told otherwise.
    """

    def __init__(self, keys: Keys, limits: RequestLimits, *, is_open_data: bool, is_secure_cookie: bool) -> None:
        self.keys = keys
        self.limits = limits
        self.is_open_data = is_open_data
        self._is_secure_cookie = is_secure_cookie

    @property
    def cookie_name(self) -> str:
        """Name of the session's cookie: with the prefix that binds it to this host where it can be secure."""
        return "__Host-gridwitness" if self._is_secure_cookie else "gridwitness"

    @property
    def public_viewer(self) -> Viewer:
        """Who asks without a key or session."""
        return EVERYTHING if self.is_open_data else ANYBODY

    def admits(self, request: Request) -> bool:
        """Count a request without a key or session; False for one too many, which `grant_of` then says."""
        try:
            self.limits.count_address(request)
        except RateLimited:
            return False
        return True

    async def grant_of(self, request: Request) -> Grant | None:
        """What the request's key or session opens, None without; looked up and counted once a request.

        Raises ProblemError 401 for a key that is not good, RateLimited for one request too many.
        """
        if not hasattr(request.state, "grant"):
            request.state.grant = await self._looked_up(request)
        grant: Grant | None = request.state.grant
        return grant

    async def _looked_up(self, request: Request) -> Grant | None:
        header = request.headers.get("authorization")
        key = _bearer_of(header) if header is not None else ""
        grant = await asyncio.to_thread(self.keys.grant_of_key, key) if key else None
        if grant is not None:
            self.limits.count_key(f"{grant.name} {grant.account}".rstrip())
            return grant
        self.limits.count_address(request)
        if header is not None:
            raise unauthorised(
                "this API key is unknown or revoked" if key else "authorization must be `Bearer` and an API key"
            )
        token = self.session_token(request)
        return await asyncio.to_thread(self.keys.grant_of_session, token) if token else None

    async def viewer_of(self, request: Request) -> Viewer:
        """What the one who asks may see; a FastAPI dependency."""
        grant = await self.grant_of(request)
        if grant is None or self.is_open_data:
            return self.public_viewer
        return grant.viewer

    def require(self, scope: Scope) -> Callable[[Request], Awaitable[Grant]]:
        """A FastAPI dependency: the grant, which must have `scope`. Raises ProblemError 401 without one, else 403."""

        async def grant_with_scope(request: Request) -> Grant:
            grant = await self.grant_of(request)
            if grant is None:
                raise unauthorised(f"this needs an API key with the scope {scope}")
            if scope not in grant.scopes:
                has = ", ".join(sorted(grant.scopes)) or "none"
                raise ProblemError(HTTPStatus.FORBIDDEN, f"this needs the scope {scope}; {grant.name} has {has}")
            return grant

        return grant_with_scope

    async def may_read(self, request: Request) -> None:
        """For an oracle's own routes ({Rights}): readings of all households."""
        if not (await self.viewer_of(request)).sees_all:
            raise unauthorised("this needs an API key with the scope read, for all households")

    async def may_cosign(self, request: Request) -> None:
        """Signed readings of all households, for members of the committee."""
        if not self.is_open_data:
            await self.require("operate")(request)

    async def may_post(self, request: Request) -> None:
        """Post readings: anybody, but with a key only if that is for it."""
        if "authorization" in request.headers:
            await self.require("ingest")(request)

    def session_token(self, request: Request) -> str:
        """The session's token that a request carries, "" without."""
        token = request.cookies.get(self.cookie_name, "")
        return token if len(token) <= _MAX_TOKEN_CHARACTERS else ""

    def begin_session(self, response: Response, token: str) -> None:
        """Give a browser its cookie: not readable by scripts, and never sent along by other sites."""
        response.set_cookie(
            self.cookie_name,
            token,
            max_age=_COOKIE_S,
            path="/",
            secure=self._is_secure_cookie,
            httponly=True,
            samesite="strict",
        )

    def end_session(self, response: Response) -> None:
        """Take the cookie back."""
        response.delete_cookie(
            self.cookie_name, path="/", secure=self._is_secure_cookie, httponly=True, samesite="strict"
        )


def _bearer_of(header: str) -> str:
    """The key in an Authorization header, "" if there is none."""
    is_bearer = header[: len(_BEARER)].lower() == _BEARER and len(header) <= _MAX_TOKEN_CHARACTERS
    return header[len(_BEARER) :].strip() if is_bearer else ""


def unauthorised(detail: str) -> ProblemError:
    """401 with what HTTP wants to come with it."""
    return ProblemError(HTTPStatus.UNAUTHORIZED, detail, headers={"www-authenticate": 'Bearer realm="gridwitness"'})
