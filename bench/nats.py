"""Durable, verified ingest over NATS JetStream against the bare verification of the same signatures, in CPU seconds.

A thousand devices of a fleet report slot by slot, in posts of 100 readings, 64 of them under way at once. This process
is the oracle without its HTTP: it decodes, publishes, judges, writes and encodes verdicts. One `gridwitness worker`,
then two, verify; the broker is a real nats-server with file storage. What HTTP costs is measured by the part `http`.

`nats_ratio` is raw verification against oracle and workers together, `nats_ratio_with_broker` against the broker too.
Raw verification is timed while another process verifies as well, as the parts of the way over NATS run side by side:
where two cores are one core's hyperthreads, each does less in a CPU second when both are busy. What it takes alone,
and the ratio to that, stand beside it.
`two_workers` is twice the readings that a CPU second of the workers verifies when there are two, over what it verifies
when there is one: 2.0 if sharing the work costs nothing. Beside it stands what the wall clock saw, which needs as many
free cores as there are processes at work.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec
import uvloop

from bench.fleet import CHAIN_ID, DOMAIN, REGISTRY, Intake, make_bodies, make_keys, make_posts
from bench.ingest import PLACE, raw_p256
from bench.measuring import cpu_seconds, medians
from bench.results import Figures, Goal
from gridwitness.chain.anvil import free_port
from gridwitness.encoding.keys import DeviceKey, P256Key
from gridwitness.service.scaleout.link import NatsConfig
from gridwitness.service.scaleout.oracle import ScaleOut, ScaleOutConfig

GOALS = MappingProxyType({"nats_ratio": Goal(at_least=0.75), "two_workers": Goal(at_least=1.9)})
_DEVICES = 1_000
_SLOTS = 20
# Of the first slot: keys met for the first time cost more; a fleet's are known.
_FIRST_POSTS = _DEVICES // 100
_UNDER_WAY = 64
_REPEATS = 3
_OWNER = "0x" + "33" * 20
# Verifies one signature again and again, until it is ended.
_COMPANY = """
from gridwitness.encoding.keys import DeviceKey, P256Key, is_signature_of
key = P256Key(7)
signature = key.sign(bytes(32))
while is_signature_of(key.device_id, bytes(32), signature):
    pass
