"""Whoever compiles gets the bytecode that is committed."""

from __future__ import annotations

import json

import pytest

from scripts._artefacts import Artefacts
from toolchain.bytecode_hash import DEPLOYED, SNAPSHOT, bytecode_hash, compile_hashes, compilers, differences


@pytest.fixture(scope="module")
def committed() -> dict[str, str]:
    return json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_compile__by_ape_and_by_each_other_compiler_at_hand__makes_the_committed_bytecode(
    artefacts: Artefacts, committed: dict[str, str]
) -> None:
    *others, (own, _) = compilers()  # Ape uses the last one
    made = {name: bytecode_hash(artefacts[name].creation) for name in DEPLOYED}
    assert differences(f"Ape by {own}", made, committed) == []
    for name, command in others:
        assert differences(name, compile_hashes(command), committed) == []


def metadata(content_hash: str) -> str:
    return "a264697066735822" + content_hash * 34 + "64736f6c63430008250033"


def test_bytecode_hash__other_metadata__is_the_same_and_other_code_is_not() -> None:
    assert bytecode_hash("6001" + metadata("ab") + "07") == bytecode_hash("0x6001" + metadata("cd") + "07")
    assert bytecode_hash("6001" + metadata("ab") + "07") != bytecode_hash("6001" + metadata("ab") + "08")
    assert bytecode_hash("6001" + metadata("ab")) != bytecode_hash("6002" + metadata("ab"))


def test_bytecode_hash__no_metadata__is_an_error() -> None:
    with pytest.raises(ValueError, match="2 bytes of bytecode hold no metadata"):
        bytecode_hash("0x6001")
