"""Texts nested deeper than any decoder reads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_DEPTH = 5_000
DEEP_JSON = b'{"x":' + b"[" * _DEPTH + b"]" * _DEPTH + b"}"
DEEP_MESSAGEPACK = b"\x91" * _DEPTH + b"\xc0"


@contextmanager
def usual_recursion_limit() -> Iterator[None]:
    """Python's own limit, as services have it: Ape, loaded for all tests, brings in libraries that raise it."""
    raised = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(raised)
