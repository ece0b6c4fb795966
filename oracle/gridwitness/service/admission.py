"""Who may report what, and when: the checks every reading passes before it is logged."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from gridwitness.domain.devices import Device, DeviceStatus
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, SignedReading
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.encoding.eip712 import Domain, signed_digest
from gridwitness.encoding.keys import is_signature_of
from gridwitness.encoding.packing import INT32_MAX, INT32_MIN
from gridwitness.errors import ReadingRejected
from gridwitness.service.clock import Clock
from gridwitness.service.evidence import check_gateway
from gridwitness.service.fleet import Fleet
from gridwitness.sources.documents import check_document
from gridwitness.sources.payloads import ReadingPayload, to_signed

CLOCK_TOLERANCE_S = 60
# IStreamBonds: a reading is good by the key of its time or of this long before.
KEY_GRACE_S = 900
# Large enough that handing over to a thread costs little beside 64 signatures of some 60 microseconds each.
_CHUNK = 64
# Worth another look after asking the chain again: what we know of it may be old.
_MAY_BE_STALE = ("unknown_device", "suspended_device", "unknown_gateway", "future_time")


def interval_seconds(metric: str) -> int:
    """Length of the interval a metric's reading covers from its time on; 0 for readings of an instant."""
    return SLOT_SECONDS if metric == NET_ENERGY_METRIC else 0


class Admission:
    """Decides on readings with what registry and clock say now."""

    def __init__(self, fleet: Fleet, clock: Clock, registry_domain: Domain) -> None:
        self._fleet = fleet
        self._clock = clock
        self._domain = registry_domain
        self._threads = ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="verify")

    def close(self) -> None:
        """Stop the verifying threads."""
        self._threads.shutdown(cancel_futures=True)

    async def check(self, payloads: Sequence[ReadingPayload]) -> list[SignedReading | ReadingRejected]:
        """For each payload the signed reading, or the error it is refused with; in order.

        Raises ChainError if registry or clock had to be asked and the node does not answer.
        """
        results = await self._check_in_threads(payloads)
        stale = [i for i, r in enumerate(results) if isinstance(r, ReadingRejected) and r.reason in _MAY_BE_STALE]
        if not stale:
            return results
        reasons = {results[index].reason for index in stale}  # type: ignore[union-attr]
        if reasons - {"future_time"}:
            await self._fleet.refresh()
        if "future_time" in reasons:
            await self._clock.refresh()
        again = await self._check_in_threads([payloads[index] for index in stale])
        for index, result in zip(stale, again, strict=True):
            results[index] = result
        return results

    async def admit(self, payloads: Sequence[ReadingPayload]) -> list[SignedReading]:
        """The signed readings of payloads that must all be good. Raises ReadingRejected for the first that is not."""
        admitted: list[SignedReading] = []
        for result in await self.check(payloads) if payloads else []:
            if isinstance(result, ReadingRejected):
                raise result
            admitted.append(result)
        return admitted

    def is_signed(self, signed: SignedReading) -> bool:
        """Whether the signature over a reading is of the key that speaks for its device at its time."""
        reading = signed.reading
        device = self._fleet.device(reading.device_id)
        key_id = reading.device_id if device is None else device.key_at(reading.time)
        return is_signature_of(key_id, signed_digest(self._domain, signed), signed.signature)

    async def _check_in_threads(self, payloads: Sequence[ReadingPayload]) -> list[SignedReading | ReadingRejected]:
        loop = asyncio.get_running_loop()
        chunks = [payloads[start : start + _CHUNK] for start in range(0, len(payloads), _CHUNK)]
        done = await asyncio.gather(
            *(loop.run_in_executor(self._threads, self._check_chunk, chunk, self._clock.now()) for chunk in chunks)
        )
        return [result for chunk in done for result in chunk]

    def _check_chunk(self, payloads: Sequence[ReadingPayload], now: int) -> list[SignedReading | ReadingRejected]:
        results: list[SignedReading | ReadingRejected] = []
        for payload in payloads:
            try:
                signed = to_signed(payload)
                device = self._check_device(signed.reading)
                _check_content(signed.reading, now)
                check_document(signed)
                if not self.is_signed(signed):
                    raise ReadingRejected(
                        "wrong_signature",
                        f"the signature is not one of the key of device {payload.device_id} at its time, over counter "
                        f"{payload.counter}, time {payload.time}, {payload.metric}, value {payload.value}",
                    )
                check_gateway(self._domain, signed, device)
                results.append(signed)
            except ReadingRejected as rejected:
                results.append(rejected)
        return results

    def _check_device(self, reading: Reading) -> Device:
        device = self._fleet.device(reading.device_id)
        name = f"device 0x{reading.device_id.hex()}"
        if device is None:
            raise ReadingRejected("unknown_device", f"{name} is not registered")
        status = device.status_at(reading.time)
        if status is not DeviceStatus.ACTIVE:
            word = status.name.lower()
            raise ReadingRejected(f"{word}_device", f"{name} is {word} at {reading.time}; it must be active")
        # Until the chain has passed a time, its key may still change; the key of KEY_GRACE_S before counts in any case.
        is_passed = reading.time <= self._fleet.head_time
        if not is_passed and device.key_at(reading.time) != device.key_at(reading.time - KEY_GRACE_S):
            raise ReadingRejected(
                "future_time", f"{name} has a new key, and the chain has not reached {reading.time}: its key may change"
            )
        if device.zone != self._fleet.zone:
            raise ReadingRejected(
                "other_zone", f"{name} stands in zone {device.zone}; this oracle serves zone {self._fleet.zone}"
            )
        return device


def _check_content(reading: Reading, now: int) -> None:
    interval = interval_seconds(reading.metric)
    if interval and reading.time % interval:
        raise ReadingRejected(
            "unaligned_time",
            f"time {reading.time} is {reading.time % interval} s into an interval; it must be a multiple of {interval}",
        )
    if interval and not INT32_MIN <= reading.value <= INT32_MAX:
        raise ReadingRejected("value_out_of_range", f"value {reading.value} Wh is outside {INT32_MIN} to {INT32_MAX}")
    end = reading.time + interval
    if end > now + CLOCK_TOLERANCE_S:
        raise ReadingRejected(
            "future_time",
            f"the reading ends at {end}, {end - now} s after the clock ({now}); {CLOCK_TOLERANCE_S} s are tolerated",
        )
