"""Revert data becomes a name and values."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.chain.abi import canonical_type, custom_errors
from gridwitness.chain.reverts import _HINTS, decode_revert
from gridwitness.encoding.hashing import keccak


def revert_data(signature: str, values: list[Any]) -> bytes:
    types = signature[signature.index("(") + 1 : -1]
    return keccak(signature.encode())[:4] + encode(types.split(",") if types else [], values)


@pytest.mark.parametrize(
    ("signature", "values", "message"),
    [
        ("GateClosed(uint32,uint256)", [1632192, 1468970100], "GateClosed(slot=1632192, closedAt=1468970100)"),
        ("PossessionNotProven(bytes32)", [b"\x01" * 32], f"PossessionNotProven(keyId=0x{'01' * 32})"),
        ("ThresholdNotMet(uint256,uint8)", [1, 2], "ThresholdNotMet(signatures=1, threshold=2)"),
        ("ZeroAmount()", [], "ZeroAmount()"),
        ("Error(string)", ["no"], "Error(message=no)"),
        ("Panic(uint256)", [0x11], "Panic(code=17)"),
    ],
)
def test_decode_revert__known_error__has_name_and_values(signature: str, values: list[Any], message: str) -> None:
    assert decode_revert(revert_data(signature, values)).message == message


def test_decode_revert__every_known_error__round_trips() -> None:
    zero: dict[str, Any] = {"address": "0x" + "00" * 20, "bytes": b"", "string": "", "bool": False}
    for error in custom_errors():
        types = [canonical_type(part) for part in error["inputs"]]
        values = [zero.get(kind, bytes(int(kind[5:])) if kind.startswith("bytes") else 0) for kind in types]
        decoded = decode_revert(revert_data(f"{error['name']}({','.join(types)})", values))
        assert decoded.error_name == error["name"]
        assert list(decoded.arguments) == [part["name"] for part in error["inputs"]]


def test_decode_revert__error_with_a_hint__is_one_that_contracts_have() -> None:
    assert _HINTS.keys() <= {error["name"] for error in custom_errors()}
    data = revert_data("BatchOutsideValidity(uint40,uint40,uint256)", [1, 2, 3])
    assert decode_revert(data).hint == "the committee must sign the batch again, in a new window"


@given(st.binary(max_size=100))
def test_decode_revert__any_bytes__never_fails(data: bytes) -> None:
    decoded = decode_revert(data)
    assert decoded.error_name
    if not data:
        assert decoded.message == "RevertWithoutReason()"


@given(
    st.sampled_from([error["name"] for error in custom_errors()] + ["Error"]),
    st.lists(st.binary(min_size=32, max_size=32)),
)
def test_decode_revert__known_selector_with_any_words__never_fails(name: str, words: list[bytes]) -> None:
    types = {error["name"]: [canonical_type(part) for part in error["inputs"]] for error in custom_errors()}
    selector = keccak(f"{name}({','.join(types.get(name, ['string']))})".encode())[:4]
    assert decode_revert(selector + b"".join(words)).error_name in (name, "UnknownError")


def test_decode_revert__cut_short__keeps_the_hex() -> None:
    data = revert_data("GateClosed(uint32,uint256)", [1, 2])[:-1]
    assert decode_revert(data).message == f"UnknownError(data=0x{data.hex()})"
