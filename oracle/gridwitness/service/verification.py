"""Signatures verified in processes of their own, so that every core can, or in this one.

Registry, clock and rate limits are judged before, in the process that knows them: a reading comes here with the key
that must have signed it, and what comes back is one byte each. So workers keep no state. One that dies is replaced, and
what it had under way is verified again.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from hashlib import sha256
from multiprocessing.connection import wait

import structlog

from gridwitness.encoding.eip712 import Domain, reading_fields_digest
from gridwitness.encoding.keys import is_signature_of
from gridwitness.errors import Overloaded
from gridwitness.store import ReadingRow

KeyedRow = tuple[bytes, ReadingRow]
"""The id of the key that must have signed, and the reading."""

_ATTEMPTS = 3
_log = structlog.get_logger()


def verify_rows(domain: Domain, keyed: Sequence[KeyedRow]) -> bytes:
    """For each reading 1 if its signature is of the given key, over the reading or its document; 0 if not."""
    return bytes(
        [
            is_signature_of(
                key_id,
                sha256(document).digest()
                if document
                else reading_fields_digest(domain, device_id, counter, time, metric, value),
                signature,
            )
            for key_id, (device_id, counter, time, metric, value, signature, document, _) in keyed
        ]
    )


class Verifier:
    """Verifies signatures of readings under one registry's domain."""

    def __init__(self, domain: Domain, workers: int = 0) -> None:
        """`workers` processes verify; 0 for a thread of this one."""
        self._domain = domain
        self.workers = workers
        self.restarts = 0
        self._executor = self._start()

    def close(self) -> None:
        """Stop verifying."""
        self._executor.shutdown(cancel_futures=True)

    async def verify(self, keyed: Sequence[KeyedRow]) -> bytes:
        """`verify_rows`, off the event loop. Raises Overloaded if workers keep dying: nothing was taken."""
        loop = asyncio.get_running_loop()
        for _ in range(_ATTEMPTS):
            executor = self._executor
            try:
                return await loop.run_in_executor(executor, verify_rows, self._domain, keyed)
            except BrokenProcessPool:
                self._replace(executor)
        raise Overloaded(f"{_ATTEMPTS} times in a row a verifying process died", 5)

    def _start(self) -> Executor:
        if not self.workers:
            return ThreadPoolExecutor(max_workers=1, thread_name_prefix="verify")
        # Spawned, not forked: this process has threads, and a fork would copy their locks.
        spawning = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.workers, mp_context=spawning, initializer=_begin_worker)

    def _replace(self, broken: Executor) -> None:
        """Once for all calls that found the same pool broken."""
        if self._executor is not broken:
            return
        _log.warning("verifying_process_died", workers=self.workers)
        self.restarts += 1
        self._executor = self._start()
        broken.shutdown(wait=False)


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and end when it does, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
