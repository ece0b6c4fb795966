"""The reference of the HTTP API: docs/openapi.json as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Document = Mapping[str, Any]


def http_page(root: Path) -> str:
    """Every route with its parameters and answers, then every document."""
    document = json.loads((root / "docs/openapi.json").read_text(encoding="utf-8"))
    parts = [
        "# HTTP routes\n",
        "What [openapi.json](../openapi.json) says, for reading. The [HTTP API](../api.md) tells what holds for all of "
        "them: whose data one sees, keys, pages, ETags, rates.\n",
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts += _route(method.upper(), path, operation)
    parts.append("## Documents\n")
    for name, schema in sorted(document["components"]["schemas"].items()):
        parts += _schema(name, schema)
    return "\n".join(parts)


def _route(method: str, path: str, operation: Document) -> Iterator[str]:
    yield f"## {method} `{path}` {{: #{operation['operationId']} }}\n"
    yield f"{operation.get('description') or operation.get('summary', '')}\n"
    if parameters := operation.get("parameters"):
        yield "| parameter | in | type | |\n|---|---|---|---|"
        for one in parameters:
            must = "" if one.get("required") else " (optional)"
            told = _cell(one.get("description", ""))
            yield f"| `{one['name']}` | {one['in']}{must} | {_type(one['schema'])} | {told} |"
        yield ""
    if body := operation.get("requestBody"):
        kinds = ", ".join(f"`{kind}`" for kind in body["content"])
        yield f"The body is {kinds}{_body_schema(body)}.\n"
    yield "| status | answer | |\n|---|---|---|"
    for status, response in operation["responses"].items():
        answers = ", ".join(_answer(kind, content) for kind, content in response.get("content", {}).items())
        yield f"| {status} | {answers} | {_cell(response['description'])} |"
    yield ""


def _body_schema(body: Document) -> str:
    schema = body["content"].get("application/json", {}).get("schema", {})
    return f", {_type(schema)}" if "$ref" in schema else ""


def _answer(kind: str, content: Document) -> str:
    schema = content.get("schema", {})
    return _type(schema) if "$ref" in schema or "anyOf" in schema else f"`{kind}`"


def _schema(name: str, schema: Document) -> Iterator[str]:
    yield f"### {name} {{: #document-{name} }}\n"
    yield f"{schema.get('description', '')}\n"
    if properties := schema.get("properties"):
        yield "| field | type | |\n|---|---|---|"
        for field, told in properties.items():
            yield f"| `{field}` | {_type(told)} | {_cell(told.get('description', ''))} |"
        yield ""


def _type(schema: Document) -> str:
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#document-{name})"
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_type(one) for one in options)
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    if choices := schema.get("enum"):
        return " or ".join(f"`{choice}`" for choice in choices)
    limits = [f"{word} {schema[key]}" for key, word in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    default = [f"default {schema['default']}"] if schema.get("default") not in (None, "") else []
    return ", ".join([str(schema.get("type", "any")), *limits, *default])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
