"""Several nodes as one: the one in use is left only for a reason, the others stand by and are looked at."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from gridwitness.chain.endpoint import Endpoint, RpcLimits
from gridwitness.errors import NodeUnavailable

# Blocks below the lowest head where nodes of one chain must agree; reorganisations are rarely as deep.
AGREEMENT_DEPTH = 12
_HURRIED_INTERVAL_S = 1.0  # between looks while some node cannot be used
_SEND = "eth_sendRawTransaction"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a look at a node found; `settled` is its hash of the block where all should agree, `problem` why none."""

    chain_id: int = 0
    genesis: str = ""
    head: int = 0
    head_time: int = 0
    settled: str = ""
    problem: str = ""


def judge(seen: Sequence[Sighting], limits: RpcLimits, chain_id: int | None, now: float) -> list[str]:
    """Why each node is not to be used; empty if it is.

    Where nodes disagree about a block the majority is believed, and between equals who is listed first.
    """
    reasons = [one.problem for one in seen]
    if chain_id is not None:
        reasons = [
            reason or (f"is chain {one.chain_id}, not {chain_id}" if one.chain_id != chain_id else "")
            for reason, one in zip(reasons, seen, strict=True)
        ]
    histories = Counter((one.genesis, one.settled) for one, bad in zip(seen, reasons, strict=True) if not bad)
    if not histories:
        return reasons
    believed = histories.most_common(1)[0][0]  # of equals, the one counted first
    best = max(one.head for one, bad in zip(seen, reasons, strict=True) if not bad and _history(one) == believed)
    judged = [bad or _fault(one, believed, best, limits) for one, bad in zip(seen, reasons, strict=True)]
    if limits.max_head_age_s is None:
        return judged
    aged = [
        bad
        or (
            f"its newest block is {now - one.head_time:.0f} s old"
            if now - one.head_time > limits.max_head_age_s
            else ""
        )
        for bad, one in zip(judged, seen, strict=True)
    ]
    return judged if all(aged) else aged  # a chain that stands still is no node's fault


def _history(one: Sighting) -> tuple[str, str]:
    return one.genesis, one.settled


def _fault(one: Sighting, believed: tuple[str, str], best: int, limits: RpcLimits) -> str:
    if one.genesis != believed[0]:
        return "has another genesis block"
    if one.settled != believed[1]:
        return f"follows another fork: its block {AGREEMENT_DEPTH} below is not the others'"
    if best - one.head > limits.max_head_lag:
        return f"is {best - one.head} blocks behind; the limit is {limits.max_head_lag}"
    return ""


