"""A node that refuses eth_getLogs over more than a few blocks, as providers do, in front of a real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.serving import Answering, serving


@dataclass
class StrictNode:
    """Where it listens, and the lengths in blocks of the ranges it answered and refused."""

    url: str
    answered: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)


@contextmanager
def strict_node(upstream: str, most_blocks: int) -> Iterator[StrictNode]:
    """Serve it while the context lasts."""
    node = StrictNode("")

    class Handler(Answering):
        def respond(self) -> None:
            body = self.body()
            self.answer(
                self._refusal(json.loads(body))
                or client.post(upstream, content=body, headers={"Content-Type": "application/json"}).content
            )

        def _refusal(self, call: dict[str, Any]) -> bytes | None:
            if call["method"] != "eth_getLogs":
                return None
            (query,) = call["params"]
            blocks = int(query["toBlock"], 16) - int(query["fromBlock"], 16) + 1
            (node.refused if blocks > most_blocks else node.answered).append(blocks)
            if blocks <= most_blocks:
                return None
            error = {"code": -32005, "message": f"query exceeds max block range {most_blocks}"}
            return json.dumps({"jsonrpc": "2.0", "id": call["id"], "error": error}).encode()

    with httpx.Client(timeout=60) as client, serving(Handler) as node.url:
        yield node
