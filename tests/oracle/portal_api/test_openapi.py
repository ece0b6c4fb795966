"""The OpenAPI document is complete: schemas, problems and examples, and examples are as the schemas say."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from gridwitness.api.portal import chain_views, views
from gridwitness.api.portal.document import openapi_document
from gridwitness.client import documents, trading

# Streams of events and metrics are no JSON; the others are an oracle's own, and a day is no history to forecast from.
WITHOUT_EXAMPLE = {"/v1/events", "/metrics", "/live", "/ready", "/v1/status", "/v1/forecasts/{device}"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document()


def test_document__each_get_route__has_a_schema_an_example_and_problems(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        if "get" not in methods or path in WITHOUT_EXAMPLE or path.startswith("/v1/committee"):
            continue
        responses = methods["get"]["responses"]
        content = responses["200"]["content"]["application/json"]
        assert content["schema"] and "example" in content, path
        assert {"401", "429", "503"} <= responses.keys(), path
        for status in responses.keys() - {"200", "304"}:
            assert list(responses[status]["content"]) == ["application/problem+json"], (path, status)


def test_document__each_example__is_what_the_client_reads(document: dict[str, Any]) -> None:
    read = 0
    for methods in document["paths"].values():
        content = methods.get("get", {"responses": {"200": {}}})["responses"]["200"].get("content", {})
        example, schema = (content.get("application/json", {}).get(name) for name in ("example", "schema"))
        if example is None:
            continue
        reference = schema.get("$ref") or schema.get("items", {}).get("$ref")
        if reference is not None:
            name = reference.rpartition("/")[2]
            kind = getattr(documents, name, None) or getattr(trading, name)
            msgspec.convert(example, list[kind] if "items" in schema else kind, strict=True)
            read += 1
    assert read > 15


def test_document__each_view__is_in_it_by_its_name(document: dict[str, Any]) -> None:
    names = {name.removesuffix("View") for name in vars(views) | vars(chain_views) if name.endswith("View")}
    assert names - {""} <= document["components"]["schemas"].keys()
    assert not re.search(r"#/components/schemas/(\w+View|Page_)", msgspec.json.encode(document).decode())


def test_document__operations__have_names_and_words(document: dict[str, Any]) -> None:
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    assert all(one["description"] for one in operations)
