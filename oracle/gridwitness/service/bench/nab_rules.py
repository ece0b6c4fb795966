"""NAB's published scoring rules (A. Lavin and S. Ahmad, "Evaluating Real-time Anomaly Detection Algorithms", 2015).

A detection is a row whose score reaches the threshold, outside the first 15 % of a file (of at most 5,000 rows). The
earliest detection in a window earns up to A_TP, the earlier the more; a window without one costs A_FN; every detection
outside costs up to A_FP, the farther behind a window the more. 0 is a detector that never detects, 100 a perfect one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gridwitness.service.bench.nab_corpus import NabStream

PROBATION_SHARE = 0.15
PROBATION_ROWS = 5_000


class Profile(Enum):
    """Weights A_TP, A_FP, A_FN of NAB's three application profiles."""

    STANDARD = (1.0, 0.11, 1.0)
    LOW_FP = (1.0, 0.22, 1.0)
    LOW_FN = (1.0, 0.11, 2.0)

    @property
    def key(self) -> str:
        """Name in tables and JSON."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Row:
    """A row that counts: its detector's score, its value by position, its window's number, or None outside, and its
    file's number."""

    score: float
    position_value: float
    window: int | None
    file: int


def scaled_sigmoid(position: float) -> float:
    """2 / (1 + e^5y) − 1: y is −1 at a window's start, 0 at its end, positive behind; −1 from 3 on."""
    return -1.0 if position >= 3 else 2 / (1 + math.exp(5 * position)) - 1


def probation(rows: int) -> int:
    """Rows at a file's start that are not scored."""
    return int(min(math.floor(PROBATION_SHARE * rows), PROBATION_SHARE * PROBATION_ROWS))


def position_values(rows: int, windows: Sequence[tuple[int, int]]) -> list[float]:
    """What a detection at each row is worth before weighting: within a window up to 1, outside down to −1."""
    values: list[float] = []
    best = scaled_sigmoid(-1)
    for row in range(rows):
        within = next(((first, last) for first, last in windows if first <= row <= last), None)
        behind = [(first, last) for first, last in windows if last < row]
        if within:
            first, last = within
            values.append(scaled_sigmoid(-(last - row + 1) / (last - first + 1)) / best)
        elif behind:
            first, last = behind[-1]
            values.append(scaled_sigmoid((row - last) / max(last - first, 1)))
        else:
            values.append(-1.0)
    return values


def counted_rows(corpus: Sequence[tuple[NabStream, Sequence[float]]]) -> tuple[list[Row], int]:
    """All rows that count, by falling score, and the number of windows."""
    rows: list[Row] = []
    windows = 0
    for file, (stream, scores) in enumerate(corpus):
        values = position_values(len(scores), stream.windows)
        number = {
            row: windows + index for index, (first, last) in enumerate(stream.windows) for row in range(first, last + 1)
        }
        counted = range(probation(len(scores)), len(scores))
        rows += [Row(scores[row], values[row], number.get(row), file) for row in counted]
        windows += len(stream.windows)
    return sorted(rows, key=lambda row: -row.score), windows


def sweep(rows: Sequence[Row], windows: int, profile: Profile) -> list[tuple[float, float]]:
    """Pairs (threshold, normalised score) for every threshold that changes anything, from infinity downwards."""
    true_positive, false_positive, false_negative = profile.value
    earned: dict[int, float] = {}
    perfect = windows * (true_positive + false_negative)
    total, result = 0.0, [(math.inf, 0.0)]
    for index, row in enumerate(rows):
        if row.window is None:
            total += false_positive * row.position_value
        else:
            worth = true_positive * row.position_value
            before = earned.get(row.window, -false_negative)
            earned[row.window] = max(before, worth)
            total += earned[row.window] - before
        if index + 1 == len(rows) or rows[index + 1].score != row.score:
            result.append((row.score, 100 * total / perfect if windows else 0.0))
    return result


def best_threshold(rows: Sequence[Row], windows: int, profile: Profile) -> float:
    """The threshold of the best score, the highest of equals."""
    return max(sweep(rows, windows, profile), key=lambda pair: pair[1])[0]


def score_at(rows: Sequence[Row], windows: int, profile: Profile, threshold: float) -> float:
    """Normalised score with one threshold for all files."""
    return [score for at, score in sweep(rows, windows, profile) if at >= threshold][-1]
