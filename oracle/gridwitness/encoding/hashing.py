"""Keccak-256 (the padding before FIPS 202), through the compiled safe-pysha3."""

from __future__ import annotations

from sha3 import keccak_256


def keccak(data: bytes) -> bytes:
    """Keccak-256 of `data`, 32 bytes."""
    digest: bytes = keccak_256(data).digest()
    return digest
