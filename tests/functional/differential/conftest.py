"""The contracts' encodings, asked of many cases in one call; and the draw the cases come from."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from eth_abi import decode, encode

from gridwitness.encoding.hashing import keccak

SEED = int(os.environ.get("GRIDWITNESS_FUZZ_SEED", "0x67726964"), 0)


class Draw(random.Random):
    """Random values of Solidity types; every fourth integer is the least or the greatest."""

    def uint(self, bits: int) -> int:
        """An unsigned integer."""
        return self.choice((0, (1 << bits) - 1)) if self.random() < 0.25 else self.getrandbits(bits)

    def int(self, bits: int) -> int:
        """A signed integer."""
        return self.uint(bits) - (1 << bits - 1)

    def word(self) -> bytes:
        """32 bytes."""
        return self.randbytes(32)

    def address(self) -> str:
        """An address, in lower case."""
        return "0x" + self.randbytes(20).hex()


class Encodings:
    """A contract by raw calls: Ape converts value by value, which takes longer than all else here.

    With state overrides it, and what it calls, may be asked at an address it was not deployed at.
    """

    def __init__(self, contract: Any, address: str, overrides: Mapping[str, Any] | None = None) -> None:
        self._provider, self._address, self._overrides = contract.provider, address, overrides or {}
        self._methods = {method.name: method for method in contract.contract_type.methods}

    def ask(self, name: str, *arguments: Any) -> Any:
        """Outputs of a call; the one output itself if there is one."""
        method = self._methods[name]
        types = [argument.canonical_type for argument in method.inputs]
        data = keccak(method.selector.encode())[:4] + encode(types, arguments)
        call = {"to": self._address, "data": "0x" + data.hex()}
        answer = self._provider.make_request("eth_call", [call, "latest", self._overrides])
        values = decode([output.canonical_type for output in method.outputs], bytes.fromhex(answer[2:]))
        return values[0] if len(values) == 1 else values


def assert_equal(ours: Sequence[Any], theirs: Sequence[Any], cases: Sequence[Any]) -> None:
    """Case by case, so that a failure names the case and the seed it was drawn with."""
    assert len(ours) == len(theirs) == len(cases)
    for python, solidity, case in zip(ours, theirs, cases, strict=True):
        assert python == solidity, f"GRIDWITNESS_FUZZ_SEED={SEED:#x}: {case}"


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> Draw:
    """Draws of a test's own, so that tests can run alone and in any order."""
    return Draw(f"{SEED}/{request.node.name}")


@pytest.fixture(scope="session")
def encodings(deployer: Any, registry: Any, attestation: Any, project: Any) -> Encodings:
    """The contracts' encodings."""
    harness = deployer.deploy(project.EncodingHarness, registry, attestation)
    return Encodings(harness, harness.address)
