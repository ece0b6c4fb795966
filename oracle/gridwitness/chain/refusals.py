"""What nodes mean when they refuse a transaction: they agree on few codes, but word the reasons alike."""

from __future__ import annotations

from gridwitness.errors import ChainError


def is_known(error: ChainError) -> bool:
    """Whether the node has these bytes already (geth, anvil, Nethermind, Erigon)."""
    text = error.message.lower()
    return "already known" in text or "already imported" in text or "known transaction" in text


def is_too_much(error: ChainError) -> bool:
    """Whether a call needs more gas than a transaction or a block may take; our own limit's words included."""
    text = error.message.lower()
    return any(
        words in text for words in ("the limit is", "gas required exceeds", "exceeds block gas limit", "out of gas")
    )
