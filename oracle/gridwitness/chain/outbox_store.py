"""The outbox on disk: what is to be sent, every transaction ever signed for it, what it cost, what operators ask for.

One process sends; others may look, and leave requests. Whoever sends holds a lock on a file beside it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from gridwitness.chain.lease import FileLock
from gridwitness.chain.runway import WINDOW_S, Spending
from gridwitness.errors import ConfigError, StoreError

# Each takes a file from one version (PRAGMA user_version) to the next.
_MIGRATIONS = (
    """
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
""",
    """
ALTER TABLE attempts ADD COLUMN cancels INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sender ADD COLUMN next_nonce INTEGER;
ALTER TABLE sender ADD COLUMN forgiven_below INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sender ADD COLUMN halted TEXT NOT NULL DEFAULT '';
CREATE TABLE spendings (
    hash BLOB PRIMARY KEY,
    at REAL NOT NULL,
    gas_used INTEGER NOT NULL,
    price_wei INTEGER NOT NULL
);
CREATE TABLE requests (id INTEGER PRIMARY KEY, verb TEXT NOT NULL, key TEXT NOT NULL);
""",
    "CREATE INDEX IF NOT EXISTS intents_by_state ON intents (state);",
)
_BUSY_TIMEOUT_S = 5


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
    """One signed transaction; all attempts of an intent share its nonce, so at most one is ever mined.

    One that `cancels` sends nothing to nobody, in place of the intent's call.
    """

    hash: bytes
    raw: bytes
    max_fee_wei: int
    tip_wei: int
    gas: int
    signed_at: float
    cancels: bool = False


@dataclass(frozen=True, slots=True)
class Nonces:
    """What is known of an account's nonces.

    `next` is the first that neither this outbox nor the chain, when last asked, had used; None before the first look.
    Losses `forgiven_below` raise no alarm again. `halted` says why nothing is sent; empty if it is.
    """

    next: int | None
    forgiven_below: int
    halted: str


class OutboxStore:
    """SQLite file of an outbox. Every method is one durable transaction; StoreError if the file cannot be used."""

    def __init__(self, path: Path, identity: str | None) -> None:
        """`identity` names account and chain; a file of another one is refused with ConfigError.

        None is for those who only look and leave requests: the file must be there, and may be in use.
        """
        self._path = path
        self._lock = threading.Lock()
        self._claim: FileLock | None = None
        if identity is not None:
            in_use = StoreError(f"outbox {path} cannot be opened: another process is using it", hint="stop that first")
            self._claim = FileLock(path.with_name(path.name + ".lock"), in_use)
        elif not path.is_file():
            raise StoreError(f"outbox {path} not found", hint="it is made by the first `gridwitness run --live`")
        try:
            self._database = sqlite3.connect(
                path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._migrate()
        except sqlite3.Error as error:
            self._release()
            raise StoreError(f"outbox {path} cannot be opened: {error}") from error
        if identity is not None:
            self._identify(identity)

    def _migrate(self) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version > len(_MIGRATIONS):
            self.close()
            raise StoreError(f"outbox {self._path} is of a newer version", hint="use the gridwitness that wrote it")
        for number, script in enumerate(_MIGRATIONS[version:], version + 1):
            self._database.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")

    def _identify(self, identity: str) -> None:
        with self._transaction() as database:
            database.execute("INSERT OR IGNORE INTO sender (only, identity) VALUES (1, ?)", (identity,))
            found = database.execute("SELECT identity FROM sender").fetchone()[0]
        if found != identity:
            self.close()
            raise ConfigError(
                f"outbox {self._path} is for {found}, not {identity}", hint="give each account its own file"
            )

    def close(self) -> None:
        """Release the file."""
        self._database.close()
        self._release()

    def _release(self) -> None:
        if self._claim is not None:
            self._claim.close()
            self._claim = None

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
        columns = "hash, raw, max_fee_wei, tip_wei, gas, signed_at, cancels"
        query = f"SELECT {columns} FROM attempts WHERE intent = ? ORDER BY rowid"  # noqa: S608
        with self._transaction() as database:
            return [Attempt(*row) for row in database.execute(query, (intent.id,))]

    def intents(self) -> list[Intent]:
        """All intents, oldest first."""
        with self._transaction() as database:
            return [_intent(row) for row in database.execute("SELECT * FROM intents ORDER BY id")]

    def settled_from(self, nonce: int, block: int | None) -> list[Intent]:
        """Settled intents with that nonce or a higher one, or mined in that block or a later one."""
        query = "SELECT * FROM intents WHERE settled = 1 AND (nonce >= ? OR block_number >= ?) ORDER BY nonce"
        with self._transaction() as database:
            return [_intent(row) for row in database.execute(query, (nonce, block))]

    def nonces(self) -> Nonces:
        """What is known of the account's nonces."""
        query = "SELECT next_nonce, (SELECT MAX(nonce) + 1 FROM intents), forgiven_below, halted FROM sender"
        with self._transaction() as database:
            known, own, forgiven_below, halted = database.execute(query).fetchone()
        used = [count for count in (known, own) if count is not None]
        return Nonces(max(used) if known is not None else None, forgiven_below, halted)

    def record_nonces(self, next_nonce: int) -> None:
        """Note the first nonce that was used by nobody yet, if it is above the one known."""
        with self._transaction() as database:
            database.execute("UPDATE sender SET next_nonce = MAX(COALESCE(next_nonce, 0), ?)", (next_nonce,))

    def halt(self, reason: str) -> None:
        """Note why nothing may be sent; it stays so until {resume}."""
        with self._transaction() as database:
            database.execute("UPDATE sender SET halted = ?", (reason,))

    def resume(self, used_on_chain: int) -> None:
        """Allow sending again, and take every nonce below `used_on_chain` as it is."""
        with self._transaction() as database:
            database.execute(
                "UPDATE sender SET halted = '', forgiven_below = ?1, next_nonce = MAX(COALESCE(next_nonce, 0), ?1)",
                (used_on_chain,),
            )

    def request(self, verb: str, key: str) -> None:
        """Leave a request for the process that sends."""
        with self._transaction() as database:
            database.execute("INSERT INTO requests (verb, key) VALUES (?, ?)", (verb, key))

    def requests(self) -> list[tuple[int, str, str]]:
        """Requests not yet fulfilled: number, verb and key, oldest first."""
        with self._transaction() as database:
            return list(database.execute("SELECT id, verb, key FROM requests ORDER BY id"))

    def fulfilled(self, number: int) -> None:
        """Forget a request. It may be fulfilled twice if the process ends before."""
        with self._transaction() as database:
            database.execute("DELETE FROM requests WHERE id = ?", (number,))

    def spendings(self) -> list[Spending]:
        """What settled transactions cost, of the window that a runway is reckoned by."""
        query = "SELECT at, gas_used, price_wei FROM spendings ORDER BY at"
        with self._transaction() as database:
            return [Spending(*row) for row in database.execute(query)]

    def record_spending(self, transaction: bytes, spending: Spending) -> None:
        """Note what a settled transaction cost, once, and forget what is older than the window."""
        row = (transaction, spending.at, spending.gas_used, spending.price_wei)
        with self._transaction() as database:
            database.execute("INSERT OR IGNORE INTO spendings VALUES (?, ?, ?, ?)", row)
            database.execute("DELETE FROM spendings WHERE at < ?", (spending.at - WINDOW_S,))

    def record_attempt(self, intent: Intent, nonce: int, attempt: Attempt) -> None:
        """Put a signed transaction on disk, and its nonce with it, before anyone sees it."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    attempt.hash,
                    intent.id,
                    attempt.raw,
                    attempt.max_fee_wei,
                    attempt.tip_wei,
                    attempt.gas,
                    attempt.signed_at,
                    attempt.cancels,
                ),
            )
            database.execute("UPDATE sender SET next_nonce = MAX(COALESCE(next_nonce, 0), ?)", (nonce + 1,))
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
