"""Install Hardhat's node (EDR), pinned by toolchain/hardhat/package-lock.json; safe to run again.

Deployments are rehearsed on it beside anvil. It stands in a folder of its own, since it wants Node.js 22.13, which
nothing else here does: where the system's Node.js is older, one from npm, pinned as well, is put beside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "toolchain" / "hardhat"
FOLDER = ROOT / ".toolchain" / "hardhat-3.18.0"
LEAST_NODE = (22, 13)
STAMP = FOLDER / ".stamp"


def system_node() -> Path | None:
    """The system's Node.js, if Hardhat runs on it."""
    node = shutil.which("node")
    if node is None:
        return None
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    parts = done.stdout.strip().removeprefix("v").split(".")
    numbers = tuple(int(part) for part in parts[:2] if part.isdecimal())
    return Path(node) if numbers >= LEAST_NODE else None


def npm_node() -> Path:
    """Node.js from npm, installed now. Raises OSError if npm has none for this system."""
    folder = FOLDER / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCE / "node" / name, folder / name)
    _npm_ci(folder, os.environ["PATH"])
    found = sorted(folder.glob("node_modules/node-*/bin/node"))
    if not found:
        raise OSError(f"npm has no Node.js for {sys.platform}; install Node.js 22.13 or later")
    return found[0]


def _npm_ci(folder: Path, path: str) -> None:
    npm = shutil.which("npm") or "npm"
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, check=True, cwd=folder, env=os.environ | {"PATH": path}, stdout=subprocess.DEVNULL)  # noqa: S603


def main() -> None:
    """Install unless it is there as pinned."""
    names = ("package.json", "package-lock.json", "hardhat.config.js")
    wanted = "".join((SOURCE / name).read_text(encoding="utf-8") for name in names)
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == wanted:
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        node = system_node() or npm_node()
        for name in names:
            shutil.copy(SOURCE / name, FOLDER / name)
        # npm must run on that Node.js too: on an older one it leaves EDR's binaries out as not fitting.
        _npm_ci(FOLDER, f"{node.parent}{os.pathsep}{os.environ['PATH']}")
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"Hardhat cannot be installed: {error}")
    link = FOLDER / "node-binary"
    link.unlink(missing_ok=True)
    link.symlink_to(node)
    STAMP.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
