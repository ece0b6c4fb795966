"""Values held against an ABI: every field there, none extra, each of the right type and within its range."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from eth_utils.address import is_address, to_checksum_address

from gridwitness.errors import ConfigError
from scripts._artefacts import Abi

BPS = 10_000
_STATIC_TYPE = re.compile(
    r"u?int(8|16|24|32|40|48|56|64|96|128|160|192|224|256)|address|bool|bytes([1-9]|[12]\d|3[0-2])"
)


def constructor_inputs(abi: Abi) -> list[dict[str, Any]]:
    """Inputs of the constructor; none if it has none."""
    return next((list(entry.get("inputs", [])) for entry in abi if entry["type"] == "constructor"), [])


def tuple_fields(abi: Abi, function: str, argument: str) -> list[dict[str, Any]]:
    """Fields of a function's struct argument."""
    inputs = next(entry["inputs"] for entry in abi if entry.get("name") == function)
    return list(next(part["components"] for part in inputs if part["name"] == argument))


def role_names(abi: Abi) -> list[str]:
    """Roles of an AccessControl contract: its parameterless bytes32 views named …_ROLE."""
    return sorted(
        entry["name"] for entry in abi
        if entry["type"] == "function" and entry["name"].endswith("_ROLE") and not entry["inputs"]
    )  # fmt: skip


class AbiChecker:
    """Checks values of one file. `references` are the `$names` that may stand for a value, with their ABI types.

    References whose value is known already are in `known` and replaced by it.
    """

    def __init__(self, source: str, known: Mapping[str, str]) -> None:
        self.source = source
        self.known = known
        self.references = dict.fromkeys(known, "address")

    def error(self, key: str, value: Any, limit: str) -> ConfigError:
        """A ConfigError naming file, key, value and limit."""
        return ConfigError(f"{self.source}: {key} is {value!r}; {limit}")

    def table(self, value: Any, key: str) -> Mapping[Any, Any]:
        """A mapping; nothing at all counts as an empty one."""
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self.error(key, value, "expected a table of keys")
        return value

    def keys(self, value: Any, key: str, required: Sequence[str]) -> Mapping[str, Any]:
        """A mapping with exactly the keys required."""
        table = self.table(value, key or "the file")
        place = f"{key}." if key else ""
        for name in required:
            if name not in table:
                raise ConfigError(f"{self.source}: {place}{name} is missing; expected {', '.join(required)}")
        for name in table:
            if name not in required:
                raise ConfigError(f"{self.source}: {place}{name} is not known; expected {', '.join(required)}")
        return table

    def fields(self, inputs: Sequence[Mapping[str, Any]], value: Any, key: str) -> dict[str, Any]:
        """Values of constructor arguments or struct fields, in the ABI's order."""
        names = [str(part["name"]).strip("_") for part in inputs]
        if not names:
            if self.table(value, key):
                raise self.error(key, value, "its constructor takes no arguments")
            return {}
        table = self.keys(value, key, required=names)
        checked = {}
        for name, part in zip(names, inputs, strict=True):
            checked[name] = self.value(str(part["type"]), table[name], f"{key}.{name}")
            if name.endswith("Bps") and checked[name] > BPS:
                raise self.error(f"{key}.{name}", checked[name], f"basis points allow 0 to {BPS}")
        return checked

    def refer(self, name: str, abi_type: str, key: str) -> None:
        """Let `$name` stand for a value of `abi_type` from here on."""
        if name in self.references:
            raise self.error(key, name, "the name is taken")
        self.references[name] = abi_type

    def value(self, abi_type: str, value: Any, key: str) -> Any:
        """The value, if it is one of `abi_type` or a reference to one."""
        if abi_type.endswith("[]"):
            if not isinstance(value, list):
                raise self.error(key, value, f"expected a list of {abi_type[:-2]}")
            return [self.value(abi_type[:-2], item, f"{key}[{index}]") for index, item in enumerate(value)]
        if isinstance(value, str) and value.startswith("$"):
            return self._reference(abi_type, value, key)
        if match := re.fullmatch(r"(u?)int(\d+)", abi_type):
            return self._integer(bool(match[1]), int(match[2]), value, key)
        if abi_type == "string":
            if not isinstance(value, str) or not value.strip() or not value.isprintable():
                raise self.error(key, value, "expected a line of text")
            return value
        if abi_type == "address":
            return self._address(value, key)
        if match := re.fullmatch(r"bytes(\d+)", abi_type):
            digits = 2 * int(match[1])
            if not isinstance(value, str) or not re.fullmatch(rf"0x[0-9a-fA-F]{{{digits}}}", value):
                raise self.error(key, value, f"{abi_type} is 0x and {digits} hex digits")
            return value
        raise self.error(key, value, f"arguments of type {abi_type} are not supported")

    def _reference(self, abi_type: str, value: str, key: str) -> str:
        if self.references.get(value[1:]) != abi_type:
            fitting = sorted(f"${name}" for name, kind in self.references.items() if kind == abi_type)
            raise self.error(key, value, f"{abi_type} wanted; defined above are {', '.join(fitting) or 'none'}")
        return self.known.get(value[1:], value)

    def _integer(self, unsigned: bool, bits: int, value: Any, key: str) -> int:
        low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.error(key, value, f"{'u' if unsigned else ''}int{bits} allows integers from {low} to {high}")
        return value

    def _address(self, value: Any, key: str) -> str:
        if not isinstance(value, str) or not is_address(value):
            raise self.error(key, value, "expected an address: 0x and 40 hex digits")
        if value != to_checksum_address(value):
            raise self.error(key, value, f"not checksummed (EIP-55); {to_checksum_address(value)} would be")
        if int(value, 16) == 0:
            raise self.error(key, value, "the zero address is nobody's")
        return value

    def leaf_types(self, value: Any, key: str) -> tuple[str, ...]:
        """ABI types of a leaf: static ones, as one leaf is one row of words."""
        if not isinstance(value, list) or not value:
            raise self.error(key, value, "expected a list of ABI types")
        for index, item in enumerate(value):
            if not isinstance(item, str) or not _STATIC_TYPE.fullmatch(item):
                raise self.error(f"{key}[{index}]", item, "expected a static ABI type such as bytes32 or uint64")
        return tuple(value)

    def short_name(self, name: Any, key: str) -> None:
        """Demand a name that fits 32 bytes of ASCII."""
        if not isinstance(name, str) or not name.isascii() or not name.isidentifier() or len(name) > 32:
            raise self.error(key, name, "a name is 1 to 32 ASCII letters, digits and _")
