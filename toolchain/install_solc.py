"""Put a `solc` of the pinned version where solcx, Ape, forge and Slither look for it; safe to run again.

The native compiler is downloaded by solcx where the network allows it; elsewhere a front around the npm package of
the same version and commit stands in (`solc_front.js`). `bytecode_hash.py` shows that both give the same bytecode.
"""

from __future__ import annotations

import os
import stat
import sys
import sysconfig
from pathlib import Path

import solcx

SOLC_VERSION = "0.8.37"
ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".toolchain"


def install() -> Path:
    """Return the path of a working compiler, installing one first if there is none."""
    compiler = FOLDER / f"solc-v{SOLC_VERSION}"
    FOLDER.mkdir(exist_ok=True)
    if not compiler.exists():
        try:
            solcx.install_solc(SOLC_VERSION, solcx_binary_path=FOLDER)
        except Exception as error:  # solcx raises whatever its HTTP client raises, offline included
            print(f"native solc {SOLC_VERSION} cannot be had here ({type(error).__name__}); using the npm build")
            compiler.write_text(
                f"#!/bin/sh\nexec node '{ROOT / 'toolchain' / 'solc_front.js'}' \"$@\"\n", encoding="utf-8"
            )
            compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return compiler


def announce() -> None:
    """Let every Python tool of this environment (ape, slither, pytest) find the folder without a variable set."""
    hook = Path(sysconfig.get_paths()["purelib"]) / "gridwitness_toolchain.pth"
    hook.write_text(f"import os; os.environ.setdefault('SOLCX_BINARY_PATH', {str(FOLDER)!r})\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ["SOLCX_BINARY_PATH"] = str(FOLDER)
    path = install()
    announce()
    version = solcx.wrapper.get_solc_version(path)
    if str(version) != SOLC_VERSION:
        sys.exit(f"{path} is solc {version}, not {SOLC_VERSION}: delete it and run `make setup` again")
    print(f"solc {version} at {path.relative_to(ROOT)}")
