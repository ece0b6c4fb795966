"""The portal over loopback: proofs by id with wrk, and events to 200 clients, from `gridwitness serve` on one core.

The site is a finished demo's, in out/demo or made for this; wrk runs on another core and asks for 700 proofs in turn.
Raw: a bare ASGI application in the same server, with the same headers and a body as long as a proof's.

`proofs_per_cpu_s` goes by the server's own CPU seconds, which is what one core does; beside it stands what the wall
clock saw, as does the 99th percentile, which other work on the machine makes longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx
import uvloop

from bench.measuring import medians
from bench.results import Figures, Goal
from gridwitness.chain.anvil import free_port
from gridwitness.cli.serving import listening, serve

GOALS = MappingProxyType(
    {"proofs_per_cpu_s": Goal(at_least=3_000), "proof_p99_ms": Goal(at_most=20), "sse_clients": Goal(at_least=200)}
)
_DEMO = Path(__file__).parents[1] / "out" / "demo"
_PER_DEVICE = 50
_CONNECTIONS = 16
_SECONDS = 8
_REPEATS = 3
_CLIENTS = 200
_START_TIMEOUT_S = 60.0
_SSE_TIMEOUT_S = 30.0
_SERVER_CORE, _CLIENT_CORE = "0", "1"
_UNLIMITED = {"GRIDWITNESS_SITE_REQUESTS_PER_ADDRESS": "1000000000"}
_SCRIPT = """
local paths = {}
for line in io.lines("%s") do paths[#paths + 1] = line end
local i = 0
request = function() i = i %% #paths + 1; return wrk.format("GET", paths[i]) end
"""
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1_000.0}


class _Round(NamedTuple):
    per_s: float
    per_cpu_s: float
    p99_ms: float


def measure() -> Figures:
    """Requests a second and their 99th percentile, medians of rounds; and clients that got every event."""
    if shutil.which("wrk") is None:
        raise SystemExit("bench: there is no wrk; on Debian and Ubuntu: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="gridwitness-bench-") as folder, _site(Path(folder)) as (url, pid):
        paths, body_bytes = _proofs(url)
        script = Path(folder) / "paths.lua"
        (Path(folder) / "paths.txt").write_text("\n".join(paths))
        script.write_text(_SCRIPT % (Path(folder) / "paths.txt"))
        with _bare(body_bytes) as (bare, bare_pid):
            _round(url, pid, script)
            rounds: list[_Round] = []

            def proofs() -> float:
                rounds.append(_round(url, pid, script))
                return rounds[-1].per_cpu_s

            rates = medians({"proofs": proofs, "raw": lambda: _round(bare, bare_pid, script).per_cpu_s}, _REPEATS)
        clients, taken_s = uvloop.run(_follow_all(url))
    return {
        "proofs_per_cpu_s": round(rates["proofs"]),
        "raw_answers_per_cpu_s": round(rates["raw"]),
        "proofs_per_s": round(statistics.median(one.per_s for one in rounds)),
        "proof_p99_ms": round(statistics.median(one.p99_ms for one in rounds), 2),
        "sse_clients": clients,
        "sse_all_served_s": round(taken_s, 3),
        "proofs": len(paths),
        "body_bytes": body_bytes,
    }


@contextlib.contextmanager
def _site(folder: Path) -> Iterator[tuple[str, int]]:
    """A demo's site, served on one core: its URL and process."""
    demo = _DEMO
    if not (demo / "chain.json").is_file() or (demo / "demo.pid").exists():
        demo = folder / "demo"
        command = [sys.executable, "-m", "gridwitness", "demo", "--out", str(demo)]
        subprocess.run(command, check=True, stdout=sys.stderr)  # noqa: S603
    port = free_port()
    command = ["taskset", "-c", _SERVER_CORE, sys.executable, "-m", "gridwitness", "serve"]
    command += ["--data", str(demo), "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, **_UNLIMITED}, stdout=subprocess.DEVNULL)  # noqa: S603
    with _ended(process):
        yield _answering(f"http://127.0.0.1:{port}", "/v1/site"), process.pid


@contextlib.contextmanager
def _bare(body_bytes: int) -> Iterator[tuple[str, int]]:
    """The raw server, on the same core."""
    port = free_port()
    command = ["taskset", "-c", _SERVER_CORE, sys.executable, "-m", "bench.portal", str(port), str(body_bytes)]
    process = subprocess.Popen(command)  # noqa: S603
    with _ended(process):
        yield _answering(f"http://127.0.0.1:{port}", "/"), process.pid


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _answering(url: str, path: str) -> str:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            httpx.get(url + path).raise_for_status()
            return url
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _proofs(url: str) -> tuple[list[str], int]:
    """Paths of proofs that are there, each asked for once, as it takes longer to make one; and how long one is."""
    paths: list[str] = []
    for device in httpx.get(f"{url}/v1/devices?limit=1000").json()["items"]:
        query = {"device": device["device_id"], "limit": str(_PER_DEVICE)}
        for reading in httpx.get(f"{url}/v1/readings", params=query).json()["items"]:
            paths.append(f"/v1/proofs/readings/{reading['device_id']}/{reading['counter']}")
    with httpx.Client() as client:
        lengths = [len(client.get(url + path).raise_for_status().content) for path in paths]
    return paths, lengths[0]


def _round(url: str, pid: int, script: Path) -> _Round:
    """What wrk measures, and what it takes of the server's CPU. Raises RuntimeError if one failed."""
    command = ["taskset", "-c", _CLIENT_CORE, "wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{_SECONDS}", "--latency"]
    before = _cpu_seconds_of(pid)
    done = subprocess.run([*command, "-s", str(script), url], capture_output=True, text=True, check=True)  # noqa: S603
    taken_s = _cpu_seconds_of(pid) - before
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(done.stdout)
    count, rate = re.search(r"(\d+) requests in", done.stdout), re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    assert count is not None and rate is not None and p99 is not None
    return _Round(float(rate[1]), int(count[1]) / taken_s, float(p99[1]) * _UNITS_MS[p99[2]])


def _cpu_seconds_of(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def _follow_all(url: str) -> tuple[int, float]:
    """How many of 200 clients at once get every event there was, and how long that takes."""
    last = await asyncio.to_thread(_last_position, url)
    started = time.perf_counter()
    followed = [_follow(url, last) for _ in range(_CLIENTS)]
    async with asyncio.timeout(_SSE_TIMEOUT_S):
        got = await asyncio.gather(*followed)
    return sum(got), time.perf_counter() - started


def _last_position(url: str) -> int:
    """Position of the newest event: that of one client, once nothing more comes."""
    position = 0
    events = httpx.stream("GET", f"{url}/v1/events", headers={"last-event-id": "0"}, timeout=3.0)
    with events as response, contextlib.suppress(httpx.ReadTimeout):
        for line in response.iter_lines():
            if line.startswith("id: "):
                position = int(line.removeprefix("id: "))
    return position


async def _follow(url: str, last: int) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /v1/events HTTP/1.1\r\nhost: {host}:{port}\r\nlast-event-id: 0\r\n\r\n".encode())
    await reader.readuntil(f"id: {last}\n".encode())
    data = json.loads((await reader.readuntil(b"\n\n")).partition(b"data: ")[2])
    writer.close()
    return bool(data["position"] == last)


class _Idle:
    """A service with nothing to do."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        await self._stopped.wait()

    def stop(self) -> None:
        self._stopped.set()

    def not_ready(self) -> list[str]:
        return []


def _serve_bare(port: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"etag", b'"' + b"0" * 32 + b'"'), (b"cache-control", b"private, no-cache")]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    bare: Any = application
    with listening("127.0.0.1", port) as listener:
        uvloop.run(serve(bare, _Idle(), listener))


if __name__ == "__main__":
    _serve_bare(int(sys.argv[1]), b"x" * int(sys.argv[2]))
