"""The HTTP server over real sockets: clients that dribble, flood or say nothing lose their connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gridwitness.api import create_app
from gridwitness.cli.serving import listening, serve
from tests.oracle.api.test_app import ScriptedOracle

HEAD_TIMEOUT_S = 0.3
BODY_TIMEOUT_S = 0.3
# Far longer than any of the above: what is awaited must come before.
PATIENCE_S = 60
POST = b"POST /v1/readings HTTP/1.1\r\nhost: o\r\ncontent-type: application/json\r\n"


class Idle:
    """A service that does nothing until it is stopped."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        await self._stopped.wait()

    def stop(self) -> None:
        self._stopped.set()


@asynccontextmanager
async def server(oracle: ScriptedOracle, most_connections: int = 10) -> AsyncIterator[int]:
    with listening("127.0.0.1", 0) as listener:
        app = create_app(oracle, body_timeout_s=BODY_TIMEOUT_S)
        limits = {"head_timeout_s": HEAD_TIMEOUT_S, "body_timeout_s": BODY_TIMEOUT_S}
        task = asyncio.create_task(serve(app, Idle(), listener, most_connections=most_connections, **limits))
        try:
            yield listener.getsockname()[1]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def answer_to(port: int, *parts: bytes) -> bytes:
    """All a server says until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), PATIENCE_S)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("parts", [(), (b"GET /live HT",), (b"GET /live HTTP/1.1\r\n", b"x: y\r\n")])
async def test_serve__head_that_does_not_come__ends_the_connection(parts: tuple[bytes, ...]) -> None:
    async with server(ScriptedOracle()) as port:
        assert await answer_to(port, *parts) == b""


async def test_serve__head_without_end__is_refused() -> None:
    async with server(ScriptedOracle()) as port:
        lines = [b"x-%d: %s\r\n" % (index, b"y" * 1_000) for index in range(40)]
        answer = await answer_to(port, b"GET /live HTTP/1.1\r\n", b"".join(lines))
    assert b"400 Bad Request" in answer
    assert b"larger than 32768 bytes" in answer


async def test_serve__body_that_stops__is_408_and_ends_the_connection() -> None:
    oracle = ScriptedOracle()
    async with server(oracle) as port:
        answer = await answer_to(port, POST + b"content-length: 10\r\n\r\n[{")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer
    assert oracle.asked == []


async def test_serve__body_declared_too_large__is_413_and_ends_the_connection() -> None:
    async with server(ScriptedOracle()) as port:
        answer = await answer_to(port, POST + b"content-length: 9999999\r\n\r\n[")
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_serve__answered_without_reading__does_not_wait_for_the_body_for_ever() -> None:
    async with server(ScriptedOracle()) as port:
        answer = await answer_to(port, b"GET /live HTTP/1.1\r\nhost: o\r\ncontent-length: 10\r\n\r\n[")
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_serve__more_connections_than_allowed__is_503_for_the_new_one_only() -> None:
    async with server(ScriptedOracle(), most_connections=2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        get = b"GET /live HTTP/1.1\r\nhost: o\r\n\r\n"
        writer.write(get)
        assert (await asyncio.wait_for(reader.readline(), PATIENCE_S)).startswith(b"HTTP/1.1 200 ")
        answer = await answer_to(port, get)
        assert answer.startswith(b"HTTP/1.1 503 ")
        writer.close()


async def test_serve__many_requests_on_one_connection__are_all_answered() -> None:
    oracle = ScriptedOracle()
    request = POST + b"content-length: 2\r\n\r\n[]"
    async with server(oracle) as port:
        answer = await answer_to(port, *[request] * 49, request.replace(b"host: o", b"host: o\r\nconnection: close"))
    assert answer.count(b"HTTP/1.1 200 ") == 50
    assert len(oracle.asked) == 50
