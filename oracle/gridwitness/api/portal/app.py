"""Puts the portal on an application: API routes, pages, and the headers both need."""

from __future__ import annotations

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from gridwitness.api.describing import Documents
from gridwitness.api.metrics import metrics_routes
from gridwitness.api.portal.access import Access
from gridwitness.api.portal.event_stream import EventFeed
from gridwitness.api.portal.headers import install_security_headers
from gridwitness.api.portal.limits import RequestLimits, RequestRates
from gridwitness.api.portal.pages import install_pages
from gridwitness.api.portal.proof_cache import ProofCache, ProofShortcut
from gridwitness.api.portal.protocols import Keys, Portal
from gridwitness.api.portal.routes import (
    asset_routes,
    device_routes,
    event_routes,
    household_routes,
    market_routes,
    proof_routes,
    reading_routes,
    session_routes,
    site_routes,
)
from gridwitness.api.portal.routes.context import Context
from gridwitness.api.problems import install_problem_handlers
from gridwitness.api.requests import install_request_context

_DEFAULT_RATES = RequestRates()


def create_portal_app(
    portal: Portal,
    keys: Keys,
    *,
    is_secure_cookie: bool,
    public_url: str = "",
    rates: RequestRates = _DEFAULT_RATES,
    registry: CollectorRegistry | None = None,
) -> FastAPI:
    """The portal alone, without an oracle beside it: as `gridwitness serve` shows a site's data."""
    app = FastAPI(title="Gridwitness", version="1", docs_url=None, redoc_url=None)
    registry = registry or CollectorRegistry()
    install_portal(app, portal, keys, is_secure_cookie=is_secure_cookie, public_url=public_url, rates=rates)
    app.include_router(metrics_routes(registry))
    install_problem_handlers(app)
    install_request_context(app, registry, {})
    return app


def install_portal(
    app: FastAPI,
    portal: Portal,
    keys: Keys,
    *,
    is_secure_cookie: bool,
    public_url: str = "",
    rates: RequestRates = _DEFAULT_RATES,
) -> None:
    """Add the site's routes under /v1 and its pages to an app, such as an oracle's made without reading routes.

    `is_secure_cookie` where it is reached by HTTPS; `public_url` is how: wallets sign in for its domain, and without
    it only on this machine.
    """
    site = portal.site()
    access = Access(keys, RequestLimits(rates), is_open_data=site.is_open_data, is_secure_cookie=is_secure_cookie)
    context = Context(portal, access, Documents.of(app))
    cache = ProofCache(portal)
    for routes in (
        proof_routes(context, cache),  # asked for most, and routes are tried in this order
        site_routes(context),
        device_routes(context),
        reading_routes(context),
        market_routes(context),
        household_routes(context),
        asset_routes(context),
        session_routes(context, public_url),
        event_routes(context, EventFeed(portal)),
    ):
        app.include_router(routes)
    install_pages(app, portal, access)
    app.add_middleware(ProofShortcut, access=access, cache=cache)
    install_security_headers(app, rpc_url=site.rpc_url, is_https=is_secure_cookie)
