"""ABIs of the contracts, exported from the compiler by `toolchain/export_abi.py`."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

# Name of a contract in the manifest, or of a part of one → files of the ABI by which it is used.
_FILES = {
    "DeviceRegistry": ("IDeviceRegistry",),
    "DataAttestation": ("IDataAttestation",),
    "StreamBonds": ("IStreamBonds",),  # at the address of DataAttestation
    "EnergyMarket": ("IEnergyMarket",),
    "EuroToken": ("EuroToken",),
    "Token": ("EuroToken",),  # a token that was there before; it may not have `mint`
    "Passports": ("IPassports",),
    "AssetFactory": ("IAssetFactory",),
    "ShareMarket": ("IShareMarket",),
    "AssetShares": ("IAssetShares", "IAssetGovernance", "IAssetRevenue"),  # each asset, at an address of its own
}


@cache
def abi_of(contract: str) -> list[dict[str, Any]]:
    """ABI of a contract by its name in the manifest; what several files have stands in it once."""
    entries: dict[str, dict[str, Any]] = {}
    for file in _FILES[contract]:
        text = resources.files(__package__).joinpath(f"{file}.json").read_text(encoding="utf-8")
        entries |= {json.dumps(entry, sort_keys=True): entry for entry in json.loads(text)}
    return list(entries.values())


@cache
def custom_errors() -> list[dict[str, Any]]:
    """Every custom error of every ABI here, each once."""
    errors: dict[str, dict[str, Any]] = {}
    for file in sorted(resources.files(__package__).iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".json"):
            for entry in json.loads(file.read_text(encoding="utf-8")):
                if entry["type"] == "error":
                    errors[json.dumps(entry, sort_keys=True)] = entry
    return list(errors.values())


def canonical_type(entry: dict[str, Any]) -> str:
    """Type of an ABI parameter as selectors and eth_abi spell it: structs as tuples of their parts."""
    kind: str = entry["type"]
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(canonical_type(part) for part in entry["components"]) + ")" + kind.removeprefix("tuple")
