"""The Ethereum Attestation Service, deployed from its own artefacts."""

from __future__ import annotations

from typing import Any

from tests.anchors.artefacts import artefact
from toolchain.install_anchors import EAS

NO_RESOLVER = "0x" + "00" * 20
NO_UID = bytes(32)


def deploy_eas(account: Any) -> tuple[Any, Any]:
    """Schema registry and EAS, fresh."""
    schemas = account.deploy(artefact(EAS, "SchemaRegistry"))
    return schemas, account.deploy(artefact(EAS, "EAS"), schemas)


def register_schema(schemas: Any, schema: str, account: Any, revocable: bool = False) -> bytes:
    """Register a schema without resolver; returns its UID."""
    receipt = schemas.register(schema, NO_RESOLVER, revocable, sender=account)
    return bytes(receipt.return_value)


def request_data(data: bytes, ref_uid: bytes = NO_UID) -> tuple[str, int, bool, bytes, bytes, int]:
    """An AttestationRequestData: nobody's, for ever, irrevocable."""
    return (NO_RESOLVER, 0, False, ref_uid, data, 0)
