"""Assets whose shares are contracts, and what a wallet has of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Query, Request, Response

from gridwitness.api.portal.addresses import address_of
from gridwitness.api.portal.answers import answer_public, answer_viewer, found
from gridwitness.api.portal.asset_views import AssetListView, AssetView, PortfolioView
from gridwitness.api.portal.parameters import AccountPath, AssetPath, DayFilter
from gridwitness.api.portal.routes.context import Asker, Context, blocking
from gridwitness.api.problems import ProblemError


def asset_routes(context: Context) -> APIRouter:
    """/v1/assets and /v1/portfolios."""
    routes, portal, documents = context.router("assets"), context.portal, context.documents

    @routes.get("/assets", **documents.answers(AssetListView, is_public=True))
    async def assets(request: Request) -> Response:
        """Assets of this chain's factory with their value, yield and rating, at one block."""
        return answer_public(request, await blocking(portal.assets().assets))

    @routes.get("/assets/{asset}", **documents.answers(AssetView, 404))
    async def asset(request: Request, viewer: Asker, asset: AssetPath) -> Response:
        """An asset at one block: production, reserve, value, yield, dividends, holders by country, rules, documents,
        and the rating with its parts. Few holders of one country are put together unless you may see everything."""
        view = await blocking(portal.assets().asset, viewer, address_of("asset", asset))
        return answer_viewer(request, found(view, f"asset {asset}"), viewer)

    @routes.get("/portfolios/{account}", **documents.answers(PortfolioView, 404))
    async def portfolio(request: Request, viewer: Asker, account: AccountPath) -> Response:
        """What a wallet has of all assets at one block: shares, value, what it can claim, its dividends."""
        view = await blocking(portal.assets().portfolio, viewer, address_of("account", account))
        return answer_viewer(request, found(view, f"the portfolio of {account}"), viewer)

    # A file, not a document: it is not in OpenAPI.
    @routes.get("/assets/{asset}/statements/{account}", include_in_schema=False)
    async def statement(
        viewer: Asker,
        asset: AssetPath,
        account: AccountPath,
        file_type: Literal["csv", "pdf"] = Query("csv", alias="type"),
        first_day: DayFilter = None,
        last_day: DayFilter = None,
    ) -> Response:
        """The statement of a wallet's investor, for download; by default over all whole days of the asset."""
        made = await blocking(
            portal.assets().statement,
            viewer,
            address_of("asset", asset),
            address_of("account", account),
            file_type=file_type,
            first_day=first_day,
            last_day=last_day,
        )
        if made is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"a statement of {account} is not here, or not for you to see")
        headers = {"content-disposition": f'attachment; filename="{made.name}"', "cache-control": "private, no-store"}
        return Response(made.body, media_type=made.media_type, headers=headers)

    return routes
