"""API keys and sessions of wallets, in a SQLite file of their own that `gridwitness apikey` may write meanwhile.

A key is `gridwitness_<id>_<secret>` with a secret of 256 random bits; the file has the SHA-256 of the whole. A slow
hash such as Argon2 makes guessing dear where people choose passwords: nobody can guess 256 bits, whatever the hash
costs, and a slow one would let strangers keep this machine busy. Whoever reads the file can use nothing in it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridwitness.errors import InputError, StoreError
from gridwitness.store.database import store_error

KEY_FILE_NAME = "keys.sqlite"
KEY_PREFIX = "gridwitness_"
KEY_SCOPES = ("read", "ingest", "trade", "operate")
_KEY = re.compile(rf"{KEY_PREFIX}([0-9a-f]{{12}})_[A-Za-z0-9_-]{{43}}")
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_MAX_NAME_CHARACTERS = 80
_BUSY_TIMEOUT_S = 5.0
# One wallet can have so many browsers signed in; beyond, the oldest is signed out.
_SESSIONS_PER_ACCOUNT = 20

_SCHEMA = """
CREATE TABLE IF NOT EXISTS api_keys (
    id TEXT PRIMARY KEY, sha256 BLOB NOT NULL, name TEXT NOT NULL, scopes TEXT NOT NULL, account TEXT NOT NULL,
    created_at INTEGER NOT NULL, revoked_at INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    sha256 BLOB PRIMARY KEY, account TEXT NOT NULL, expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_by_account ON sessions (account, expires_at);
"""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it may be shown. `account` is the household it is bound to, "" for all; times are unix seconds."""

    id: str
    name: str
    scopes: frozenset[str]
    account: str
    created_at: int
    revoked_at: int | None


class ApiKeyFile:
    """The file. Safe for threads; other processes may have it open as well, and what they revoke ends at once."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Open or create the file at `path`. Raises StoreError if it cannot be used."""
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error
        with self._words():
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_S
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def create(self, name: str, scopes: Sequence[str], account: str = "") -> str:
        """Make a key and return it: nobody can show it again. Raises InputError for what cannot be one."""
        account = account.lower()
        if not name or len(name) > _MAX_NAME_CHARACTERS or not name.isprintable():
            raise InputError(f"{name[:100]!r} is no name for a key: 1 to {_MAX_NAME_CHARACTERS} printable characters")
        unknown = sorted(set(scopes) - set(KEY_SCOPES))
        if unknown or not scopes:
            raise InputError(
                f"{unknown[0] if unknown else 'none'!r} is no scope", hint=f"one of {', '.join(KEY_SCOPES)}"
            )
        if account and not _ADDRESS.fullmatch(account):
            raise InputError(f"{account[:80]!r} is no account: 0x and 40 hexadecimal digits")
        key_id = secrets.token_hex(6)
        key = f"{KEY_PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
        row = (key_id, _sha256(key), name, " ".join(sorted(set(scopes))), account, int(self._clock()))
        self._execute("INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, NULL)", row)
        return key

    def every_key(self) -> list[ApiKey]:
        """All keys, the oldest first, revoked ones too."""
        query = "SELECT id, name, scopes, account, created_at, revoked_at FROM api_keys ORDER BY created_at, id"
        return [_api_key(*row) for row in self._execute(query)]

    def revoke(self, key_id: str) -> ApiKey:
        """End a key, now and in every process. Raises InputError if there is none of this id that is not revoked."""
        query = "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"
        query += " RETURNING id, name, scopes, account, created_at, revoked_at"
        rows = self._execute(query, (int(self._clock()), key_id))
        if not rows:
            raise InputError(f"no key {key_id[:80]!r} is there to revoke", hint="gridwitness apikey list")
        return _api_key(*rows[0])

    def find(self, key: str) -> ApiKey | None:
        """The key in force; None if there is none such. Takes as long for a wrong secret as for a right one."""
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        query = "SELECT id, name, scopes, account, created_at, revoked_at, sha256 FROM api_keys WHERE id = ?"
        rows = self._execute(query, (match[1],))
        if not rows or not hmac.compare_digest(rows[0][6], _sha256(key)):
            return None
        found = _api_key(*rows[0][:6])
        return found if found.revoked_at is None else None

    def begin_session(self, account: str, duration_s: int) -> str:
        """A session of an account (lower case); returns its token, 256 random bits of which only the hash is kept."""
        token = secrets.token_urlsafe(32)
        now = int(self._clock())
        self._execute("DELETE FROM sessions WHERE expires_at <= ?", (now,))
        oldest = "SELECT sha256 FROM sessions WHERE account = ? ORDER BY expires_at DESC LIMIT -1 OFFSET ?"
        self._execute(f"DELETE FROM sessions WHERE sha256 IN ({oldest})", (account, _SESSIONS_PER_ACCOUNT - 1))  # noqa: S608
        self._execute("INSERT INTO sessions VALUES (?, ?, ?)", (_sha256(token), account, now + duration_s))
        return token

    def session_account(self, token: str) -> str | None:
        """Account of a session that has not ended. The look-up is by hash, so its time tells nothing of a token."""
        rows = self._execute("SELECT account, expires_at FROM sessions WHERE sha256 = ?", (_sha256(token),))
        return str(rows[0][0]) if rows and rows[0][1] > self._clock() else None

    def end_session(self, token: str) -> None:
        """End a session, if there is such a one."""
        self._execute("DELETE FROM sessions WHERE sha256 = ?", (_sha256(token),))

    def _execute(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock, self._words():
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error


def _api_key(key_id: str, name: str, scopes: str, account: str, created_at: int, revoked_at: int | None) -> ApiKey:
    return ApiKey(key_id, name, frozenset(scopes.split()), account, created_at, revoked_at)


def _sha256(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
