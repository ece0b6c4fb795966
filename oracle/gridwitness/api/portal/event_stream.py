"""Server-sent events to many clients at once, from one look at the portal for all of them.

Nothing waits in memory for a client: each has a position, and asks for what comes after it when it can take more. What
several ask for at once is fetched once, and then kept for nobody: strangers could name any number of positions. One
that takes nothing for SEND_TIMEOUT_S is dropped; it comes back with Last-Event-ID and misses nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus

import msgspec
import structlog
from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from gridwitness.api.portal.chain_views import EventView
from gridwitness.api.portal.protocols import Portal, Viewer
from gridwitness.errors import GridwitnessError, Overloaded, RateLimited

MAX_CLIENTS = 500
# Once half of all places are taken: one address alone cannot take the rest.
CLIENTS_PER_ADDRESS = 20
HEARTBEAT_S = 15.0
POLL_S = 1.0
SEND_TIMEOUT_S = 10.0
_RETRY_S = 5
_PAGE = 500
_BEGIN = f"retry: {_RETRY_S * 1_000}\n\n".encode()
_HEARTBEAT = b":\n\n"
_log = structlog.get_logger()


class EventFeed:
    """Looks for new events while there are clients, and tells all of them."""

    def __init__(
        self,
        portal: Portal,
        *,
        max_clients: int = MAX_CLIENTS,
        poll_s: float = POLL_S,
        heartbeat_s: float = HEARTBEAT_S,
        send_timeout_s: float = SEND_TIMEOUT_S,
    ) -> None:
        self.heartbeat_s = heartbeat_s
        self.send_timeout_s = send_timeout_s
        self._of_address: Counter[str] = Counter()
        self._portal = portal
        self._max_clients = max_clients
        self._poll_s = poll_s
        self._latest = 0
        self._grown = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None
        self._fetched: dict[tuple[Viewer, int], asyncio.Task[tuple[bytes, int]]] = {}

    @property
    def clients(self) -> int:
        """How many follow."""
        return self._of_address.total()

    def join(self, address: str) -> None:
        """Count a client of an address in, which then must `leave`.

        Raises Overloaded beyond the most, RateLimited beyond an address's share once half the places are taken.
        """
        if self.clients >= self._max_clients:
            raise Overloaded(f"{self.clients} clients follow events already, which is the most", _RETRY_S)
        if self.clients >= self._max_clients // 2 and self._of_address[address] >= CLIENTS_PER_ADDRESS:
            raise RateLimited(f"{address}: {self._of_address[address]} clients follow events already", _RETRY_S)
        self._of_address[address] += 1
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())

    def leave(self, address: str) -> None:
        """Count a client out."""
        self._of_address -= Counter([address])  # which forgets those with none left

    async def latest(self) -> int:
        """Position of the newest event."""
        return await asyncio.to_thread(self._portal.latest_position)

    async def wait_beyond(self, position: int) -> bool:
        """Until there may be events after a position; False if there are none for a heartbeat's time."""
        try:
            async with asyncio.timeout(self.heartbeat_s):
                while self._latest <= position:
                    await self._grown.wait()
        except TimeoutError:
            return False
        return True

    async def after(self, viewer: Viewer, position: int) -> tuple[bytes, int]:
        """Events after a position as the stream has them, and the position to go on from."""
        key = (viewer, position)
        task = self._fetched.get(key)
        if task is None:
            task = self._fetched[key] = asyncio.create_task(self._fetch(viewer, position))
            task.add_done_callback(lambda _: self._fetched.pop(key))
        # The client that asked first may go while others wait for the same.
        return await asyncio.shield(task)

    async def _fetch(self, viewer: Viewer, position: int) -> tuple[bytes, int]:
        latest = self._latest
        events = await asyncio.to_thread(self._portal.events_since, viewer, position, _PAGE)
        return _encoded(events), events[-1].position if events else max(position, latest)

    async def _poll(self) -> None:
        while self.clients:
            try:
                latest = await self.latest()
            except GridwitnessError as error:
                _log.warning("events_unavailable", error=error.message)
            else:
                if latest != self._latest:
                    self._latest = latest
                    grown, self._grown = self._grown, asyncio.Event()
                    grown.set()
            await asyncio.sleep(self._poll_s)


class EventStream(Response):
    """The answer to one client: events from a position on, without end."""

    def __init__(self, feed: EventFeed, viewer: Viewer, address: str, position: int) -> None:
        super().__init__(
            media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"}
        )
        del self.headers["content-length"]
        self._feed = feed
        self._viewer = viewer
        self._address = address
        self._position = position

    @classmethod
    async def open(cls, feed: EventFeed, viewer: Viewer, address: str, after: int | None) -> EventStream:
        """A stream that begins after a position, or with what comes from now on. Raises Overloaded, RateLimited."""
        latest = await feed.latest()
        feed.join(address)
        return cls(feed, viewer, address, latest if after is None else min(after, latest))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client goes, or takes nothing any more."""
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(self._send_all(send))
                await _disconnected(receive)
                sending.cancel()
        except* TimeoutError:
            _log.info("slow_client_dropped", waited_s=self._feed.send_timeout_s)
            raise ClientDisconnect from None
        finally:
            self._feed.leave(self._address)

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": int(HTTPStatus.OK), "headers": self.raw_headers})
        await self._send(send, _BEGIN)
        while True:
            if not await self._feed.wait_beyond(self._position):
                await self._send(send, _HEARTBEAT)
                continue
            try:
                body, self._position = await self._feed.after(self._viewer, self._position)
            except GridwitnessError as error:
                _log.warning("events_unavailable", error=error.message)
                await asyncio.sleep(self._feed.heartbeat_s)
                continue
            if body:
                await self._send(send, body)

    async def _send(self, send: Send, body: bytes) -> None:
        async with asyncio.timeout(self._feed.send_timeout_s):
            await send({"type": "http.response.body", "body": body, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _encoded(events: Sequence[EventView]) -> bytes:
    """As the HTML standard wants them; JSON of msgspec has no line ends."""
    return b"".join(
        b"id: %d\nevent: %s\ndata: %s\n\n" % (event.position, event.kind.encode(), msgspec.json.encode(event))
        for event in events
    )
