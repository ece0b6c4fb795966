"""On-chain bytecode against a clean compile, byte for byte, immutables included.

A constructor decides what its immutables are, so the node is asked to run it once more where the contract stands:
`eth_call` with state overrides sets the contract's code to creation code and arguments, its nonce to what it was, and
takes away what it created itself. What the call returns is exactly the code that must stand there. A node without
overrides leaves only a comparison in which immutables are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_typing import HexStr
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.exceptions import Web3Exception, Web3RPCError

from gridwitness.encoding.hashing import keccak
from scripts._node import asks_to_wait
from scripts._verify_report import Report

_PROBE = to_checksum_address("0x" + "aa" * 20)
_ANSWERS_42 = "0x602a60005260206000f3"


def has_overrides(web3: Web3) -> bool:
    """Whether the node takes state overrides in `eth_call`: some refuse them, some pass over them silently."""
    try:
        answer = web3.eth.call({"to": _PROBE}, "latest", {_PROBE: {"code": HexStr(_ANSWERS_42)}})
    except Web3Exception as error:
        if isinstance(error, Web3RPCError) and asks_to_wait("eth_call", error.rpc_response):
            raise
        return False
    return int.from_bytes(answer) == 42


@dataclass(frozen=True, slots=True)
class Creation:
    """How a contract came to be: `code` is creation code and arguments, `created` are contracts that it makes then."""

    address: str
    sender: str
    code: bytes
    created: tuple[str, ...] = ()


def constructed(web3: Web3, creation: Creation, others: Mapping[str, bytes]) -> bytes | str:
    """Code that a creation leaves at its address; text is the reason why its constructor does not run.

    `others` have the code that must stand at other addresses, which the constructor may call: so that a contract that
    is not what it should be makes no other one look wrong.
    """
    overrides: dict[str, Any] = {address: {"code": "0x" + code.hex()} for address, code in others.items()}
    overrides |= {child: {"code": "0x", "nonce": "0x0"} for child in creation.created}
    overrides[creation.address] = {"code": "0x" + creation.code.hex(), "nonce": "0x1"}
    try:
        return bytes(
            web3.eth.call(
                {"from": to_checksum_address(creation.sender), "to": to_checksum_address(creation.address)},
                "latest",
                overrides,  # type: ignore[arg-type]
            )
        )
    except (Web3Exception, ValueError) as error:
        return " ".join(str(error).split())


def masked(code: bytes, immutables: Sequence[tuple[int, int]]) -> bytes:
    """Runtime code with zeros where its immutables stand."""
    blank = bytearray(code)
    for start, length in immutables:
        blank[start : start + length] = bytes(len(blank[start : start + length]))
    return bytes(blank)


def compare_code(report: Report, what: str, expected: bytes, found: bytes) -> bool:
    """Compare two runtime codes; whether they are the same."""
    report.compared += 1
    if expected == found:
        return True
    report.compared -= 1
    if len(expected) == len(found):
        first = next(index for index, pair in enumerate(zip(expected, found, strict=True)) if pair[0] != pair[1])
        where = f"{_describe(found)}, other from byte {first} on"
    else:
        where = _describe(found)
    report.differ(what, _describe(expected), where)
    return False


def _describe(code: bytes) -> str:
    return f"{len(code):,} bytes with hash 0x{keccak(code).hex()[:16]}…" if code else "no code"
