"""Fetch the compiled contracts of the Ethereum Attestation Service, pinned by hash; safe to run again.

Tests and `make bench-anchors` deploy them. As an npm dependency the package would bring 213 others, none of which its
artefacts need, so only ABI and bytecode of two contracts are unpacked, into `.toolchain/eas-contracts-1.9.0/`.
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
from pathlib import Path

PACKAGE = "@ethereum-attestation-service/eas-contracts"
VERSION = "1.9.0"
SHA512 = "L60y1fgKlY3a45xxnPlgRbiGQY8RF/lF+AzF1iVoR7/aEzitS0Nuyyjq8+IXs1sSSU0dl2+yGSmELxVeB6FelA=="
FOLDER = Path(__file__).resolve().parent.parent / ".toolchain" / f"eas-contracts-{VERSION}"
MEMBERS = {
    "EAS.json": "package/artifacts/contracts/EAS.sol/EAS.json",
    "SchemaRegistry.json": "package/artifacts/contracts/SchemaRegistry.sol/SchemaRegistry.json",
    "LICENSE": "package/LICENSE",
}


def check(content: bytes) -> None:
    """Raise ValueError unless these are the bytes pinned."""
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != SHA512:
        raise ValueError(f"{PACKAGE} {VERSION} has sha512 {found}, pinned is {SHA512}")


def download() -> bytes:
    """The package as npm's registry has it."""
    with tempfile.TemporaryDirectory() as folder:
        npm = shutil.which("npm") or "npm"
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        (archive,) = Path(folder).glob("*.tgz")
        return archive.read_bytes()


def unpack(content: bytes, folder: Path) -> None:
    """Write the members we use, as flat files."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for name, member in MEMBERS.items():
            stream = archive.extractfile(member)
            if stream is None:
                raise ValueError(f"{PACKAGE} {VERSION}: {member} is no file")
            (folder / name).write_bytes(stream.read())


def main() -> None:
    """Install unless it is there."""
    if all((FOLDER / name).exists() for name in MEMBERS):
        return
    try:
        content = download()
        check(content)
    except (subprocess.CalledProcessError, ValueError) as error:
        sys.exit(f"{PACKAGE} {VERSION} cannot be installed: {error}")
    unpack(content, FOLDER)


if __name__ == "__main__":
    main()
