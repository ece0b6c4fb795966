"""An oracle's own parts without a chain, its scale-out and workers in one event loop, and a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from nats.aio.client import Client

from gridwitness.domain.slots import slot_end
from gridwitness.encoding.eip712 import Domain
from gridwitness.service.evidence import Decoder
from gridwitness.service.scaleout.link import NatsConfig
from gridwitness.service.scaleout.oracle import ScaleOut, ScaleOutConfig
from gridwitness.service.scaleout.worker import Worker
from tests.integration.nats.broker import Broker
from tests.oracle.service.oracle_parts import Parts
from tests.oracle.signers import FIRST_SLOT, OWNER, REGISTRY

_PATIENCE = 600


async def soon(ask: Callable[[], Any], what: str) -> Any:
    """The first answer that counts as true; fails after a minute."""
    for _ in range(_PATIENCE):
        answer = ask()
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer:
            return answer
        await asyncio.sleep(0.1)
    raise AssertionError(f"waited a minute for {what}")


@dataclass
class Scene:
    """Enter it; `oracle` has its scale-out running, workers are added by name."""

    folder: Path
    broker: Broker
    config: dict[str, Any] = field(default_factory=dict)

    async def __aenter__(self) -> Scene:
        self._stack = AsyncExitStack()
        self.oracle = Parts(self.folder / "oracle.sqlite")
        self._stack.callback(self.oracle.close)
        self.oracle.clock.time = slot_end(FIRST_SLOT + 10_000)
        nats = NatsConfig(self.broker.url, self.config.pop("user", ""), self.config.pop("password_file", None))
        config = ScaleOutConfig(nats, **self.config)
        decoder = Decoder(self.oracle.fleet)
        self.scale_out = ScaleOut(config, OWNER, REGISTRY, self.oracle.ingest, decoder, self.oracle.readings)
        await self._run(self.scale_out.run())
        await soon(lambda: not self.scale_out.problem, "the oracle to connect")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def add_worker(self, name: str, domain: Domain = REGISTRY, **settings: Any) -> Worker:
        worker = Worker(NatsConfig(self.broker.url, **settings), name, domain)
        await self._run(worker.run())
        await soon(lambda: not worker.problem, "the worker to connect")
        return worker

    async def connect(self, **options: Any) -> Client:
        client = await self.broker.connect(**options)
        self._stack.push_async_callback(client.close)
        return client

    async def ask(self, client: Client, gateway: str, body: bytes, content_type: str = "") -> dict[str, Any]:
        """Publish as a gateway, and the answer."""
        reply = f"gridwitness.verdicts.{gateway}.{client._nuid.next().decode()}"
        answers = await client.subscribe(reply, max_msgs=1)
        headers = {"Gridwitness-Reply": reply, **({"Content-Type": content_type} if content_type else {})}
        await client.jetstream().publish(f"gridwitness.readings.gateway.{gateway}", body, headers=headers)
        return msgspec.json.decode((await answers.next_msg(timeout=120)).data)

    async def _run(self, work: Any) -> None:
        task = asyncio.ensure_future(work)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)
