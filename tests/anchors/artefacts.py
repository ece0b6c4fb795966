"""Contracts of others, deployed from their own artefacts (toolchain/install_anchors.py)."""

from __future__ import annotations

import json

from ape.contracts import ContractContainer
from ethpm_types import ContractType

from toolchain.install_anchors import Package


def artefact(package: Package, name: str) -> ContractContainer:
    """A contract as it was published."""
    path = package.path / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; run `make setup`")
    content = json.loads(path.read_text(encoding="utf-8"))
    return ContractContainer(
        ContractType(
            contractName=name,
            abi=content["abi"],
            deploymentBytecode={"bytecode": content["bytecode"]},
            runtimeBytecode={"bytecode": content["deployedBytecode"]},
        )
    )
