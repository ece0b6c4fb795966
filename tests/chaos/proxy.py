"""A JSON-RPC proxy that misbehaves on command, in front of a real node.

    with RpcProxy(anvil.url) as proxy:
        chain = Chain(proxy.url, manifest)
        proxy.inject(Fault(Kind.DROP_AFTER_SEND, method="eth_sendRawTransaction"))

Faults are tried in the order in which they were injected; the first that fits an exchange strikes it. The proxy has an
event loop in a thread of its own; every method may be called from any thread.
"""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from socket import SO_LINGER, SOL_SOCKET
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

_WAIT_S = 60.0
_UPSTREAM_TIMEOUT_S = 60.0
_MAX_HEAD_BYTES = 1 << 16
_REQUEST = b"POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
Call = dict[str, Any]


class Kind(StrEnum):
    """What goes wrong."""

    LATENCY = "latency"  # answers after `delay_s`
    RESET = "reset"  # the connection is reset before anything is forwarded
    HALF_OPEN = "half_open"  # takes the request, never answers
    TOO_MANY = "too_many"  # 429, with Retry-After if `retry_after_s` is given
    SERVER_ERROR = "server_error"  # 503
    STALE_HEAD = "stale_head"  # the chain ends `blocks` below its head
    DROP_AFTER_SEND = "drop_after_send"  # forwarded, then reset instead of answered
    TRUNCATED = "truncated"  # the first half of the answer, as if it were whole


@dataclass(slots=True)
class Fault:
    """One fault. `method` empty fits all; a batch fits if one of its calls does. `times` None strikes until cleared.

    `skip` fitting exchanges are let through first.
    """

    kind: Kind
    method: str = ""
    times: int | None = 1
    skip: int = 0
    delay_s: float = 0.0
    retry_after_s: int | None = None
    blocks: int = 0

    def strikes(self, methods: set[str]) -> bool:
        """Whether an exchange of these methods is struck; counts it if it is."""
        if self.times == 0 or (self.method and self.method not in methods):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class RpcProxy:
    """The proxy, listening at `url` while its context lasts. `seen` counts calls by method, `struck` faults by kind."""

    upstream: str
    seen: Counter[str] = field(default_factory=Counter)
    struck: Counter[Kind] = field(default_factory=Counter)
    url: str = ""

    def __post_init__(self) -> None:
        self._faults: list[Fault] = []
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(_WAIT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def inject(self, *faults: Fault) -> None:
        """Add faults behind those that are there."""
        with self._changed:
            self._faults += faults

    def clear(self) -> None:
        """Behave from now on. What is being held back stays so: its connection is lost."""
        with self._changed:
            self._faults.clear()

    def await_count(self, count: Callable[[], int], least: int) -> None:
        """Wait until a figure of `seen` or `struck` is reached, for instance `lambda: proxy.seen["eth_call"]`."""
        with self._changed:
            assert self._changed.wait_for(lambda: count() >= least, _WAIT_S), f"{count()} of {least}"

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stopped = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        node = _Node(*urlsplit(self.upstream).netloc.split(":"))
        try:
            while await self._exchange(reader, writer, node):
                pass
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass  # the client, the node or the proxy went away; so does the connection
        finally:
            writer.close()
            node.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, node: _Node) -> bool:
        """One request and its answer; whether the connection stays."""
        body = await _read_body(reader)
        fault = self._fault_of(body)
        match fault.kind if fault else None:
            case Kind.RESET:
                return _reset(writer)
            case Kind.HALF_OPEN:
                await reader.read()  # until the client gives up
                return False
            case Kind.TOO_MANY:
                wait = b"" if fault.retry_after_s is None else b"Retry-After: %d\r\n" % fault.retry_after_s
                return await _answer(writer, b"429 Too Many Requests", b"", wait)
            case Kind.SERVER_ERROR:
                return await _answer(writer, b"503 Service Unavailable", b"")
            case Kind.LATENCY:
                await asyncio.sleep(fault.delay_s)
            case Kind.STALE_HEAD:
                return await _answer(writer, b"200 OK", await _stale(node, json.loads(body), fault.blocks))
        response = await node.post(body)
        if fault and fault.kind is Kind.DROP_AFTER_SEND:
            return _reset(writer)
        if fault and fault.kind is Kind.TRUNCATED:
            response = response[: len(response) // 2]
        return await _answer(writer, b"200 OK", response)

    def _fault_of(self, body: bytes) -> Fault | None:
        asked = json.loads(body)
        methods = [call["method"] for call in (asked if isinstance(asked, list) else [asked])]
        with self._changed:
            self.seen.update(methods)
            fault = next((one for one in self._faults if one.strikes(set(methods))), None)
            if fault is not None:
                self.struck[fault.kind] += 1
            self._changed.notify_all()
        return fault


class _Node:
    """One connection to the node, opened when it is needed: a client library would take longer than the node."""

    def __init__(self, host: str, port: str) -> None:
        self._host, self._port = host, int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes) -> bytes:
        """The node's answer. Raises OSError or IncompleteReadError if it went away."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=_MAX_HEAD_BYTES)
        reader, writer = self._streams
        writer.write(_REQUEST % (self._host.encode(), len(body)) + body)
        async with asyncio.timeout(_UPSTREAM_TIMEOUT_S):
            return await _read_body(reader)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


async def _read_body(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    return await reader.readexactly(int(headers.get(b"content-length", b"0")))


async def _stale(node: _Node, asked: Call | list[Call], blocks: int) -> bytes:
    """The node's answer as of `blocks` ago: tags mean that block, later receipts are not there yet."""
    head = await node.post(b'{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}')
    stale = max(int(json.loads(head)["result"], 16) - blocks, 0)
    calls = asked if isinstance(asked, list) else [asked]
    for call in calls:
        call["params"] = [hex(stale) if one in ("latest", "pending") else one for one in call.get("params", [])]
    answers = json.loads(await node.post(json.dumps(calls).encode()))
    for call, answer in zip(calls, answers, strict=True):
        if call["method"] == "eth_blockNumber":
            answer["result"] = hex(stale)
        elif _is_later(answer.get("result"), stale):
            answer["result"] = None
    return json.dumps(answers if isinstance(asked, list) else answers[0]).encode()


def _is_later(result: object, stale: int) -> bool:
    """Whether an answer stands in a block that a stale node has not seen: a block, a receipt or a mined transaction."""
    if not isinstance(result, dict):
        return False
    number = result.get("blockNumber") or (result.get("number") if "parentHash" in result else None)
    return number is not None and int(number, 16) > stale


def _reset(writer: asyncio.StreamWriter) -> bool:
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


async def _answer(writer: asyncio.StreamWriter, status: bytes, body: bytes, headers: bytes = b"") -> bool:
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n"
    writer.write(head % (status, len(body), headers) + body)
    await writer.drain()
    return True
