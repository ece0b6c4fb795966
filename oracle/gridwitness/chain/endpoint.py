"""JSON-RPC over HTTP to one node; every failure is a NodeUnavailable of one line and is counted by its kind."""

from __future__ import annotations

import ssl
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import msgspec
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from gridwitness.chain.deadline import keep_deadlines
from gridwitness.errors import NodeUnavailable

_LATENCY_WEIGHT = 0.2  # of the newest answer in the moving average
_DEFAULT_HOLD_S = 1.0  # after a 429 that does not say how long
_MAX_HOLD_S = 60.0
# Of a hundred transactions at once, with as much call data as nodes pass on, are less than half of that.
MAX_ANSWER_BYTES = 64 << 20
# What every round begins with: a node that does not answer these at once is not waited for.
_QUICK = frozenset({"eth_chainId", "eth_blockNumber", "eth_getBlockByNumber"})


@dataclass(frozen=True, slots=True)
class RpcLimits:
    """How long nodes are waited for (seconds), and how far they may be behind (blocks; seconds) to be used.

    `read_timeout_s` is for a whole answer, in however many parts; `head_timeout_s` takes its place for the small
    questions with which every round begins. `max_head_age_s` None sets no limit.
    """

    connect_timeout_s: float = 3.0
    read_timeout_s: float = 10.0
    head_timeout_s: float = 1.5
    max_head_lag: int = 3
    max_head_age_s: int | None = None
    probe_interval_s: float = 5.0


def name_of(url: str) -> str:
    """A URL as messages may have it: without credentials, and without its path, in which providers put keys."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class Endpoint(JSONBaseProvider):
    """One node, told of by its `name` alone. It never tries again by itself: who calls decides."""

    def __init__(self, url: str, limits: RpcLimits) -> None:
        """Nothing is asked yet. A proxy of the environment is used if there is one, looked up only now."""
        super().__init__()
        self.url = url
        self.name = name_of(url)
        self.failures: Counter[str] = Counter()
        self.latency_s: float | None = None
        self.held_until = 0.0  # monotonic seconds; asked to wait by a 429
        connect_s = min(limits.connect_timeout_s, limits.head_timeout_s)
        self._timeout = httpx.Timeout(limits.read_timeout_s, connect=limits.connect_timeout_s)
        self._quick_timeout = httpx.Timeout(limits.head_timeout_s, connect=connect_s)
        # Certificates take 30 ms to load; a context that has none lets no TLS connection through.
        tls = True if urlsplit(url).scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client = httpx.Client(headers={"content-type": "application/json"}, verify=tls)
        self._deadline = keep_deadlines(self._client)

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One request; the node's own errors stay in the response. Raises NodeUnavailable."""
        answer = self._post(self.encode_rpc_request(method, params), quick=method in _QUICK)
        if not isinstance(answer, dict):
            raise self._failed("malformed", f"what answers at {self.name} is no Ethereum node: no object")
        return cast("RPCResponse", answer)

    def make_batch_request(self, requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse] | RPCResponse:
        """Many requests in one HTTP exchange, answers in their order. Raises NodeUnavailable."""
        quick = all(method in _QUICK for method, _ in requests)
        answer = self._post(self.encode_batch_rpc_request(requests), quick=quick)
        if isinstance(answer, dict):
            return cast("RPCResponse", answer)
        if not isinstance(answer, list) or len(answer) != len(requests):
            raise self._failed("malformed", f"node at {self.name} did not answer every request of a batch")
        return sorted(cast("list[RPCResponse]", answer), key=lambda response: int(response["id"] or 0))

    def _post(self, body: bytes, *, quick: bool) -> object:
        started = time.monotonic()
        try:
            response, content = self._exchange(body, self._quick_timeout if quick else self._timeout)
        except httpx.TimeoutException as error:
            hint = "is it overloaded?"
            raise self._failed("timeout", f"node at {self.name} did not answer in time", hint) from error
        except httpx.ConnectError as error:
            hint = "start one, or correct the RPC URL"
            raise self._failed("no_connection", f"no node answers at {self.name}", hint) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._failed("broken_off", f"node at {self.name} broke off: {error}") from error
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            self.held_until = time.monotonic() + _hold_s(response)
        if not response.is_success:
            message = f"node at {self.name} answered HTTP {response.status_code}"
            raise self._failed(f"http_{response.status_code}", message)
        try:
            answer: object = msgspec.json.decode(content)
        except (ValueError, RecursionError) as error:
            message = f"what answers at {self.name} is no Ethereum node: {error}"
            raise self._failed("malformed", message, "correct the RPC URL") from error
        took_s = time.monotonic() - started
        old_s = took_s if self.latency_s is None else self.latency_s
        self.latency_s = old_s + _LATENCY_WEIGHT * (took_s - old_s)
        return answer

    def _exchange(self, body: bytes, timeout: httpx.Timeout) -> tuple[httpx.Response, bytes]:
        """A node's answer and what it holds. Raises httpx's errors, and NodeUnavailable for more than anybody needs."""
        self._deadline.at = time.monotonic() + (timeout.read or 0)
        with self._client.stream("POST", self.url, content=body, timeout=timeout) as response:
            parts: list[bytes] = []
            size = 0
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    raise self._failed("too_large", f"node at {self.name} answered more than {MAX_ANSWER_BYTES} bytes")
            return response, b"".join(parts)

    def _failed(self, kind: str, message: str, hint: str = "") -> NodeUnavailable:
        self.failures[kind] += 1
        return NodeUnavailable(message, hint=hint)


def _hold_s(response: httpx.Response) -> float:
    """How long a 429 asks to wait; a date instead of seconds is taken as the default."""
    text = response.headers.get("retry-after", "")
    return min(float(text), _MAX_HOLD_S) if text.isdecimal() else _DEFAULT_HOLD_S
