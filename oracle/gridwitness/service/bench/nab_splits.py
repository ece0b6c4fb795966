"""NAB's score of files that no threshold was found on: random halves of a corpus, one to design on, one to score."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple

import numpy as np

from gridwitness.errors import InputError
from gridwitness.service.bench.nab_rules import Profile, Row, best_threshold, score_at


class HalfScores(NamedTuple):
    """Normalised scores with one threshold: of the files it is the best of, and of all others."""

    designed: float
    held_back: float


def draw_halves(files: int, splits: int, seed: int) -> list[frozenset[int]]:
    """Numbers of the files to design on, half of them rounded down, for each split. Raises InputError below two."""
    if files < 2:
        raise InputError(f"{files} file cannot be split", hint="give two files or more, or leave out --splits")
    rng = np.random.default_rng(seed)
    return [frozenset(rng.permutation(files)[: files // 2].tolist()) for _ in range(splits)]


def score_halves(rows: Sequence[Row], windows: Sequence[int], design: Set[int], profile: Profile) -> HalfScores:
    """Find a threshold on the files of `design` and apply it to the others.

    `rows` are those of all files, as `counted_rows` gives them; `windows` is how many each file has.
    """
    designed = [row for row in rows if row.file in design]
    held_back = [row for row in rows if row.file not in design]
    designed_windows = sum(windows[file] for file in design)
    threshold = best_threshold(designed, designed_windows, profile)
    return HalfScores(
        score_at(designed, designed_windows, profile, threshold),
        score_at(held_back, sum(windows) - designed_windows, profile, threshold),
    )