class Failover(JSONBaseProvider):
    """Provider over one or more nodes, in the order of preference; may be used from several threads.

    A read that fails is asked of the next node in the same call. A transaction goes to all nodes that can be used.
    `epoch` counts how often the node in use changed: answers from before and after may not fit together.
    """

    def __init__(self, urls: Sequence[str], limits: RpcLimits, chain_id: int | None = None) -> None:
        """`chain_id` is the chain that nodes must follow; None takes any. Nothing is asked yet."""
        super().__init__()
        self.endpoints = [Endpoint(url, limits) for url in urls]
        self.epoch = 0
        self._limits = limits
        self._chain_id = chain_id
        self._current = self.endpoints[0]
        self._seen = {endpoint: Sighting() for endpoint in self.endpoints}
        self._faults = dict.fromkeys(self.endpoints, "")
        self._away: set[Endpoint] = set()  # whose last answer did not come
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(2 * len(urls) + 1, "rpc") if len(urls) > 1 else None
        self._look: Future[None] | None = None
        self._next_look = 0.0

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One request. Raises NodeUnavailable if no node answers."""
        if method == _SEND:
            return self._everywhere(lambda endpoint: endpoint.make_request(method, params))
        return self._anywhere(lambda endpoint: endpoint.make_request(method, params))

    def make_batch_request(self, requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse] | RPCResponse:
        """Many requests to one node. Raises NodeUnavailable if no node answers."""
        if any(method == _SEND for method, _ in requests):
            return self._everywhere(lambda endpoint: endpoint.make_batch_request(requests))
        return self._anywhere(lambda endpoint: endpoint.make_batch_request(requests))

    def report(self) -> list[dict[str, object]]:
        """Every node as it was seen last; `head` None if it was not looked at, as one that is alone."""
        with self._lock:
            best = max(one.head for one in self._seen.values())
            return [
                {
                    "url": endpoint.name,
                    "in_use": endpoint is self._current,
                    "problem": self._problem(endpoint),
                    "head": self._seen[endpoint].head or None,
                    "lag": best - self._seen[endpoint].head if self._seen[endpoint].head else None,
                    "latency_ms": None if endpoint.latency_s is None else round(1_000 * endpoint.latency_s, 1),
                    "failures": dict(endpoint.failures),
                }
                for endpoint in self.endpoints
            ]

    def look(self) -> None:
        """Look at every node at once, and judge. What cannot be reached is waited for no longer than the limits say."""
        seen = self._on_all(self.endpoints, _sight)
        there = [endpoint for endpoint in self.endpoints if not seen[endpoint].problem]
        if there:
            common = max(min(seen[endpoint].head for endpoint in there) - AGREEMENT_DEPTH, 0)
            settled = self._on_all(there, lambda endpoint: _settle(endpoint, seen[endpoint], common))
            seen |= settled
        verdicts = judge(list(seen.values()), self._limits, self._chain_id, time.time())
        with self._lock:
            self._seen = seen
            self._away = {endpoint for endpoint in self.endpoints if seen[endpoint].problem}
            self._faults = {
                endpoint: "" if endpoint in self._away else verdict
                for endpoint, verdict in zip(self.endpoints, verdicts, strict=True)
            }
            calm = not any(verdicts)
            self._next_look = time.monotonic() + (self._limits.probe_interval_s if calm else _HURRIED_INTERVAL_S)

    def _on_all(self, endpoints: Sequence[Endpoint], ask: Callable[[Endpoint], _T]) -> dict[Endpoint, _T]:
        if self._pool is None:
            return {endpoint: ask(endpoint) for endpoint in endpoints}
        asked = {endpoint: self._pool.submit(ask, endpoint) for endpoint in endpoints}
        return {endpoint: future.result() for endpoint, future in asked.items()}

    def _look_if_due(self) -> None:
        if self._pool is None:  # a node that is alone is used or nothing is
            return
        with self._lock:
            first = self._look is None
            if time.monotonic() >= self._next_look and (self._look is None or self._look.done()):
                self._look = self._pool.submit(self.look)
            look = self._look
        if first and look is not None:
            look.result()

    def _problem(self, endpoint: Endpoint) -> str:
        if endpoint.held_until > time.monotonic():
            return "asks to wait (HTTP 429)"
        if endpoint in self._away:
            return self._seen[endpoint].problem or "its last answer did not come"
        return self._faults[endpoint]

    def _ranked(self) -> list[Endpoint]:
        """Who to ask, in turn: who is in use, then by head; those that were away only after all others."""
        with self._lock:
            allowed = [one for one in self.endpoints if not self._faults[one] and one.held_until <= time.monotonic()]
            return sorted(allowed, key=lambda one: (one in self._away, one is not self._current, -self._seen[one].head))

    def _anywhere(self, ask: Callable[[Endpoint], _T]) -> _T:
        self._look_if_due()
        failure: NodeUnavailable | None = None
        for endpoint in self._ranked():
            try:
                answer = ask(endpoint)
            except NodeUnavailable as error:
                self._lost(endpoint)
                failure = failure or error
                continue
            self._found(endpoint)
            return answer
        raise failure or self._none()

    def _everywhere(self, ask: Callable[[Endpoint], _T]) -> _T:
        """The first good answer of all nodes that can be used; else that of the first which answers at all."""
        self._look_if_due()
        ranked = self._ranked()
        targets = [endpoint for endpoint in ranked if endpoint not in self._away]
        if self._pool is None or len(targets) < 2:
            return self._anywhere(ask)
        asked = {self._pool.submit(ask, endpoint): endpoint for endpoint in targets}
        refused: dict[Endpoint, _T] = {}
        for future in as_completed(asked):
            try:
                answer = future.result()
            except NodeUnavailable:
                self._lost(asked[future])
                continue
            if not _has_error(answer):
                return answer
            refused[asked[future]] = answer
        for endpoint in targets:
            if endpoint in refused:
                return refused[endpoint]
        raise self._none()

    def _lost(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._away.add(endpoint)
            self._next_look = min(self._next_look, time.monotonic() + _HURRIED_INTERVAL_S)

    def _found(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._away.discard(endpoint)
            if endpoint is not self._current:
                self._current = endpoint
                self.epoch += 1

    def _none(self) -> NodeUnavailable:
        problems = "; ".join(f"{row['url']} {row['problem']}" for row in self.report())
        return NodeUnavailable(f"no node can be used: {problems}", hint="see `gridwitness doctor`, or add to rpc_urls")


def _sight(endpoint: Endpoint) -> Sighting:
    if endpoint.held_until > time.monotonic():
        return Sighting(problem="asks to wait (HTTP 429)")
    first = RPCEndpoint("eth_getBlockByNumber")
    requests = [(RPCEndpoint("eth_chainId"), []), (first, ["0x0", False]), (first, ["latest", False])]
    try:
        answers = endpoint.make_batch_request(cast("list[tuple[RPCEndpoint, Any]]", requests))
        chain_id, genesis, head = (cast("Any", answer)["result"] for answer in cast("list[Any]", answers))
        return Sighting(int(chain_id, 16), genesis["hash"], int(head["number"], 16), int(head["timestamp"], 16))
    except NodeUnavailable as error:
        return Sighting(problem=error.message)
    except (KeyError, TypeError, ValueError):
        return Sighting(problem="answers what is no Ethereum node's")


def _settle(endpoint: Endpoint, seen: Sighting, number: int) -> Sighting:
    try:
        answer = cast("Any", endpoint.make_request(RPCEndpoint("eth_getBlockByNumber"), [hex(number), False]))
        return replace(seen, settled=answer["result"]["hash"])
    except NodeUnavailable as error:
        return Sighting(problem=error.message)
    except (KeyError, TypeError):
        return Sighting(problem=f"does not have block {number}")


def _has_error(answer: Any) -> bool:
    answers = answer if isinstance(answer, list) else [answer]
    return any(one.get("error") is not None for one in answers)
