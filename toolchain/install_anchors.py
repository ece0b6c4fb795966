"""Fetch compiled contracts of others that ours are measured beside, pinned by hash; safe to run again.

Tests and `make bench-anchors` deploy them. As npm dependencies these packages would bring hundreds of others, none of
which their artefacts need, so only ABI and bytecode of what we deploy are unpacked, into folders of `.toolchain/`.
Nothing of them is in this repository or in what it ships; each comes with its licence.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

TOOLCHAIN = Path(__file__).resolve().parent.parent / ".toolchain"


@dataclass(frozen=True)
class Package:
    """One version of an npm package, its hash, and the members we use by the names they get."""

    name: str
    version: str
    sha512: str
    folder: str
    members: dict[str, str]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def path(self) -> Path:
        """Where it is unpacked."""
        return TOOLCHAIN / f"{self.folder}-{self.version}"


def artefacts(root: str, *places: str) -> dict[str, str]:
    """Artefacts of contracts by file name, as Hardhat lays them out: `place` is the folder and the contract's name."""
    return {
        f"{place.rpartition('/')[2]}.json": f"{root}/{place}.sol/{place.rpartition('/')[2]}.json" for place in places
    }


EAS = Package(
    "@ethereum-attestation-service/eas-contracts",
    "1.9.0",
    "L60y1fgKlY3a45xxnPlgRbiGQY8RF/lF+AzF1iVoR7/aEzitS0Nuyyjq8+IXs1sSSU0dl2+yGSmELxVeB6FelA==",
    "eas-contracts",
    artefacts("package/artifacts/contracts", "EAS", "SchemaRegistry") | {"LICENSE": "package/LICENSE"},
)
T_REX = Package(
    "@tokenysolutions/t-rex",
    "4.1.6",
    "GNmVAC11cqwF6bmVCl0yhaVfPLBptF4K0vmepghTPbSogky1WG+38h7RR/p7909Si2JgswreeeLZZyBLN0KZrg==",
    "t-rex",
    artefacts(
        "package/artifacts/contracts",
        "token/Token",
        "registry/implementation/ClaimTopicsRegistry",
        "registry/implementation/IdentityRegistry",
        "registry/implementation/IdentityRegistryStorage",
        "registry/implementation/TrustedIssuersRegistry",
        "compliance/modular/ModularCompliance",
        "compliance/modular/modules/CountryAllowModule",
        "compliance/modular/modules/MaxBalanceModule",
        "compliance/modular/modules/SupplyLimitModule",
        "compliance/modular/modules/ModuleProxy",
        "proxy/authority/TREXImplementationAuthority",
        "factory/TREXFactory",
    )
    | {"LICENSE.md": "package/LICENSE.md"},
)
ONCHAIN_ID = Package(
    "@onchain-id/solidity",
    "2.2.1",
    "B54InT8yi89qlh9UVCARcfdQLVDP7Lef87B/Ww2Wn19oyEbPmlWho2EK1sgnrt/8Q0fGX/7y5rDnx3HPy28NTA==",
    "onchain-id",
    artefacts(
        "package/artifacts/contracts", "ClaimIssuer", "Identity", "factory/IdFactory", "proxy/ImplementationAuthority"
    )
    | {"LICENSE.md": "package/LICENSE.md"},
)


def check(package: Package, content: bytes) -> None:
    """Raise ValueError unless these are the bytes pinned."""
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != package.sha512:
        raise ValueError(f"{package} has sha512 {found}, pinned is {package.sha512}")


def download(package: Package) -> bytes:
    """The package as npm's registry has it."""
    with tempfile.TemporaryDirectory() as folder:
        npm = shutil.which("npm") or "npm"
        command = [npm, "pack", f"{package.name}@{package.version}", "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        (archive,) = Path(folder).glob("*.tgz")
        return archive.read_bytes()


def unpack(package: Package, content: bytes) -> None:
    """Write the members we use, as flat files."""
    package.path.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for name, member in package.members.items():
            stream = archive.extractfile(member)
            if stream is None:
                raise ValueError(f"{package}: {member} is no file")
            (package.path / name).write_bytes(stream.read())


def main() -> None:
    """Install what is not there."""
    for package in (EAS, T_REX, ONCHAIN_ID):
        if all((package.path / name).exists() for name in package.members):
            continue
        try:
            content = download(package)
            check(package, content)
            unpack(package, content)
        except (subprocess.CalledProcessError, ValueError, KeyError) as error:
            sys.exit(f"{package} cannot be installed: {error}")


if __name__ == "__main__":
    main()
