"""Build what integrators install, from npm and with pip: `@gridwitness/contracts` and `gridwitness-contracts`.

Both go into out/packages. What is written by hand stands in packages/. Solidity sources, ABIs and versions come from
contracts/, addresses from deployments/<chain-id>.json, the number of both from packages/npm/package.json. The same
sources give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import solcx
from export_abi import VERSIONS
from install_solc import ROOT, SOLC_VERSION

SOURCES = ROOT / "contracts"
PACKAGES = ROOT / "packages"
# Contracts that stand on chains. Interfaces come first, for the names of what a function gives. The market's settlement
# and an asset's governance are code of their own, run at the address of the market and of the asset.
CONTRACTS = {
    "DeviceRegistry": ("interfaces/IDeviceRegistry.sol", "DeviceRegistry.sol"),
    "DataAttestation": ("interfaces/IDataAttestation.sol", "interfaces/IStreamBonds.sol", "DataAttestation.sol"),
    "EnergyMarket": ("interfaces/IEnergyMarket.sol", "EnergyMarket.sol", "market/MarketExtension.sol"),
    "FeedAdapter": ("interfaces/IFeedAdapter.sol", "adapters/FeedAdapter.sol"),
    "EasMirror": ("interfaces/IEasMirror.sol", "adapters/EasMirror.sol"),
    "Passports": ("interfaces/IPassports.sol", "Passports.sol"),
    "AssetFactory": ("interfaces/IAssetFactory.sol", "AssetFactory.sol"),
    "AssetShares": (
        "interfaces/IAssetShares.sol",
        "interfaces/IAssetGovernance.sol",
        "interfaces/IAssetRevenue.sol",
        "AssetShares.sol",
        "shares/AssetGovernance.sol",
    ),
    "ShareMarket": ("interfaces/IShareMarket.sol", "ShareMarket.sol"),
    "EuroToken": ("mocks/EuroToken.sol",),
}
# Libraries that make or check what others sign, hash or prove. The rest is the market's inside.
LIBRARIES = (
    "BatchHash",
    "DeliverySlots",
    "DeviceSignature",
    "DeviceTypedData",
    "MerkleMultiproof",
    "MerklePath",
    "ScheduleOrders",
    "StandardLeaf",
)
TYPES = ("BatchMeta",)
# A development chain's addresses are good on one machine until its node ends.
DEVELOPMENT_CHAINS = (1337, 31337)
IMPORT = re.compile(r'^import [^;]*"(\.{1,2}/[^"]+)";', re.MULTILINE)
Abi = list[dict[str, Any]]


def published_sources() -> list[str]:
    """Solidity sources of the packages, relative to contracts/: all interfaces, the libraries, and what they import."""
    wanted = [path.relative_to(SOURCES).as_posix() for path in sorted((SOURCES / "interfaces").glob("*.sol"))]
    wanted += [f"libraries/{name}.sol" for name in LIBRARIES] + [f"types/{name}.sol" for name in TYPES]
    found: set[str] = set()
    while wanted:
        source = wanted.pop()
        if source in found:
            continue
        found.add(source)
        path = SOURCES / source
        for target in IMPORT.findall(path.read_text(encoding="utf-8")):
            wanted.append((path.parent / target).resolve().relative_to(SOURCES).as_posix())
    return sorted(found)


def compile_abis() -> dict[str, Abi]:
    """ABI by name, of every contract that stands on chains and of every interface."""
    parts = CONTRACTS | {path.stem: (f"interfaces/{path.name}",) for path in (SOURCES / "interfaces").glob("*.sol")}
    paths = sorted({f"contracts/{source}" for sources in parts.values() for source in sources})
    request = {
        "language": "Solidity",
        "sources": {path: {"urls": [path]} for path in paths},
        "settings": {
            "evmVersion": "osaka",
            "remappings": ["@openzeppelin/contracts/=node_modules/@openzeppelin/contracts/"],
            "outputSelection": {"*": {"*": ["abi"]}},
        },
    }
    output = solcx.compile_standard(request, solc_version=SOLC_VERSION, base_path=str(ROOT), allow_paths=str(ROOT))
    compiled = output["contracts"]
    return {
        name: merge_abis(compiled[f"contracts/{source}"][Path(source).stem]["abi"] for source in sources)
        for name, sources in sorted(parts.items())
    }


def merge_abis(abis: Iterable[Abi]) -> Abi:
    """Everything that is in any of them; of what several have, and of constructors, the first."""
    entries: dict[str, dict[str, Any]] = {}
    for entry in (entry for abi in abis for entry in abi):
        signature = "" if entry["type"] == "constructor" else f"{entry.get('name')}{input_types(entry)}"
        entries.setdefault(f"{entry['type']} {signature}", entry)
    return list(entries.values())


def input_types(entry: Mapping[str, Any]) -> list[Any]:
    """Types of an ABI entry's inputs, those of structs' members inside."""
    return [[value["type"], input_types({"inputs": value.get("components", [])})] for value in entry.get("inputs", [])]


def interface_versions() -> dict[str, str]:
    """Version of the interface of each contract that answers `version()`."""
    versions = json.loads(VERSIONS.read_text(encoding="utf-8"))
    return {name.removeprefix("I"): entry["version"] for name, entry in versions.items()}


def read_deployments(folder: Path, *, is_local_wanted: bool) -> dict[str, dict[str, Any]]:
    """What the packages say of each chain, by chain id. Ends the program for a manifest of an unfinished deployment."""
    # A demo's folder has its proofs and results beside the manifest.
    paths = [path for path in folder.glob("*.json") if path.stem.isdecimal()]
    manifests = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    manifests = [each for each in manifests if is_local_wanted or each["chain_id"] not in DEVELOPMENT_CHAINS]
    return {str(each["chain_id"]): _deployment(each) for each in sorted(manifests, key=lambda each: each["chain_id"])}


def _deployment(manifest: dict[str, Any]) -> dict[str, Any]:
    if "pending" in manifest or "aside" in manifest:
        sys.exit(f"the manifest of chain {manifest['chain_id']} has a transaction pending: `ape run deploy` ends it")

    def addresses(table: Mapping[str, Any]) -> dict[str, Any]:
        # A token that was there before has no block in the manifest.
        return {name: {"address": entry["address"], "block": entry.get("block") or 0} for name, entry in table.items()}

    return {
        "chainId": manifest["chain_id"],
        "network": manifest["network"],
        "contracts": addresses(manifest["contracts"]),
        "streams": {name: entry["id"] for name, entry in manifest.get("streams", {}).items()},
        "feeds": addresses(manifest.get("feeds", {})),
    }


def stage_npm(stage: Path, abis: Mapping[str, Abi], deployments: Mapping[str, Any]) -> None:
    """The npm package's folder: its own files, sources as in contracts/, ABIs as JSON and TypeScript."""
    shutil.copytree(PACKAGES / "npm", stage)
    shutil.copy(ROOT / "LICENSE", stage)
    copy_sources(stage)
    write_abis(stage / "abi", abis)
    modules = stage / "src" / "abi"
    modules.mkdir()
    for name, abi in abis.items():
        write_constants(modules / f"{name}.ts", {f"{constant_name(name)}Abi": abi})
    index = "".join(f'export * from "./{name}.js";\n' for name in abis)
    (modules / "index.ts").write_text(index, encoding="utf-8")
    write_constants(stage / "src" / "deployments.ts", {"deployments": deployments})
    write_constants(stage / "src" / "versions.ts", {"interfaceVersions": interface_versions()})
    run("tsc", "--project", str(stage))


