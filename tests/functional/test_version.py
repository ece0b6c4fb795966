"""Every contract says which version of its interface it answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

VERSIONS = json.loads((Path(__file__).resolve().parents[2] / "toolchain" / "interfaces.json").read_text())


# The mirror, whose constructor needs EAS, answers in tests/functional/adapters; shares, which need terms, in shares.
@pytest.mark.parametrize("interface", sorted(VERSIONS.keys() - {"IEasMirror", "IAssetShares"}))
def test_version__each_contract__is_its_interface_s(interface: str, project: Any, deployer: Any) -> None:
    contract = getattr(project, interface.removeprefix("I"))
    arguments = ["0x" + "11" * 20] * len(contract.constructor.abi.inputs)
    assert deployer.deploy(contract, *arguments).version() == VERSIONS[interface]["version"]
