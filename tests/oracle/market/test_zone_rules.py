"""A zone's rules from a table: what may be left out, and what the contract would refuse."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridwitness.domain.devices import DeviceKind
from gridwitness.errors import ConfigError
from gridwitness.market.zone_rules import zone_params_of

from .orders import ZONE

COMMON = Path(__file__).parents[3] / "deployments/params/common.yaml"
NEEDED = {
    "floorPricePerKwh": 66_000,
    "tickSizePerKwh": 2_000,
    "shortPricePerKwh": 320_000,
    "longPricePerKwh": 80_000,
    "penaltyPerKwh": 15_000,
    "toleranceBps": 1_000,
}


def test_zone_params_of__zone_of_a_parameter_file__every_rule_is_taken() -> None:
    rules = yaml.safe_load(COMMON.read_text(encoding="utf-8"))["zones"][1]
    params = zone_params_of(rules, "common.yaml")
    taken = {re.sub("_(.)", lambda part: part[1].upper(), name): value for name, value in asdict(params).items()}
    assert taken == {**rules, "profileStream": bytes(32), "greenKinds": 0b1100}


def test_zone_params_of__needed_rules_alone__others_do_not_bind() -> None:
    params = zone_params_of(NEEDED, "zone.toml")
    assert (params.short_price_per_kwh, params.penalty_per_kwh) == (320_000, 15_000)
    assert (params.cap_tick, params.network_fee_ticks, params.green_premium_ticks) == (127, 0, 0)
    assert (params.min_order_wh, params.feeder_cap_wh) == (1, ZONE.feeder_cap_wh)


@pytest.mark.parametrize("kinds", [["prosumer", "generation"], 0b1100])
def test_zone_params_of__green_kinds_by_name_or_number__are_the_same(kinds: object) -> None:
    params = zone_params_of({**NEEDED, "greenKinds": kinds, "greenPremiumTicks": 5}, "zone.toml")
    green = {kind for kind in DeviceKind if params.is_green(kind)}
    assert green == {DeviceKind.PROSUMER, DeviceKind.GENERATION}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"shortPricePerKwh": None}, "shortPricePerKwh is missing; it must be a non-negative integer"),
        ({"minOrderWh": 0}, "minOrderWh is 0; it must be at least 1"),
        ({"feederCapWh": -1}, "feederCapWh is -1; it must be a non-negative integer"),
        ({"greenKinds": ["solar"]}, "greenKinds has 'solar'"),
        ({"greenKinds": [["prosumer"]]}, "greenKinds has ['prosumer']"),
        ({"toleranceBps": 10_001}, "toleranceBps 10001 is above the whole 10000"),
        ({"penaltyPerKwh": 13_999}, "longPricePerKwh 80000 is above floorPricePerKwh + penaltyPerKwh 79999"),
        ({"capTick": 128}, "capTick 128 is above the highest tick 127"),
        ({"capTick": 60, "networkFeeTicks": 61}, "networkFeeTicks 61 is above capTick 60"),
        ({"greenPremiumTicks": 128}, "greenPremiumTicks 128 is above the highest tick 127"),
        ({"gateLeadSlots": 192}, "gateLeadSlots 192 is above the longest lead 191"),
    ],
)
def test_zone_params_of__rule_the_contract_refuses__error_names_source_key_and_limit(
    rules: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        zone_params_of({**NEEDED, **rules}, "zone.toml")
    assert error.value.message == f"zone.toml: {message}"
