"""The contracts the vectors are for, and EIP-712 hashes of messages to them."""

from __future__ import annotations

from typing import Any

from eth_utils.crypto import keccak

from tests.oracle.encoding.references import (
    ACTIVATE,
    BATCH,
    OWNER_ACTIONS,
    READING,
    REGISTER,
    SCHEDULE,
    TypedData,
    Types,
    type_string,
    typed_data,
)

CHAIN_ID = 31_337
REGISTRY = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
ATTESTATION = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
MARKET = "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9"
CONTRACTS = {"DeviceRegistry": REGISTRY, "DataAttestation": ATTESTATION, "EnergyMarket": MARKET}


def hexed(value: bytes) -> str:
    """0x-hex."""
    return "0x" + value.hex()


def word(value: int) -> str:
    """A 32-byte word as 0x-hex, two's complement."""
    return hexed((value % (1 << 256)).to_bytes(32, "big"))


def hashes_of(contract: str, primary: str, types: Types, values: dict[str, Any]) -> TypedData:
    """EIP-712 hashes of a message to a contract of ours."""
    return typed_data(f"Gridwitness {contract}", CHAIN_ID, CONTRACTS[contract], primary, types, values)


def domains() -> dict[str, Any]:
    """Each contract's EIP-712 domain."""
    return {
        contract: {
            "name": f"Gridwitness {contract}",
            "version": "1",
            "separator": hexed(hashes_of(contract, "Empty", [], {}).separator),
        }
        for contract in CONTRACTS
    }


def types() -> dict[str, Any]:
    """Each signed struct: the contract whose domain it is signed under, its type and the type's hash."""
    signed = {"Register": REGISTER, "Activate": ACTIVATE, **OWNER_ACTIONS, "Reading": READING}
    of_contract = {
        "DeviceRegistry": signed,
        "DataAttestation": {"Batch": BATCH},
        "EnergyMarket": {"Schedule": SCHEDULE},
    }
    rows = {}
    for contract, structs in of_contract.items():
        for primary, fields in structs.items():
            text = type_string(primary, fields)
            rows[primary] = {"contract": contract, "type": text, "type_hash": hexed(keccak(text=text))}
    return rows
