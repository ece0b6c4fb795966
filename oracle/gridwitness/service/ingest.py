"""Taking readings in: verify, append durably, and only then acknowledge.

Calls that come while a transaction is being written are gathered into the next one, so the cost of a disk sync is
shared by everyone who waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gridwitness.api.protocols import Verdict
from gridwitness.domain.readings import SignedReading
from gridwitness.errors import InputError, ReadingRejected
from gridwitness.service.admission import Admission
from gridwitness.service.clock import Clock
from gridwitness.service.evidence import Decoder
from gridwitness.sources.decoding import JSON
from gridwitness.sources.payloads import ReadingPayload
from gridwitness.store import Append, ReadingLog, Rejection, row_of

_Call = tuple[list[SignedReading], list[Rejection], "asyncio.Future[list[Append | Rejection]]"]


class Ingest:
    """The way into the log."""

    def __init__(self, admission: Admission, decoder: Decoder, log: ReadingLog, clock: Clock) -> None:
        self._admission = admission
        self._decoder = decoder
        self._log = log
        self._clock = clock
        self._waiting: list[_Call] = []
        self._writer: asyncio.Task[None] | None = None

    async def submit_body(self, body: bytes, content_type: str = JSON) -> list[Verdict]:
        """`submit` for a body. Raises InputError, counted by its reason or as malformed, if it holds no readings."""
        try:
            payloads = await self._decoder.decode(body, content_type)
        except InputError as error:
            reason = error.reason if isinstance(error, ReadingRejected) else "malformed"
            await self._append([], [Rejection(reason, error.message)])
            raise
        return await self.submit(payloads)

    async def submit(self, payloads: Sequence[ReadingPayload]) -> list[Verdict]:
        """Verdicts in order; every accepted reading is durable when this returns.

        Raises StoreError if the log cannot be written: then nothing was acknowledged, and devices send again.
        """
        checked = await self._admission.check(payloads)
        good = [result for result in checked if isinstance(result, SignedReading)]
        refused = [Rejection(r.reason, r.message) for r in checked if isinstance(r, ReadingRejected)]
        appended = iter(await self._append(good, refused))
        return [
            Verdict(payload.device_id, payload.counter, "rejected", result.reason, result.message)
            if isinstance(result, ReadingRejected)
            else _verdict(payload, next(appended))
            for payload, result in zip(payloads, checked, strict=True)
        ]

    async def _append(self, readings: list[SignedReading], rejections: list[Rejection]) -> list[Append | Rejection]:
        done: asyncio.Future[list[Append | Rejection]] = asyncio.get_running_loop().create_future()
        self._waiting.append((readings, rejections, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        return await done

    async def _write_all(self) -> None:
        while self._waiting:
            calls, self._waiting = self._waiting, []
            try:
                outcomes = await asyncio.to_thread(self._write, calls, self._clock.now())
            except Exception as error:
                for _, _, done in calls:
                    if not done.done():
                        done.set_exception(error)
                continue
            start = 0
            for readings, _, done in calls:
                if not done.done():
                    done.set_result(outcomes[start : start + len(readings)])
                start += len(readings)
        self._writer = None

    def _write(self, calls: Sequence[_Call], now: int) -> list[Append | Rejection]:
        readings = [signed for call in calls for signed in call[0]]
        rejections = [rejection for call in calls for rejection in call[1]]
        return list(self._log.append([row_of(signed) for signed in readings], now, rejections))


def _verdict(payload: ReadingPayload, outcome: Append | Rejection) -> Verdict:
    if isinstance(outcome, Rejection):
        return Verdict(payload.device_id, payload.counter, "rejected", outcome.reason, outcome.message)
    status = "accepted" if outcome is Append.STORED else "duplicate"
    return Verdict(payload.device_id, payload.counter, status)
