"""All pages."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Depends, FastAPI

from gridwitness.api.portal.access import Access
from gridwitness.api.portal.pages.asset_pages import asset_pages
from gridwitness.api.portal.pages.chain_pages import chain_pages
from gridwitness.api.portal.pages.community_pages import community_pages
from gridwitness.api.portal.pages.fleet_pages import fleet_pages
from gridwitness.api.portal.pages.market_pages import market_pages
from gridwitness.api.portal.pages.now_pages import now_pages
from gridwitness.api.portal.pages.rendering import Site, nothing_here, route_class
from gridwitness.api.portal.pages.score_pages import score_pages
from gridwitness.api.portal.pages.static_files import StaticFiles
from gridwitness.api.portal.pages.verify_pages import verify_pages
from gridwitness.api.portal.protocols import Portal


def install_pages(app: FastAPI, portal: Portal, access: Access) -> None:
    """Add the pages of a site, the files they load, and what a browser sees where there is nothing."""
    static = StaticFiles()
    site = Site(portal, access, static)
    # Every page is counted to whoever asks for it; files that browsers keep are not.
    pages = APIRouter(route_class=route_class(site), include_in_schema=False, dependencies=[Depends(access.viewer_of)])
    for add in (
        now_pages,
        community_pages,
        market_pages,
        asset_pages,
        fleet_pages,
        score_pages,
        chain_pages,
        verify_pages,
    ):
        add(pages, site)
    app.include_router(pages)
    app.include_router(static.routes())
    app.add_exception_handler(HTTPStatus.NOT_FOUND, nothing_here(site))
