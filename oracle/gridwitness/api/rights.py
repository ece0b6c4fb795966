"""Who may use an oracle's own routes: what devices measured is for their households, not for whoever finds a port."""

from __future__ import annotations

from typing import Protocol

from fastapi import Request


class Rights(Protocol):
    """Each method raises ProblemError for a request that may not."""

    async def may_read(self, request: Request) -> None:
        """Readings and proofs of all households."""
        ...

    async def may_cosign(self, request: Request) -> None:
        """What members of a committee get from each other, signed readings with it."""
        ...

    async def may_post(self, request: Request) -> None:
        """Post readings. Devices need no right, since they sign; but a key that is sent along must be one for that."""
        ...


class OpenToAll:
    """All may do everything: where data is open, and in networks of one's own."""

    async def may_read(self, request: Request) -> None:
        """All may."""

    async def may_cosign(self, request: Request) -> None:
        """All may."""

    async def may_post(self, request: Request) -> None:
        """All may."""
