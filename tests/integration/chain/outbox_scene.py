"""An outbox on a real chain, and ways to look at what it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.outbox import Outbox
from gridwitness.chain.outbox_store import OutboxState, OutboxStore

OpenOutbox = Callable[..., Outbox]
_MINED_WITHIN_S = 2


class PromptOutbox(Outbox):
    """An outbox whose steps end when anvil has mined what it took, which it does a moment after it has answered."""

    def __init__(self, anvil: Anvil, *arguments: Any) -> None:
        """`anvil` mines at once, unless it was told not to; other arguments are an outbox's."""
        super().__init__(*arguments)
        self._anvil = anvil

    def step(self) -> None:
        """As an outbox's; what cannot be mined, such as with too low a fee, is waited for in vain."""
        super().step()
        until = time.monotonic() + _MINED_WITHIN_S
        if self._anvil.node.rpc("anvil_getAutomine"):
            while self._anvil.node.rpc("txpool_status")["pending"] != "0x0" and time.monotonic() < until:
                time.sleep(0.005)


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
