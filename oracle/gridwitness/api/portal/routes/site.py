"""The site, its chain, and what everybody may know of both."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gridwitness.api.portal.answers import answer_public
from gridwitness.api.portal.chain_views import ChainView
from gridwitness.api.portal.routes.context import Context, blocking
from gridwitness.api.portal.views import NowView, RejectionView, SiteView


def site_routes(context: Context) -> APIRouter:
    """/v1/site, /v1/now, /v1/rejections and /v1/chain."""
    routes, portal, documents = context.router("site"), context.portal, context.documents

    @routes.get("/site", **documents.answers(SiteView, is_public=True))
    async def site(request: Request) -> Response:
        """Name, time zone, currency, chain and contracts of the site, and whether its data is open to all."""
        return answer_public(request, await blocking(portal.site))

    @routes.get("/now", **documents.answers(NowView, is_public=True))
    async def now(request: Request) -> Response:
        """Figures of the moment: rates, what waits to be attested, the next gate closure, the last clearing."""
        return answer_public(request, await blocking(portal.now))

    @routes.get("/rejections", **documents.answers(list[RejectionView], is_public=True))
    async def rejections(request: Request) -> Response:
        """Readings that were refused, by reason; never what was in them."""
        return answer_public(request, await blocking(portal.rejections))

    @routes.get("/chain", **documents.answers(ChainView, is_public=True))
    async def chain(request: Request) -> Response:
        """Transactions, fees, nonces, balance, lag and reorganisations, as the oracle behind this site sees them."""
        return answer_public(request, await blocking(portal.chain))

    return routes
