"""A zone's rules from a table in the contract's names: `deployments/params/`, a manifest, or a file of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridwitness.domain.market import ZoneParams
from gridwitness.errors import ConfigError

# Field by key: what an order's worth depends on, and what only settlement asks.
_NEEDED = {
    "floorPricePerKwh": "floor_price_per_kwh",
    "tickSizePerKwh": "tick_size_per_kwh",
    "shortPricePerKwh": "short_price_per_kwh",
    "longPricePerKwh": "long_price_per_kwh",
    "penaltyPerKwh": "penalty_per_kwh",
    "toleranceBps": "tolerance_bps",
}
_OPTIONAL = {
    "holdScoreBps": "hold_score_bps",
    "gateLeadSlots": "gate_lead_slots",
    "finalAfterSeconds": "final_after_seconds",
}


def zone_params_of(table: Mapping[str, Any], source: str) -> ZoneParams:
    """Rules for agents; whose profiles count does not matter to them. Raises ConfigError naming source and key."""
    values: dict[str, int] = {}
    for key, field in {**_NEEDED, **_OPTIONAL}.items():
        value = table.get(key, 0 if key in _OPTIONAL else None)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ConfigError(
                f"{source}: {key} is {'missing' if value is None else repr(value)}; it must be a non-negative integer",
                hint=f"needed are {', '.join(_NEEDED)}; prices in 1e-6 EUR per kWh",
            )
        values[field] = value
    for key in table:
        if key not in {*_NEEDED, *_OPTIONAL, "profileStream"}:
            raise ConfigError(f"{source}: {key} is not a rule of a zone", hint=f"rules are {', '.join(_NEEDED)}")
    params = ZoneParams(profile_stream=bytes(32), **values)
    if params.tick_size_per_kwh == 0:
        raise ConfigError(f"{source}: tickSizePerKwh is 0; it must be at least 1")
    if params.long_price_per_kwh > params.short_price_per_kwh:
        raise ConfigError(
            f"{source}: longPricePerKwh {params.long_price_per_kwh} is above shortPricePerKwh "
            f"{params.short_price_per_kwh}"
        )
    return params
