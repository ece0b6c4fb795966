"""A node in memory for what only needs an account's nonces: pool, blocks, reorganisations. Refuses as geth does.

It stands where the HTTP provider stands, so all of gridwitness.chain above that runs as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import rlp
from web3.providers.base import BaseProvider

from gridwitness.encoding.hashing import keccak

CHAIN_ID = 31_337
BASE_FEE_WEI = 10**9
FOREIGN = b"foreign"  # call data of transactions that somebody else sends from the account
_BUMP_PERCENT = 110


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction as the node reads it."""

    hash: str
    nonce: int
    max_fee_wei: int
    tip_wei: int
    data: bytes


@dataclass
class Block:
    """A block; `salt` makes blocks of different forks differ."""

    salt: int
    transactions: list[Sent] = field(default_factory=list)


class Killed(BaseException):
    """The process ends here."""


class SimulatedNode(BaseProvider):
    """The node, for one account. `epoch` and `endpoints` are what gridwitness.chain asks of a provider."""

    epoch = 0
    endpoints: tuple[()] = ()

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [Block(0)]
        self.pool: dict[int, Sent] = {}
        self.base_fee_wei = BASE_FEE_WEI
        self.point: Callable[[], None] = lambda: None
        self._salt = 0

    # What the outbox sees.

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        """One request; a process may be killed before it leaves and after its answer came."""
        self.point()
        try:
            answer = {"result": getattr(self, method)(*params)}
        except ValueError as error:
            answer = {"error": {"code": -32_000, "message": str(error)}}
        self.point()
        return answer

    def make_batch_request(self, requests: list[tuple[str, Any]]) -> list[dict[str, Any]]:
        """Many requests."""
        return [self.make_request(method, params) for method, params in requests]

    def eth_chainId(self) -> str:  # noqa: N802
        return hex(CHAIN_ID)

    def eth_getBalance(self, _address: str, _tag: str) -> str:  # noqa: N802
        return hex(10**18)

    def eth_maxPriorityFeePerGas(self) -> str:  # noqa: N802
        return hex(10**9)

    def eth_estimateGas(self, _call: Any, _tag: str) -> str:  # noqa: N802
        return hex(50_000)

    def eth_getBlockByNumber(self, tag: str, _full: bool) -> dict[str, str] | None:  # noqa: N802
        number = len(self.blocks) - 1 if tag == "latest" else int(tag, 16)
        if number >= len(self.blocks):
            return None
        return {
            "number": hex(number),
            "hash": "0x" + keccak(bytes([number % 256]) + self.blocks[number].salt.to_bytes(8, "big")).hex(),
            "timestamp": hex(1_000 + number),
            "baseFeePerGas": hex(self.base_fee_wei),
            "gasLimit": hex(30_000_000),
        }

    def eth_getTransactionCount(self, _address: str, tag: str) -> str:  # noqa: N802
        until = len(self.blocks) if tag in ("latest", "pending") else int(tag, 16) + 1
        return hex(sum(len(block.transactions) for block in self.blocks[:until]))

    def eth_getTransactionByHash(self, digest: str) -> dict[str, str] | None:  # noqa: N802
        known = [*self.pool.values(), *(sent for block in self.blocks for sent in block.transactions)]
        return {"hash": digest} if any(sent.hash == digest for sent in known) else None

    def eth_getTransactionReceipt(self, digest: str) -> dict[str, str] | None:  # noqa: N802
        for number, block in enumerate(self.blocks):
            for sent in block.transactions:
                if sent.hash == digest:
                    return {
                        "transactionHash": digest,
                        "blockNumber": hex(number),
                        "status": "0x1",
                        "gasUsed": hex(40_000),
                        "effectiveGasPrice": hex(self.base_fee_wei),
                    }
        return None

    def eth_sendRawTransaction(self, raw: str) -> str:  # noqa: N802
        sent = _read(bytes.fromhex(raw[2:]))
        there = self.pool.get(sent.nonce)
        if there is not None and there.hash == sent.hash:
            raise ValueError("already known")
        if sent.nonce < self.used():
            raise ValueError("nonce too low")
        if there is not None and (
            100 * sent.max_fee_wei < _BUMP_PERCENT * there.max_fee_wei
            or 100 * sent.tip_wei < _BUMP_PERCENT * there.tip_wei
        ):
            raise ValueError("replacement transaction underpriced")
        self.pool[sent.nonce] = sent
        return sent.hash

    # What happens to it.

    def used(self) -> int:
        """Number of nonces used."""
        return sum(len(block.transactions) for block in self.blocks)

    def mine(self, most: int = 100) -> None:
        """A block with the next transactions that pay for it."""
        self._salt += 1
        block, nonce = Block(self._salt), self.used()
        while (
            nonce in self.pool and len(block.transactions) < most and self.pool[nonce].max_fee_wei >= self.base_fee_wei
        ):
            block.transactions.append(self.pool.pop(nonce))
            nonce += 1
        self.blocks.append(block)
        self.pool = {nonce: sent for nonce, sent in self.pool.items() if nonce >= self.used()}

    def reorganise(self, depth: int, *, remember: bool) -> None:
        """Empty blocks in place of the newest; what was in those is forgotten, or back in the pool.

        Transactions of others always are: whoever sent them sends them again.
        """
        depth = min(depth, len(self.blocks) - 1)
        gone = [sent for block in self.blocks[len(self.blocks) - depth :] for sent in block.transactions]
        del self.blocks[len(self.blocks) - depth :]
        for _ in range(depth):
            self._salt += 1
            self.blocks.append(Block(self._salt))
        back = {sent.nonce: sent for sent in gone if remember or sent.data == FOREIGN}
        self.pool = {**self.pool, **back}

    def forget(self, nonce: int) -> None:
        """The pool drops a transaction of the outbox."""
        if self.pool[nonce].data != FOREIGN:
            del self.pool[nonce]

    def send_from_elsewhere(self) -> None:
        """Somebody else uses the account's next nonce, in a block of its own."""
        self._salt += 1
        nonce = self.used()
        self.pool.pop(nonce, None)
        foreign = Sent(f"0x{self._salt:064x}", nonce, 10**12, 10**12, FOREIGN)
        self.blocks.append(Block(self._salt, [foreign]))

    def calls(self) -> list[bytes]:
        """Call data of all that was mined, foreign transactions and cancellations left out."""
        mined = [sent.data for block in self.blocks for sent in block.transactions]
        return [data for data in mined if data and data != FOREIGN]


def _read(raw: bytes) -> Sent:
    fields: Any = rlp.decode(raw[1:])
    nonce, tip_wei, max_fee_wei = (int.from_bytes(fields[index], "big") for index in (1, 2, 3))
    return Sent("0x" + keccak(raw).hex(), nonce, max_fee_wei, tip_wei, bytes(fields[7]))
