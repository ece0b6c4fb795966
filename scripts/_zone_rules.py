"""Rules of a zone as a parameter file has them: green kinds by name, limits as ZoneParamsCheck.sol has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import TICKS
from scripts._abi import AbiChecker

MAX_GATE_LEAD_SLOTS = 191
MAX_FINAL_AFTER_S = 6 * 86_400
MAX_DISPUTE_S = 5 * 86_400


def with_kind_bits(check: AbiChecker, rules: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The rules with green kinds that are given by name as the number that has their bits (IDeviceRegistry.Kind) set.

    [prosumer, generation] is 12, bits 2 and 3. Raises ConfigError for a kind that does not exist.
    """
    kinds = rules.get("greenKinds")
    if not isinstance(kinds, list):
        return dict(rules)
    known = {kind.name.lower(): kind for kind in DeviceKind}
    bits = 0
    for index, name in enumerate(kinds):
        if not isinstance(name, str) or name not in known:
            raise check.error(f"{key}.greenKinds[{index}]", name, f"kinds are {', '.join(known)}")
        bits |= 1 << known[name]
    return {**rules, "greenKinds": bits}


def check_limits(check: AbiChecker, rules: Mapping[str, Any], key: str) -> None:
    """Demand what the contract demands, but for basis points and types, which are checked for every struct.

    Raises ConfigError naming the first rule that breaks its limit, and the limit.
    """

    def at_least(name: str, limit: int, what: str = "") -> None:
        if rules[name] < limit:
            raise check.error(f"{key}.{name}", rules[name], f"at least {limit}{what}")

    def at_most(name: str, limit: int, what: str = "") -> None:
        if rules[name] > limit:
            raise check.error(f"{key}.{name}", rules[name], f"at most {limit}{what}")

    if rules["profileStream"] == "0x" + "00" * 32:
        raise check.error(f"{key}.profileStream", rules["profileStream"], "zero is no stream")
    at_least("tickSizePerKwh", 1)
    at_least("minOrderWh", 1)
    at_least("disputeSeconds", 1)
    at_most("longPricePerKwh", rules["shortPricePerKwh"], ", the shortPricePerKwh")
    at_most(
        "longPricePerKwh", rules["floorPricePerKwh"] + rules["penaltyPerKwh"], ", floorPricePerKwh plus penaltyPerKwh"
    )
    at_most("capTick", TICKS - 1)
    at_most("networkFeeTicks", rules["capTick"], ", the capTick")
    at_most("greenPremiumTicks", TICKS - 1)
    at_most("gateLeadSlots", MAX_GATE_LEAD_SLOTS)
    at_least("finalAfterSeconds", rules["provisionalAfterSeconds"] + 1, ", above provisionalAfterSeconds")
    at_most("finalAfterSeconds", MAX_FINAL_AFTER_S)
    at_most("disputeSeconds", MAX_DISPUTE_S)
