"""What nodes mean when they refuse a transaction: they agree on few codes, but word the reasons alike."""

from __future__ import annotations

from gridwitness.errors import ChainError


def is_known(error: ChainError) -> bool:
    """Whether the node has these bytes already (geth, anvil, Nethermind, Erigon)."""
    text = error.message.lower()
    return "already known" in text or "already imported" in text or "known transaction" in text


def is_too_cheap(error: ChainError) -> bool:
    """Whether another transaction of the same nonce, or the block's base fee, asks for more."""
    text = error.message.lower()
    return "underpriced" in text or "less than block base fee" in text or "fee too low" in text


def is_too_much(error: ChainError) -> bool:
    """Whether a call needs more gas than a transaction or a block may take; our own limit's words included."""
    text = error.message.lower()
    return any(
        words in text for words in ("the limit is", "gas required exceeds", "exceeds block gas limit", "out of gas")
    )
