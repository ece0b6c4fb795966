"""Show that every compiler at hand makes the same bytecode, and that it is the bytecode committed here.

Run `python toolchain/bytecode_hash.py`; with --write it rewrites toolchain/bytecode.json. Compilers at hand are the npm
build of solc and, where it could be downloaded, the native one. Hashes are sha256 of the creation bytecode without its
metadata, which depends on file names.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / "toolchain" / "bytecode.json"
DEPLOYED = {
    "AssetFactory": "contracts/AssetFactory.sol",
    "DataAttestation": "contracts/DataAttestation.sol",
    "DeviceRegistry": "contracts/DeviceRegistry.sol",
    "EasMirror": "contracts/adapters/EasMirror.sol",
    "EnergyMarket": "contracts/EnergyMarket.sol",
    "EuroToken": "contracts/mocks/EuroToken.sol",
    "FeedAdapter": "contracts/adapters/FeedAdapter.sol",
    "Passports": "contracts/Passports.sol",
    "ShareMarket": "contracts/ShareMarket.sol",
}
# The settings of ape-config.yaml and foundry.toml; a test compares the outcome with what Ape makes.
SETTINGS: dict[str, Any] = {
    "evmVersion": "osaka",
    "optimizer": {"enabled": True, "runs": 200},
    "outputSelection": {"*": {"*": ["evm.bytecode.object"]}},
    "remappings": ["@openzeppelin/contracts/=lib/@openzeppelin/contracts/"],
    "viaIR": True,
}


# CBOR {"ipfs": 34 bytes, "solc": 3 bytes} and its length; constants of the constructor may stand behind it.
METADATA = re.compile(rb"\xa2\x64ipfs\x58\x22.{34}\x64solc\x43.{3}\x00\x33", re.DOTALL)


def bytecode_hash(creation: str) -> str:
    """Hash of creation bytecode (hex) without its metadata. Raises ValueError if there is none."""
    code, found = METADATA.subn(b"", bytes.fromhex(creation.removeprefix("0x")))
    if not found:
        raise ValueError(f"{len(code)} bytes of bytecode hold no metadata")
    return hashlib.sha256(code).hexdigest()


def compilers() -> Iterator[tuple[str, list[str]]]:
    """Name and command of each compiler at hand."""
    yield "npm", ["node", str(ROOT / "toolchain" / "solc_front.js")]
    installed = ROOT / ".toolchain" / "solc-v0.8.37"
    if installed.exists() and not installed.read_bytes().startswith(b"#!"):
        yield "native", [str(installed)]


def compile_hashes(command: list[str]) -> dict[str, str]:
    """Hashes of the deployed contracts as one compiler makes them."""
    sources = {path: {"content": (ROOT / path).read_text(encoding="utf-8")} for path in DEPLOYED.values()}
    request = json.dumps({"language": "Solidity", "sources": sources, "settings": SETTINGS})
    done = subprocess.run(  # noqa: S603
        [*command, "--standard-json", "--base-path", str(ROOT), "--allow-paths", str(ROOT)],
        input=request,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    answer = json.loads(done.stdout[done.stdout.index("{") :])
    errors = [error["formattedMessage"] for error in answer.get("errors", []) if error["severity"] == "error"]
    if errors:
        sys.exit(errors[0])
    return {
        name: bytecode_hash(answer["contracts"][path][name]["evm"]["bytecode"]["object"])
        for name, path in DEPLOYED.items()
    }


def differences(name: str, hashes: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """One line for each contract whose hash is not the one expected."""
    return [
        f"{contract}: {name} makes {hashes.get(contract)}, committed is {expected.get(contract)}"
        for contract in sorted({*hashes, *expected})
        if hashes.get(contract) != expected.get(contract)
    ]


def main() -> None:
    """Print a table; exit 1 with the differences if there are any."""
    made = {name: compile_hashes(command) for name, command in compilers()}
    if "--write" in sys.argv:
        SNAPSHOT.write_text(json.dumps(made["npm"], indent=2, sort_keys=True) + "\n", encoding="utf-8")
    expected = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    for name, hashes in made.items():
        for contract, digest in hashes.items():
            print(f"{name:<8}{contract:<18}{digest}")
    wrong = [line for name, hashes in made.items() for line in differences(name, hashes, expected)]
    if wrong:
        sys.exit("\n".join([*wrong, "if the contracts were changed on purpose: make gas-snapshot"]))


if __name__ == "__main__":
    main()
