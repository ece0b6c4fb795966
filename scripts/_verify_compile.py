"""A clean compile of the sources by solc itself, beside Ape and its cache, in the form that explorers take as well."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ape.managers.project import LocalProject
from eth_utils.hexadecimal import add_0x_prefix
from packaging.version import Version
from solcx.install import get_executable

from gridwitness.errors import ConfigError

_OUTPUTS = ["evm.bytecode.object", "evm.deployedBytecode", "metadata"]
Settings = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A contract as solc makes it: code as 0x-hex, `immutables` as (offset, bytes) in the runtime code.

    `compiler` is solc's full version, `identifier` is path:name, `standard_json` compiles to it wherever it is sent.
    """

    name: str
    creation: str
    runtime: str
    immutables: tuple[tuple[int, int], ...]
    compiler: str
    identifier: str
    standard_json: Mapping[str, Any]


def compile_clean(project: LocalProject, names: Iterable[str]) -> dict[str, Compiled]:
    """Compile contracts (20 s with the npm solc); nothing is read from or written to a cache.

    Raises ConfigError if there is no such source, or if it does not compile.
    """
    root = Path(project.path)
    paths = {name: _source_of(Path(project.contracts_folder), name).relative_to(root).as_posix() for name in names}
    answer = run_solc(project, standard_json(project, paths.values()))
    return {name: _compiled(root, project, path, name, answer["contracts"][path][name]) for name, path in paths.items()}


def compiler_settings(project: LocalProject) -> Settings:
    """solc's settings as Ape gives them: they are hashed into each contract's metadata, so they must be the same."""
    solidity = project.config.solidity
    return {
        "evmVersion": solidity.evm_version,
        "optimizer": {"enabled": solidity.optimize, "runs": solidity.optimization_runs},
        "remappings": [str(remapping) for remapping in solidity.import_remapping],
        "viaIR": solidity.via_ir,
    }


def standard_json(project: LocalProject, targets: Iterable[str], sources: Iterable[str] = ()) -> dict[str, Any]:
    """Input of solc for files (paths within the project). Sources not given are looked up by solc in the project."""
    files = sorted({*targets, *sources})
    return {
        "language": "Solidity",
        "settings": compiler_settings(project) | {"outputSelection": {path: {"*": _OUTPUTS} for path in targets}},
        "sources": {path: {"content": (Path(project.path) / path).read_text(encoding="utf-8")} for path in files},
    }


def run_solc(project: LocalProject, request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer of the pinned solc. Raises ConfigError with its first error."""
    root = str(project.path)
    solc = get_executable(version=Version(str(project.config.solidity.version)))
    command = [str(solc), "--standard-json", "--base-path", root, "--allow-paths", root]
    done = subprocess.run(  # noqa: S603
        command, input=json.dumps(request), capture_output=True, text=True, check=False, cwd=root
    )
    if done.returncode:
        raise ConfigError(f"solc failed: {' '.join(done.stderr.split())}")
    answer: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    for error in answer.get("errors", []):
        if error["severity"] == "error":
            raise ConfigError(f"the sources do not compile: {error['message']}")
    return answer


def _source_of(folder: Path, name: str) -> Path:
    found = sorted(folder.rglob(f"{name}.sol"))
    if len(found) != 1:
        raise ConfigError(f"there are {len(found)} files {name}.sol under {folder}; expected one")
    return found[0]


def _compiled(root: Path, project: LocalProject, path: str, name: str, output: Mapping[str, Any]) -> Compiled:
    metadata = json.loads(output["metadata"])
    deployed = output["evm"]["deployedBytecode"]
    places = [place for places in deployed["immutableReferences"].values() for place in places]
    return Compiled(
        name=name,
        creation=add_0x_prefix(output["evm"]["bytecode"]["object"]),
        runtime=add_0x_prefix(deployed["object"]),
        immutables=tuple(sorted((place["start"], place["length"]) for place in places)),
        compiler=metadata["compiler"]["version"],
        identifier=f"{path}:{name}",
        standard_json=standard_json(project, [path], metadata["sources"]),
    )
