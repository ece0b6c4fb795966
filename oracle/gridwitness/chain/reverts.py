"""Names for what contracts refuse with: custom errors of all known ABIs, `Error(string)` and `Panic(uint256)`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from gridwitness.chain.abi import canonical_type, custom_errors
from gridwitness.encoding.hashing import keccak
from gridwitness.errors import Reverted

_LANGUAGE_ERRORS = (
    {"name": "Error", "inputs": [{"name": "message", "type": "string"}]},
    {"name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
)
# What to do about it, where the name and the values do not say.
_HINTS = {
    "AccessControlUnauthorizedAccount": "`ape run roles` shows who holds which role",
    "AuthorizationInvalid": "sign again, with the nonce the registry has for the device now",
    "BatchFromFuture": "wait until the chain's time is past the batch's end",
    "BatchNotStanding": "only a batch that counts can be superseded",
    "BatchOutsideValidity": "the committee must sign the batch again, in a new window",
    "ChallengesOpen": "answer the challenges, or wait until their deadlines are over and convict",
    "CommitteeMismatch": "bring exactly the committee in force, each member once and in ascending order",
    "DeviceNotActive": "a suspended device is the steward's to reinstate; a retired one is gone for good",
    "ExitNotDue": "the bond stays until challenges of what was attested can no longer come",
    "NotInFleet": "the proof must be of (device id, kind) under the root its manufacturer enrolled",
    "PossessionNotProven": "the key must sign exactly the fields sent, for this chain and this registry",
    "PreviousUnexpected": "another batch was attested in between, or taken back by a reorganisation",
    "RotationTimeInvalid": "choose a time from now on, after the last rotation's and within 30 days",
    "SequenceUnexpected": "another batch was attested in between",
}


@dataclass(frozen=True, slots=True)
class _ErrorType:
    name: str
    names: tuple[str, ...]
    types: tuple[str, ...]


@cache
def _errors_by_selector() -> dict[bytes, _ErrorType]:
    table = {}
    for entry in (*custom_errors(), *_LANGUAGE_ERRORS):
        inputs: Any = entry["inputs"]
        types = tuple(canonical_type(part) for part in inputs)
        names = tuple(part["name"] or f"arg{index}" for index, part in enumerate(inputs))
        selector = keccak(f"{entry['name']}({','.join(types)})".encode())[:4]
        table[selector] = _ErrorType(str(entry["name"]), names, types)
    return table


def decode_revert(data: bytes) -> Reverted:
    """The error that revert data stands for; unknown data keeps its hex.

    Values come as integers, text and 0x-hex, ready to be printed.
    """
    if not data:
        return Reverted("RevertWithoutReason", {})
    known = _errors_by_selector().get(data[:4])
    if known is None or len(data) % 32 != 4:
        return Reverted("UnknownError", {"data": "0x" + data.hex()})
    try:
        values = decode(known.types, data[4:])
    except (DecodingError, ValueError, OverflowError):  # text that is no UTF-8, lengths beyond memory
        return Reverted("UnknownError", {"data": "0x" + data.hex()})
    arguments = {name: _readable(value) for name, value in zip(known.names, values, strict=True)}
    return Reverted(known.name, arguments, hint=_HINTS.get(known.name, ""))


def _readable(value: object) -> object:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, (tuple, list)):
        return tuple(_readable(item) for item in value)
    return value
