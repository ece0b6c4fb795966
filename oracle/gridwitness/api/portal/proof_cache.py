"""Proofs kept as they are sent, and sent past the framework: what is asked for most costs least."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from types import SimpleNamespace

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from gridwitness.api.portal.access import Access
from gridwitness.api.portal.answers import respond
from gridwitness.api.portal.protocols import Portal, Viewer
from gridwitness.errors import GridwitnessError

CACHE_BYTES = 32 << 20
# A proof is for one length of its stream. How long the streams are is looked at so often; those of the length before
# hold until their peak is overwritten.
_LOOK_S = 1.0
_ENTRY_BYTES = 500  # of dictionary, tuple, key and tag, about

READING, PROFILE = "reading", "profile"
Key = tuple[Viewer, str, bytes, int]


class ProofCache:
    """Encoded proofs with their tags, of the viewer who may see them, in bounded memory; the oldest go first.

    All go when a stream has grown.
    """

    def __init__(
        self, portal: Portal, max_bytes: int = CACHE_BYTES, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._portal = portal
        self._entries: OrderedDict[Key, tuple[bytes, str]] = OrderedDict()
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._looked_at = -math.inf
        self._lengths: dict[str, int] = {}
        self.size_bytes = 0

    async def get(self, key: Key) -> tuple[bytes, str] | None:
        """A proof for the streams as they were within _LOOK_S."""
        now = self._monotonic()
        if now - self._looked_at > _LOOK_S:
            self._looked_at = now
            lengths = {stream.stream_id: stream.seq for stream in await asyncio.to_thread(self._portal.streams)}
            if lengths != self._lengths:
                self._lengths = lengths
                self._entries.clear()
                self.size_bytes = 0
        return self._entries.get(key)

    def put(self, key: Key, body: bytes, tag: str) -> None:
        """Keep a proof."""
        self._drop(key)
        self._entries[key] = (body, tag)
        self.size_bytes += len(body) + _ENTRY_BYTES
        while self.size_bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size_bytes -= len(entry[0]) + _ENTRY_BYTES


class ProofShortcut:
    """ASGI middleware that answers GET of a reading's proof if it is kept, and leaves all else to the application.

    Who asks is found out and counted as by the routes themselves; what goes wrong with that they say as well.
    """

    _PATH = re.compile(r"/v1/proofs/readings/0x([0-9a-f]{64})/(0|[1-9][0-9]{0,17})")
    _ROUTE = SimpleNamespace(path="/v1/proofs/readings/{device}/{counter}")  # under which metrics count it

    def __init__(self, app: ASGIApp, access: Access, cache: ProofCache) -> None:
        self._app = app
        self._access = access
        self._cache = cache

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        match = self._PATH.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if match is not None:
            request = Request(scope)
            known = await self._known(request, bytes.fromhex(match[1]), int(match[2]))
            if known is not None and self._access.admits(request):
                scope["route"] = self._ROUTE
                await respond(request, *known, is_private=True)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _known(self, request: Request, device_id: bytes, counter: int) -> tuple[bytes, str] | None:
        if "authorization" in request.headers or request.cookies:
            return None
        try:
            return await self._cache.get((self._access.public_viewer, READING, device_id, counter))
        except GridwitnessError:
            return None
