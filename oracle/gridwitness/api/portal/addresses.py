"""Reading addresses that came in a URL."""

from __future__ import annotations

from http import HTTPStatus

from eth_utils.address import is_checksum_address, is_hex_address, to_checksum_address

from gridwitness.api.problems import ProblemError

_CHARACTERS = 42


def address_of(name: str, text: str) -> str:
    """A checksummed address. Raises ProblemError 400 for what is none, or has small and capital letters at the wrong
    places: then a digit is likely mistyped."""
    if len(text) != _CHARACTERS or not text.startswith("0x") or not is_hex_address(text):
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, f"{name} {text[:80]!r} is not an address: 0x and 40 hexadecimal digits"
        )
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and not is_checksum_address(text):
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"{name} {text!r} has a wrong checksum: look for a mistyped digit")
    return str(to_checksum_address(text))
