"""JSON inside signed documents: exact numbers, no duplicate keys, bounded nesting."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NoReturn

from gridwitness.errors import InputError


def decode_json(data: bytes, what: str) -> Any:
    """The value of JSON, fractions as Decimal. Raises InputError naming `what`."""
    try:
        return json.loads(
            data.decode(), parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_without_duplicates
        )
    except (
        ValueError,
        RecursionError,
        ArithmeticError,
    ) as error:  # UnicodeDecodeError, JSONDecodeError are ValueErrors
        raise InputError(f"{what} is not JSON that is read here: {str(error)[:200]}") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return table
