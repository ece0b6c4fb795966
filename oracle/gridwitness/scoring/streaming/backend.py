"""How the kernel runs: as Python on lists, or compiled by numba (extra `fast`) on int64 arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from types import FunctionType
from typing import Any

import numpy as np

from gridwitness.errors import ConfigError
from gridwitness.scoring.streaming import kernel


def is_numba_installed() -> bool:
    """Whether the extra `fast` is there."""
    return find_spec("numba") is not None


@cache
def compiled_kernel() -> Callable[..., None]:
    """`kernel.score_many`, compiled; machine code is cached beside the module, or where NUMBA_CACHE_DIR says.

    Each function gets a namespace in which its callees are the compiled ones, so the module itself stays Python.
    Raises ConfigError if numba is not installed.
    """
    try:
        from numba import njit
    except ImportError as error:
        raise ConfigError("numba is not installed", hint="install gridwitness[fast], or score in Python") from error

    namespace: dict[str, Any] = vars(kernel) | {"LOG2_TABLE": np.array(kernel.LOG2_TABLE, dtype=np.int64)}
    for function in kernel.KERNEL:
        own = FunctionType(function.__code__, namespace, function.__name__)
        own.__module__ = function.__module__
        namespace[function.__name__] = njit(cache=True)(own)
    compiled: Callable[..., None] = namespace["score_many"]
    return compiled
