"""Files for the Safe Transaction Builder, with which the owners of a Safe sign what only the Safe may do."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gridwitness.encoding.hashing import keccak


class SafeTransaction(NamedTuple):
    """A call of the Safe's: contract and calldata (0x-hex)."""

    to: str
    data: str


def write_batch(path: Path, chain_id: int, description: str, calls: Sequence[SafeTransaction], safe: str = "") -> None:
    """Write a file that "Transaction Builder → load" takes; `safe` is whose it is, if that is known."""
    batch: dict[str, Any] = {
        "version": "1.0",
        "chainId": str(chain_id),
        "createdAt": int(time.time() * 1000),
        # Builders differ in whether the name counts for the checksum; without one they agree.
        "meta": {
            "name": None,
            "description": description,
            "createdFromSafeAddress": safe,
            "createdFromOwnerAddress": "",
        },
        "transactions": [
            {"to": call.to, "value": "0", "data": call.data, "contractMethod": None, "contractInputsValues": None}
            for call in calls
        ],
    }
    batch["meta"]["checksum"] = checksum(batch)
    path.write_text(json.dumps(batch, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def checksum(batch: dict[str, Any]) -> str:
    """Keccak-256 of a batch without a checksum, written as the Transaction Builder does it; it warns of any other."""
    return "0x" + keccak(_serialised(batch).encode()).hex()


def _serialised(value: Any) -> str:
    if isinstance(value, dict):
        keys = sorted(value)
        return "{" + _json(keys) + "".join(f"{_serialised(value[key])}," for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_serialised, value)) + "]"
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
