"""Core seconds that are those of one core, whatever machine counts them."""

from __future__ import annotations

import os

# How many threads OpenBLAS, MKL, Apple's Accelerate and OpenMP start; each looks once, when it is loaded. A second
# thread shortens hardly any wait on matrices of a few dozen columns, but waiting for work it is counted as CPU time.
_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS")


def keep_to_one_thread() -> None:
    """Let linear algebra compute in one thread in this process, if numpy is not loaded yet."""
    os.environ.update(dict.fromkeys(_THREADS, "1"))
