"""A node before a real one that changes some of its answers, or refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.serving import Answering, serving

# Method, parameters and the true result to what is answered.
Lie = Callable[[str, list[Any], Any], Any]


class Refusal(Exception):
    """Raised by a lie for an error of the node's own."""


@contextmanager
def lying(url: str, lie: Lie) -> Iterator[str]:
    """URL of a node that answers as the one at `url`, but for `lie`."""

    class Handler(Answering):
        def respond(self) -> None:
            asked = json.loads(self.body())
            told = client.post(url, json=asked).json()
            if isinstance(asked, list):
                by_id = {one["id"]: one for one in told}
                self.answer(json.dumps([_told(one, by_id[one["id"]]) for one in asked]).encode())
            else:
                self.answer(json.dumps(_told(asked, told)).encode())

    def _told(asked: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if "result" not in answer:
            return answer
        try:
            return answer | {"result": lie(asked["method"], asked["params"], answer["result"])}
        except Refusal as error:
            return {"jsonrpc": "2.0", "id": answer["id"], "error": {"code": -32_005, "message": str(error)}}

    with httpx.Client(timeout=30) as client, serving(Handler) as lying_url:
        yield lying_url
