"""Headers that every answer carries: what a browser may do with it."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A page that verifies proofs reads roots from a node by itself, so the site's `rpc_url` may be connected to as well.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'{rpc}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_ONE_YEAR_OF_HTTPS = "max-age=31536000"


def install_security_headers(app: FastAPI, *, rpc_url: str, is_https: bool) -> None:
    """Add them to every answer of the app, errors included."""
    headers = dict(_HEADERS)
    headers["content-security-policy"] = _POLICY.format(rpc=f" {rpc_url}" if rpc_url else "")
    if is_https:
        headers["strict-transport-security"] = _ONE_YEAR_OF_HTTPS
    app.add_middleware(SecurityHeaders, headers=headers)


class SecurityHeaders:
    """ASGI middleware; leaves what a route set by itself."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(one for one in self._headers if one[0] not in given)]
            await send(message)

        await self._app(scope, receive, send_with_headers)
