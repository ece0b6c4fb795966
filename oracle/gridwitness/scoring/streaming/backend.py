"""How the kernel runs: as Python on lists, or compiled by numba (extra `fast`) on int64 arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec

import numpy as np

from gridwitness.encoding.compiling import compile_functions
from gridwitness.scoring.streaming import kernel


def is_numba_installed() -> bool:
    """Whether the extra `fast` is there."""
    return find_spec("numba") is not None


@cache
def compiled_kernel() -> Callable[..., None]:
    """`kernel.score_many`, compiled. Raises ConfigError if numba is not installed."""
    constants = {"LOG2_TABLE": np.array(kernel.LOG2_TABLE, dtype=np.int64)}
    return compile_functions(kernel.KERNEL, constants)["score_many"]
