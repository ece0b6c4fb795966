"""JSON-RPC to an Ethereum node, every failure a ChainError of one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from web3.types import RPCEndpoint, RPCResponse

from gridwitness.chain.endpoint import RpcLimits
from gridwitness.chain.failover import Failover
from gridwitness.chain.reverts import decode_revert
from gridwitness.errors import ChainError

Json = Any  # whatever a node may answer


@dataclass(frozen=True, slots=True)
class Block:
    """A block's number, hash (32 bytes), time (unix seconds), base fee (wei per gas) and gas limit."""

    number: int
    hash: bytes
    time: int
    base_fee_wei: int
    gas_limit: int


class Node:
    """A node, or several that stand in for each other, spoken to without any contract in mind."""

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        timeout_s: float | None = None,
        limits: RpcLimits | None = None,
        chain_id: int | None = None,
    ) -> None:
        """`urls` in the order of preference. `timeout_s` is how long any one request may take, in place of `limits`."""
        limits = limits or RpcLimits()
        if timeout_s is not None:
            limits = replace(limits, connect_timeout_s=timeout_s, read_timeout_s=timeout_s, head_timeout_s=timeout_s)
        self.provider = Failover([urls] if isinstance(urls, str) else urls, limits, chain_id)

    @property
    def url(self) -> str:
        """URL of the node of first choice."""
        return self.provider.endpoints[0].url

    @property
    def name(self) -> str:
        """What messages call it: they may be shown to anybody, and the URL may hold a key."""
        return self.provider.endpoints[0].name

    def rpc(self, method: str, *params: Json) -> Json:
        """Result of one request. Raises Reverted with the decoded error if a contract refused, else ChainError."""
        return self._result(method, self.provider.make_request(RPCEndpoint(method), params))

    def rpc_batch(self, requests_: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Results of many requests sent at once, in order; failed ones are returned as ChainError, not raised."""
        if not requests_:
            return []
        answer = self.provider.make_batch_request([(RPCEndpoint(method), list(params)) for method, params in requests_])
        if isinstance(answer, dict):
            raise ChainError(f"node at {self.name} refuses batched requests: {answer.get('error')}")
        results: list[Any] = []
        for (method, _), response in zip(requests_, answer, strict=True):
            try:
                results.append(self._result(method, response))
            except ChainError as error:
                results.append(error)
        return results

    def first_receipt(self, hashes: Sequence[bytes]) -> Json | None:
        """Receipt of whichever of these transactions, 32 bytes each, was mined; None if none was. Raises ChainError."""
        asked = [("eth_getTransactionReceipt", ("0x" + digest.hex(),)) for digest in hashes]
        found = self.rpc_batch(asked)
        for receipt in found:
            if isinstance(receipt, ChainError):
                raise receipt
        return next((receipt for receipt in found if receipt is not None), None)

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
            gas_limit=int(raw["gasLimit"], 16),
        )

    def head(self) -> Block:
        """The newest block."""
        block = self.block()
        if block is None:
            raise ChainError(f"node at {self.name} has no blocks yet", hint="wait until it has synchronised")
        return block

    def transaction_count(self, address: str, tag: str = "latest") -> int:
        """Number of transactions an account has sent, as of `latest` or `pending`: its next nonce."""
        return int(self.rpc("eth_getTransactionCount", address, tag), 16)

    def balance_wei(self, address: str) -> int:
        """Balance of an account."""
        return int(self.rpc("eth_getBalance", address, "latest"), 16)
