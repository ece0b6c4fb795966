"""Verify, which checks in the browser and may ask any node; and signing in with a wallet."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gridwitness.api.bodies import bytes32
from gridwitness.api.portal.pages.rendering import Site, off_loop

# The person names the node that is asked for the root, so this page alone may connect anywhere. It shows nothing that
# is not public or pasted by the person, and its scripts are ours alone.
_VERIFY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' http: https:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_MAX_COUNTER = (1 << 63) - 1
_MAX_DAY = (1 << 24) - 1


def verify_pages(routes: APIRouter, site: Site) -> None:
    """Verify and sign-in."""

    @routes.get("/verify")
    async def verify(
        request: Request,
        device: str = "",
        counter: Annotated[int | None, Query(ge=0, le=_MAX_COUNTER)] = None,
        day: Annotated[int | None, Query(ge=0, le=_MAX_DAY)] = None,
    ) -> Response:
        """The page; with a device and a counter or a market day it fetches that proof itself."""
        streams = {stream.stream_id: stream.name for stream in await off_loop(site.portal.streams)}
        path = _proof_path(device, counter, day)
        response = site.page(request, "verify.html.j2", proof_path=path, streams=streams)
        response.headers["content-security-policy"] = _VERIFY_POLICY
        return response

    @routes.get("/sign-in")
    async def sign_in(request: Request) -> Response:
        """For owners, to see their own household."""
        return site.page(request, "sign_in.html.j2")


def _proof_path(device: str, counter: int | None, day: int | None) -> str:
    if not device:
        return ""
    device_id = "0x" + bytes32("device", device).hex()
    if counter is not None:
        return f"/v1/proofs/readings/{device_id}/{counter}"
    return f"/v1/proofs/profiles/{device_id}/{day}" if day is not None else ""
