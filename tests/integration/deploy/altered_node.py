"""A node whose answers are altered on the way, as those of other chains and of providers are."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.serving import Answering, serving

Call = dict[str, Any]
# What was asked, and how to ask the node itself; returns the answer without its id.
Alteration = Callable[[Call, Callable[[], Call]], Call]


def refusal(code: int, message: str) -> Call:
    """The answer of a node that refuses."""
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}}


@contextmanager
def altered_node(upstream: str, alteration: Alteration) -> Iterator[str]:
    """URL of the node in front of `upstream`, for as long as the context lasts."""

    class Handler(Answering):
        def respond(self) -> None:
            body = self.body()
            asked = json.loads(body)
            self.answer(json.dumps({**alteration(asked, lambda: ask_node(upstream, body)), "id": asked["id"]}).encode())

    with serving(Handler) as url:
        yield url


def ask_node(upstream: str, body: bytes) -> Call:
    """What the node itself answers."""
    request = urllib.request.Request(upstream, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        answer: Call = json.loads(response.read())
    return answer
