"""POST of 100 readings by a real server over a real socket, up to the point where signatures would be verified.

What stands in for verification and log accepts everything. Raw: the decoding of the same bodies and the encoding of the
same verdicts alone. CPU seconds are the server's own; the client runs in this process.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import MappingProxyType
from typing import Any

import httpx
import msgspec
import uvloop

from bench.measuring import cpu_seconds, medians
from bench.results import Figures, Goal
from gridwitness.api import Verdict, create_app
from gridwitness.cli.serving import listening, serve
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, SignedReading
from gridwitness.encoding.eip712 import reading_digest, registry_domain
from gridwitness.encoding.keys import Secp256k1Key
from gridwitness.sources.payloads import decode_body, encode_body

GOALS = MappingProxyType({"readings_per_cpu_s": Goal(at_least=300_000)})
_READINGS = 100
_POSTS = 3_200
_BODIES = 20
_CONNECTIONS = 16
_REPEATS = 7
_HEAD = b"POST /v1/readings HTTP/1.1\r\nhost: oracle\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class _Accepting:
    """An oracle that verifies nothing and keeps nothing."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()

    async def ingest(self, body: bytes, content_type: str = "application/json") -> list[Verdict]:
        return _verdicts(body)

    async def status(self) -> dict[str, float]:
        return {"cpu_s": time.process_time()}

    def not_ready(self) -> list[str]:
        return []

    async def run(self) -> None:
        await self._stopped.wait()

    def stop(self) -> None:
        self._stopped.set()


def _verdicts(body: bytes) -> list[Verdict]:
    return [Verdict(payload.device_id, payload.counter, "accepted") for payload in decode_body(body)]


def measure() -> Figures:
    """Readings a CPU second of the server, median."""
    bodies = _bodies()
    requests = [_HEAD % len(body) + body for body in bodies]
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    port = ours.recv()

    def post() -> None:
        uvloop.run(_post_all(port, requests, _POSTS))

    try:
        post()
        taken = medians(
            {"server": lambda: _server_seconds(port, post), "raw": lambda: cpu_seconds(lambda: _raw(bodies))}, _REPEATS
        )
    finally:
        server.terminate()
        server.join()
    readings = _READINGS * _POSTS
    return {
        "readings_per_cpu_s": round(readings / taken["server"]),
        "raw_decode_encode_readings_per_cpu_s": round(readings / taken["raw"]),
        "ratio": round(taken["raw"] / taken["server"], 3),
        "post_cpu_us": round(taken["server"] / _POSTS * 1e6, 1),
        "readings_per_post": _READINGS,
        "body_bytes": len(bodies[0]),
    }


def _serve(parent: Connection) -> None:
    oracle: Any = _Accepting()
    with listening("127.0.0.1", 0) as listener:
        parent.send(listener.getsockname()[1])
        uvloop.run(serve(create_app(oracle), oracle, listener, most_connections=1_000))


def _server_seconds(port: int, work: Callable[[], object]) -> float:
    """CPU seconds of the server, by its own account, while `work` is done."""
    url = f"http://127.0.0.1:{port}/v1/status"
    before = float(httpx.get(url).json()["cpu_s"])
    work()
    return float(httpx.get(url).json()["cpu_s"]) - before


async def _post_all(port: int, requests: list[bytes], posts: int) -> None:
    """Post over several connections at once: a server that keeps falling asleep runs on cold caches."""
    await asyncio.gather(*(_post_over_one(port, requests, posts // _CONNECTIONS) for _ in range(_CONNECTIONS)))


async def _post_over_one(port: int, requests: list[bytes], posts: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for index in range(posts):
        writer.write(requests[index % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        if body.count(b'"accepted"') != _READINGS:
            raise AssertionError(f"{_READINGS} readings were sent, the answer is {(head + body)[:200]!r}")
    writer.close()
    await writer.wait_closed()


def _raw(bodies: list[bytes]) -> None:
    for index in range(_POSTS):
        msgspec.json.encode({"results": _verdicts(bodies[index % len(bodies)])})


def _bodies() -> list[bytes]:
    key = Secp256k1Key(7)
    domain = registry_domain(31_337, "0x" + "11" * 20)
    readings = [
        Reading(key.device_id, counter, 900 * counter, NET_ENERGY_METRIC, 412) for counter in range(_BODIES * _READINGS)
    ]
    signed = [SignedReading(reading, key.sign(reading_digest(domain, reading))) for reading in readings]
    return [encode_body(signed[start : start + _READINGS]) for start in range(0, len(signed), _READINGS)]
