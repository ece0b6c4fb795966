"""Server-sent events: positions, heartbeats, many clients on one look, and slow ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from gridwitness.api.portal.chain_views import EventView
from gridwitness.api.portal.event_stream import CLIENTS_PER_ADDRESS, EventFeed, EventStream
from gridwitness.api.portal.protocols import ANYBODY, Viewer
from gridwitness.errors import Overloaded, RateLimited, StoreError


class Happenings:
    """A portal's events: as many as were let happen."""

    def __init__(self) -> None:
        self.latest = 10
        self.asked = 0
        self.is_broken = False

    def latest_position(self) -> int:
        if self.is_broken:
            raise StoreError("the disk is away")
        return self.latest

    def events_since(self, viewer: Viewer, position: int, limit: int) -> Sequence[EventView]:
        self.asked += 1
        if self.is_broken:
            raise StoreError("the disk is away")
        last = min(self.latest, position + limit)
        return [
            EventView(position=at, kind="batch", at=at, document={"seq": at}) for at in range(position + 1, last + 1)
        ]


class Client:
    """What a stream sends to one client, until the client goes."""

    def __init__(self, stream: EventStream, *, takes_nothing: bool = False) -> None:
        self.messages: list[dict[str, Any]] = []
        self._gone = asyncio.Event()
        self._takes_nothing = takes_nothing
        self.task = asyncio.create_task(stream({"type": "http"}, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if self._takes_nothing and self.messages:
            await asyncio.Event().wait()
        self.messages.append(message)

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.messages).decode()

    async def leave(self) -> None:
        self._gone.set()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
def happenings() -> Happenings:
    return Happenings()


FeedOf = Callable[..., EventFeed]


@pytest.fixture
def feed_of(happenings: Happenings) -> FeedOf:
    def make(**options: Any) -> EventFeed:
        return EventFeed(happenings, **{"poll_s": 0.01, "heartbeat_s": 5.0, **options})  # type: ignore[arg-type]

    return make


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_stream__from_now_on__sends_what_comes_and_not_what_was(happenings: Happenings, feed_of: FeedOf) -> None:
    client = Client(await EventStream.open(feed_of(), ANYBODY, "here", None))
    await _until(lambda: bool(client.text))
    happenings.latest = 12
    await _until(lambda: "id: 12\n" in client.text)
    assert client.text == (
        "retry: 5000\n\n"
        'id: 11\nevent: batch\ndata: {"position":11,"kind":"batch","at":11,"document":{"seq":11}}\n\n'
        'id: 12\nevent: batch\ndata: {"position":12,"kind":"batch","at":12,"document":{"seq":12}}\n\n'
    )
    headers = dict(client.messages[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert b"content-length" not in headers
    await client.leave()


async def test_stream__from_a_position__sends_all_after_it(happenings: Happenings, feed_of: FeedOf) -> None:
    happenings.latest = 1_300
    client = Client(await EventStream.open(feed_of(), ANYBODY, "here", 7))
    await _until(lambda: "id: 1300\n" in client.text)
    assert client.text.count("id: ") == 1_293
    await client.leave()


async def test_stream__position_of_a_future_that_is_not__goes_on_from_now(
    happenings: Happenings, feed_of: FeedOf
) -> None:
    client = Client(await EventStream.open(feed_of(), ANYBODY, "here", 1 << 62))
    happenings.latest = 11
    await _until(lambda: "id: 11\n" in client.text)
    await client.leave()


async def test_stream__nothing_happens__sends_heartbeats(feed_of: FeedOf) -> None:
    client = Client(await EventStream.open(feed_of(heartbeat_s=0.02), ANYBODY, "here", None))
    await _until(lambda: client.text.count(":\n\n") >= 3)
    await client.leave()


async def test_stream__two_hundred_clients__get_all_from_one_look(happenings: Happenings, feed_of: FeedOf) -> None:
    feed = feed_of()
    clients = [Client(await EventStream.open(feed, ANYBODY, "here", None)) for _ in range(200)]
    happenings.latest = 11
    await _until(lambda: all("id: 11\n" in client.text for client in clients))
    assert happenings.asked <= 2
    await asyncio.gather(*(client.leave() for client in clients))
    assert feed.clients == 0


async def test_open__more_clients_than_the_most__is_refused_until_one_goes(feed_of: FeedOf) -> None:
    feed = feed_of(max_clients=1)
    client = Client(await EventStream.open(feed, ANYBODY, "here", None))
    with pytest.raises(Overloaded, match="1 clients follow events already"):
        await EventStream.open(feed, ANYBODY, "here", None)
    await client.leave()
    await Client(await EventStream.open(feed, ANYBODY, "here", None)).leave()


async def test_open__half_the_places_taken__no_address_gets_more_than_its_share(feed_of: FeedOf) -> None:
    feed = feed_of(max_clients=4 * CLIENTS_PER_ADDRESS)
    clients = [Client(await EventStream.open(feed, ANYBODY, "many", None)) for _ in range(2 * CLIENTS_PER_ADDRESS)]
    with pytest.raises(RateLimited, match="many: 40 clients follow events already"):
        await EventStream.open(feed, ANYBODY, "many", None)
    clients += [Client(await EventStream.open(feed, ANYBODY, "other", None)) for _ in range(CLIENTS_PER_ADDRESS)]
    with pytest.raises(RateLimited, match="other: 20 clients"):
        await EventStream.open(feed, ANYBODY, "other", None)
    await asyncio.gather(*(client.leave() for client in clients))
    assert feed.clients == 0


async def test_after__page_that_was_fetched__is_kept_for_nobody(happenings: Happenings, feed_of: FeedOf) -> None:
    feed = feed_of()
    first, second = [await feed.after(ANYBODY, 3) for _ in range(2)]
    assert first == second
    assert happenings.asked == 2


async def test_after__page_that_could_not_be_fetched__is_fetched_when_asked_again(
    happenings: Happenings, feed_of: FeedOf
) -> None:
    feed, happenings.is_broken = feed_of(), True
    with pytest.raises(StoreError):
        await feed.after(ANYBODY, 3)
    happenings.is_broken = False
    assert (await feed.after(ANYBODY, 3))[1] == happenings.latest


async def test_stream__client_that_takes_nothing__is_dropped_and_holds_up_nobody(
    happenings: Happenings, feed_of: FeedOf
) -> None:
    feed = feed_of(send_timeout_s=0.2)
    slow = Client(await EventStream.open(feed, ANYBODY, "here", None), takes_nothing=True)
    quick = Client(await EventStream.open(feed, ANYBODY, "here", None))
    happenings.latest = 11
    await _until(lambda: "id: 11\n" in quick.text)
    with pytest.raises(ClientDisconnect):
        await slow.task
    assert feed.clients == 1
    await quick.leave()


async def test_stream__store_away_for_a_while__goes_on_afterwards(happenings: Happenings, feed_of: FeedOf) -> None:
    client = Client(await EventStream.open(feed_of(), ANYBODY, "here", None))
    happenings.is_broken = True
    await asyncio.sleep(0.05)
    happenings.is_broken, happenings.latest = False, 11
    await _until(lambda: "id: 11\n" in client.text)
    await client.leave()
