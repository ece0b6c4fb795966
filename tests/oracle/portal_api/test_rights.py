"""An oracle's own routes: who may read what devices measured, and who may not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from gridwitness.api import create_app
from gridwitness.api.portal.access import Access
from gridwitness.api.portal.limits import RequestLimits, RequestRates
from gridwitness.service.sign_in import SESSION_S, SiteKeys
from gridwitness.store.api_keys import KEY_SCOPES, ApiKeyFile
from tests.oracle.api.test_app import DEVICE, STREAM, ScriptedOracle

HOUSEHOLD = "0x" + "ab" * 20
PERSONAL = (
    f"/v1/readings?device={DEVICE}",
    f"/v1/proofs/readings?device={DEVICE}&time=900",
    f"/v1/proofs/readings/{DEVICE}/7",
    f"/v1/proofs/profiles/{DEVICE}/3",
)
COMMITTEE = (f"/v1/committee/batches/{STREAM}/1", f"/v1/committee/votes/{STREAM}/1")


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[ApiKeyFile]:
    file = ApiKeyFile(tmp_path / "keys.sqlite")
    yield file
    file.close()


@pytest.fixture
def oracle() -> ScriptedOracle:
    return ScriptedOracle()


@pytest_asyncio.fixture
async def client(oracle: ScriptedOracle, keys: ApiKeyFile) -> AsyncIterator[httpx.AsyncClient]:
    limits = RequestLimits(RequestRates(per_key=1_000, per_address=60))
    access = Access(SiteKeys(keys), limits, is_open_data=False, is_secure_cookie=False)
    transport = httpx.ASGITransport(create_app(oracle, rights=access), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://oracle") as opened:
        yield opened


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize("path", [*PERSONAL, *COMMITTEE])
async def test_get__no_key_or_a_bad_one__is_401_and_asks_nothing(
    client: httpx.AsyncClient, oracle: ScriptedOracle, keys: ApiKeyFile, path: str
) -> None:
    revoked = keys.create("gone", ["read", "operate"])
    keys.revoke(keys.every_key()[0].id)
    for headers in ({}, _bearer("x"), _bearer(revoked), {"authorization": "Basic eDp5"}, _bearer("x" * 1_000)):
        response = await client.get(path, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.headers["content-type"] == "application/problem+json"
    assert oracle.asked == []


@pytest.mark.parametrize("scope", KEY_SCOPES)
async def test_get__key_with_one_scope__opens_what_that_scope_is_for(
    client: httpx.AsyncClient, keys: ApiKeyFile, scope: str
) -> None:
    key = _bearer(keys.create(scope, [scope]))
    for path in PERSONAL:
        assert (await client.get(path, headers=key)).is_success == (scope == "read"), path
    for path in COMMITTEE:
        assert (await client.get(path, headers=key)).status_code in ((200, 404) if scope == "operate" else (403,)), path


async def test_get__key_of_one_household__is_not_for_all_of_them(client: httpx.AsyncClient, keys: ApiKeyFile) -> None:
    key = _bearer(keys.create("home", ["read"], HOUSEHOLD))
    for path in PERSONAL:
        assert (await client.get(path, headers=key)).status_code == 401


async def test_post_readings__without_a_key_or_with_one_for_it__are_taken(
    client: httpx.AsyncClient, oracle: ScriptedOracle, keys: ApiKeyFile
) -> None:
    assert (await client.post("/v1/readings", content=b"[]")).is_success
    assert (await client.post("/v1/readings", content=b"[]", headers=_bearer(keys.create("g", ["ingest"])))).is_success
    assert len(oracle.asked) == 2
    for key, status in ((keys.create("r", ["read"]), 403), ("gridwitness_nonsense", 401)):
        assert (await client.post("/v1/readings", content=b"[]", headers=_bearer(key))).status_code == status
    assert len(oracle.asked) == 2


async def test_get__more_than_its_share__is_429_for_the_address_and_not_for_the_key(
    client: httpx.AsyncClient, keys: ApiKeyFile
) -> None:
    key = _bearer(keys.create("all", ["read"]))
    answers = [await client.get(PERSONAL[0]) for _ in range(61)]
    assert [answer.status_code for answer in answers] == [401] * 60 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 61
    assert (await client.get(PERSONAL[0], headers=_bearer("guess"))).status_code == 429
    assert (await client.get(PERSONAL[0], headers=key)).is_success


async def test_get__wallets_of_one_address__share_its_rate(client: httpx.AsyncClient, keys: ApiKeyFile) -> None:
    cookies = [f"gridwitness={keys.begin_session(f'0x{wallet:040x}', SESSION_S)}" for wallet in range(61)]
    answers = [await client.get(PERSONAL[0], headers={"cookie": cookie}) for cookie in cookies]
    assert [answer.status_code for answer in answers] == [401] * 60 + [429]
