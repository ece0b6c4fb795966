"""The `shares` section of a parameter file: contracts for shares of assets, and who says who investors are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts._abi import AbiChecker

PASSPORTS = "Passports"
ASSET_FACTORY = "AssetFactory"
SHARE_MARKET = "ShareMarket"


def written_out(check: AbiChecker, data: Mapping[str, Any]) -> dict[str, Any]:
    """The file with what `shares` stands for among its `contracts` and `roles`; as it is without the section.

    Raises ConfigError, also if one of the contracts is given twice.
    """
    rest = {key: value for key, value in data.items() if key != "shares"}
    if data.get("shares") is None:
        return rest
    fields = check.keys(data["shares"], "shares", required=("registrars",))
    registrars = check.value("address[]", fields["registrars"], "shares.registrars")
    contracts: dict[str, Any] = {PASSPORTS: {"admin": "$deployer"}, ASSET_FACTORY: None, SHARE_MARKET: None}
    roles = {PASSPORTS: {"REGISTRAR_ROLE": registrars}}
    return rest | {
        "contracts": _joined(check, "contracts", data.get("contracts"), contracts),
        "roles": _joined(check, "roles", data.get("roles"), roles),
    }


def _joined(check: AbiChecker, key: str, given: Any, more: Mapping[str, Any]) -> dict[str, Any]:
    table = check.table(given, key)
    for name in more:
        if name in table:
            raise check.error(f"{key}.{name}", table[name], "it is in `shares` already")
    return {**table, **more}
