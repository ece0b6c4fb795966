"""Reading what came in the URL and the body, within limits."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request

from gridwitness.api.problems import ProblemError

MAX_BODY_BYTES = 1 << 20
# A proposal for 4,096 readings with all of them attached takes about 2 MB.
MAX_COMMITTEE_BODY_BYTES = 8 << 20


async def read_body(request: Request, limit_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The body, read no further than the limit. Raises ProblemError 413 beyond it."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise ProblemError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit_bytes} bytes; send less at once"
            )
        chunks.append(chunk)
    return b"".join(chunks)


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
