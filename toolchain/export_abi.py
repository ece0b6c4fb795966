"""Write the ABIs the Python package carries, straight from the compiler: `oracle/gridwitness/chain/abi/*.json`.

Only ABIs are asked of the compiler, so this takes seconds. `--check` writes nothing and fails if a file is out of date.
"""

from __future__ import annotations

import argparse
import json
import sys
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
    "EuroToken": "contracts/mocks/EuroToken.sol",
    # What the contracts may also revert with, so that every revert can be named.
    "IAccessControl": "node_modules/@openzeppelin/contracts/access/IAccessControl.sol",
    "SafeERC20": "node_modules/@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol",
    "SafeCast": "node_modules/@openzeppelin/contracts/utils/math/SafeCast.sol",
    "ReentrancyGuard": "node_modules/@openzeppelin/contracts/utils/ReentrancyGuard.sol",
}


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
        if stale:
            sys.exit(f"out of date: {', '.join(stale)}; run `python toolchain/export_abi.py`")
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in compile_abis().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
