"""Reads values out of a proof file's JSON and says which key is wrong, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping

from eth_utils.address import is_checksum_address

from gridwitness.errors import ProofError

_HEX = re.compile(r"0x([0-9a-fA-F]{2})*")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)")
_WORD_BYTES = 32


class Table:
    """A JSON object at `path`; every method takes a key in it and raises ProofError if the value is not as wanted."""

    def __init__(self, path: str, value: object) -> None:
        if not isinstance(value, dict):
            raise ProofError(f"{path or 'the file'} is not a JSON object")
        self._path = path
        self._values: Mapping[str, object] = value

    def _name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def value(self, key: str) -> object:
        """Any value that is there."""
        if key not in self._values:
            raise ProofError(f"{self._name(key)} is missing")
        return self._values[key]

    def has(self, key: str) -> bool:
        """Whether there is a value."""
        return key in self._values

    def table(self, key: str) -> Table:
        """An object."""
        return Table(self._name(key), self.value(key))

    def items(self, key: str) -> list[object]:
        """An array."""
        value = self.value(key)
        if not isinstance(value, list):
            raise ProofError(f"{self._name(key)} is {value!r}; it must be an array")
        return value

    def text(self, key: str) -> str:
        """A string."""
        value = self.value(key)
        if not isinstance(value, str):
            raise ProofError(f"{self._name(key)} is {value!r}; it must be text")
        return value

    def address(self, key: str) -> str:
        """A checksummed address."""
        text = self.text(key)
        if not is_checksum_address(text):
            raise ProofError(f"{self._name(key)} is {text!r}; it must be a checksummed address")
        return text

    def integer(self, key: str) -> int:
        """A JSON integer, not negative."""
        value = self.value(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ProofError(f"{self._name(key)} is {value!r}; it must be a non-negative integer")
        return value

    def energies(self, key: str) -> tuple[int, ...]:
        """An array of JSON integers."""
        values = self.items(key)
        for index, value in enumerate(values):
            if not isinstance(value, int) or isinstance(value, bool):
                raise ProofError(f"{self._name(key)}[{index}] is {value!r}; it must be an integer")
        return tuple(value for value in values if isinstance(value, int))

    def decimal(self, key: str, solidity_type: str) -> int:
        """An integer as decimal text that fits a Solidity integer type."""
        text = self.text(key)
        if not _DECIMAL.fullmatch(text):
            raise ProofError(f"{self._name(key)} is {text!r}; it must be a decimal integer")
        value, signed = int(text), solidity_type.startswith("int")
        bits = int(solidity_type.removeprefix("u").removeprefix("int"))
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        if not low <= value <= high:
            raise ProofError(f"{self._name(key)} is {value}; {solidity_type} holds {low} to {high}")
        return value

    def data(self, key: str) -> bytes:
        """Bytes as 0x-hex."""
        return _bytes(self._name(key), self.text(key))

    def word(self, key: str) -> bytes:
        """32 bytes as 0x-hex."""
        return _word(self._name(key), self.text(key))

    def words(self, key: str) -> tuple[bytes, ...]:
        """An array of 32-byte words as 0x-hex."""
        return tuple(_word(f"{self._name(key)}[{index}]", item) for index, item in enumerate(self.items(key)))


def _bytes(name: str, text: object) -> bytes:
    if not isinstance(text, str) or not _HEX.fullmatch(text):
        raise ProofError(f"{name} is {text!r}; it must be 0x-hex")
    return bytes.fromhex(text[2:])


def _word(name: str, text: object) -> bytes:
    value = _bytes(name, text)
    if len(value) != _WORD_BYTES:
        raise ProofError(f"{name} has {len(value)} bytes; it must have {_WORD_BYTES}")
    return value
