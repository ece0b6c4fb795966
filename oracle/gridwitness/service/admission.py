"""Who may report what, and when: the checks every reading passes before it is logged."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from gridwitness.domain.devices import Device, DeviceStatus
from gridwitness.domain.readings import NET_ENERGY_METRIC, SignedReading
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.encoding.eip712 import Domain, signed_digest
from gridwitness.encoding.keys import is_signature_of
from gridwitness.encoding.packing import INT32_MAX, INT32_MIN
from gridwitness.errors import ReadingRejected
from gridwitness.service.clock import Clock
from gridwitness.service.evidence import check_gateway
from gridwitness.service.fleet import Fleet
from gridwitness.service.verification import KeyedRow, Verifier
from gridwitness.sources.documents import check_document
from gridwitness.sources.payloads import ReadingPayload, to_signed
from gridwitness.store import ReadingRow, row_of, signed_of

CLOCK_TOLERANCE_S = 60
# IStreamBonds: a reading is good by the key of its time or of this long before.
KEY_GRACE_S = 900
_INT64_MAX = (1 << 63) - 1
_SIGNATURE_BYTES = (65, 128)
# Worth another look after asking the chain again: what we know of it may be old.
_MAY_BE_STALE = ("unknown_device", "suspended_device", "unknown_gateway", "future_time")


def interval_seconds(metric: str) -> int:
    """Length of the interval a metric's reading covers from its time on; 0 for readings of an instant."""
    return SLOT_SECONDS if metric == NET_ENERGY_METRIC else 0


