"""The OpenAPI document of an oracle with its portal, for which neither has to run."""

from __future__ import annotations

from typing import Any, cast

from gridwitness.api.app import create_app
from gridwitness.api.portal.app import install_portal
from gridwitness.api.portal.protocols import Keys, Portal
from gridwitness.api.portal.views import SiteView
from gridwitness.api.protocols import Oracle


class _Nowhere:
    """Nothing but a name: routes are described before anything is asked."""

    def site(self) -> SiteView:
        """A site without data."""
        return SiteView(
            name="",
            time_zone="UTC",
            currency="EUR",
            chain_id=0,
            explorer_url="",
            rpc_url="",
            contracts={},
            is_open_data=False,
            oracle="",
        )


def openapi_document() -> dict[str, Any]:
    """Paths, documents and problems of the whole API."""
    nowhere = _Nowhere()
    app = create_app(cast("Oracle", nowhere), has_portal=True)
    install_portal(app, cast("Portal", nowhere), cast("Keys", nowhere), is_secure_cookie=False)
    return app.openapi()
