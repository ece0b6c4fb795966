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


@dataclass(frozen=True, slots=True)
class Artefact:
    """ABI and creation bytecode (0x-hex) of a contract."""

    name: str
    abi: Abi
    creation: str


@dataclass(frozen=True, slots=True)
class Artefacts:
    """All contracts of one compile; hashes are sha256 hex of the compiler settings and of settings plus sources."""

    solc: str
    settings_hash: str
    source_hash: str
    source_commit: str
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
    return Artefacts(
        solc=str(project.config.solidity.version),
        settings_hash=hashlib.sha256(settings.encode()).hexdigest(),
        source_hash=source_hash,
        source_commit=_commit(project.path),
        contracts={name: Artefact(**fields) for name, fields in contracts.items()},
    )


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
        bytecode = contract.deployment_bytecode.bytecode if contract.deployment_bytecode else None
        abi = [entry.model_dump(mode="json", by_alias=True, exclude_none=True) for entry in contract.abi]
        artefacts[name] = Artefact(name, abi, str(bytecode or "0x"))
    if not artefacts:
        raise ConfigError(f"{project.contracts_folder} did not compile", hint="see what `ape compile` says")
    return artefacts


def _commit(root: Path) -> str:
    """Commit of the checkout, with `+` if the contracts differ from it; empty outside of git."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603

    return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", "contracts") else "")
