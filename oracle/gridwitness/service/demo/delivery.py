"""The meters' side of the demo: every slot each meter signs its reading and posts it to every oracle."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

import httpx

from gridwitness.chain.attestation import StreamView
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, SignedReading
from gridwitness.domain.slots import SECONDS_PER_DAY, slot_end, slot_start
from gridwitness.encoding.eip712 import Domain, reading_digest
from gridwitness.errors import GridwitnessError, ProofError
from gridwitness.service.demo.meters import Meter, MeterBank
from gridwitness.service.proof_requests import request_profile_proof, request_reading_proof
from gridwitness.service.proofs import ProofFile
from gridwitness.sources.payloads import encode_body

BATCH_READINGS = 500
ATTEST_TIMEOUT_S = 120.0
_ATTEMPTS = 3
POLL_S = 0.02
# An oracle closes a connection that was idle for five seconds; one about to be closed must not be used again.
LIMITS = httpx.Limits(max_connections=24, keepalive_expiry=2)
# Meters of a large village do not reach the oracles one by one but through a data concentrator at the transformer.
CONCENTRATE_ABOVE = 40

_TAKEN = ("accepted", "duplicate")


class Delivery:
    """Signs and posts readings, waits until they are attested, and asks the oracles for proofs."""

    def __init__(
        self, meters: Sequence[Meter], bank: MeterBank, domain: Domain, urls: Sequence[str], alive: Callable[[], None]
    ) -> None:
        """`domain` is the registry's; `alive` raises if an oracle has ended."""
        self._meters = meters
        self._bank = bank
        self._domain = domain
        self._urls = urls
        self._alive = alive
        self._counters: Counter[bytes] = Counter()
        self.signed: list[SignedReading] = []
        self.verdicts: Counter[str] = Counter()
        self._loop = asyncio.Runner()
        self._http = httpx.Client(timeout=30, limits=LIMITS)
        self._client = httpx.AsyncClient(timeout=60, limits=LIMITS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run(self._client.aclose())
        self._loop.close()
        self._http.close()

    def sign_slot(self, slot: int) -> list[SignedReading]:
        """Every meter's signed reading of one delivery slot."""
        return [self._sign(meter, slot) for meter in self._meters]

    def _sign(self, meter: Meter, slot: int) -> SignedReading:
        device_id = meter.key.device_id
        self._counters[device_id] += 1
        value = self._bank.reported_wh(meter.name, slot)
        reading = Reading(device_id, self._counters[device_id], slot_start(slot), NET_ENERGY_METRIC, value)
        return SignedReading(reading, meter.key.sign(reading_digest(self._domain, reading)))

    def post_slot(self, readings: Sequence[SignedReading]) -> None:
        """Each meter posts its own reading to each oracle, all at once; behind a concentrator where there are many."""
        if len(readings) > CONCENTRATE_ABOVE:
            self.post_together(readings)
            return
        self._post([encode_body([signed]) for signed in readings])
        self.signed += readings

    def post_together(self, readings: Sequence[SignedReading]) -> None:
        """Readings of many meters, or of the past, posted by a concentrator in large arrays."""
        for start in range(0, len(readings), BATCH_READINGS):
            self._post([encode_body(readings[start : start + BATCH_READINGS])])
        self.signed += readings

    def _post(self, bodies: Sequence[bytes]) -> None:
        async def post_all() -> list[list[str]]:
            calls = [self._post_one(f"{url}/v1/readings", body) for body in bodies for url in self._urls]
            return await asyncio.gather(*calls)

        try:
            answers = self._loop.run(post_all())
        except httpx.HTTPError as error:
            self._alive()
            raise GridwitnessError(f"an oracle did not take a reading: {str(error) or type(error).__name__}") from error
        # A reading counts as accepted if every oracle accepted it; otherwise under the first reason given.
        for index in range(len(bodies)):
            by_oracle = answers[index * len(self._urls) : (index + 1) * len(self._urls)]
            for verdicts in zip(*by_oracle, strict=True):
                self.verdicts[next((v for v in verdicts if v not in _TAKEN), "accepted")] += 1

    async def _post_one(self, url: str, body: bytes) -> list[str]:
        # As a meter does: what was not acknowledged is sent again, over a connection that stands.
        for attempt in range(_ATTEMPTS):
            try:
                answer = await self._client.post(url, content=body, headers={"content-type": "application/json"})
                break
            except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                if attempt == _ATTEMPTS - 1:
                    raise
        answer.raise_for_status()
        return [result["reason"] or result["status"] for result in answer.json()["results"]]

    def await_attested(self, stream: StreamView, slot: int) -> None:
        """Wait until the stream's readings reach the end of `slot`."""
        self._await(lambda: stream.state().latest_time >= slot_end(slot), f"readings up to slot {slot}")

    def _await(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + ATTEST_TIMEOUT_S
        while not done():
            self._alive()
            if time.monotonic() > deadline:
                raise GridwitnessError(
                    f"{what} not attested within {ATTEST_TIMEOUT_S:.0f} s", hint="see the oracles' logs"
                )
            time.sleep(POLL_S)

    def attested_readings(self, meter: Meter, time_from: int, time_to: int) -> list[dict[str, Any]]:
        """A meter's readings with their scores, as the last oracle has them, in order of time.

        Not the first: at its address the site's portal answers.
        """
        url = f"{self._urls[-1]}/v1/readings"
        query: dict[str, str | int] = {"device": "0x" + meter.key.device_id.hex(), "from": time_from, "to": time_to}
        rows: list[dict[str, Any]] = []
        after: int | None = -1
        while after is not None:
            page = self._http.get(url, params={**query, "after": after}).raise_for_status().json()
            rows += page["readings"]
            after = page["next_after"]
        return sorted(rows, key=lambda row: row["time"])

    def reading_proofs(self, readings: Sequence[Reading]) -> list[ProofFile]:
        """Proofs of readings, asked of the oracles in turn."""
        asks = [partial(request_reading_proof, device_id=r.device_id, time=r.time, metric=r.metric) for r in readings]
        return [self._proof(ask, index) for index, ask in enumerate(asks)]

    def profile_proofs(self, device_ids: Sequence[bytes], day: int) -> list[ProofFile]:
        """Proofs of the devices' profiles of a delivery day."""
        asks = [partial(request_profile_proof, device_id=d, time=day * SECONDS_PER_DAY) for d in device_ids]
        return [self._proof(ask, index) for index, ask in enumerate(asks)]

    def _proof(self, ask: Callable[..., ProofFile], index: int) -> ProofFile:
        """An oracle that only follows the leader may be a moment behind: ask again for a while."""
        deadline = time.monotonic() + ATTEST_TIMEOUT_S
        while True:
            try:
                return ask(self._urls[index % len(self._urls)], client=self._http)
            except ProofError:
                if time.monotonic() > deadline:
                    raise
            self._alive()
            time.sleep(POLL_S)
