"""What the HTTP interface does with every request: ids, limits of size and time, content types, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry

from gridwitness.api import Verdict, create_app
from gridwitness.api.bodies import MAX_BODY_BYTES, MAX_COMMITTEE_BODY_BYTES
from gridwitness.errors import UnsupportedContent
from tests.oracle.api.test_app import DEVICE, ScriptedOracle

BODY_TIMEOUT_S = 0.05


@asynccontextmanager
async def client_of(
    oracle: ScriptedOracle, registry: CollectorRegistry | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(oracle, registry=registry, body_timeout_s=BODY_TIMEOUT_S)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://oracle") as client:
        yield client


class LoggingOracle(ScriptedOracle):
    """Logs while it answers."""

    async def ingest(self, body: bytes, content_type: str = "application/json") -> list[Verdict]:
        structlog.get_logger().info("ingesting")
        await asyncio.to_thread(structlog.get_logger().info, "verifying")
        return []


class BrokenOracle(ScriptedOracle):
    """Has a fault."""

    async def ingest(self, body: bytes, content_type: str = "application/json") -> list[Verdict]:
        raise ZeroDivisionError("secret")


@pytest.fixture
def log_lines() -> AsyncIterator[list[dict]]:
    lines: list[dict] = []

    def keep(_: object, __: str, event: dict) -> str:
        lines.append(dict(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, keep], cache_logger_on_first_use=False)
    yield lines
    structlog.configure(**before)


@pytest.mark.parametrize("request_id", ["abc-1", "x" * 64, "!~%/"])
async def test_request__own_id__is_returned_and_stands_in_every_line(log_lines: list[dict], request_id: str) -> None:
    async with client_of(LoggingOracle()) as client:
        response = await client.post("/v1/readings", content=b"[]", headers={"x-request-id": request_id})
    assert response.headers["x-request-id"] == request_id
    assert [(line["event"], line["request_id"]) for line in log_lines] == [
        ("ingesting", request_id),
        ("verifying", request_id),
    ]
    assert "request_id" not in structlog.contextvars.get_contextvars()


@pytest.mark.parametrize("bad", ["", "x" * 65, "with space", "tab\there", "ä"])
async def test_request__no_valid_id__gets_one_of_ours(bad: str) -> None:
    async with client_of(ScriptedOracle()) as client:
        headers = [(b"x-request-id", bad.encode())]
        given = [(await client.get("/live", headers=headers)).headers["x-request-id"] for _ in range(2)]
    assert bad not in given
    assert given[0] != given[1]


async def test_problem__any__names_the_request() -> None:
    async with client_of(ScriptedOracle()) as client:
        response = await client.get("/v1/nothing", headers={"x-request-id": "a/b"})
    assert response.json()["instance"] == "urn:request:a%2Fb"


async def test_request__fault_of_ours__is_500_without_its_words_and_logged(log_lines: list[dict]) -> None:
    async with client_of(BrokenOracle()) as client:
        response = await client.post("/v1/readings", content=b"[]")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret" not in response.text
    (line,) = log_lines
    assert (line["event"], line["exc_info"]) == ("request_failed", True)
    assert (
        response.json()["instance"]
        == f"urn:request:{line['request_id']}"
        == ("urn:request:" + response.headers["x-request-id"])
    )


@pytest.mark.parametrize(
    ("path", "limit_bytes"), [("/v1/readings", MAX_BODY_BYTES), ("/v1/committee/sign", MAX_COMMITTEE_BODY_BYTES)]
)
@pytest.mark.parametrize("length", ["one more", "nonsense"])
async def test_post__declared_larger__is_413_before_a_byte_is_read(path: str, limit_bytes: int, length: str) -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append("a chunk")
        yield b"x"

    declared = str(limit_bytes + 1) if length == "one more" else "-1"
    oracle = ScriptedOracle()
    async with client_of(oracle) as client:
        response = await client.post(path, content=body(), headers={"content-length": declared})
    assert response.status_code == 413
    assert response.headers["connection"] == "close"
    assert (read, oracle.asked) == ([], [])


async def test_post__chunks_beyond_the_limit__is_413_while_they_come() -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b"x" * (MAX_BODY_BYTES // 4)

    async with client_of(ScriptedOracle()) as client:
        response = await client.post("/v1/readings", content=body())
    assert response.status_code == 413
    assert sent == 5


async def test_post__body_that_stops_coming__is_408_and_the_connection_closed() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"[{"
        await asyncio.Event().wait()

    oracle = ScriptedOracle()
    async with client_of(oracle) as client:
        response = await client.post("/v1/readings", content=body())
    assert response.status_code == 408
    assert response.json()["detail"] == f"the body did not come within {BODY_TIMEOUT_S:g} s, only 2 bytes of it"
    assert response.headers["connection"] == "close"
    assert oracle.asked == []


async def test_post__content_type__is_handed_on_as_json_if_there_is_none() -> None:
    oracle = ScriptedOracle()
    async with client_of(oracle) as client:
        await client.post("/v1/readings", content=b"1")
        await client.post("/v1/readings", content=b"2", headers={"content-type": "application/cbor"})
    assert oracle.asked == [("ingest", b"1", "application/json"), ("ingest", b"2", "application/cbor")]


async def test_post__content_type_nobody_reads__is_415() -> None:
    oracle = ScriptedOracle(UnsupportedContent("content type 'text/html' is not read"))
    async with client_of(oracle) as client:
        assert (await client.post("/v1/readings", content=b"[]")).status_code == 415
        oracle.error = None
        headers = {"content-type": "text/html"}
        response = await client.post("/v1/committee/sign", content=b"{}", headers=headers)
        assert response.status_code == 415
        assert "'text/html' is not read; application/json is" in response.json()["detail"]


async def test_scrape__metrics__shows_durations_by_route_template_beside_the_registrys_own() -> None:
    registry = CollectorRegistry()
    async with client_of(ScriptedOracle(), registry) as client:
        for counter in range(3):
            await client.get(f"/v1/proofs/readings/{DEVICE}/{counter}")
        await client.get("/v1/nothing/here")
        text = (await client.get("/metrics")).text
    name = "gridwitness_http_request_duration_seconds_count"
    assert f'{name}{{method="GET",route="/v1/proofs/readings/{{device}}/{{counter}}",status="200"}} 3.0' in text
    assert f'{name}{{method="GET",route="unknown",status="404"}} 1.0' in text
    labels = {"method": "GET", "route": "/metrics", "status": "200"}
    assert registry.get_sample_value(name, labels) == 1


async def test_describe__openapi__has_the_plain_route_and_its_content_types() -> None:
    async with client_of(ScriptedOracle()) as client:
        document = (await client.get("/openapi.json")).json()
    post = document["paths"]["/v1/readings"]["post"]
    assert set(post["requestBody"]["content"]) >= {"application/json", "application/cbor"}
    assert "get" in document["paths"]["/v1/readings"]
