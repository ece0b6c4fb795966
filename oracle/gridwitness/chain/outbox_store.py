"""The outbox on disk: what is to be sent, and every transaction ever signed for it. One process at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from gridwitness.errors import ConfigError, StoreError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sender (only INTEGER PRIMARY KEY CHECK (only = 1), identity TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS intents (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    recipient TEXT NOT NULL,
    calldata BLOB NOT NULL,
    state TEXT NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0,
    nonce INTEGER UNIQUE,
    mined_hash BLOB,
    block_number INTEGER,
    error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS unsettled ON intents (id) WHERE settled = 0;
CREATE TABLE IF NOT EXISTS attempts (
    hash BLOB PRIMARY KEY,
    intent INTEGER NOT NULL REFERENCES intents (id),
    raw BLOB NOT NULL,
    max_fee_wei INTEGER NOT NULL,
    tip_wei INTEGER NOT NULL,
    gas INTEGER NOT NULL,
    signed_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS attempts_of ON attempts (intent);
"""


class OutboxState(StrEnum):
    """Where an intent is. A reorganisation leads back from MINED and FAILED to SIGNED; FINAL is for good."""

    QUEUED = "queued"
    SIGNED = "signed"
    SENT = "sent"
    MINED = "mined"
    FINAL = "final"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to be sent. `nonce` is None until a transaction is signed; `settled` means not looked after any more."""

    id: int
    key: str
    recipient: str
    calldata: bytes
    state: OutboxState
    settled: bool
    nonce: int | None
    mined_hash: bytes | None
    block_number: int | None
    error: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction; all attempts of an intent share its nonce, so at most one is ever mined."""

    hash: bytes
    raw: bytes
    max_fee_wei: int
    tip_wei: int
    gas: int
    signed_at: float


class OutboxStore:
    """SQLite file of an outbox. Every method is one durable transaction; StoreError if the file cannot be used."""

    def __init__(self, path: Path, identity: str) -> None:
        """`identity` names account and chain; a file of another one is refused with ConfigError."""
        self._path = path
        self._lock = threading.Lock()
        try:
            self._database = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
            # The lock is kept until {close}: two processes on one file would race for nonces.
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise StoreError(f"outbox {path} cannot be opened: {error}", hint="is another process using it?") from error
        with self._transaction() as database:
            database.execute("INSERT OR IGNORE INTO sender VALUES (1, ?)", (identity,))
            found = database.execute("SELECT identity FROM sender").fetchone()[0]
        if found != identity:
            self.close()
            raise ConfigError(f"outbox {path} is for {found}, not {identity}", hint="give each account its own file")

    def close(self) -> None:
        """Release the file."""
        self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield self._database
                except BaseException:
                    self._database.execute("ROLLBACK")
                    raise
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                raise StoreError(f"outbox {self._path}: {error}") from error

    def add(self, key: str, recipient: str, calldata: bytes) -> Intent:
        """Queue an intent; one that is there already stays as it is. Returns what is there."""
        with self._transaction() as database:
            database.execute(
                "INSERT OR IGNORE INTO intents (key, recipient, calldata, state) VALUES (?, ?, ?, ?)",
                (key, recipient, calldata, OutboxState.QUEUED),
            )
            return _intent(database.execute("SELECT * FROM intents WHERE key = ?", (key,)).fetchone())

    def find(self, key: str) -> Intent | None:
        """An intent by its key."""
        with self._transaction() as database:
            row = database.execute("SELECT * FROM intents WHERE key = ?", (key,)).fetchone()
            return _intent(row) if row is not None else None

    def unsettled(self, *states: OutboxState) -> list[Intent]:
        """Intents still looked after, of some states, in the order of nonces, then of queueing."""
        marks = ", ".join("?" * len(states))
        query = f"SELECT * FROM intents WHERE settled = 0 AND state IN ({marks}) ORDER BY nonce IS NULL, nonce, id"  # noqa: S608
        with self._transaction() as database:
            return [_intent(row) for row in database.execute(query, states)]

    def attempts(self, intent: Intent) -> list[Attempt]:
        """Transactions signed for an intent, oldest first."""
        query = "SELECT hash, raw, max_fee_wei, tip_wei, gas, signed_at FROM attempts WHERE intent = ? ORDER BY rowid"
        with self._transaction() as database:
            return [Attempt(*row) for row in database.execute(query, (intent.id,))]

    def next_nonce(self, used_on_chain: int) -> int:
        """First nonce that neither the chain nor any intent has used."""
        with self._transaction() as database:
            highest = database.execute("SELECT MAX(nonce) FROM intents").fetchone()[0]
        return max(used_on_chain, 0 if highest is None else highest + 1)

    def record_attempt(self, intent: Intent, nonce: int, attempt: Attempt) -> None:
        """Put a signed transaction on disk, and its nonce with it, before anyone sees it."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    attempt.hash,
                    intent.id,
                    attempt.raw,
                    attempt.max_fee_wei,
                    attempt.tip_wei,
                    attempt.gas,
                    attempt.signed_at,
                ),
            )
            changed = database.execute(
                "UPDATE intents SET nonce = ?, state = ?, error = '' WHERE id = ? AND (nonce IS NULL OR nonce = ?)",
                (nonce, OutboxState.SIGNED, intent.id, nonce),
            )
            if changed.rowcount != 1:
                raise StoreError(f"intent {intent.key} has another nonce than {nonce}")

    def record_state(self, intent: Intent, state: OutboxState, *, settled: bool = False, error: str = "") -> None:
        """Change where an intent is when no block holds it."""
        with self._transaction() as database:
            database.execute(
                "UPDATE intents SET state = ?, settled = ?, error = ?, mined_hash = NULL, block_number = NULL"
                " WHERE id = ?",
                (state, settled, error, intent.id),
            )

    def record_mined(
        self, intent: Intent, state: OutboxState, mined_hash: bytes, block_number: int, *, settled: bool, error: str
    ) -> None:
        """Note the block that holds one of an intent's transactions."""
        with self._transaction() as database:
            database.execute(
                "UPDATE intents SET state = ?, settled = ?, error = ?, mined_hash = ?, block_number = ? WHERE id = ?",
                (state, settled, error, mined_hash, block_number, intent.id),
            )

    def forget_attempts(self, intent: Intent) -> None:
        """Queue an intent anew. Only for one whose transactions can never be mined, or failed for good."""
        with self._transaction() as database:
            database.execute("DELETE FROM attempts WHERE intent = ?", (intent.id,))
            database.execute(
                "UPDATE intents SET state = ?, settled = 0, nonce = NULL, error = '', mined_hash = NULL,"
                " block_number = NULL WHERE id = ?",
                (OutboxState.QUEUED, intent.id),
            )

    def counts(self) -> dict[str, int]:
        """Number of intents by state."""
        with self._transaction() as database:
            return dict(database.execute("SELECT state, COUNT(*) FROM intents GROUP BY state").fetchall())


def _intent(row: Any) -> Intent:
    number, key, recipient, calldata, state, settled, *rest = row
    return Intent(number, key, recipient, calldata, OutboxState(state), bool(settled), *rest)
