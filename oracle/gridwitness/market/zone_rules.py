"""A zone's rules from a table in the contract's names: `deployments/params/`, a manifest, or a file of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import TICKS, ZoneParams
from gridwitness.errors import ConfigError
from gridwitness.market.settlement import BPS

_MAX_GATE_LEAD_SLOTS = 191

# Field by key: what an order's worth depends on.
_NEEDED = {
    "floorPricePerKwh": "floor_price_per_kwh",
    "tickSizePerKwh": "tick_size_per_kwh",
    "shortPricePerKwh": "short_price_per_kwh",
    "longPricePerKwh": "long_price_per_kwh",
    "penaltyPerKwh": "penalty_per_kwh",
    "toleranceBps": "tolerance_bps",
}
# Field by key, and its value where the table has none: rules that then do not bind, or that only the chain asks for.
_OPTIONAL = {
    "holdScoreBps": ("hold_score_bps", 0),
    "capTick": ("cap_tick", TICKS - 1),
    "networkFeeTicks": ("network_fee_ticks", 0),
    "greenPremiumTicks": ("green_premium_ticks", 0),
    "greenKinds": ("green_kinds", 0),
    "minOrderWh": ("min_order_wh", 1),
    "gateLeadSlots": ("gate_lead_slots", 0),
    "feederCapWh": ("feeder_cap_wh", (1 << 32) - 1),
    "provisionalAfterSeconds": ("provisional_after_seconds", 0),
    "finalAfterSeconds": ("final_after_seconds", 0),
    "disputeSeconds": ("dispute_seconds", 0),
    "disputeBond": ("dispute_bond", 0),
}


def zone_params_of(table: Mapping[str, Any], source: str) -> ZoneParams:
    """Rules for agents; whose profiles count does not matter to them.

    `greenKinds` is the contract's number or a list of kinds by name. Raises ConfigError naming source, key and limit.
    """
    for key in table:
        if key not in {*_NEEDED, *_OPTIONAL, "profileStream"}:
            raise ConfigError(
                f"{source}: {key} is not a rule of a zone", hint=f"rules are {', '.join([*_NEEDED, *_OPTIONAL])}"
            )
    values = {field: _number(table.get(key), key, source) for key, field in _NEEDED.items()}
    for key, (field, default) in _OPTIONAL.items():
        value = table.get(key, default)
        if key == "greenKinds" and isinstance(value, list):
            value = _kind_bits(value, source)
        values[field] = _number(value, key, source)
    params = ZoneParams(profile_stream=bytes(32), **values)
    _demand_limits(params, source)
    return params


def _number(value: object, key: str, source: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ConfigError(
            f"{source}: {key} is {'missing' if value is None else repr(value)}; it must be a non-negative integer",
            hint=f"needed are {', '.join(_NEEDED)}; prices in 1e-6 EUR per kWh",
        )
    return value


def _kind_bits(names: Sequence[object], source: str) -> int:
    """The set of device kinds as the contract has it: bit k for kind k."""
    known = {kind.name.lower(): kind for kind in DeviceKind}
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise ConfigError(f"{source}: greenKinds has {name!r}", hint=f"kinds are {', '.join(known)}")
    return sum({1 << kind for name, kind in known.items() if name in names})


def _demand_limits(params: ZoneParams, source: str) -> None:
    """Demand what the contract demands of the rules that matter here (IMarketZones.ZoneParams)."""
    for key, value in (("tickSizePerKwh", params.tick_size_per_kwh), ("minOrderWh", params.min_order_wh)):
        if value == 0:
            raise ConfigError(f"{source}: {key} is 0; it must be at least 1")
    long_price = ("longPricePerKwh", params.long_price_per_kwh)
    worst_price = params.floor_price_per_kwh + params.penalty_per_kwh
    for (key, value), bound, limit in (
        (long_price, "shortPricePerKwh", params.short_price_per_kwh),
        (long_price, "floorPricePerKwh + penaltyPerKwh", worst_price),
        (("toleranceBps", params.tolerance_bps), "the whole", BPS),
        (("capTick", params.cap_tick), "the highest tick", TICKS - 1),
        (("networkFeeTicks", params.network_fee_ticks), "capTick", params.cap_tick),
        (("greenPremiumTicks", params.green_premium_ticks), "the highest tick", TICKS - 1),
        (("gateLeadSlots", params.gate_lead_slots), "the longest lead", _MAX_GATE_LEAD_SLOTS),
    ):
        if value > limit:
            raise ConfigError(f"{source}: {key} {value} is above {bound} {limit}")
