"""Assets: all of them, one with its rating, and what a wallet has. They need no scripts."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from gridwitness.api.portal.addresses import address_of
from gridwitness.api.portal.pages import asset_wording
from gridwitness.api.portal.pages.rendering import Site, off_loop
from gridwitness.api.problems import ProblemError

_SEE_OTHER = int(HTTPStatus.SEE_OTHER)


def asset_pages(routes: APIRouter, site: Site) -> None:
    """Assets and portfolios."""

    @routes.get("/assets")
    async def assets(request: Request) -> Response:
        """All assets in short."""
        view = await off_loop(site.portal.assets().assets)
        return site.page(request, "assets.html.j2", assets=view, words=asset_wording)

    @routes.get("/assets/{asset}")
    async def asset(request: Request, asset: str) -> Response:
        """One asset."""
        viewer = await site.viewer(request)
        view = await off_loop(site.portal.assets().asset, viewer, address_of("asset", asset))
        if view is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"{asset} is no asset of this chain's factory")
        bars, sentence = asset_wording.production_bars(view.days)
        return site.page(
            request, "asset.html.j2", asset=view, brief=view.brief, bars=bars, sentence=sentence, words=asset_wording
        )

    @routes.get("/portfolio")
    async def own_portfolio(request: Request, account: str = "") -> Response:
        """Leads to the wallet of the form or of the session; without either, asks for one."""
        account = account.strip()
        if not account:
            grant = await site.access.grant_of(request)
            account = grant.account if grant is not None else ""
        if not account:
            return site.page(request, "portfolio.html.j2", portfolio=None, account="", words=asset_wording)
        address = address_of("account", account)
        return Response(status_code=_SEE_OTHER, headers={"location": f"/portfolio/{address}"})

    @routes.get("/portfolio/{account}")
    async def portfolio(request: Request, account: str) -> Response:
        """What a wallet has of all assets."""
        viewer = await site.viewer(request)
        address = address_of("account", account)
        view = await off_loop(site.portal.assets().portfolio, viewer, address)
        if view is None:
            raise ProblemError(
                HTTPStatus.NOT_FOUND, "this portfolio is not here, or not for you to see: its owner signs in"
            )
        return site.page(request, "portfolio.html.j2", portfolio=view, account=address, words=asset_wording)
