"""Calls of contracts over JSON-RPC; no more than reading takes."""

from __future__ import annotations

from typing import Any

import httpx
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_abi.grammar import TupleType, parse
from eth_utils.address import to_checksum_address

from gridwitness.encoding.hashing import keccak
from gridwitness.errors import ChainError

_TIMEOUT_S = 30.0


class Node:
    """An Ethereum node."""

    def __init__(self, url: str, client: httpx.Client | None = None) -> None:
        """A client may be given with settings of its own."""
        self._url = url
        self._client = client or httpx.Client(timeout=_TIMEOUT_S)

    def chain_id(self) -> int:
        """The chain it is on. Raises ChainError."""
        return int(self.request("eth_chainId"), 16)

    def request(self, method: str, *params: object) -> Any:
        """A JSON-RPC call. Raises ChainError with the node's words."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            answer = self._client.post(self._url, json=body).json()
        except (httpx.HTTPError, ValueError) as error:
            raise ChainError(f"no node answers at {self._url} ({error})") from error
        if not isinstance(answer, dict) or "result" not in answer:
            said = answer.get("error") if isinstance(answer, dict) else answer
            words = said.get("message", said) if isinstance(said, dict) else said
            raise ChainError(f"{method} at {self._url}: {str(words)[:200]}")
        return answer["result"]


class Contract:
    """A contract at an address, read at the newest block."""

    def __init__(self, node: Node, address: str) -> None:
        self.address = to_checksum_address(address)
        self.node = node

    def call(self, signature: str, returns: str, *arguments: object) -> tuple[Any, ...]:
        """Call the function of a signature, and decode what it returns. Raises ChainError."""
        name, opened, inputs = signature.partition("(")
        data = keccak(signature.encode())[:4] + encode(_types(opened + inputs), arguments)
        result = self.node.request("eth_call", {"to": self.address, "data": "0x" + data.hex()}, "latest")
        try:
            answer: tuple[Any, ...] = decode(_types(returns), bytes.fromhex(str(result).removeprefix("0x")))
        except (DecodingError, ValueError) as error:
            raise ChainError(f"{self.address} does not answer {name} as its ABI has it") from error
        return answer


def _types(listed: str) -> list[str]:
    """The types in parentheses."""
    if listed == "()":
        return []
    parsed = parse(listed)
    assert isinstance(parsed, TupleType)
    return [part.to_type_str() for part in parsed.components]
