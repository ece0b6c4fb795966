"""What stands behind api.Portal: a site's index of chain and log, and the views made of it."""

from gridwitness.service.portal.site import SiteOptions, SitePortal, Sources

__all__ = ["SiteOptions", "SitePortal", "Sources"]