class Admission:
    """Decides on readings with what registry and clock say now."""

    def __init__(self, fleet: Fleet, clock: Clock, registry_domain: Domain, verify_workers: int = 0) -> None:
        """`verify_workers` processes verify signatures; with 0, a thread of this one does."""
        self._fleet = fleet
        self._clock = clock
        self._domain = registry_domain
        self._verifier = Verifier(registry_domain, verify_workers)
        self._vouched = Counter(documents=0, gateways=0)

    def report(self) -> dict[str, int]:
        """Verifying processes and how often they died; readings with documents and gateways judged since the start."""
        return {"workers": self._verifier.workers, "restarts": self._verifier.restarts, **self._vouched}

    def close(self) -> None:
        """Stop verifying."""
        self._verifier.close()

    async def check(
        self, payloads: Sequence[ReadingPayload], signers: Sequence[bytes] | None = None
    ) -> list[ReadingRow | ReadingRejected]:
        """For each payload the row to be logged, or the error it is refused with; in order.

        `signers` are ids of the keys that somebody trusted found to have signed them, empty for none; without them
        signatures are verified here. Raises ChainError if registry or clock had to be asked and the node does not
        answer, Overloaded.
        """
        results = await self._judge(payloads)
        stale = [i for i, r in enumerate(results) if isinstance(r, ReadingRejected) and r.reason in _MAY_BE_STALE]
        if stale:
            # Both: a reading refused by an old clock may next be one of a device or gateway not known yet.
            await self._fleet.refresh()
            await self._clock.refresh()
            for index, result in zip(stale, await self._judge([payloads[index] for index in stale]), strict=True):
                results[index] = result
        if signers is not None:
            return [
                one if isinstance(one, ReadingRejected) else one[1] if one[0] == signer else _wrong_signature(one[1])
                for one, signer in zip(results, signers, strict=True)
            ]
        return await self._verify(results)

    async def admit(self, payloads: Sequence[ReadingPayload]) -> list[SignedReading]:
        """The signed readings of payloads that must all be good. Raises ReadingRejected for the first that is not."""
        admitted: list[SignedReading] = []
        for result in await self.check(payloads) if payloads else []:
            if isinstance(result, ReadingRejected):
                raise result
            admitted.append(signed_of(result))
        return admitted

    def is_signed(self, signed: SignedReading) -> bool:
        """Whether the signature over a reading is of the key that speaks for its device at its time."""
        reading = signed.reading
        device = self._fleet.device(reading.device_id)
        key_id = reading.device_id if device is None else device.key_at(reading.time)
        return is_signature_of(key_id, signed_digest(self._domain, signed), signed.signature)

    async def _verify(self, judged: list[KeyedRow | ReadingRejected]) -> list[ReadingRow | ReadingRejected]:
        keyed = [one for one in judged if not isinstance(one, ReadingRejected)]
        are_good = await self._verifier.verify(keyed) if keyed else b""
        if len(keyed) == len(judged) and 0 not in are_good:
            return [row for _, row in keyed]
        verdicts = iter(are_good)
        return [
            one if isinstance(one, ReadingRejected) else one[1] if next(verdicts) else _wrong_signature(one[1])
            for one in judged
        ]

    async def _judge(self, payloads: Sequence[ReadingPayload]) -> list[KeyedRow | ReadingRejected]:
        """What can be said of readings without their signatures: the key that must have signed each, or what is wrong.

        Only documents and gateways, which cost milliseconds, are judged off the event loop.
        """
        now = self._clock.now()
        latest = now + CLOCK_TOLERANCE_S - SLOT_SECONDS
        judged: list[KeyedRow | ReadingRejected] = []
        for payload in payloads:
            try:
                judged.append(self._judge_usual(payload, latest) or self._judge_row(row_of(to_signed(payload)), now))
            except ReadingRejected as rejected:
                judged.append(rejected)
        vouched = [
            index
            for index, one in enumerate(judged)
            if not isinstance(one, ReadingRejected) and (one[1][6] or one[1][7])
        ]
        if vouched:
            await asyncio.to_thread(self._check_evidence, judged, vouched)
        return judged

    def _judge_usual(self, payload: ReadingPayload, latest: int) -> KeyedRow | None:
        """What `_judge_row` says of the row, if the reading is what nearly all are: good, signed by its device itself,
        of net energy, from a device of the zone of which nothing ever changed. None for any other.
        """
        text, counter, time, value = payload.signature, payload.counter, payload.time, payload.value
        try:
            device_id = _device_id(payload.device_id)
            signature = bytes.fromhex(text[2:])
        except ValueError:
            return None
        device = self._fleet.device(device_id)
        if (
            device is None
            or device.zone != self._fleet.zone
            or device.later_keys
            or device.suspensions
            or device.retired_at
            or payload.metric != NET_ENERGY_METRIC
            or time % SLOT_SECONDS
            or not 0 <= time <= latest
            or not 0 <= counter <= _INT64_MAX
            or not INT32_MIN <= value <= INT32_MAX
            or len(signature) not in _SIGNATURE_BYTES
            or len(text) != 2 + 2 * len(signature)
            or not text.startswith("0x")
            or payload.document
            or payload.gateway_signature
        ):
            return None
        return device_id, (device_id, counter, time, NET_ENERGY_METRIC, value, signature, b"", b"")

    def _judge_row(self, row: ReadingRow, now: int) -> KeyedRow:
        device_id, _, time, metric, value, *_ = row
        device = self._fleet.device(device_id)
        key_id = self._check_device(device, device_id, time)
        interval = interval_seconds(metric)
        if interval and (time % interval or not INT32_MIN <= value <= INT32_MAX):
            raise _wrong_interval(time, value, interval)
        if time + interval > now + CLOCK_TOLERANCE_S:
            raise _future(time + interval, now)
        return key_id, row

    def _check_evidence(self, judged: list[KeyedRow | ReadingRejected], indices: Sequence[int]) -> None:
        """Put what is wrong with documents and gateways in the place of the readings they should speak for."""
        for index in indices:
            one = judged[index]
            assert not isinstance(one, ReadingRejected)
            signed = signed_of(one[1])
            self._vouched.update(documents=bool(signed.document), gateways=bool(signed.gateway_signature))
            device = self._fleet.device(signed.reading.device_id)
            assert device is not None
            try:
                check_document(signed)
                check_gateway(self._domain, signed, device)
            except ReadingRejected as rejected:
                judged[index] = rejected

    def _check_device(self, device: Device | None, device_id: bytes, time: int) -> bytes:
        """Id of the key that speaks for a device at a time."""
        name = f"device 0x{device_id.hex()}"
        if device is None:
            raise ReadingRejected("unknown_device", f"{name} is not registered")
        status = device.status_at(time)
        if status is not DeviceStatus.ACTIVE:
            word = status.name.lower()
            raise ReadingRejected(f"{word}_device", f"{name} is {word} at {time}; it must be active")
        key_id = device.key_at(time)
        # Until the chain has passed a time, its key may still change; the key of KEY_GRACE_S before counts in any case.
        if time > self._fleet.head_time and key_id != device.key_at(time - KEY_GRACE_S):
            raise ReadingRejected(
                "future_time", f"{name} has a new key, and the chain has not reached {time}: its key may change"
            )
        if device.zone != self._fleet.zone:
            raise ReadingRejected(
                "other_zone", f"{name} stands in zone {device.zone}; this oracle serves zone {self._fleet.zone}"
            )
        return key_id


@lru_cache(maxsize=65_536)
def _device_id(text: str) -> bytes:
    """A device id of 0x-hex; raises ValueError, and is then not kept, if it is none."""
    device_id = bytes.fromhex(text[2:])
    if len(device_id) != 32 or len(text) != 66 or not text.startswith("0x"):
        raise ValueError("no device id")
    return device_id


def _wrong_signature(row: ReadingRow) -> ReadingRejected:
    device_id, counter, time, metric, value, *_ = row
    return ReadingRejected(
        "wrong_signature",
        f"the signature is not one of the key of device 0x{device_id.hex()} at its time, over counter "
        f"{counter}, time {time}, {metric}, value {value}",
    )


def _wrong_interval(time: int, value: int, interval: int) -> ReadingRejected:
    if time % interval:
        return ReadingRejected(
            "unaligned_time",
            f"time {time} is {time % interval} s into an interval; it must be a multiple of {interval}",
        )
    return ReadingRejected("value_out_of_range", f"value {value} Wh is outside {INT32_MIN} to {INT32_MAX}")


def _future(end: int, now: int) -> ReadingRejected:
    return ReadingRejected(
        "future_time",
        f"the reading ends at {end}, {end - now} s after the clock ({now}); {CLOCK_TOLERANCE_S} s are tolerated",
    )
