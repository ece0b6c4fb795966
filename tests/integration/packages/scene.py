"""What integrators have: two packages, an empty folder, a chain that others deployed on, and an oracle to ask.

Examples run as their READMEs say, in copies outside the checkout, with nothing installed but what they install.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
EXAMPLES_PAGE = ROOT / "docs" / "examples.md"
INSTALL_TIMEOUT_S = 600
_SHELL_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Packages:
    """The built packages, as files, and the folders they were packed from."""

    out: Path

    @property
    def npm(self) -> Path:
        """The npm package."""
        return next(self.out.glob("*.tgz"))

    @property
    def wheel(self) -> Path:
        """The Python package."""
        return next(self.out.glob("*.whl"))


def build_packages(out: Path, *arguments: str) -> Packages:
    """Build both, as `make packages` does."""
    done = make_packages("--out", str(out), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return Packages(out)


def make_packages(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script that builds both."""
    command = [sys.executable, str(ROOT / "toolchain" / "make_packages.py"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@dataclass
class Workshop:
    """A copy of an example in an empty folder, with an empty Python of its own, and a shell there."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """The interpreter of its own environment."""
        return self.folder.parent / "venv" / "bin" / "python"

    def shell(self, command: str, **variables: str) -> str:
        """What a command prints, errors included; it must succeed."""
        code, output = self.try_shell(command, **variables)
        assert code == 0, f"{command}\n{output}"
        return output

    def try_shell(self, command: str, **variables: str) -> tuple[int, str]:
        """Exit code and all that a command prints."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout

    def readme_blocks(self) -> list[str]:
        """Commands of the example's README, one text a block."""
        return _SHELL_BLOCK.findall((self.folder / "README.md").read_text(encoding="utf-8"))


def make_workshop(example: Path, folder: Path, packages: Packages) -> Workshop:
    """Copy an example into `folder`, and give it an empty Python and a home where nothing is."""
    copy = folder / example.name
    shutil.copytree(example, copy, ignore=shutil.ignore_patterns("node_modules", "out", "dist", "cache", "__pycache__"))
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, timeout=INSTALL_TIMEOUT_S)
    return Workshop(copy, _environment(folder, packages))


def _environment(folder: Path, packages: Packages) -> dict[str, str]:
    """Ours without anything of the checkout; packages that were downloaded once are not downloaded again."""
    left = {"PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"}
    ours = {name: value for name, value in os.environ.items() if name not in left}
    path = [part for part in ours["PATH"].split(os.pathsep) if not Path(part).is_relative_to(ROOT)]
    home = Path.home()
    return ours | {
        "PATH": os.pathsep.join([str(folder / "venv" / "bin"), *path]),
        "HOME": str(folder),
        "PIP_CACHE_DIR": str(home / ".cache" / "pip"),
        "PACKAGES": str(packages.out),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        # What is never imported need not be compiled.
        "PIP_NO_COMPILE": "1",
        "npm_config_cache": str(home / ".npm"),
        "npm_config_prefer_offline": "true",
        # npm's forge would fetch a compiler.
        "FOUNDRY_SOLC": str(ROOT / ".toolchain" / "solc-v0.8.37"),
        "FOUNDRY_OFFLINE": "true",
        "NO_COLOR": "1",
    }


@dataclass(frozen=True)
class ServedDemo:
    """A finished demo, served: its chain, its oracle's API, its manifest with a feed, and where one reading stands."""

    rpc_url: str
    oracle_url: str
    manifest: Path
    device: str
    time: int

    @property
    def deployed(self) -> Mapping[str, Any]:
        """The manifest."""
        manifest: Mapping[str, Any] = json.loads(self.manifest.read_text(encoding="utf-8"))
        return manifest

    @property
    def variables(self) -> dict[str, str]:
        """As the examples' READMEs name them."""
        return {
            "RPC_URL": self.rpc_url,
            "ORACLE_URL": self.oracle_url,
            "DEVICE": self.device,
            "TIME": str(self.time),
        }
