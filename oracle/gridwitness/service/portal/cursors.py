"""Opaque cursors: where a page ended, sealed so that only those given out here are taken, each for its own list."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import msgspec

from gridwitness.errors import InputError

_SEAL_BYTES = 12
_MAX_CHARACTERS = 400
Place = tuple[int | str, ...]


class Cursors:
    """Makes and opens cursors with a key of the site's."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, listing: tuple[object, ...], place: Place) -> str:
        """Cursor to what follows `place` in a list, named by its method and filters."""
        body = msgspec.json.encode(place)
        return base64.urlsafe_b64encode(self._seal(listing, body) + body).decode().rstrip("=")

    def open(self, listing: tuple[object, ...], cursor: str) -> Place | None:
        """The place a cursor stands for, None for the start. Raises InputError for one not made for this list."""
        if not cursor:
            return None
        refusal = InputError(f"cursor {cursor[:40]!r} is none of this list's", hint="begin again without a cursor")
        if len(cursor) > _MAX_CHARACTERS or not cursor.isascii():
            raise refusal
        try:
            sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (binascii.Error, ValueError):
            raise refusal from None
        seal, body = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(listing, body)):
            raise refusal
        return msgspec.json.decode(body, type=tuple[int | str, ...])

    def _seal(self, listing: tuple[object, ...], body: bytes) -> bytes:
        return hmac.new(self._key, repr(listing).encode() + b"\0" + body, hashlib.sha256).digest()[:_SEAL_BYTES]
