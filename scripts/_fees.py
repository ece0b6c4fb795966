"""What a transaction offers per gas, and when an offer has to be raised."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from web3 import Web3

from gridwitness.errors import ChainError

GWEI = 10**9
# A node takes a replacement only if it raises both fees by 10 % (geth) or 12.5 % (others).
_RAISE_PERCENT = 13


class Fees(NamedTuple):
    """Fees of an EIP-1559 transaction, in wei per gas."""

    max_fee: int
    tip: int


class Market(NamedTuple):
    """What the chain asks now, in wei per gas: base fee of the next block, and the tip the node suggests."""

    base_fee: int
    tip: int

    @classmethod
    def of(cls, web3: Web3) -> Market:
        """Ask the node."""
        history = web3.eth.fee_history(1, "latest", [])
        return cls(int(history["baseFeePerGas"][-1]), int(web3.eth.max_priority_fee))

    @property
    def price(self) -> int:
        """What a transaction would pay per gas in the next block."""
        return self.base_fee + self.tip

    def offer(self, cap: int) -> Fees:
        """Fees that last for a doubled base fee, but never above `cap`. Raises ChainError if that is too little now."""
        if self.price > cap:
            raise ChainError(
                f"gas costs {gwei(self.price)} gwei (base fee {gwei(self.base_fee)}, tip {gwei(self.tip)}); "
                f"--max-fee-gwei is {gwei(cap)}",
                hint="wait until it is cheaper, or allow more",
            )
        return Fees(min(2 * self.base_fee + self.tip, cap), self.tip)

    def outbid(self, old: Fees, cap: int) -> Fees | None:
        """Fees to replace `old` with; None if they are above `cap`."""
        max_fee = max(min(2 * self.base_fee + self.tip, cap), raised(old.max_fee))
        tip = max(self.tip, raised(old.tip))
        return Fees(max_fee, tip) if self.base_fee + tip <= max_fee <= cap else None


def raised(fee: int) -> int:
    """The lowest fee that every node takes as a raise."""
    return fee + -(-fee * _RAISE_PERCENT // 100)


def gwei(wei: int) -> str:
    """Wei per gas as a person reads it."""
    return f"{float(wei) / GWEI:.4g}" if wei < 1000 * GWEI else f"{wei // GWEI:,}"


def coins(wei: int, symbol: str) -> str:
    """An amount of the chain's own coin as a person reads it, to five digits."""
    amount = Decimal(wei) / 10**18
    return f"{amount.quantize(Decimal(1)) if amount >= 100_000 else Decimal(f'{amount:.5g}'):,f} {symbol}"
