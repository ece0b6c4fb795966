"""An outbox for those who only look, while its oracle may be sending from it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridwitness.chain.outbox_store import OutboxState
from gridwitness.chain.runway import Spending
from gridwitness.errors import StoreError

_BUSY_TIMEOUT_S = 5
_SENT = """
SELECT i.key, i.state, i.nonce, i.block_number,
    COALESCE(i.mined_hash, (SELECT hash FROM attempts WHERE intent = i.id ORDER BY rowid DESC LIMIT 1), x''),
    (SELECT COUNT(*) FROM attempts WHERE intent = i.id),
    (SELECT max_fee_wei FROM attempts WHERE intent = i.id ORDER BY rowid DESC LIMIT 1)
FROM intents i ORDER BY i.id DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class SentTransaction:
    """An intent with the transaction mined for it, or else the one signed last; empty before one was signed.

    Its cost, wei, is known for some days once it is settled.
    """

    key: str
    state: OutboxState
    nonce: int | None
    block_number: int | None
    transaction: bytes
    attempts: int
    max_fee_wei: int | None
    spent: Spending | None


class OutboxReader:
    """The file of an outbox, opened for reading only. Safe for threads. Raises StoreError if it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            uri = f"{path.absolute().as_uri()}?mode=ro"
            self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=_BUSY_TIMEOUT_S)
        except sqlite3.Error as error:
            raise StoreError(f"outbox {path}: {error}") from error

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._connection.close()

    def newest(self, limit: int) -> list[SentTransaction]:
        """The newest intents, the newest first."""
        found = []
        for key, state, nonce, block_number, transaction, attempts, max_fee_wei in self._rows(_SENT, (limit,)):
            query = "SELECT at, gas_used, price_wei FROM spendings WHERE hash = ?"
            spent = [Spending(*row) for row in self._rows(query, (transaction,))]
            found.append(
                SentTransaction(
                    key=key,
                    state=OutboxState(state),
                    nonce=nonce,
                    block_number=block_number,
                    transaction=transaction,
                    attempts=attempts,
                    max_fee_wei=max_fee_wei,
                    spent=spent[0] if spent else None,
                )
            )
        return found

    def spendings(self) -> list[Spending]:
        """What settled transactions cost, of the window that a runway is reckoned by."""
        return [Spending(*row) for row in self._rows("SELECT at, gas_used, price_wei FROM spendings ORDER BY at")]

    def in_flight(self) -> int:
        """How many intents are signed or sent, and in no block yet."""
        states = (OutboxState.SIGNED, OutboxState.SENT)
        ((count,),) = self._rows("SELECT COUNT(*) FROM intents WHERE settled = 0 AND state IN (?, ?)", states)
        return int(count)

    def sender(self) -> tuple[int | None, str]:
        """(next nonce, why nothing is sent or empty)."""
        rows = self._rows("SELECT next_nonce, halted FROM sender")
        return (rows[0][0], rows[0][1]) if rows else (None, "")

    def _rows(self, query: str, arguments: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(query, arguments).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"outbox {self._path}: {error}") from error
