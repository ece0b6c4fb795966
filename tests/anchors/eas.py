"""The Ethereum Attestation Service, deployed from its own artefacts (toolchain/install_eas.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ape.contracts import ContractContainer
from ethpm_types import ContractType

FOLDER = Path(__file__).resolve().parents[2] / ".toolchain" / "eas-contracts-1.9.0"
NO_RESOLVER = "0x" + "00" * 20
NO_UID = bytes(32)


def artefact(name: str) -> ContractContainer:
    """A contract of EAS as it was published."""
    path = FOLDER / f"{name}.json"
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


def deploy_eas(account: Any) -> tuple[Any, Any]:
    """Schema registry and EAS, fresh."""
    schemas = account.deploy(artefact("SchemaRegistry"))
    return schemas, account.deploy(artefact("EAS"), schemas)


def register_schema(schemas: Any, schema: str, account: Any, revocable: bool = False) -> bytes:
    """Register a schema without resolver; returns its UID."""
    receipt = schemas.register(schema, NO_RESOLVER, revocable, sender=account)
    return bytes(receipt.return_value)


def request_data(data: bytes, ref_uid: bytes = NO_UID) -> tuple[str, int, bool, bytes, bytes, int]:
    """An AttestationRequestData: nobody's, for ever, irrevocable."""
    return (NO_RESOLVER, 0, False, ref_uid, data, 0)
