"""What the contracts understand: ABIs, versions, and the Solidity sources to compile against."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

_DATA = Path(__file__).with_name("data")
_VERSION = re.compile(r"(\d+)\.(\d+)\.\d+")


def abi(name: str) -> list[dict[str, Any]]:
    """ABI of a contract such as `DataAttestation`, or of an interface such as `IDataAttestation`.

    A contract's has everything that may come out of it: its interfaces, roles, and the errors of libraries inside.
    Each call gives a list of its own. Raises KeyError, naming those there are, for any other name.
    """
    if name not in abi_names():
        raise KeyError(f"no ABI {name!r}; there are {', '.join(abi_names())}")
    entries: list[dict[str, Any]] = json.loads((_DATA / "abi" / f"{name}.json").read_text(encoding="utf-8"))
    return entries


@cache
def abi_names() -> tuple[str, ...]:
    """Names that `abi` knows, in alphabetical order."""
    return tuple(sorted(path.stem for path in (_DATA / "abi").glob("*.json")))


def interface_version(name: str) -> str:
    """Version, `major.minor.patch`, of the interface of a contract. Raises KeyError for one that has no `version()`."""
    known = _versions()
    if name not in known:
        raise KeyError(f"no version of {name!r}; there are {', '.join(known)}")
    return known[name]


def is_compatible(name: str, on_chain: str) -> bool:
    """Whether a contract that answers `version()` with `on_chain` has all that this package's ABI of `name` has.

    The major numbers must be the same, and the contract's minor one at least the package's. Raises KeyError for an
    unknown name and ValueError for a version of another form.
    """
    major, minor = _numbers(interface_version(name))
    major_on_chain, minor_on_chain = _numbers(on_chain)
    return major_on_chain == major and minor_on_chain >= minor


def solidity_path() -> Path:
    """Folder to give to solc as `--include-path`: in it, imports read as with the npm package.

    `import "@gridwitness/contracts/interfaces/IDataAttestation.sol";`
    """
    return _DATA / "solidity"


@cache
def _versions() -> dict[str, str]:
    versions: dict[str, str] = json.loads((_DATA / "versions.json").read_text(encoding="utf-8"))
    return versions


def _numbers(version: str) -> tuple[int, int]:
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ValueError(f"{version!r} is no version of the form major.minor.patch")
    return int(match[1]), int(match[2])
