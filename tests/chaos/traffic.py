"""Senders: whatever happens, they send again until somebody has acknowledged what they have."""

from __future__ import annotations

import asyncio
import itertools
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from tests.chaos.devices import Device, Parcel
from tests.chaos.ledger import Key, Ledger, key_of
from tests.chaos.world import Member, World
from tests.integration.sources.broker import Publisher

_PARCEL_EVERY_S = 1.0
_TIMEOUT_S = 5.0
_RETRY_S = 0.2
_MQTT_PATIENCE_S = 3.0
_DUPLICATES, _REORDERED, _BROKEN = 0.10, 0.10, 0.05
_ACKNOWLEDGED = ("accepted", "duplicate")


@dataclass
class Traffic:
    """All senders over HTTP and MQTT. `chain_time` is what devices take their time from."""

    world: World
    ledger: Ledger
    fleet: Sequence[Device]
    seed: int
    chain_time: Callable[[], int]

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._duplicates: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send until `stop`, and then until everything under way is acknowledged."""
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as self._client:
            async with asyncio.TaskGroup() as group:
                for index, device in enumerate(self.fleet):
                    rng = random.Random(f"gridwitness device {self.seed} {index}")
                    if device.way == "mqtt":
                        group.create_task(asyncio.to_thread(self._publish_all, device, rng))
                    else:
                        group.create_task(self._post_all(device, rng))
            await asyncio.gather(*self._duplicates)

    def stop(self) -> None:
        """Make no new readings."""
        self._stopping.set()

    async def _post_all(self, device: Device, rng: random.Random) -> None:
        held: Parcel | None = None
        before: Key | None = None
        await asyncio.sleep(rng.random())
        while not self._stopping.is_set():
            parcel = device.next(self.chain_time())
            if parcel is None:
                await asyncio.sleep(_RETRY_S)
                continue
            if device.is_strict:
                before = await self._post_in_order(parcel, before)
            elif held is None and rng.random() < _REORDERED:
                held = parcel
                self.ledger.count("reordered")
                continue
            else:
                await self._post_as_it_comes(device, parcel, rng)
                if held is not None:
                    await self._post_as_it_comes(device, held, rng)
                    held = None
            await asyncio.sleep(_PARCEL_EVERY_S * (0.8 + 0.4 * rng.random()))
        if held is not None:
            await self._post_as_it_comes(device, held, rng)

    async def _post_in_order(self, parcel: Parcel, before: Key | None) -> Key:
        """To all honest oracles, and not on before all of them have it; readings must not overtake the one before."""
        if before is not None:
            self.ledger.followed.append((before, key_of(parcel.readings[0])))
        await asyncio.gather(*(self._post(parcel, [member]) for member in self.world.honest))
        return key_of(parcel.readings[0])

    async def _post_as_it_comes(self, device: Device, parcel: Parcel, rng: random.Random) -> None:
        honest = self.world.honest
        takers = rng.sample(honest, len(honest))
        if parcel.reason:
            takers = takers[:1]
        taker = await self._post(parcel, takers)
        if not parcel.reason and rng.random() < _DUPLICATES:
            self.ledger.count("duplicates")
            self._duplicates.add(asyncio.create_task(self._post_again(parcel, rng.sample(honest, 1))))
        if rng.random() < _BROKEN:
            self.ledger.count("broken")
            await self._post(device.broken(rng, () if parcel.reason else parcel.readings), [taker])

    async def _post_again(self, parcel: Parcel, takers: Sequence[Member]) -> None:
        await self._post(parcel, takers)

    async def _post(self, parcel: Parcel, takers: Sequence[Member]) -> Member:
        """Post until one of the takers, tried in turn, has answered for good; who did."""
        self.ledger.count("parcels")
        for member in itertools.cycle(takers):
            if parcel.reason:
                self.ledger.attempt(member.index, parcel.reason, max(len(parcel.readings), 1))
            try:
                response = await self._client.post(
                    f"{member.url}/v1/readings", content=parcel.body, headers={"content-type": parcel.content_type}
                )
            except httpx.TransportError:
                await self._wait_to_retry()
                continue
            if response.status_code in (HTTPStatus.OK, HTTPStatus.BAD_REQUEST):
                settle(self.ledger, member.index, parcel, response.json())
                return member
            if response.status_code == HTTPStatus.TOO_MANY_REQUESTS or response.is_server_error:
                await self._wait_to_retry()
                continue
            self.ledger.surprise(f"{member.name} answered {response.status_code}: {response.text[:200]}")
            return member
        raise AssertionError("nobody to post to")

    async def _wait_to_retry(self) -> None:
        self.ledger.retries += 1
        await asyncio.sleep(_RETRY_S)

    def _publish_all(self, device: Device, rng: random.Random) -> None:
        """A device at the broker, in a thread of its own."""
        publisher = Publisher(self.world.broker.port)
        try:
            while not self._stopping.is_set():
                parcel = device.next(self.chain_time())
                if parcel is not None:
                    member = rng.choice(self.world.honest)
                    times = 2 if rng.random() < _DUPLICATES else 1
                    self._publish(publisher, parcel, member, times)
                    if rng.random() < _BROKEN:
                        self._publish(publisher, device.broken(rng, ()), member, 1)
                time.sleep(_PARCEL_EVERY_S)
        finally:
            publisher.close()

    def _publish(self, publisher: Publisher, parcel: Parcel, member: Member, times: int) -> None:
        """Publish until the verdict is there."""
        self.ledger.count("parcels")
        if parcel.reason:
            self.ledger.open_ended.add(parcel.reason)
        mark = random.randbytes(8)
        while True:
            for _ in range(times):
                publisher.publish(
                    parcel.body, mark, parcel.content_type, f"gridwitness/readings/{member.name}/{mark.hex()}"
                )
            answer = _await_answer(publisher, mark)
            # Nothing was taken of what only the chain can judge while no node answers: whoever hears so sends it again.
            if answer is not None and answer.get("reason") != "try_later":
                settle(self.ledger, member.index, parcel, answer)
                return
            self.ledger.retries += 1
            time.sleep(_RETRY_S)


def _await_answer(publisher: Publisher, mark: bytes) -> dict[str, Any] | None:
    deadline = time.monotonic() + _MQTT_PATIENCE_S
    while (left_s := deadline - time.monotonic()) > 0:
        try:
            found, answer = publisher.answer(left_s)
        except queue.Empty:
            return None
        if found == mark:  # else one of a message before, given a second time
            return answer
    return None


def settle(ledger: Ledger, oracle: int, parcel: Parcel, answer: dict[str, Any]) -> None:
    """Take down what an oracle said about a parcel: all of it acknowledged, or all of it refused as it must be."""
    results = answer.get("results") or []
    if parcel.reason:
        reasons = [result.get("reason") for result in results] or ["malformed"]
        for reason in reasons:
            ledger.refuse(oracle, reason or "none")
        if set(reasons) != {parcel.reason}:
            ledger.surprise(f"oracle {oracle} says {reasons} of what is {parcel.reason}: {answer}"[:300])
        return
    said = {(result["device_id"], result["counter"]): result["status"] for result in results}
    good = [
        reading
        for reading in parcel.readings
        if said.get(("0x" + reading.device_id.hex(), reading.counter)) in _ACKNOWLEDGED
    ]
    if len(good) != len(parcel.readings):
        ledger.surprise(f"oracle {oracle} refuses what is good: {answer}"[:400])
    ledger.acknowledge(oracle, good, parcel.content_type)
