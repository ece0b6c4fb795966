"""Compiles plain Python functions with numba (extra `fast`), so that modules stay Python and numba is never needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from importlib.util import find_spec
from types import FunctionType
from typing import Any

import numpy as np

from gridwitness.errors import ConfigError


def is_numba_installed() -> bool:
    """Whether the extra `fast` is there."""
    return find_spec("numba") is not None


def compile_functions(
    functions: Sequence[FunctionType | Callable[..., Any]], constants: Mapping[str, Any] | None = None
) -> dict[str, Callable[..., Any]]:
    """`functions` of one module, callees first, compiled for the types they are first called with; by name.

    Each gets a namespace in which its callees are the compiled ones and `constants` take the place of the module's.
    Machine code is cached beside the module, in the user's cache folder, or where NUMBA_CACHE_DIR says, by all that it
    depends on; where none of them can be written it is compiled anew in every process. Raises ConfigError if numba is
    not installed.
    """
    try:
        from numba import njit
    except ImportError as error:
        raise ConfigError("numba is not installed", hint="install gridwitness[fast]") from error

    sources = [function for function in functions if isinstance(function, FunctionType)]
    assert len(sources) == len(functions)
    namespace: dict[str, Any] = {**sources[0].__globals__, **(constants or {})} if sources else {}
    # Whether its cache is stale numba tells by the function's own file, not by callees, constants and tuples of others.
    # But what it caches goes by the qualified name.
    fingerprint = _fingerprint(sources, namespace)
    compiled: dict[str, Callable[..., Any]] = {}
    for function in sources:
        own = FunctionType(function.__code__, namespace, function.__name__)
        own.__module__, own.__qualname__ = function.__module__, f"{function.__name__}_{fingerprint}"
        try:
            namespace[function.__name__] = njit(cache=True)(own)
        except RuntimeError:  # no folder to cache in
            namespace[function.__name__] = njit(own)
        compiled[function.__name__] = namespace[function.__name__]
    return compiled


def _fingerprint(functions: Sequence[FunctionType], namespace: Mapping[str, Any]) -> str:
    """Hash of what these functions' machine code depends on: their own code, and what their namespace holds."""
    codes = [
        (one.__name__, one.__code__.co_code, one.__code__.co_consts, one.__code__.co_names, one.__code__.co_varnames)
        for one in functions
    ]
    found = [(name, _identity(value)) for name, value in sorted(namespace.items()) if not name.startswith("__")]
    return sha256(repr((codes, found)).encode()).hexdigest()[:16]


def _identity(value: Any) -> str:
    """A constant's value, a named tuple's fields, else the name; a compiled function's tells its code."""
    if isinstance(value, np.ndarray | np.generic):
        return repr((value.dtype.str, value.tolist()))
    if isinstance(value, tuple | list):
        return repr([_identity(one) for one in value])
    if isinstance(value, int | float | str | bytes):
        return repr(value)
    value = getattr(value, "py_func", value)
    name = getattr(value, "__qualname__", getattr(value, "__name__", type(value).__qualname__))
    return repr((name, getattr(value, "_fields", ())))
