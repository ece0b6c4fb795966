"""What a day costs a meter, with the market and without it. Bills are positive when the meter's owner pays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gridwitness.domain.market import Settlement, ZoneParams
from gridwitness.market.settlement import BPS, MILLI, net_cash


def grid_only_bill(net_wh: Iterable[int], params: ZoneParams) -> int:
    """Bill (token units) of a net profile that buys all import at the short price (retail) and sells all export at the
    long price (feed-in), rounded up once."""
    milli = sum(
        energy_wh * (params.short_price_per_kwh if energy_wh > 0 else params.long_price_per_kwh) for energy_wh in net_wh
    )
    return -(-milli // MILLI)


def net_metering_bill(net_wh: Iterable[int], params: ZoneParams) -> int:
    """Bill (token units) of a whole billing period under net metering, rounded up once: exports of any time cancel
    imports of any other, what is left costs the short price or brings the long price."""
    return grid_only_bill((sum(net_wh),), params)


def market_bill(settlement: Settlement, params: ZoneParams) -> int:
    """Bill (token units) of a settled schedule, complete: residual energy is the supplier's, at the grid's tariff."""
    residual_wh = (settlement.residual_short_wh, -settlement.residual_long_wh)
    return grid_only_bill(residual_wh, params) - net_cash(settlement)


def saving_bps(profiles_wh: Iterable[Sequence[int]], grid_only: int, market: int, params: ZoneParams) -> int:
    """Saving of a community in basis points of what its imports would cost from the grid.

    The bill itself would be a poor measure: a village that exports more than it imports has a bill near or below zero.
    """
    imports_wh = (max(0, energy_wh) for profile_wh in profiles_wh for energy_wh in profile_wh)
    import_cost = grid_only_bill(imports_wh, params)
    return (grid_only - market) * BPS // import_cost if import_cost else 0


def shared_wh(profiles_wh: Mapping[bytes, Sequence[int]]) -> int:
    """Energy some meters export while others import, slot by slot: the most a market among them can trade."""
    slots = list(zip(*profiles_wh.values(), strict=True))
    imports_wh = (sum(max(0, energy_wh) for energy_wh in slot) for slot in slots)
    exports_wh = (sum(max(0, -energy_wh) for energy_wh in slot) for slot in slots)
    return sum(min(imported_wh, exported_wh) for imported_wh, exported_wh in zip(imports_wh, exports_wh, strict=True))


def self_sufficiency_bps(profiles_wh: Mapping[bytes, Sequence[int]]) -> int:
    """Share of all imports that the community's own exports cover at once; own use behind a meter is not seen."""
    imported_wh = sum(max(0, energy_wh) for profile_wh in profiles_wh.values() for energy_wh in profile_wh)
    return shared_wh(profiles_wh) * BPS // imported_wh if imported_wh else BPS
