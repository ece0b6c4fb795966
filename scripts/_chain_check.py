"""Whether a chain can run what the compiler made, asked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable

from web3 import Web3
from web3.exceptions import Web3Exception

from gridwitness.errors import ChainError
from scripts._artefacts import Artefact
from scripts._node import is_of_evm

MAX_CODE_BYTES = 24_576  # EIP-170
MAX_CREATION_BYTES = 49_152  # EIP-3860

# Instructions that not every chain has yet: hardfork, and creation code that runs one and stops.
_PROBES = {
    0x5F: ("PUSH0", "shanghai", "5f00"),
    0x5C: ("TLOAD", "cancun", "60005c00"),
    0x5D: ("TSTORE", "cancun", "600060005d00"),
    0x5E: ("MCOPY", "cancun", "6000600060005e00"),
    0x1E: ("CLZ", "osaka", "60011e00"),
}
_PUSH1, _PUSH32 = 0x60, 0x7F
# CBOR {"ipfs": 34 bytes, "solc": 3 bytes} and its length: data, not instructions.
_METADATA = re.compile(rb"\xa2\x64ipfs\x58\x22.{34}\x64solc\x43.{3}\x00\x33", re.DOTALL)


def check_chain(web3: Web3, evm_version: str, artefacts: Iterable[Artefact]) -> None:
    """Demand that the chain has each instruction used and takes code of this size.

    Raises ChainError naming what is missing, or the contract that is too large, and Web3Exception if the node does not
    say.
    """
    needed: set[int] = set()
    for artefact in artefacts:
        creation = bytes.fromhex(artefact.creation.removeprefix("0x"))
        needed |= instructions(creation) & _PROBES.keys()
        runtime_bytes = len(artefact.runtime.removeprefix("0x")) // 2
        for size, limit, what in (
            (len(creation), MAX_CREATION_BYTES, "of creation code (EIP-3860)"),
            (runtime_bytes, MAX_CODE_BYTES, "of code (EIP-170)"),
        ):
            if size > limit:
                raise ChainError(f"{artefact.name} has {size} bytes; a chain takes {limit} {what}")
    for instruction, (name, hardfork, probe) in _PROBES.items():
        if instruction in needed and not _runs(web3, probe):
            raise ChainError(
                f"chain {web3.eth.chain_id} does not execute {name} (hardfork {hardfork}), which the contracts contain "
                f"as compiled for {evm_version}",
                hint="set solidity.evm_version in ape-config.yaml to the chain's hardfork, or wait for its upgrade",
            )


def instructions(code: bytes) -> set[int]:
    """Instructions in creation code and in the code it holds; what PUSH pushes is none."""
    code = _METADATA.sub(b"", code)
    found, position = set(), 0
    while position < len(code):
        instruction = code[position]
        found.add(instruction)
        position += 1 + (instruction - _PUSH1 + 1 if _PUSH1 <= instruction <= _PUSH32 else 0)
    return found


def _runs(web3: Web3, probe: str) -> bool:
    try:
        web3.eth.call({"data": f"0x{probe}"})  # type: ignore[typeddict-item]
    except Web3Exception as error:
        if not is_of_evm(error):
            raise
        return False
    return True
