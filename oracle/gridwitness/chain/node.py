"""JSON-RPC to one Ethereum node, every failure a ChainError of one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import requests
from web3 import HTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from gridwitness.chain.reverts import decode_revert
from gridwitness.errors import ChainError

Json = Any  # whatever a node may answer
_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Block:
    """A block's number, hash (32 bytes), time (unix seconds) and base fee (wei per gas)."""

    number: int
    hash: bytes
    time: int
    base_fee_wei: int


class NodeProvider(HTTPProvider):
    """web3's HTTP provider with its failures turned into ChainError and no silent retries.

    Who calls decides whether to try again: a loop that retries under a timer must not wait for a second timer here.
    """

    def __init__(self, url: str, timeout_s: float = _TIMEOUT_S) -> None:
        super().__init__(url, request_kwargs={"timeout": timeout_s}, exception_retry_configuration=None)
        self.url = url

    def make_request(self, method: RPCEndpoint, params: Json) -> RPCResponse:
        """One request; the node's own errors stay in the response."""
        try:
            return super().make_request(method, params)
        except (requests.RequestException, ValueError) as error:
            raise self._failure(error) from error

    def make_batch_request(self, batch_requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse] | RPCResponse:
        """Many requests in one HTTP exchange."""
        try:
            return super().make_batch_request(batch_requests)
        except (requests.RequestException, ValueError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> ChainError:
        response = getattr(error, "response", None)
        if response is not None:
            return ChainError(f"node at {self.url} answered HTTP {response.status_code}")
        if isinstance(error, requests.Timeout):
            return ChainError(f"node at {self.url} did not answer in time", hint="is it overloaded?")
        if isinstance(error, requests.ConnectionError):
            return ChainError(f"no node answers at {self.url}", hint="start one, or correct the RPC URL")
        return ChainError(f"what answers at {self.url} is no Ethereum node: {error}", hint="correct the RPC URL")


class Node:
    """One node, spoken to without any contract in mind."""

    def __init__(self, url: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        """`timeout_s` is how long one request may take."""
        self.url = url
        self.provider = NodeProvider(url, timeout_s)

    def rpc(self, method: str, *params: Json) -> Json:
        """Result of one request. Raises Reverted with the decoded error if a contract refused, else ChainError."""
        return self._result(method, self.provider.make_request(RPCEndpoint(method), params))

    def rpc_batch(self, requests_: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Results of many requests sent at once, in order; failed ones are returned as ChainError, not raised."""
        if not requests_:
            return []
        answer = self.provider.make_batch_request([(RPCEndpoint(method), list(params)) for method, params in requests_])
        if isinstance(answer, dict):
            raise ChainError(f"node at {self.url} refuses batched requests: {answer.get('error')}")
        results: list[Any] = []
        for (method, _), response in zip(requests_, answer, strict=True):
            try:
                results.append(self._result(method, response))
            except ChainError as error:
                results.append(error)
        return results

    def _result(self, method: str, response: RPCResponse) -> Json:
        error = response.get("error")
        if error is None:
            return response.get("result")
        if isinstance(error, str):
            raise ChainError(f"{method}: {error}")
        data = cast("dict[str, Any]", error).get("data")
        if isinstance(data, str) and data.startswith("0x"):
            raise decode_revert(bytes.fromhex(data[2:]))
        message = str(error.get("message", error))
        raise ChainError(f"{method}: {message}")

    def chain_id(self) -> int:
        """Id of the chain the node follows."""
        return int(self.rpc("eth_chainId"), 16)

    def block(self, number: int | str = "latest") -> Block | None:
        """A block by number or tag; None if there is none. Read raw, so that unusual headers do not matter."""
        raw = self.rpc("eth_getBlockByNumber", hex(number) if isinstance(number, int) else number, False)
        if raw is None:
            return None
        return Block(
            number=int(raw["number"], 16),
            hash=bytes.fromhex(raw["hash"][2:]),
            time=int(raw["timestamp"], 16),
            base_fee_wei=int(raw.get("baseFeePerGas") or "0x0", 16),
        )

    def head(self) -> Block:
        """The newest block."""
        block = self.block()
        if block is None:
            raise ChainError(f"node at {self.url} has no blocks yet", hint="wait until it has synchronised")
        return block

    def transaction_count(self, address: str, tag: str = "latest") -> int:
        """Number of transactions an account has sent, as of `latest` or `pending`: its next nonce."""
        return int(self.rpc("eth_getTransactionCount", address, tag), 16)

    def balance_wei(self, address: str) -> int:
        """Balance of an account."""
        return int(self.rpc("eth_getBalance", address, "latest"), 16)
