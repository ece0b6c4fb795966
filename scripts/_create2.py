"""Addresses that do not depend on the chain: contracts made through the CREATE2 factory that most chains have."""

from __future__ import annotations

from typing import Any

from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.exceptions import Web3Exception

from gridwitness.encoding.hashing import keccak

# https://github.com/Arachnid/deterministic-deployment-proxy: calldata is salt ‖ creation code.
FACTORY = to_checksum_address("0x4e59b44847b379578588920ca78fbf26c0b4956c")
_FACTORY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f5801515603957"
    "8182fd5b8082525050506014600cf3"
)


def has_factory(web3: Web3) -> bool:
    """Whether the chain has the factory's very code at its address."""
    return bytes(web3.eth.get_code(FACTORY)) == _FACTORY_CODE


def create2_address(salt: bytes, creation: bytes) -> str:
    """Where the factory puts a contract: keccak256(0xff ‖ factory ‖ salt ‖ keccak256(creation code))."""
    return to_checksum_address(keccak(b"\xff" + bytes.fromhex(FACTORY[2:]) + salt + keccak(creation))[-20:])


def created_address(sender: str, nonce: int) -> str:
    """Address of the contract that a sender's transaction of this nonce creates: keccak256(rlp([sender, nonce]))."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    encoded_nonce = number if len(number) == 1 and number[0] < 0x80 else bytes([0x80 + len(number)]) + number
    payload = b"\x94" + bytes.fromhex(sender.removeprefix("0x")) + encoded_nonce
    return to_checksum_address(keccak(bytes([0xC0 + len(payload)]) + payload)[-20:])


def find_creation(web3: Web3, address: str, data: str) -> dict[str, Any]:
    """Block, transaction and sender of a contract that the factory made with these data; empty if not to be found.

    Halves the chain by where the code is, for which the node must have old states; many have the newest only.
    """
    low, high = 0, int(web3.eth.block_number)
    try:
        while low < high:
            middle = (low + high) // 2
            if web3.eth.get_code(to_checksum_address(address), block_identifier=middle):
                high = middle
            else:
                low = middle + 1
    except Web3Exception:
        return {}
    for transaction in web3.eth.get_block(low, full_transactions=True)["transactions"]:
        if isinstance(transaction, bytes) or transaction.get("to") != FACTORY:
            continue
        if bytes(transaction["input"]) == bytes.fromhex(data.removeprefix("0x")):
            return {
                "block": low,
                "created_by": transaction["from"],
                "transaction": "0x" + bytes(transaction["hash"]).hex(),
            }
    return {}
