"""Compiles plain Python functions with numba (extra `fast`), so that modules stay Python and numba is never needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from types import FunctionType
from typing import Any

from gridwitness.errors import ConfigError


def is_numba_installed() -> bool:
    """Whether the extra `fast` is there."""
    return find_spec("numba") is not None


def compile_functions(
    functions: Sequence[FunctionType | Callable[..., Any]], constants: Mapping[str, Any] | None = None
) -> dict[str, Callable[..., Any]]:
    """`functions` of one module, callees first, compiled for the types they are first called with; by name.

    Each gets a namespace in which its callees are the compiled ones and `constants` take the place of the module's.
    Machine code is cached beside the module, in the user's cache folder, or where NUMBA_CACHE_DIR says; where none of
    them can be written it is compiled anew in every process. Raises ConfigError if numba is not installed.
    """
    try:
        from numba import njit
    except ImportError as error:
        raise ConfigError("numba is not installed", hint="install gridwitness[fast]") from error

    namespace: dict[str, Any] = {}
    compiled: dict[str, Callable[..., Any]] = {}
    for function in functions:
        assert isinstance(function, FunctionType)
        namespace = namespace or dict(function.__globals__) | dict(constants or {})
        own = FunctionType(function.__code__, namespace, function.__name__)
        own.__module__ = function.__module__
        try:
            namespace[function.__name__] = njit(cache=True)(own)
        except RuntimeError:  # no folder to cache in
            namespace[function.__name__] = njit(own)
        compiled[function.__name__] = namespace[function.__name__]
    return compiled
