"""An outbox on a real chain, and ways to look at what it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.outbox import Outbox
from gridwitness.chain.outbox_store import OutboxState, OutboxStore

OpenOutbox = Callable[..., Outbox]


def state_of(outbox: Outbox, key: str) -> OutboxState:
    status = outbox.status(key)
    assert status is not None
    return status.state


def transaction_of(outbox: Outbox, key: str) -> bytes:
    status = outbox.status(key)
    assert status is not None
    assert status.transaction is not None
    return status.transaction


def error_of(outbox: Outbox, key: str) -> str:
    status = outbox.status(key)
    assert status is not None
    return status.error


def ask(folder: Path, verb: str, key: str = "") -> None:
    """Leave a request in the outbox's file, as `gridwitness outbox` does beside a running oracle."""
    beside = OutboxStore(folder / "outbox.sqlite", None)
    beside.request(verb, key)
    beside.close()


def pooled(anvil: Anvil) -> list[str]:
    """Hashes of the transactions that wait in the node's pool."""
    return [entry["hash"] for entry in pool_entries(anvil)]


def pool_entries(anvil: Anvil) -> list[dict[str, Any]]:
    """The transactions that wait in the node's pool."""
    content = anvil.node.rpc("txpool_content")
    return [entry for kind in content.values() for sender in kind.values() for entry in sender.values()]
