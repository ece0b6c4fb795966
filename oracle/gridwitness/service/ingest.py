"""Taking readings in: verify, append durably, and only then acknowledge.

The way of a call with readings, whichever source it came from:

1. *Room* (`check_room`): if too many readings or bytes are under way already, the call is refused before it is decoded:
   Overloaded, 503 with Retry-After. Nothing else bounds what senders make this process hold.
2. *Decoding* by content type (sources). A body that cannot be read becomes a dead letter.
3. *Rate*: readings of a device beyond its token bucket go no further (`rate_limited`; the whole call is 429 if none is
   left). They are counted, but are no dead letters: they will come again, and a flood must not push others out.
4. *Judging* (`Admission`): registry, clock, document and gateway. It says which key must have signed.
5. *Verifying* (`Verifier`): in worker processes, or a thread of this one. Here nearly all of the time goes.
6. *Writing*: one thread, one SQLite transaction for all calls that came while the one before was synced. While other
   calls are being verified it waits for them, up to GROUP_WAIT_S, as a transaction of a thousand readings costs a
   third of ten of a hundred. What is refused is counted and kept in the same transaction.
7. *Acknowledging*: the transaction is on disk; only now verdicts leave.

A counter far ahead of a device's others locks nothing out, because no reading is judged by the order of counters, only
by whether its counter was used. So a good signature is taken at any counter: it is the device's own word. Without one,
a jump beyond `max_counter_jump` is refused as `counter_far_ahead`: somebody tries to use up a device's counters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from gridwitness.api.protocols import Verdict
from gridwitness.errors import InputError, Overloaded, RateLimited, ReadingRejected, StoreError
from gridwitness.service.admission import Admission
from gridwitness.service.clock import Clock
from gridwitness.service.evidence import Decoder
from gridwitness.service.instruments import Instruments
from gridwitness.service.rate_limits import DeviceRate, DeviceRates
from gridwitness.sources.decoding import JSON
from gridwitness.sources.payloads import ReadingPayload
from gridwitness.store import Append, ReadingLog, ReadingRow, Rejection

GROUP_READINGS = 4_096
GROUP_WAIT_S = 0.05
# How many readings one core verifies and writes in a second, to say when to come again.
_READINGS_PER_S = 10_000


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """What may be under way at once, how fast one device may send, and which jump of a counter is suspicious."""

    waiting_readings: int = 50_000
    waiting_bytes: int = 64 << 20
    max_counter_jump: int = 1_000_000
    device_rate: DeviceRate = field(default_factory=DeviceRate)


@dataclass(frozen=True, slots=True)
class Parcel:
    """Readings that came together from one source; `signers` as in `Admission.check`."""

    source: str
    payloads: Sequence[ReadingPayload]
    signers: Sequence[bytes] | None = None


class Front(Protocol):
    """Where readings go instead, if others verify them."""

    async def verdicts(self, payloads: Sequence[ReadingPayload], source: str) -> list[Verdict]:
        """Verdicts in order, given once accepted readings are durable. Raises Overloaded, ChainError."""
        ...


@dataclass(slots=True)
class _Call:
    """What one call has to be written; `payloads` are those of the rows."""

    rows: Sequence[ReadingRow]
    payloads: Sequence[ReadingPayload]
    rejections: Sequence[Rejection]
    source: str
    offsets: Sequence[tuple[str, int]] = ()
    done: asyncio.Future[Sequence[Append | Rejection]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Ingest:
    """The way into the log. `problem` says why the log takes nothing, if so."""

    def __init__(
        self,
        admission: Admission,
        decoder: Decoder,
        log: ReadingLog,
        clock: Clock,
        limits: IngestLimits | None = None,
        instruments: Instruments | None = None,
    ) -> None:
        self._instruments = instruments or Instruments()
        self._admission = admission
        self._decoder = decoder
        self._log = log
        self._clock = clock
        self._limits = limits or IngestLimits()
        self._rates = DeviceRates(self._limits.device_rate)
        self._waiting_readings = self._waiting_bytes = 0
        self._verifying = 0
        self._calls: list[_Call] = []
        self._enough = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._front: Front | None = None
        self.problem = ""

    def send_through(self, front: Front) -> None:
        """From now on hand readings to others for verification; they come back through `settle`."""
        self._front = front

    def check_room(self, size_bytes: int = 0) -> None:
        """Raise Overloaded if a body of that size has no room now."""
        limits = self._limits
        if self._waiting_readings >= limits.waiting_readings:
            what = f"{self._waiting_readings} readings wait to be verified and written; {limits.waiting_readings} may"
        elif self._waiting_bytes + size_bytes > limits.waiting_bytes:
            what = f"{self._waiting_bytes} bytes wait to be verified and written; {limits.waiting_bytes} may"
        else:
            return
        raise Overloaded(what, 1 + self._waiting_readings // _READINGS_PER_S)

    def waiting(self) -> dict[str, int]:
        """Readings and bytes under way, and devices with a bucket that is not full."""
        return {"readings": self._waiting_readings, "bytes": self._waiting_bytes, "device_buckets": len(self._rates)}

    async def submit_body(self, body: bytes, content_type: str = JSON, source: str = "http") -> list[Verdict]:
        """`submit` for a body. Raises InputError, counted by its reason or as malformed, if it holds no readings."""
        self.check_room(len(body))
        self._waiting_bytes += len(body)
        try:
            try:
                payloads = await self._decoder.decode(body, content_type)
            except InputError as error:
                reason = error.reason if isinstance(error, ReadingRejected) else "malformed"
                await self._count([Rejection(reason, error.message, body, source, content_type)])
                raise
            return await self.submit(payloads, source)
        finally:
            self._waiting_bytes -= len(body)

    async def submit(self, payloads: Sequence[ReadingPayload], source: str = "http") -> list[Verdict]:
        """Verdicts in order; every accepted reading is durable when this returns.

        Raises StoreError if the log cannot be written, Overloaded and RateLimited: then nothing was acknowledged, and
        devices send again.
        """
        self.check_room()
        self._waiting_readings += len(payloads)
        try:
            limited = self._rates.refused([payload.device_id for payload in payloads])
            if not limited:
                return await self._submit_within_rates(payloads, source)
            return await self._submit_limited(payloads, set(limited), source)
        finally:
            self._waiting_readings -= len(payloads)

    async def probe(self) -> None:
        """If the log took nothing, see whether it does now. Raises nothing: `problem` stays what it was."""
        if self.problem:
            with suppress(StoreError):
                await asyncio.to_thread(self._log.probe)
                self.problem = ""

    async def _submit_limited(
        self, payloads: Sequence[ReadingPayload], limited: set[int], source: str
    ) -> list[Verdict]:
        rate = self._limits.device_rate
        message = f"the device sends more than {rate.per_s:g} readings a second and {rate.burst} at once"
        await self._count([Rejection("rate_limited", message, is_kept=False)] * len(limited))
        if len(limited) == len(payloads):
            raise RateLimited(message, self._rates.retry_after_s([payload.device_id for payload in payloads]))
        rest = [payload for index, payload in enumerate(payloads) if index not in limited]
        verdicts = iter(await self._submit_within_rates(rest, source))
        return [
            Verdict(payload.device_id, payload.counter, "rejected", "rate_limited", message)
            if index in limited
            else next(verdicts)
            for index, payload in enumerate(payloads)
        ]

    async def _submit_within_rates(self, payloads: Sequence[ReadingPayload], source: str) -> list[Verdict]:
        if self._front is not None:
            return await self._front.verdicts(payloads, source)
        return await self.settle_here(payloads, source)

    async def settle_here(self, payloads: Sequence[ReadingPayload], source: str) -> list[Verdict]:
        """`settle` for one call whose signatures are verified here."""
        return (await self.settle([Parcel(source, payloads)]))[0]

    async def settle(
        self,
        parcels: Sequence[Parcel],
        offsets: Sequence[tuple[str, int]] = (),
        rejections: Sequence[Rejection] = (),
    ) -> list[list[Verdict]]:
        """Judge readings and write them in one transaction, with the offsets of who consumed them; verdicts of each
        parcel in order. `rejections` are counted besides.

        Raises StoreError, ChainError, Overloaded: then nothing was written.
        """
        self._verifying += 1
        try:
            checked = [await self._admission.check(parcel.payloads, parcel.signers) for parcel in parcels]
        finally:
            self._verifying -= 1
            if not self._verifying:
                self._enough.set()
        made = [await self._call(parcel, results) for parcel, results in zip(parcels, checked, strict=True)]
        calls = [call for call, _ in made]
        if offsets or rejections:
            calls.append(_Call((), (), rejections, "", offsets))
        await self._append(calls)
        return [
            _verdicts(parcel.payloads, refused, call.done.result())
            for parcel, (call, refused) in zip(parcels, made, strict=True)
        ]

    async def _call(
        self, parcel: Parcel, checked: Sequence[ReadingRow | ReadingRejected]
    ) -> tuple[_Call, dict[int, Rejection]]:
        """What is to be written of a parcel, and what is refused of it by index."""
        rows = [one for one in checked if not isinstance(one, ReadingRejected)]
        if len(rows) == len(checked):
            return _Call(rows, parcel.payloads, (), parcel.source), {}
        refused = {
            index: await self._refusal(parcel.payloads[index], one, parcel.source)
            for index, one in enumerate(checked)
            if isinstance(one, ReadingRejected)
        }
        good = [payload for index, payload in enumerate(parcel.payloads) if index not in refused]
        return _Call(rows, good, list(refused.values()), parcel.source), refused

    async def _refusal(self, payload: ReadingPayload, rejected: ReadingRejected, source: str) -> Rejection:
        reason, message = rejected.reason, rejected.message
        if reason == "wrong_signature":
            device_id = bytes.fromhex(payload.device_id[2:])
            highest = await asyncio.to_thread(self._log.highest_counter, device_id)
            if highest is not None and payload.counter > highest + self._limits.max_counter_jump:
                reason = "counter_far_ahead"
                message += f"; the highest counter known is {highest}, {self._limits.max_counter_jump} may be skipped"
        return Rejection(reason, message, msgspec.json.encode(payload), source)

    async def _append(self, calls: Sequence[_Call]) -> None:
        """Until all of these are written, in one transaction."""
        self._calls += calls
        if sum(len(call.rows) for call in self._calls) >= GROUP_READINGS:
            self._enough.set()
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        for call in calls:
            await call.done

    async def _count(self, rejections: Sequence[Rejection]) -> None:
        await self._append([_Call((), (), rejections, "")])

    async def _write_all(self) -> None:
        while self._calls:
            await self._wait_for_others()
            calls, self._calls = self._calls, []
            try:
                outcomes = await asyncio.to_thread(self._write, calls, self._clock.now())
                self.problem = ""
                self._instruments.group_readings.observe(len(outcomes))
                self._instruments.duplicates.inc(outcomes.count(Append.DUPLICATE))
            except Exception as error:
                self.problem = error.message if isinstance(error, StoreError) else repr(error)
                for call in calls:
                    if not call.done.done():
                        call.done.set_exception(error)
                continue
            start = 0
            for call in calls:
                if not call.done.done():
                    call.done.set_result(outcomes[start : start + len(call.rows)])
                start += len(call.rows)
        self._writer = None

    async def _wait_for_others(self) -> None:
        """Until there is enough for a transaction, nobody else is coming, or time is up."""
        if not self._verifying or self._enough.is_set():
            self._enough.clear()
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._enough.wait(), GROUP_WAIT_S)
        self._enough.clear()

    def _write(self, calls: Sequence[_Call], now: int) -> Sequence[Append | Rejection]:
        sent = [(payload, call.source) for call in calls for payload in call.payloads]
        return self._log.append(
            [row for call in calls for row in call.rows],
            now,
            [rejection for call in calls for rejection in call.rejections],
            body_of=lambda index: msgspec.json.encode(sent[index][0]),
            source_of=lambda index: sent[index][1],
            offsets=[offset for call in calls for offset in call.offsets],
        )


def _verdicts(
    payloads: Sequence[ReadingPayload], refused: Mapping[int, Rejection], written: Sequence[Append | Rejection]
) -> list[Verdict]:
    if not refused:
        return [
            Verdict(payload.device_id, payload.counter, "accepted") if one is Append.STORED else _verdict(payload, one)
            for payload, one in zip(payloads, written, strict=True)
        ]
    appended = iter(written)
    return [
        _verdict(payload, refused[index] if index in refused else next(appended))
        for index, payload in enumerate(payloads)
    ]


def _verdict(payload: ReadingPayload, outcome: Append | Rejection) -> Verdict:
    if outcome is Append.STORED:
        return Verdict(payload.device_id, payload.counter, "accepted")
    if isinstance(outcome, Rejection):
        return Verdict(payload.device_id, payload.counter, "rejected", outcome.reason, outcome.message)
    return Verdict(payload.device_id, payload.counter, "duplicate")
