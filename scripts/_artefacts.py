"""Compiled contracts, kept per content of the sources.

Ape compiles only files that changed and not those that import them, so its cache can hold a contract with an old
library inside. Money is not deployed on that: here everything is compiled whenever any source or setting changed.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ape.managers.project import LocalProject

from gridwitness.errors import ConfigError

Abi = list[dict[str, Any]]
TIMELOCK = "TimelockController"


@dataclass(frozen=True, slots=True)
class Artefact:
    """ABI, creation and runtime bytecode (0x-hex, immutables zero) of a contract.

    `package` is name@version of the npm package whose own build this is; empty for what is compiled here.
    """

    name: str
    abi: Abi
    creation: str
    runtime: str
    package: str = ""


@dataclass(frozen=True, slots=True)
class Artefacts:
    """All contracts of one compile; hashes are sha256 hex of the compiler settings and of settings plus sources.

    `compiler` is what decides on the bytecode: solc, evm_version, via_ir, optimizer. `source_commit` is empty outside
    of git; `source_dirty` says that contracts/ differs from it.
    """

    compiler: Mapping[str, Any]
    settings_hash: str
    source_hash: str
    source_commit: str
    source_dirty: bool
    contracts: Mapping[str, Artefact]

    def __getitem__(self, name: str) -> Artefact:
        if name not in self.contracts:
            raise ConfigError(f"there is no contract {name}", hint=f"known are {', '.join(sorted(self.contracts))}")
        return self.contracts[name]


def load_artefacts(project: LocalProject) -> Artefacts:
    """Compiled contracts of the sources as they are now; compiles (20 s with the npm solc) only after a change."""
    settings = json.dumps(project.config.solidity.model_dump(mode="json"), sort_keys=True, default=str)
    sources = [*project.contracts_folder.rglob("*.sol"), project.path / "package-lock.json"]
    source_hash = _hash_files(settings, project.path, sources)
    cache = project.path / ".build" / "artefacts" / f"{source_hash}.json"
    if cache.exists():
        contracts = json.loads(cache.read_text(encoding="utf-8"))
    else:
        contracts = {name: asdict(artefact) for name, artefact in _compile(project).items()}
        cache.parent.mkdir(parents=True, exist_ok=True)
        draft = cache.with_suffix(".new")
        draft.write_text(json.dumps(contracts), encoding="utf-8")
        draft.replace(cache)
    solidity = project.config.solidity
    commit, dirty = _commit(project.path)
    return Artefacts(
        compiler={
            "evm_version": str(solidity.evm_version),
            "optimizer": {"enabled": bool(solidity.optimize), "runs": int(solidity.optimization_runs)},
            "solc": str(solidity.version),
            "via_ir": bool(solidity.via_ir),
        },
        settings_hash=hashlib.sha256(settings.encode()).hexdigest(),
        source_hash=source_hash,
        source_commit=commit,
        source_dirty=dirty,
        contracts={
            **{name: Artefact(**fields) for name, fields in contracts.items()},
            TIMELOCK: _packaged(project.path / "node_modules", "@openzeppelin/contracts", TIMELOCK),
        },
    )


def _packaged(modules: Path, package: str, name: str) -> Artefact:
    """A contract as an npm package built it. Raises ConfigError if it is not installed."""
    folder = modules / package
    try:
        build = json.loads((folder / "build" / "contracts" / f"{name}.json").read_text(encoding="utf-8"))
        version = json.loads((folder / "package.json").read_text(encoding="utf-8"))["version"]
    except FileNotFoundError as error:
        raise ConfigError(f"{error.filename} is missing", hint="run `make setup`") from error
    return Artefact(name, build["abi"], build["bytecode"], build["deployedBytecode"], f"{package}@{version}")


def _hash_files(settings: str, root: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256(settings.encode())
    for path in sorted(paths):
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _compile(project: LocalProject) -> dict[str, Artefact]:
    artefacts = {}
    for name, container in project.load_contracts(use_cache=False).items():
        contract = container.contract_type
        creation, runtime = contract.deployment_bytecode, contract.runtime_bytecode
        abi = [entry.model_dump(mode="json", by_alias=True, exclude_none=True) for entry in contract.abi]
        artefacts[name] = Artefact(
            name,
            abi,
            creation=str((creation and creation.bytecode) or "0x"),
            runtime=str((runtime and runtime.bytecode) or "0x"),
        )
    if not artefacts:
        raise ConfigError(f"{project.contracts_folder} did not compile", hint="see what `ape compile` says")
    return artefacts


def _commit(root: Path) -> tuple[str, bool]:
    """Commit of the checkout, and whether the contracts differ from it; empty outside of git."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603

    return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", "contracts"))
