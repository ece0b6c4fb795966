"""How the kernel runs: as Python on lists, or compiled by numba (extra `fast`) on int64 arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from gridwitness.encoding.compiling import compile_functions
from gridwitness.scoring.streaming import joint, kernel


def is_numba_installed() -> bool:
    """Whether the extra `fast` is there."""
    return find_spec("numba") is not None


@cache
def compiled_kernel() -> Callable[..., None]:
    """`kernel.score_many`, compiled. Raises ConfigError if numba is not installed."""
    return compiled_parts()["score_many"]


@cache
def compiled_joint_kernel() -> Callable[..., None]:
    """`joint.score_all_together`, compiled. Raises ConfigError if numba is not installed."""
    return compile_functions(joint.JOINT_KERNEL, compiled_parts())["score_all_together"]


@cache
def compiled_parts() -> dict[str, Callable[..., Any]]:
    """The functions of `kernel`, compiled, by name. Raises ConfigError if numba is not installed."""
    return compile_functions(kernel.KERNEL, {"LOG2_TABLE": np.array(kernel.LOG2_TABLE, dtype=np.int64)})
