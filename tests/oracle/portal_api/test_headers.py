"""What a browser is told of every answer, and what it is not."""

from __future__ import annotations

import httpx
import pytest

from gridwitness.api.portal.limits import RequestRates
from tests.oracle.portal_api.test_proof_cache import PATH, Prover, client_of

PATHS = (PATH, PATH, "/v1/site", "/v1/nothing", "/v1/readings", "/openapi.json", "/metrics")


async def _every(headers: dict[str, str] | None = None) -> list[httpx.Response]:
    async with client_of(Prover(), RequestRates(per_address=100)) as client:
        return [await client.get(path, headers=headers) for path in PATHS]


async def test_get__any_answer__has_the_security_headers() -> None:
    for response in await _every():
        policy = response.headers["content-security-policy"]
        assert "unsafe-inline" not in policy and "frame-ancestors 'none'" in policy and "default-src 'none'" in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "same-origin"
        assert response.headers["x-request-id"]
        assert "server" not in response.headers


async def test_get__from_another_origin__is_allowed_nothing() -> None:
    for response in await _every({"origin": "https://elsewhere.example"}):
        assert not any(name.startswith("access-control-") for name in response.headers)


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "TRACE"])
async def test_request__method_that_is_not_there__is_405_with_those_that_are(method: str) -> None:
    async with client_of(Prover()) as client:
        response = await client.request(method, "/v1/site")
        assert (response.status_code, response.headers["allow"]) == (405, "GET")
        session = await client.request("PUT", "/v1/session")
        assert session.headers["allow"] == "DELETE, GET, POST"
