"""Who may do what at the portal: API keys of the key file, and wallets that sign in (EIP-4361)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from typing import cast

from gridwitness.api.portal.protocols import Grant, Scope
from gridwitness.encoding.sign_in import check_sign_in, check_signer, parse_sign_in
from gridwitness.errors import InputError, Overloaded
from gridwitness.store.api_keys import ApiKeyFile

SESSION_S = 12 * 3_600
NONCE_S = 600
_MAX_USED_NONCES = 100_000
_TIME_DIGITS, _RANDOM_DIGITS, _MAC_DIGITS = 12, 24, 28
_WALLET_SCOPES: frozenset[Scope] = frozenset({"read", "trade"})


class SiteKeys:
    """The portal's {Keys}.

    A nonce carries its own end and a keyed hash of that, so giving one out costs no memory, however many strangers
    ask; those used are kept until they end. The hash's key is of this process: a restart voids nonces given out.
    """

    def __init__(self, file: ApiKeyFile, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock
        self._nonce_key = secrets.token_bytes(32)
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def grant_of_key(self, key: str) -> Grant | None:
        """What an API key opens."""
        found = self._file.find(key)
        if found is None:
            return None
        return Grant(found.name, cast("frozenset[Scope]", found.scopes), found.account)

    def issue_nonce(self) -> str:
        """A nonce for one sign-in, good for NONCE_S: end, random digits and keyed hash, all hexadecimal."""
        stem = f"{int(self._clock()) + NONCE_S:0{_TIME_DIGITS}x}{secrets.token_hex(_RANDOM_DIGITS // 2)}"
        return stem + self._mac(stem)

    def sign_in(self, message: str, signature: bytes, domain: str, chain_id: int) -> tuple[str, Grant]:
        """Check an EIP-4361 message and begin a session. Raises InputError naming what is wrong.

        The nonce is used up only by a message that is right in all else: others cannot use up somebody's nonce.
        """
        parsed = parse_sign_in(message)
        check_sign_in(parsed, domain=domain, chain_id=chain_id, now=self._clock())
        check_signer(message, parsed, signature)
        self._use_nonce(parsed.nonce)
        account = parsed.address.lower()
        return self._file.begin_session(account, SESSION_S), _grant_of_wallet(account)

    def grant_of_session(self, token: str) -> Grant | None:
        """What a session opens: reading and trading for the wallet's own household."""
        account = self._file.session_account(token)
        return None if account is None else _grant_of_wallet(account)

    def end_session(self, token: str) -> None:
        """Sign out."""
        self._file.end_session(token)

    def _mac(self, stem: str) -> str:
        return hmac.new(self._nonce_key, stem.encode(), hashlib.sha256).hexdigest()[:_MAC_DIGITS]

    def _use_nonce(self, nonce: str) -> None:
        stem, mac = nonce[:-_MAC_DIGITS], nonce[-_MAC_DIGITS:]
        if len(stem) != _TIME_DIGITS + _RANDOM_DIGITS or not hmac.compare_digest(mac, self._mac(stem)):
            raise InputError(f"the nonce {nonce[:80]} was not given out here; ask for a new one")
        ends_at, now = int(stem[:_TIME_DIGITS], 16), self._clock()
        if now >= ends_at:
            raise InputError(f"the nonce ended {now - ends_at:.0f} s ago; ask for a new one")
        with self._lock:
            if nonce in self._used:
                raise InputError("the nonce was used before; ask for a new one")
            if len(self._used) >= _MAX_USED_NONCES:
                self._used = {used: until for used, until in self._used.items() if until > now}
            if len(self._used) >= _MAX_USED_NONCES:
                raise Overloaded(f"more than {_MAX_USED_NONCES} wallets signed in within {NONCE_S} s", NONCE_S)
            self._used[nonce] = ends_at


def _grant_of_wallet(account: str) -> Grant:
    return Grant(account, _WALLET_SCOPES, account)
