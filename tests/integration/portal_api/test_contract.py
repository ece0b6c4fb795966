"""Schemathesis over the OpenAPI document: what the API answers is what the document says, whatever is sent."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings

from gridwitness.store.api_keys import ApiKeyFile
from tests.integration.portal_api.conftest import Ask, Household

_turn = itertools.count()


@pytest.fixture(scope="session")
def api_schema(app: FastAPI, api_key_file: ApiKeyFile) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.fixture(scope="session")
def known(ask: Ask, api_households: tuple[Household, Household]) -> dict[str, Any]:
    """Values that are there, by parameter."""
    home = api_households[0]
    return {
        "device": home.device,
        "counter": home.reading.counter,
        "time": home.reading.time,
        "day": home.day,
        "zone": 1,
        "slot": home.day * 96 + 48,
        "stream": ask("GET", "/v1/streams").json()[0]["stream_id"],
        "seq": 1,
        "asset": next((one["address"].lower() for one in ask("GET", "/v1/assets").json()["items"]), "0x" + "00" * 20),
        "account": home.account.lower(),
    }


# All operations but the stream of events, which never ends.
lazy = schemathesis.pytest.from_fixture("api_schema").exclude(path="/v1/events")


@lazy.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_api__anything_sent__is_answered_as_documented(
    case: schemathesis.Case, known: dict[str, Any], api_key_file: ApiKeyFile, contract_key: str
) -> None:
    # Two of three are asked for what is there, half of them with the right to see it: others would all be 404.
    turn = next(_turn)
    if turn % 3 and case.meta is not None and case.meta.generation.mode.is_positive:
        for name in case.path_parameters or {}:
            case.path_parameters[name] = known[name]
    # A cursor is good only from the page before, which no schema can say; others are tested to be refused.
    if case.query and case.query.get("cursor"):
        case.query["cursor"] = ""
    headers = {"authorization": f"Bearer {contract_key}"} if turn % 2 else {}
    case.call_and_validate(headers=headers)


@pytest.fixture(scope="session")
def contract_key(api_key_file: ApiKeyFile) -> str:
    return api_key_file.create("contract", ["read"])
