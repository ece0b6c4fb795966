"""Write the ABIs the Python package carries, straight from the compiler: `oracle/gridwitness/chain/abi/*.json`.

Only ABIs are asked of the compiler, so this takes seconds. `--check` writes nothing and fails if a file is out of date.
Beside them `toolchain/interfaces.json` keeps, for each contract, the version its `version()` gives and the hash of the
ABI that had it: an ABI that changes must come with a new version.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import solcx
from install_solc import ROOT, SOLC_VERSION

FOLDER = ROOT / "oracle" / "gridwitness" / "chain" / "abi"
SOURCES = {
    "IDeviceRegistry": "contracts/interfaces/IDeviceRegistry.sol",
    "IDataAttestation": "contracts/interfaces/IDataAttestation.sol",
    "IStreamBonds": "contracts/interfaces/IStreamBonds.sol",
    "IEnergyMarket": "contracts/interfaces/IEnergyMarket.sol",
    "IFeedAdapter": "contracts/interfaces/IFeedAdapter.sol",
    "IEasMirror": "contracts/interfaces/IEasMirror.sol",
    "IPassports": "contracts/interfaces/IPassports.sol",
    "IAssetShares": "contracts/interfaces/IAssetShares.sol",
    "IAssetGovernance": "contracts/interfaces/IAssetGovernance.sol",
    "IAssetRevenue": "contracts/interfaces/IAssetRevenue.sol",
    "IAssetFactory": "contracts/interfaces/IAssetFactory.sol",
    "IShareMarket": "contracts/interfaces/IShareMarket.sol",
    "EuroToken": "contracts/mocks/EuroToken.sol",
    # What the contracts may also revert with, so that every revert can be named.
    "IAccessControl": "node_modules/@openzeppelin/contracts/access/IAccessControl.sol",
    "SafeERC20": "node_modules/@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol",
    "SafeCast": "node_modules/@openzeppelin/contracts/utils/math/SafeCast.sol",
    "ReentrancyGuard": "node_modules/@openzeppelin/contracts/utils/ReentrancyGuard.sol",
}
VERSIONS = ROOT / "toolchain" / "interfaces.json"
# Interfaces with a `version()`, and the contract that answers it. A feed's is a number, set by AggregatorV3Interface.
VERSIONED = {
    "IDeviceRegistry": "contracts/DeviceRegistry.sol",
    "IDataAttestation": "contracts/DataAttestation.sol",
    "IEnergyMarket": "contracts/EnergyMarket.sol",
    "IEasMirror": "contracts/adapters/EasMirror.sol",
    "IPassports": "contracts/Passports.sol",
    "IAssetShares": "contracts/AssetShares.sol",
    "IAssetFactory": "contracts/AssetFactory.sol",
    "IShareMarket": "contracts/ShareMarket.sol",
}
VERSION = re.compile(r'function version\(\) external pure returns \(string memory\) \{\s*return "(\d+\.\d+\.\d+)";')


def compile_abis() -> dict[str, str]:
    """File name to JSON text, one entry a line so that a changed function is one changed line."""
    request = {
        "language": "Solidity",
        "sources": {path: {"urls": [path]} for path in SOURCES.values()},
        "settings": {
            "evmVersion": "osaka",
            "remappings": ["@openzeppelin/contracts/=node_modules/@openzeppelin/contracts/"],
            "outputSelection": {"*": {"*": ["abi"]}},
        },
    }
    output = solcx.compile_standard(request, solc_version=SOLC_VERSION, base_path=str(ROOT), allow_paths=str(ROOT))
    texts = {}
    for name, path in SOURCES.items():
        entries = ",\n".join(json.dumps(entry, sort_keys=True) for entry in output["contracts"][path][name]["abi"])
        texts[f"{name}.json"] = f"[\n{entries}\n]\n"
    return texts


def read_versions(abis: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Version and sha256 of the ABI (hex) of each versioned interface."""
    versions = {}
    for name, path in VERSIONED.items():
        (version,) = VERSION.findall((ROOT / path).read_text(encoding="utf-8"))
        versions[name] = {"abi_sha256": hashlib.sha256(abis[f"{name}.json"].encode()).hexdigest(), "version": version}
    return versions


def unversioned_changes(fresh: Mapping[str, dict[str, str]], known: Mapping[str, dict[str, str]]) -> list[str]:
    """Interfaces whose ABI is another than the one that had this version."""
    return [
        name
        for name, entry in fresh.items()
        if name in known and known[name]["version"] == entry["version"] and known[name] != entry
    ]


def stale_files(folder: Path = FOLDER) -> list[str]:
    """Names of ABI files in `folder` that differ from a fresh compile, are missing, or belong to no source."""
    fresh = compile_abis()
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in fresh.keys() | present.keys() if fresh.get(name) != present.get(name))


def main() -> None:
    """Export, or with `--check` compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    if parser.parse_args().check:
        stale = stale_files()
        if json.loads(VERSIONS.read_text(encoding="utf-8")) != read_versions(compile_abis()):
            stale.append(VERSIONS.name)
        if stale:
            sys.exit(f"out of date: {', '.join(stale)}; run `python toolchain/export_abi.py`")
        return
    abis = compile_abis()
    versions = read_versions(abis)
    known = json.loads(VERSIONS.read_text(encoding="utf-8")) if VERSIONS.exists() else {}
    if changed := unversioned_changes(versions, known):
        sys.exit(f"the ABI of {', '.join(changed)} has changed: give the contract's `version()` a new number first")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in abis.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    VERSIONS.write_text(json.dumps(versions, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