def stage_python(stage: Path, abis: Mapping[str, Abi], deployments: Mapping[str, Any]) -> None:
    """The Python package's folder; its data are those of the npm package."""
    shutil.copytree(PACKAGES / "python", stage, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "LICENSE", stage)
    shutil.copy(PACKAGES / "npm" / "package.json", stage)
    module = stage / "src" / "gridwitness_contracts"
    copy_sources(module / "data" / "solidity" / "@gridwitness" / "contracts")
    write_abis(module / "data" / "abi", abis)
    for name, value in (("deployments", deployments), ("versions", interface_versions())):
        (module / "data" / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def copy_sources(folder: Path) -> None:
    """Copy the published Solidity sources; they import each other by relative paths."""
    for source in published_sources():
        target = folder / source
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SOURCES / source, target)


def write_abis(folder: Path, abis: Mapping[str, Abi]) -> None:
    """One JSON file an ABI, an entry a line."""
    folder.mkdir(parents=True)
    for name, abi in abis.items():
        entries = ",\n".join(json.dumps(entry) for entry in abi)
        (folder / f"{name}.json").write_text(f"[\n{entries}\n]\n", encoding="utf-8")


def write_constants(path: Path, constants: Mapping[str, object]) -> None:
    """A TypeScript module of constants whose types are their values."""
    lines = [f"export const {name} = {json.dumps(value, indent=1)} as const;\n" for name, value in constants.items()]
    path.write_text("".join(lines), encoding="utf-8")


def constant_name(contract: str) -> str:
    """`dataAttestation` for DataAttestation, `iDataAttestation` for IDataAttestation: names as wagmi makes them."""
    return contract[0].lower() + contract[1:]


def run(*command: str, cwd: Path = ROOT) -> None:
    """Run a tool of the checkout; what it says is shown only if it fails, and ends the program."""
    path = os.pathsep.join([str(ROOT / "node_modules" / ".bin"), *uv_folders(), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "UV_PYTHON_DOWNLOADS": "never"}
    program = shutil.which(command[0], path=path)
    if program is None:
        sys.exit(f"{command[0]} is missing: run `make setup`")
    line = [program, *command[1:]]
    done = subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def uv_folders() -> Iterator[str]:
    """Folder of the pinned uv."""
    yield from (str(path) for path in (ROOT / ".toolchain").glob("uv-*/bin"))


def main() -> None:
    """Build both packages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "packages", help="folder, made anew")
    parser.add_argument(
        "--deployments", type=Path, default=ROOT / "deployments", help="folder of manifests, CHAIN-ID.json"
    )
    parser.add_argument("--local", action="store_true", help="take development chains' manifests too")
    options = parser.parse_args()
    out = options.out.resolve()
    deployments = read_deployments(options.deployments, is_local_wanted=options.local)
    abis = compile_abis()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    stage_npm(out / "npm", abis, deployments)
    run("npm", "pack", "--silent", "--pack-destination", str(out), cwd=out / "npm")
    stage_python(out / "python", abis, deployments)
    run("uv", "build", "--quiet", "--wheel", "--out-dir", str(out), str(out / "python"))
    chains = ", ".join(deployments) or "none"
    for path in sorted(out.glob("*.tgz")) + sorted(out.glob("*.whl")):
        print(f"{path}  {path.stat().st_size:,} bytes")
    print(f"chains with addresses: {chains}")


if __name__ == "__main__":
    main()
