"""Rules of zones by delivery day, as the chain's events announced them."""

from __future__ import annotations

from eth_utils.conversions import to_bytes

from gridwitness.domain.market import ZoneParams
from gridwitness.service.portal.sources import Site


def zones_of(site: Site) -> list[int]:
    """Zones that were opened on this market."""
    return sorted(zone for (zone,) in site.index.rows("SELECT zone FROM logs WHERE zone >= 0 AND name = 'ZoneOpened'"))


def rules_of(site: Site, zone: int, day: int) -> ZoneParams | None:
    """Rules of a zone for a delivery day; None if it was never opened."""
    clause = (
        "WHERE zone = ? AND slot IS NULL AND name IN ('ZoneOpened', 'ZoneParamsAnnounced') ORDER BY block, log_index"
    )
    found = None
    for log in site.index.logs(clause, (zone,)):
        if log.args.get("fromDay", 0) <= day:
            found = log.args["params"]
    return None if found is None else ZoneParams(to_bytes(hexstr=found[0]), *found[1:])
