"""Kept proofs: within bounds, as long as streams stand, and only for who may see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import pytest

from gridwitness.api.portal.app import create_portal_app
from gridwitness.api.portal.limits import RequestRates
from gridwitness.api.portal.proof_cache import READING, ProofCache
from gridwitness.api.portal.protocols import ANYBODY, EVERYTHING, Grant, Keys, Portal, Viewer
from gridwitness.api.portal.views import SiteView, StreamView
from gridwitness.errors import StoreError

DEVICE = "0x" + "11" * 32
PATH = f"/v1/proofs/readings/{DEVICE}/7"


@dataclass
class Prover:
    """Makes proofs for those who see all, and keeps count."""

    is_open_data: bool = True
    seq: int = 1
    made: int = 0
    is_broken: bool = False
    keys: dict[str, Grant] = field(default_factory=dict)

    def site(self) -> SiteView:
        texts = dict.fromkeys(("name", "currency", "explorer_url", "rpc_url", "oracle"), "") | {"time_zone": "UTC"}
        return SiteView(**cast("Any", texts), chain_id=1, contracts={}, is_open_data=self.is_open_data)

    def streams(self) -> list[StreamView]:
        if self.is_broken:
            raise StoreError("the disk is away")
        texts = dict.fromkeys(("stream_id", "name", "problem"), "")
        numbers = {"final_seq": 0, "latest_time": None, "threshold": 1, "members": []}
        return [StreamView(**cast("Any", texts | numbers), seq=self.seq)]

    def reading_proof(self, viewer: Viewer, device_id: bytes, counter: int) -> bytes | None:
        self.made += 1
        return b'{"length":%d}' % self.seq if viewer.sees_all else None

    def grant_of_key(self, key: str) -> Grant | None:
        return self.keys.get(key)

    def grant_of_session(self, token: str) -> Grant | None:
        return None


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def client_of(prover: Prover, rates: RequestRates | None = None) -> httpx.AsyncClient:
    app = create_portal_app(
        cast("Portal", prover), cast("Keys", prover), is_secure_cookie=False, rates=rates or RequestRates()
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def test_cache__stream_grown__forgets_all_at_the_next_look() -> None:
    prover, clock = Prover(), Clock()
    cache = ProofCache(cast("Portal", prover), monotonic=clock)
    key = (EVERYTHING, READING, bytes(32), 7)
    assert await cache.get(key) is None
    cache.put(key, b"{}", '"tag"')
    clock.now += 60
    assert await cache.get(key) == (b"{}", '"tag"')
    prover.seq = 2
    assert await cache.get(key) is not None
    clock.now += 2
    assert await cache.get(key) is None
    assert cache.size_bytes == 0


async def test_cache__more_than_its_bytes__drops_the_oldest() -> None:
    cache = ProofCache(cast("Portal", Prover()), max_bytes=10_000)
    await cache.get((EVERYTHING, READING, bytes(32), 0))
    for counter in range(100):
        cache.put((EVERYTHING, READING, bytes(32), counter), bytes(500), '"tag"')
        cache.put((EVERYTHING, READING, bytes(32), counter), bytes(500), '"tag"')
        assert cache.size_bytes <= 10_000
    assert await cache.get((EVERYTHING, READING, bytes(32), 89)) is None
    assert await cache.get((EVERYTHING, READING, bytes(32), 99)) is not None


async def test_cache__of_one_viewer__is_not_anothers() -> None:
    cache = ProofCache(cast("Portal", Prover()))
    await cache.get((EVERYTHING, READING, bytes(32), 7))
    cache.put((EVERYTHING, READING, bytes(32), 7), b"{}", '"tag"')
    assert await cache.get((ANYBODY, READING, bytes(32), 7)) is None


async def test_get__proof_again__is_the_same_answer_from_the_cache() -> None:
    prover = Prover()
    async with client_of(prover) as client:
        first, again = await client.get(PATH), await client.get(PATH)
        assert (again.status_code, again.content, prover.made) == (200, b'{"length":1}', 1)
        varying = {"x-request-id"}
        assert {k: v for k, v in again.headers.items() if k not in varying} == {
            k: v for k, v in first.headers.items() if k not in varying
        }
        known = await client.get(PATH, headers={"if-none-match": first.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")
        assert 'route="/v1/proofs/readings/{device}/{counter}",status="304"' in (await client.get("/metrics")).text


async def test_get__site_that_is_not_open__keeps_proofs_from_strangers() -> None:
    prover = Prover(is_open_data=False, keys={"k": Grant("k", frozenset({"read"}))})
    async with client_of(prover) as client:
        assert (await client.get(PATH, headers={"authorization": "Bearer k"})).status_code == 200
        assert (await client.get(PATH)).status_code == 404
        assert (await client.get(PATH, headers={"authorization": "Bearer x"})).status_code == 401


@pytest.mark.parametrize("is_kept", [True, False])
async def test_get__more_than_its_share__is_429_kept_or_not(*, is_kept: bool) -> None:
    async with client_of(Prover(), RequestRates(per_address=3)) as client:
        paths = [PATH if is_kept else f"/v1/proofs/readings/{DEVICE}/{counter}" for counter in range(5)]
        assert [(await client.get(path)).status_code for path in paths] == [200, 200, 200, 429, 429]


async def test_get__streams_cannot_be_looked_at__is_answered_all_the_same() -> None:
    prover = Prover(is_broken=True)
    async with client_of(prover) as client:
        assert (await client.get(PATH)).content == b'{"length":1}'
