"""Devices that send each reading until it is acknowledged, and what the log holds in the end."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx

from gridwitness.domain.readings import SignedReading
from gridwitness.sources.payloads import encode_body
from tests.integration.oracle.village import Oracle, Village

_PAUSE_S = 0.3
_GOOD = ("accepted", "duplicate")


def sign_many(village: Village, count: int) -> list[SignedReading]:
    """`count` readings of consecutive slots that have passed, by all meters in turn."""
    first = village.first_slot()
    signed = [reading for slot in range(first, first + count // 4 + 1) for reading in village.sign_slot(slot)]
    village.pass_slot(first + count // 4 + 1)
    return signed[:count]


class Senders:
    """Threads that post readings, a few at a time, until each is acknowledged; whatever is killed meanwhile."""

    def __init__(self, oracle: Oracle, readings: Sequence[SignedReading], at_once: int = 5, threads: int = 8) -> None:
        self._oracle = oracle
        self._posts = [readings[start : start + at_once] for start in range(0, len(readings), at_once)]
        self._lock = threading.Lock()
        self.acknowledged: list[SignedReading] = []
        self.refusals: Counter[int] = Counter()
        self.rejected: list[str] = []
        self._stopped = threading.Event()
        self._client = httpx.Client(timeout=20)  # one made per request costs more than the oracle's answer
        self._pool = ThreadPoolExecutor(threads)
        self._results = [self._pool.submit(self._send, post) for post in self._posts]

    def __enter__(self) -> Senders:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.shutdown(cancel_futures=True)
        self._client.close()

    def wait(self) -> None:
        """Until everything is acknowledged."""
        for result in self._results:
            result.result(timeout=240)

    def _send(self, post: Sequence[SignedReading]) -> None:
        body = encode_body(post)
        while not self._stopped.is_set():
            try:
                response = self._client.post(f"{self._oracle.url}/v1/readings", content=body)
            except httpx.TransportError:
                self._stopped.wait(_PAUSE_S)
                continue
            if response.is_success:
                self._note(post, response.json()["results"])
                return
            self.refusals[response.status_code] += 1
            self._stopped.wait(_PAUSE_S)

    def _note(self, post: Sequence[SignedReading], verdicts: Sequence[dict[str, str]]) -> None:
        with self._lock:
            for signed, verdict in zip(post, verdicts, strict=True):
                if verdict["status"] in _GOOD:
                    self.acknowledged.append(signed)
                else:
                    self.rejected.append(verdict["reason"])


def logged_keys(folder: Path) -> Counter[tuple[bytes, int]]:
    """(device, counter) of all rows in an oracle's log, from the file itself."""
    with closing(sqlite3.connect(f"file:{folder / 'oracle.sqlite'}?mode=ro", uri=True)) as connection:
        return Counter(connection.execute("SELECT device_id, counter FROM signed_readings").fetchall())


def check_log(senders: Senders, oracle: Oracle, readings: Sequence[SignedReading]) -> None:
    """No acknowledged reading is lost, none is there twice, and nothing was refused."""
    rows = logged_keys(oracle.folder)
    assert senders.rejected == []
    assert len(senders.acknowledged) == len(readings)
    assert rows == Counter({(one.reading.device_id, one.reading.counter): 1 for one in readings})
