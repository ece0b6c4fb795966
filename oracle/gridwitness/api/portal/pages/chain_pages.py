"""Chain: transactions, fees, nonces, runway, nodes; streams with their batches."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from gridwitness.api.bodies import bytes32
from gridwitness.api.portal.pages.rendering import Site, off_loop
from gridwitness.api.problems import ProblemError

_BATCHES_SHOWN = 10
_MAX_SEQ = (1 << 32) - 1


def chain_pages(routes: APIRouter, site: Site) -> None:
    """The chain as the oracle sees it."""

    @routes.get("/chain")
    async def chain(request: Request) -> Response:
        """Transactions and nodes."""
        return site.page(request, "chain.html.j2", **await off_loop(_chain, site))

    @routes.get("/batches/{stream}/{seq}")
    async def batch(request: Request, stream: str, seq: Annotated[int, Path(ge=1, le=_MAX_SEQ)]) -> Response:
        """A batch as it stands on chain."""
        found = await off_loop(site.portal.batch, bytes32("stream", stream), seq)
        if found is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"batch {seq} of this stream is not here")
        return site.page(request, "batch.html.j2", batch=found)


def _chain(site: Site) -> dict[str, Any]:
    streams = [
        (stream, site.portal.batches(bytes32("stream", stream.stream_id), cursor="", limit=_BATCHES_SHOWN).items)
        for stream in site.portal.streams()
    ]
    return {"chain": site.portal.chain(), "streams": streams, "now": site.portal.now()}
