"""How far workers are believed: a sample of what they found is found out again, and one lie ends it.

What a liar found is from then on found out here, so readings go on; but what was taken on its word before may be
wrong, and only an operator can say what to do about it.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

import structlog

from gridwitness.encoding.eip712 import Domain
from gridwitness.service.scaleout.messages import KEY_ID_BYTES
from gridwitness.service.scaleout.signers import signers_of, split
from gridwitness.sources.payloads import ReadingPayload

# So many take less than handing them to a thread and back.
_A_FEW = 4
_log = structlog.get_logger()


@dataclass(slots=True)
class _Seen:
    """A worker: when it was last heard of, what it sent, how much of that was looked at, and its first lie."""

    last_at: float = 0.0
    messages: int = 0
    readings: int = 0
    examined: int = 0
    lie: str = ""


class Trust:
    """Says whose signatures are believed."""

    def __init__(self, domain: Domain, share: float) -> None:
        """`share` of readings is looked at, 0 for none to 1 for all."""
        self._domain = domain
        self._share = share
        self._workers: dict[str, _Seen] = {}

    def report(self) -> dict[str, dict[str, object]]:
        """Workers by name."""
        now = time.time()
        return {
            name: {
                "last_seen_s": round(now - seen.last_at, 1),
                "messages": seen.messages,
                "readings": seen.readings,
                "examined": seen.examined,
                "lie": seen.lie,
            }
            for name, seen in list(self._workers.items())
        }

    def problems(self) -> list[str]:
        """A line for each worker that lied."""
        return [f"worker {name} lied: {seen.lie}" for name, seen in list(self._workers.items()) if seen.lie]

    async def signers(self, worker: str, payloads: list[ReadingPayload], claimed: bytes) -> list[bytes]:
        """Who signed readings, by the worker's word if it is believed."""
        seen = self._workers.setdefault(worker, _Seen())
        seen.last_at = time.time()
        seen.messages += 1
        if not seen.lie:
            await self._examine(worker, seen, payloads, claimed)
        if seen.lie:
            return split(await self._find(payloads))
        seen.readings += len(payloads)
        return split(claimed)

    async def _examine(self, worker: str, seen: _Seen, payloads: list[ReadingPayload], claimed: bytes) -> None:
        if len(claimed) != KEY_ID_BYTES * len(payloads):
            seen.lie = f"it named {len(claimed) / KEY_ID_BYTES:g} signers of {len(payloads)} readings"
        else:
            chosen = self._choose(len(payloads))
            seen.examined += len(chosen)
            sample = [payloads[index] for index in chosen]
            found = split(await self._find(sample))
            for index, payload, signer in zip(chosen, sample, found, strict=True):
                said = claimed[index * KEY_ID_BYTES : (index + 1) * KEY_ID_BYTES]
                if said != signer:
                    seen.lie = (
                        f"reading {payload.counter} of device {payload.device_id[:66]} is signed by 0x{signer.hex()}, "
                        f"not by 0x{said.hex()}"
                    )
                    break
        if seen.lie:
            _log.error("worker_lied", worker=worker, lie=seen.lie, readings_taken_on_its_word=seen.readings)

    async def _find(self, payloads: list[ReadingPayload]) -> bytes:
        if len(payloads) <= _A_FEW:
            return signers_of(self._domain, payloads)
        return await asyncio.to_thread(signers_of, self._domain, payloads)

    def _choose(self, count: int) -> list[int]:
        """Indices that a worker cannot foresee."""
        system = random.SystemRandom()
        whole, part = divmod(self._share * count, 1)
        return sorted(system.sample(range(count), min(count, int(whole) + (system.random() < part))))
