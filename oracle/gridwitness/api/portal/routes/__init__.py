"""The portal's routes under /v1, by subject."""

from gridwitness.api.portal.routes.assets import asset_routes
from gridwitness.api.portal.routes.devices import device_routes
from gridwitness.api.portal.routes.events import event_routes
from gridwitness.api.portal.routes.households import household_routes
from gridwitness.api.portal.routes.market import market_routes
from gridwitness.api.portal.routes.proofs import proof_routes
from gridwitness.api.portal.routes.readings import reading_routes
from gridwitness.api.portal.routes.sessions import session_routes
from gridwitness.api.portal.routes.site import site_routes

__all__ = [
    "asset_routes",
    "device_routes",
    "event_routes",
    "household_routes",
    "market_routes",
    "proof_routes",
    "reading_routes",
    "session_routes",
    "site_routes",
]
