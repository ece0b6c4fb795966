"""The relay's HTTP interface over the protocol: status codes, problems, limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx
import pytest
import pytest_asyncio

from gridwitness.api.bodies import MAX_BODY_BYTES
from gridwitness.api.relay import RetryLater, RowProblem, RowResult, create_relay_app
from gridwitness.errors import ChainError, GridwitnessError, InputError, StoreError

DEVICE = "0x" + "11" * 32


@dataclass
class ScriptedRelay:
    """Answers as told, and keeps what it was asked."""

    error: Exception | None = None
    problems: list[str] = field(default_factory=list)
    asked: list[tuple[object, ...]] = field(default_factory=list)

    async def submit(self, body: bytes, client: str) -> list[RowResult]:
        self.asked.append((body, client))
        if self.error is not None:
            raise self.error
        problem = RowProblem("GateClosed", "GateClosed(slot=5, closedAt=9)", "trade a later slot")
        return [RowResult(DEVICE, 17_026, 1, "accepted"), RowResult(DEVICE, 17_027, 2, "refused", problem)]

    async def schedules(self, device_id: bytes, day: int) -> dict | None:
        self.asked.append((device_id, day))
        return {"day": day, "versions": []} if day == 1 else None

    async def status(self) -> dict:
        return {"schedules": {"waiting": 3}}

    def not_ready(self) -> list[str]:
        return self.problems


@pytest.fixture
def relay() -> ScriptedRelay:
    return ScriptedRelay()


@pytest_asyncio.fixture
async def client(relay: ScriptedRelay) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_relay_app(relay), raise_app_exceptions=False, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://relay") as opened:
        yield opened


def detail(response: httpx.Response, status: int) -> str:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    return str(response.json()["detail"])


async def test_post__schedules__gives_a_result_each_in_the_types_names(
    client: httpx.AsyncClient, relay: ScriptedRelay
) -> None:
    response = await client.post("/v1/schedules", content=b"[]")
    assert response.status_code == 200
    assert response.json() == {
        "results": [
            {"deviceId": DEVICE, "day": 17_026, "version": 1, "status": "accepted", "problem": None},
            {
                "deviceId": DEVICE,
                "day": 17_027,
                "version": 2,
                "status": "refused",
                "problem": {
                    "title": "GateClosed",
                    "detail": "GateClosed(slot=5, closedAt=9)",
                    "hint": "trade a later slot",
                },
            },
        ]
    }
    assert relay.asked == [(b"[]", "192.0.2.7")]


@pytest.mark.parametrize(
    ("error", "status"),
    [(InputError("not JSON"), 400), (StoreError("disk full", hint="free some"), 503), (ChainError("no node"), 503)],
)
async def test_post__relay_cannot__is_a_problem_with_the_reason(
    client: httpx.AsyncClient, relay: ScriptedRelay, error: GridwitnessError, status: int
) -> None:
    relay.error = error
    response = await client.post("/v1/schedules", content=b"[]")
    assert detail(response, status) == error.message
    assert response.json().get("hint", "") == error.hint


@pytest.mark.parametrize("status", [HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE])
async def test_post__too_much_to_do__says_when_to_come_again(
    client: httpx.AsyncClient, relay: ScriptedRelay, status: HTTPStatus
) -> None:
    relay.error = RetryLater(status, "a client may send 9 schedules a minute", 41)
    response = await client.post("/v1/schedules", content=b"[]")
    assert detail(response, status) == "a client may send 9 schedules a minute"
    assert response.headers["retry-after"] == "41"


async def test_post__body_over_the_limit__is_413_and_never_reaches_the_relay(
    client: httpx.AsyncClient, relay: ScriptedRelay
) -> None:
    response = await client.post("/v1/schedules", content=b"x" * (MAX_BODY_BYTES + 1))
    assert f"larger than {MAX_BODY_BYTES} bytes" in detail(response, 413)
    assert relay.asked == []


async def test_get__schedules_of_a_day__are_found_or_404(client: httpx.AsyncClient, relay: ScriptedRelay) -> None:
    assert (await client.get(f"/v1/schedules/{DEVICE}/1")).json() == {"day": 1, "versions": []}
    assert detail(await client.get(f"/v1/schedules/{DEVICE}/2"), 404) == f"no schedule of {DEVICE} for day 2 is here"
    assert "is not 32 bytes" in detail(await client.get("/v1/schedules/0x12/1"), 400)
    assert "16777216" in detail(await client.get(f"/v1/schedules/{DEVICE}/16777216"), 422)
    assert relay.asked == [(bytes.fromhex("11" * 32), 1), (bytes.fromhex("11" * 32), 2)]


async def test_get__health__tells_live_from_ready(client: httpx.AsyncClient, relay: ScriptedRelay) -> None:
    assert (await client.get("/live")).status_code == 200
    assert (await client.get("/ready")).status_code == 200
    relay.problems = ["no node answers", "too dear"]
    response = await client.get("/ready")
    assert detail(response, 503) == "no node answers; too dear"
    assert response.json()["reasons"] == relay.problems
    assert (await client.get("/live")).status_code == 200
    assert (await client.get("/v1/status")).json() == {"schedules": {"waiting": 3}}
