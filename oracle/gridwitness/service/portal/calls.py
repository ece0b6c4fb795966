"""What transactions to the contracts said that their events leave out."""

from __future__ import annotations

from functools import cache

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address

from gridwitness.chain.abi import abi_of, canonical_type
from gridwitness.domain.market import Schedule
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.packing import unpack_orders

_SELECTOR_BYTES = 4


def submitted_schedules(calldata: bytes) -> list[Schedule]:
    """Schedules that a call of the market's `submit`, `submitOwn` or `replace` brings; none of another call."""
    name, arguments = _arguments("EnergyMarket", ("submit", "submitOwn", "replace"), calldata)
    if not name:
        return []
    if name == "submitOwn":
        return [_schedule(arguments[0])]
    rows = arguments[0] if name == "submit" else arguments[:1]
    return [_schedule(row[0]) for row in rows]


def batch_valid_from(calldata: bytes) -> int | None:
    """When (unix seconds) the batch of an `attest` was proposed to be signed; None of another call."""
    name, arguments = _arguments("DataAttestation", ("attest",), calldata)
    return int(arguments[0][6]) if name else None


def _schedule(values: tuple) -> Schedule:  # type: ignore[type-arg]  # as eth_abi gives it
    device_id, account, zone, day, version, deadline, imbalance_limit_wh, words = values
    orders = unpack_orders(words)
    return Schedule(
        bytes(device_id), to_checksum_address(account), zone, day, version, deadline, imbalance_limit_wh, orders
    )


def _arguments(contract: str, functions: tuple[str, ...], calldata: bytes) -> tuple[str, tuple]:  # type: ignore[type-arg]
    name, types = _functions(contract).get(calldata[:_SELECTOR_BYTES], ("", ()))
    if name not in functions:
        return "", ()
    try:
        return name, decode(types, calldata[_SELECTOR_BYTES:])
    except (DecodingError, OverflowError):
        return "", ()


@cache
def _functions(contract: str) -> dict[bytes, tuple[str, tuple[str, ...]]]:
    """Names and argument types by selector."""
    found = {}
    for entry in abi_of(contract):
        if entry["type"] == "function":
            types = tuple(canonical_type(part) for part in entry["inputs"])
            selector = keccak(f"{entry['name']}({','.join(types)})".encode())[:_SELECTOR_BYTES]
            found[selector] = (entry["name"], types)
    return found
