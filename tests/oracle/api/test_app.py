"""The HTTP interface over the protocol: status codes, problems, limits, pages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
import pytest_asyncio

from gridwitness.api import CommitteeReply, Verdict, create_app
from gridwitness.api.bodies import MAX_BODY_BYTES
from gridwitness.api.problems import problem_of
from gridwitness.errors import (
    ChainError,
    GridwitnessError,
    InputError,
    Overloaded,
    ProofError,
    RateLimited,
    ReadingRejected,
    StoreError,
    StoreFull,
)

DEVICE = "0x" + "11" * 32
STREAM = "0x" + "22" * 32


@dataclass
class ScriptedOracle:
    """Answers as told, and keeps what it was asked."""

    error: GridwitnessError | None = None
    problems: list[str] = field(default_factory=list)
    signed: bool = True
    asked: list[tuple[object, ...]] = field(default_factory=list)

    def _note(self, *asked: object) -> None:
        self.asked.append(asked)
        if self.error is not None:
            raise self.error

    async def ingest(self, body: bytes, content_type: str = "application/json") -> list[Verdict]:
        self._note("ingest", body, content_type)
        return [Verdict(DEVICE, 1, "accepted"), Verdict(DEVICE, 2, "rejected", "future_time", "too early")]

    async def sign(self, body: bytes) -> CommitteeReply:
        self._note("sign", body)
        return CommitteeReply(self.signed, b'{"problem":"voted"}')

    async def voted_content(self, stream: bytes, seq: int) -> bytes | None:
        self._note("voted", stream, seq)
        return None

    async def batch(self, stream: bytes, seq: int) -> bytes | None:
        self._note("batch", stream, seq)
        return b'{"seq":1}' if seq == 1 else None

    async def readings(self, device_id: bytes, time_from: int, time_to: int, after: int, limit: int) -> list:
        self._note("readings", device_id, time_from, time_to, after, limit)
        return [{"counter": counter} for counter in range(after + 1, 5)][:limit]

    async def prove_reading(self, device_id: bytes, counter: int) -> dict:
        self._note("prove", device_id, counter)
        return {"counter": counter}

    async def prove_reading_at(self, device_id: bytes, time: int, metric: str) -> dict:
        self._note("prove at", device_id, time, metric)
        return {"time": time}

    async def prove_profile(self, device_id: bytes, day: int) -> dict:
        self._note("prove day", device_id, day)
        return {"day": day}

    async def status(self) -> dict:
        return {"name": "oracle-1"}

    def not_ready(self) -> list[str]:
        return self.problems


@pytest.fixture
def oracle() -> ScriptedOracle:
    return ScriptedOracle()


@pytest_asyncio.fixture
async def client(oracle: ScriptedOracle) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(oracle), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://oracle") as opened:
        yield opened


def _detail(response: httpx.Response, status: int) -> str:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["title"]
    return str(body["detail"])


async def test_post__readings__gives_a_verdict_each_in_order(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/readings", content=b"[]")
    assert response.status_code == 200
    results = response.json()["results"]
    assert [result["status"] for result in results] == ["accepted", "rejected"]
    assert results[1] == {
        "device_id": DEVICE,
        "counter": 2,
        "status": "rejected",
        "reason": "future_time",
        "message": "too early",
    }


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("not JSON"), 400),
        (ProofError("not attested yet"), 404),
        (StoreError("disk full", hint="free some"), 503),
        (StoreFull("no room", hint="free some"), 507),
        (ChainError("no node"), 503),
        (Overloaded("20,000 readings wait", 2), 503),
        (RateLimited("120 readings a minute", 30), 429),
    ],
)
async def test_post__oracle_cannot__is_a_problem_with_the_reason(
    client: httpx.AsyncClient, oracle: ScriptedOracle, error: GridwitnessError, status: int
) -> None:
    oracle.error = error
    response = await client.post("/v1/readings", content=b"[]")
    assert _detail(response, status) == error.message
    assert response.json().get("hint", "") == error.hint
    wait_s = getattr(error, "retry_after_s", None)
    assert response.headers.get("retry-after") == (None if wait_s is None else str(wait_s))


async def test_post__body_over_the_limit__is_413_and_not_read_on(
    client: httpx.AsyncClient, oracle: ScriptedOracle
) -> None:
    response = await client.post("/v1/readings", content=b"x" * (MAX_BODY_BYTES + 1))
    assert f"larger than {MAX_BODY_BYTES} bytes" in _detail(response, 413)
    assert oracle.asked == []
    assert (await client.post("/v1/readings", content=b"x" * MAX_BODY_BYTES)).status_code == 200


async def test_get__health__tells_live_from_ready(client: httpx.AsyncClient, oracle: ScriptedOracle) -> None:
    assert (await client.get("/live")).status_code == 200
    assert (await client.get("/ready")).status_code == 200
    oracle.problems = ["the node does not answer", "not in the committee"]
    response = await client.get("/ready")
    assert _detail(response, 503) == "the node does not answer; not in the committee"
    assert response.json()["reasons"] == oracle.problems
    assert (await client.get("/live")).status_code == 200


async def test_get__readings__come_in_pages_that_lose_nothing(client: httpx.AsyncClient) -> None:
    seen, after = [], -1
    while after is not None:
        page = (await client.get("/v1/readings", params={"device": DEVICE, "limit": 2, "after": after})).json()
        seen += [row["counter"] for row in page["readings"]]
        after = page["next_after"]
    assert seen == [0, 1, 2, 3, 4]


async def test_get__readings__passes_times_on(client: httpx.AsyncClient, oracle: ScriptedOracle) -> None:
    await client.get("/v1/readings", params={"device": DEVICE, "from": 5, "to": 9, "limit": 10})
    assert oracle.asked == [("readings", bytes.fromhex("11" * 32), 5, 9, -1, 11)]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/readings?device=0x12", 400, "device '0x12' is not 32 bytes"),
        (f"/v1/readings?device={DEVICE}&limit=0", 422, "query.limit '0'"),
        (f"/v1/readings?device={DEVICE}&limit=1001", 422, "query.limit '1001'"),
        (f"/v1/readings?device={DEVICE}&from=-1", 422, "query.from '-1'"),
        ("/v1/readings", 422, "query.device"),
        (f"/v1/committee/batches/{STREAM}/x", 422, "path.seq 'x'"),
        (f"/v1/committee/batches/{STREAM}/2", 404, f"batch 2 of stream {STREAM} is not here"),
        (f"/v1/committee/votes/{STREAM}/2", 404, "a vote for batch 2 is not here"),
        ("/v1/committee/batches/zz/2", 400, "stream 'zz' is not 32 bytes"),
        ("/v1/nothing", 404, "Not Found"),
    ],
)
async def test_get__bad_request__is_a_problem_naming_the_value(
    client: httpx.AsyncClient, path: str, status: int, words: str
) -> None:
    assert words in _detail(await client.get(path), status)


async def test_get__proofs__by_counter_time_and_day(client: httpx.AsyncClient, oracle: ScriptedOracle) -> None:
    device_id = bytes.fromhex("11" * 32)
    assert (await client.get(f"/v1/proofs/readings/{DEVICE}/7")).json() == {"counter": 7}
    assert (await client.get(f"/v1/proofs/readings?device={DEVICE}&time=900")).json() == {"time": 900}
    assert (await client.get(f"/v1/proofs/profiles/{DEVICE}/3")).json() == {"day": 3}
    assert oracle.asked == [
        ("prove", device_id, 7),
        ("prove at", device_id, 900, "1-0:16.29.0"),
        ("prove day", device_id, 3),
    ]


async def test_sign__refused__is_409_with_the_refusal(client: httpx.AsyncClient, oracle: ScriptedOracle) -> None:
    assert (await client.post("/v1/committee/sign", content=b"{}")).status_code == 200
    oracle.signed = False
    response = await client.post("/v1/committee/sign", content=b"{}")
    assert response.status_code == 409
    assert response.json() == {"problem": "voted"}


async def test_get__large_integers__are_refused_before_the_store_sees_them(
    client: httpx.AsyncClient, oracle: ScriptedOracle
) -> None:
    for path in (f"/v1/proofs/readings/{DEVICE}/{1 << 63}", f"/v1/proofs/profiles/{DEVICE}/{1 << 63}"):
        _detail(await client.get(path), 422)
    _detail(await client.get(f"/v1/committee/batches/{STREAM}/{1 << 63}"), 422)
    _detail(await client.get(f"/v1/committee/votes/{STREAM}/{1 << 63}"), 422)
    assert oracle.asked == []


def test_answer__document_refused_whole__names_the_reason() -> None:
    response = problem_of(ReadingRejected("unknown_device", "nobody has that key"))
    assert response.status_code == 400
    assert json.loads(response.body)["reason"] == "unknown_device"
