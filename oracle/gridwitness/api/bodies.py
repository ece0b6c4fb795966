"""Reading what came in the URL and the body, within limits of size and time."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from fastapi import Request

from gridwitness.api.problems import ProblemError

MAX_BODY_BYTES = 1 << 20
# A proposal for 4,096 readings with all of them attached takes about 2 MB.
MAX_COMMITTEE_BODY_BYTES = 8 << 20
BODY_TIMEOUT_S = 10.0
JSON = "application/json"


async def read_body(request: Request, limit_bytes: int = MAX_BODY_BYTES, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """The body, read no further than the limit. Raises ProblemError: 413 beyond it, 408 if it takes too long."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit_bytes:
        raise _too_large(limit_bytes)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit_bytes:
                    raise _too_large(limit_bytes)
                chunks.append(chunk)
    except TimeoutError as error:
        detail = f"the body did not come within {timeout_s:g} s, only {size} bytes of it"
        raise ProblemError(HTTPStatus.REQUEST_TIMEOUT, detail, is_last=True) from error
    return b"".join(chunks)


def content_type(request: Request) -> str:
    """What the body is, JSON if the client does not say."""
    return request.headers.get("content-type") or JSON


def check_is_json(request: Request) -> None:
    """Raises ProblemError 415 for a body said to be anything else than JSON."""
    if content_type(request).partition(";")[0].strip().lower() != JSON:
        detail = f"content type {content_type(request)[:80]!r} is not read; {JSON} is"
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, is_last=True)


def _too_large(limit_bytes: int) -> ProblemError:
    detail = f"the body is larger than {limit_bytes} bytes; send less at once"
    return ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, is_last=True)


def bytes32(name: str, text: str) -> bytes:
    """32 bytes of a hexadecimal parameter. Raises ProblemError 400."""
    digits = text.removeprefix("0x")
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        value = b""
    if len(value) != 32 or len(digits) != 64:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"{name} {text[:80]!r} is not 32 bytes in hexadecimal")
    return value
