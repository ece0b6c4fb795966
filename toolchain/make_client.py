"""Write the generated parts of `gridwitness.client`, and docs/openapi.json: from the API and from the contracts' ABIs.

`--check` writes nothing and fails if a file is out of date.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from client_from_abi import contract_module
from client_from_openapi import api_module, documents_module, trading_module

ROOT = Path(__file__).resolve().parents[1]
CLIENT = ROOT / "oracle" / "gridwitness" / "client"
ABI = ROOT / "oracle" / "gridwitness" / "chain" / "abi"
# Module of the client → interfaces of which it has the views; the first names its class.
CONTRACTS = {
    "data_attestation": ("IDataAttestation",),
    "device_registry": ("IDeviceRegistry",),
    "market": ("IEnergyMarket",),
    "passports": ("IPassports",),
    "asset_shares": ("IAssetShares", "IAssetGovernance", "IAssetRevenue"),
    "asset_factory": ("IAssetFactory",),
    "share_market": ("IShareMarket",),
}


def generated_files() -> dict[Path, str]:
    """Path to text of everything generated."""
    from gridwitness.api.portal.document import openapi_document

    document = openapi_document()
    files = {
        ROOT / "docs" / "openapi.json": json.dumps(document, indent=1, ensure_ascii=False) + "\n",
        CLIENT / "documents.py": _formatted(documents_module(document)),
        CLIENT / "trading.py": _formatted(trading_module(document)),
        CLIENT / "api.py": _formatted(api_module(document)),
    }
    for module, interfaces in CONTRACTS.items():
        sources = [source for one in interfaces for source in _with_inherited(one)]
        abi = [entry for one in interfaces for entry in json.loads((ABI / f"{one}.json").read_text(encoding="utf-8"))]
        files[CLIENT / "contracts" / f"{module}.py"] = _formatted(contract_module(interfaces[0], abi, sources))
    return files


def _with_inherited(interface: str) -> Iterator[str]:
    """Sources of an interface and of those it inherits. Other contracts have functions of the same names."""
    path = ROOT / "contracts" / "interfaces" / f"{interface}.sol"
    if path.exists():
        source = path.read_text(encoding="utf-8")
        yield source
        for bases in re.findall(rf"^interface {interface} is ([^{{]+)", source, re.MULTILINE):
            for base in bases.split(","):
                yield from _with_inherited(base.strip())


def stale_files() -> list[Path]:
    """Files that are not as they would be generated."""
    return [
        path
        for path, text in generated_files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def _formatted(text: str) -> str:
    for command in (["check", "--fix", "--quiet", "--select", "I,F401"], ["format"]):
        line = ["ruff", *command, "--stdin-filename", str(CLIENT / "generated.py"), "-"]
        text = subprocess.run(line, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout  # noqa: S603
    return text


def main() -> None:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        stale = stale_files()
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date: python toolchain/make_client.py", file=sys.stderr)
        sys.exit(bool(stale))
    for path, text in generated_files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
