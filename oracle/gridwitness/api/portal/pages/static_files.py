"""Scripts, styles and vendored libraries, as they lie in `static/`: read and compressed once, kept by browsers."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Request, Response

from gridwitness.api.problems import ProblemError

STATIC_DIR = Path(__file__).parent / "static"
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FOR_GOOD = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _File:
    media_type: str
    plain: bytes
    compressed: bytes


class StaticFiles:
    """The files under one address that changes with any of them, so that modules may import each other by name."""

    def __init__(self, folder: Path = STATIC_DIR) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): _read(path, _MEDIA_TYPES[path.suffix])
            for path in sorted(folder.rglob("*"))
            if path.suffix in _MEDIA_TYPES
        }
        digest = hashlib.sha256()
        for name, file in self._files.items():
            digest.update(name.encode() + b"\0" + file.plain)
        self._base = f"/static/{digest.hexdigest()[:12]}/"

    def url(self, name: str) -> str:
        """Address of a file. Raises KeyError for one that is not there."""
        self._files[name]
        return self._base + name

    def routes(self) -> APIRouter:
        """The route that serves them."""
        routes = APIRouter(include_in_schema=False)

        @routes.get("/static/{version}/{name:path}")
        async def static_file(request: Request, version: str, name: str) -> Response:
            """A file; an old version is answered with the present one, but not for good."""
            file = self._files.get(name)
            if file is None:
                raise ProblemError(HTTPStatus.NOT_FOUND, f"static file {name[:80]!r} is not here")
            caching = _FOR_GOOD if self._base == f"/static/{version}/" else "no-cache"
            return compressible(request, file.plain, file.compressed, file.media_type, caching)

        return routes


def _read(path: Path, media_type: str) -> _File:
    plain = path.read_bytes()
    return _File(media_type, plain, gzip.compress(plain, 9, mtime=0))


def compressible(request: Request, plain: bytes, compressed: bytes, media_type: str, caching: str) -> Response:
    """The body a browser can read, by what it says it accepts."""
    headers = {"cache-control": caching, "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(compressed, media_type=media_type, headers={**headers, "content-encoding": "gzip"})
    return Response(plain, media_type=media_type, headers=headers)