"""
_IMPORTED_S = 2.0
# clock_getcpuclockid(3) of another process, which Python's time module lacks.
_SCHED_CLOCK = 2


def measure() -> Figures:
    """Ratios of CPU seconds, and what wall clocks saw; medians."""
    keys = make_keys(P256Key, _DEVICES)
    posts = make_posts(keys, _SLOTS)
    bodies = make_bodies(posts)
    raw = raw_p256([signed for post in posts[_FIRST_POSTS:] for signed in post])
    runs: dict[int, list[_Run]] = {1: [], 2: []}
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE.resolve()) as directory:
        bench = _Bench(Path(directory), keys, bodies)
        with bench.broker():

            def run(workers: int) -> float:
                runs[workers].append(bench.ingest(workers))
                return runs[workers][-1].ours_s

            run(1)
            runs[1].clear()
            taken = medians(
                {
                    "raw": lambda: _in_company(raw),
                    "alone": lambda: cpu_seconds(raw),
                    "one": lambda: run(1),
                    "two": lambda: run(2),
                },
                _REPEATS,
            )
    return _figures(taken, runs)


@dataclass(frozen=True, slots=True)
class _Run:
    """Seconds of CPU by who spent them, and of the wall clock."""

    oracle_s: float
    workers_s: float
    broker_s: float
    wall_s: float

    @property
    def ours_s(self) -> float:
        return self.oracle_s + self.workers_s


def _figures(taken: dict[str, float], runs: dict[int, list[_Run]]) -> Figures:
    readings = _DEVICES * (_SLOTS - 1)
    middle = {workers: sorted(some, key=lambda run: run.ours_s)[len(some) // 2] for workers, some in runs.items()}
    one, two = middle[1], middle[2]
    workers_s = {count: sorted(run.workers_s for run in some)[len(some) // 2] for count, some in runs.items()}
    return {
        "nats_ratio": round(taken["raw"] / taken["one"], 3),
        "nats_ratio_to_raw_alone": round(taken["alone"] / taken["one"], 3),
        "nats_ratio_with_broker": round(taken["raw"] / (taken["one"] + one.broker_s), 3),
        "two_workers": round(2 * workers_s[1] / workers_s[2], 2),
        "two_workers_wall_clock": round(one.wall_s / two.wall_s, 2),
        "raw_verifications_per_s": round(readings / taken["raw"]),
        "raw_verification_us": round(taken["raw"] / readings * 1e6, 1),
        "raw_alone_us": round(taken["alone"] / readings * 1e6, 1),
        "oracle_us": round(one.oracle_s / readings * 1e6, 1),
        "worker_us": round(one.workers_s / readings * 1e6, 1),
        "broker_us": round(one.broker_s / readings * 1e6, 1),
        "readings_per_s_one_worker": round(readings / one.wall_s),
        "readings_per_s_two_workers": round(readings / two.wall_s),
        "readings_per_post": 100,
    }


def _in_company(raw: Callable[[], None]) -> float:
    """CPU seconds of `raw` while another process does the like."""
    with _process([sys.executable, "-c", _COMPANY]) as company:
        while _cpu(company) < _IMPORTED_S:
            time.sleep(0.05)
        return cpu_seconds(raw)


class _Bench:
    """A broker, workers, and the oracle's parts."""

    def __init__(self, folder: Path, keys: list[DeviceKey], bodies: Sequence[bytes]) -> None:
        self._folder = folder
        self._keys = keys
        self._bodies = bodies
        self._ingests = 0
        self._port = free_port()
        self._broker: subprocess.Popen[bytes] | None = None
        self._manifest = folder / "manifest.json"
        contracts = {"DeviceRegistry": {"address": REGISTRY, "block": 0}}
        self._manifest.write_text(json.dumps({"chain_id": CHAIN_ID, "contracts": contracts}))

    @contextlib.contextmanager
    def broker(self) -> Iterator[None]:
        """A nats-server."""
        server = shutil.which("nats-server") or shutil.which("/usr/sbin/nats-server")
        if server is None:
            raise SystemExit("bench: nats-server is missing; on Debian and Ubuntu: apt-get install nats-server")
        settings = self._folder / "nats-server.conf"
        store = json.dumps(str(self._folder / "jetstream"))
        settings.write_text(f"listen: 127.0.0.1:{self._port}\njetstream {{ store_dir: {store} }}\n")
        with _process([server, "-c", str(settings)]) as self._broker:
            while not self._is_listening():
                time.sleep(0.05)
            yield

    def _is_listening(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
            return True
        return False

    def ingest(self, workers: int) -> _Run:
        """All bodies, into a new log."""
        self._ingests += 1
        assert self._broker is not None
        with contextlib.ExitStack() as stack:
            started = [stack.enter_context(self._worker(index)) for index in range(workers)]
            intake = Intake(self._folder / f"{self._ingests}.sqlite", self._keys)
            stack.callback(intake.close)
            return uvloop.run(self._measure(intake, self._broker, started))

    def _worker(self, index: int) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
        settings = self._folder / f"worker-{index}.toml"
        settings.write_text(
            f'nats_url = "nats://127.0.0.1:{self._port}"\nmanifest = "{self._manifest}"\nname = "worker-{index}"\n'
        )
        return _process([sys.executable, "-m", "gridwitness", "worker", "--config", str(settings)])

    async def _measure(
        self, intake: Intake, broker: subprocess.Popen[bytes], workers: Sequence[subprocess.Popen[bytes]]
    ) -> _Run:
        config = ScaleOutConfig(NatsConfig(f"nats://127.0.0.1:{self._port}"), answer_timeout_s=300)
        scale_out = ScaleOut(config, _OWNER, DOMAIN, intake.ingest, intake.decoder, intake.log)
        running = asyncio.ensure_future(scale_out.run())
        try:
            while scale_out.problem or scale_out.pulls_waiting < 2 * len(workers):
                if any(worker.poll() is not None for worker in workers):
                    raise AssertionError("a worker ended before it had work")
                await asyncio.sleep(0.05)
            await self._post_all(intake, self._bodies[:_FIRST_POSTS])
            before = _cpu(broker), [_cpu(worker) for worker in workers], time.process_time(), time.monotonic()
            await self._post_all(intake, self._bodies[_FIRST_POSTS:])
            oracle_s, wall_s = time.process_time() - before[2], time.monotonic() - before[3]
            workers_s = sum(_cpu(worker) - at for worker, at in zip(workers, before[1], strict=True))
            return _Run(oracle_s, workers_s, _cpu(broker) - before[0], wall_s)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _post_all(self, intake: Intake, bodies: Sequence[bytes]) -> None:
        places = asyncio.Semaphore(_UNDER_WAY)

        async def post(body: bytes) -> None:
            async with places:
                answer = msgspec.json.encode({"results": await intake.ingest.submit_body(body)})
            if answer.count(b'"accepted"') != 100:
                raise AssertionError(f"100 readings were posted, the answer is {answer[:200]!r}")

        await asyncio.gather(*(post(body) for body in bodies))


def _cpu(process: subprocess.Popen[bytes]) -> float:
    """CPU seconds of another process so far."""
    return time.clock_gettime(~process.pid << 3 | _SCHED_CLOCK)


@contextlib.contextmanager
def _process(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
