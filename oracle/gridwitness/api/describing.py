"""What OpenAPI says of routes: schemas of the documents, and the problems that may come instead."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_REFERENCES = "#/components/schemas/{name}"
_PROBLEM = "Problem"
_PROBLEMS = {
    400: "A parameter is not what it must be",
    401: "The API key is unknown or revoked, or one is needed",
    403: "The key lacks the scope",
    404: "Not here, or not for who asks",
    405: "Another method is wanted here",
    408: "The body took too long",
    413: "The body is too large",
    415: "The body is of a type that is not read",
    422: "A parameter or the body is not what it must be",
    429: "Too many requests; Retry-After says when to come again",
    507: "No room is left for readings",
    503: "Cannot be told now; the log has the reason",
}
_ALWAYS = (400, 401, 422, 429, 503)
_SECURITY: dict[str, Any] = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key of `gridwitness apikey create`"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "gridwitness",
        "description": "A wallet's session, begun by POST /v1/session (EIP-4361)",
    },
}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong (RFC 9457). `instance` is the id of the request, as X-Request-Id has it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    hint: str = ""
    reason: str = ""


class Documents:
    """The types that an app's routes answer with; their schemas complete its OpenAPI document."""

    def __init__(self, app: FastAPI) -> None:
        self._types: dict[str, Any] = {_PROBLEM: Problem}
        self._app = app
        app.state.documents = self
        app.openapi = self._openapi  # type: ignore[method-assign]

    @staticmethod
    def of(app: FastAPI) -> Documents:
        """Those of an app, new ones if it has none."""
        documents: Documents | None = getattr(app.state, "documents", None)
        return documents or Documents(app)

    def answers(self, view: Any, *problems: int, has_tag: bool = True, is_public: bool = False) -> dict[str, Any]:
        """`responses` and `openapi_extra` of a route that answers with a view, or with one of the problems."""
        responses: dict[int | str, dict[str, Any]] = {
            200: {"description": "The document", "content": {"application/json": {"schema": self.reference(view)}}}
        }
        if has_tag:
            responses[304] = {"description": "Unchanged since the answer with this ETag"}
        responses |= problem_responses(*sorted({*_ALWAYS, *problems}))
        open_to: list[dict[str, list[str]]] = [{}, {"key": []}, {"session": []}]
        return {"responses": responses, "openapi_extra": {} if is_public else {"security": open_to}}

    def reference(self, view: Any) -> dict[str, Any]:
        """A schema that refers to the view's, or is an array of it."""
        schema = msgspec.json.schema_components([view], ref_template=_REFERENCES)[0][0]
        self._types[str(view)] = view
        named: dict[str, Any] = _renamed(schema)
        return named

    def _openapi(self) -> dict[str, Any]:
        if self._app.openapi_schema is None:
            self._app.openapi_schema = self._document(self._app)
        return self._app.openapi_schema

    def _document(self, app: FastAPI) -> dict[str, Any]:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = made.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for default in ("HTTPValidationError", "ValidationError"):
            schemas.pop(default, None)
        _, own = msgspec.json.schema_components(list(self._types.values()), ref_template=_REFERENCES)
        schemas.update(_renamed(own))
        components["securitySchemes"] = _SECURITY
        _add_examples(made["paths"])
        return made


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Errors as OpenAPI describes them."""
    content = {"application/problem+json": {"schema": {"$ref": _REFERENCES.format(name=_PROBLEM)}}}
    return {status: {"description": _PROBLEMS[status], "content": content} for status in statuses}


def _add_examples(paths: dict[str, Any]) -> None:
    """What a demo's site answered (toolchain/make_examples.py), lists shortened."""
    text = resources.files(__package__).joinpath("examples.json").read_text(encoding="utf-8")
    examples: dict[str, Any] = msgspec.json.decode(text.encode())
    for path, methods in paths.items():
        if path in examples and "get" in methods:
            methods["get"]["responses"]["200"]["content"]["application/json"]["example"] = examples[path]
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] in examples["parameters"]:
                    parameter["example"] = examples["parameters"][parameter["name"]]


def _renamed(schema: Any) -> Any:
    """Names for readers: `DeviceView` is Device, and `Page[DeviceView]` DevicePage."""
    text = msgspec.json.encode(schema).decode()
    text = re.sub(r"Page(?:_|\[)(\w+?)View(?:_|\])", r"\1Page", text)
    text = re.sub(r'("|/)(\w+?)View"', r'\1\2"', text)
    return msgspec.json.decode(text.encode())
