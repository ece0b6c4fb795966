"""Answers of the API: JSON with a strong ETag, and 304 for who has it already."""

from __future__ import annotations

import hashlib
from http import HTTPStatus

import msgspec
from fastapi import Request, Response

from gridwitness.api.portal.protocols import Viewer
from gridwitness.api.problems import ProblemError

_JSON = "application/json"
# Everything may still change, if only because a chain forgot it: caches must ask, which costs a 304.
_PUBLIC = "public, no-cache"
_PRIVATE = "private, no-cache"


def answer_public(request: Request, view: object) -> Response:
    """A document that is the same for everybody."""
    body = msgspec.json.encode(view)
    return respond(request, body, entity_tag(body), is_private=False)


def answer_viewer(request: Request, view: object, viewer: Viewer) -> Response:
    """A document as this viewer may see it."""
    body = msgspec.json.encode(view)
    return respond(request, body, entity_tag(body, viewer), is_private=True)


def found(view: object | None, what: str) -> object:
    """The view. Raises ProblemError 404 if it is None: not here, or not for who asks; which of both is not told."""
    if view is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, f"{what} is not here, or not for you to see")
    return view


def entity_tag(body: bytes, viewer: Viewer | None = None) -> str:
    """Strong: equal bytes for the same viewer. What another one is given has another tag, even if it is the same."""
    hashed = hashlib.sha256(body)
    if viewer is not None:
        hashed.update(repr((viewer.sees_all, sorted(viewer.accounts))).encode())
    return f'"{hashed.hexdigest()[:32]}"'


def respond(request: Request, body: bytes, tag: str, *, is_private: bool) -> Response:
    """The body with its tag, or 304 without it."""
    headers = {"etag": tag, "cache-control": _PRIVATE if is_private else _PUBLIC}
    if is_private:
        headers["vary"] = "authorization, cookie"
    if _is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=int(HTTPStatus.NOT_MODIFIED), headers=headers)
    return Response(body, media_type=_JSON, headers=headers)


def _is_known(if_none_match: str, tag: str) -> bool:
    """As RFC 9110 wants it: `*` or a list of tags, compared weakly."""
    if not if_none_match:
        return False
    tags = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return tag in tags or tags == ["*"]
