"""The state of one stream, or of many: nothing but integers in sequences of fixed length."""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from gridwitness.scoring.streaming.params import StreamParams

BUCKETS = 256
PEAK_BUCKETS = 512
DAY_HOURS = 24
WEEK_HOURS = 168
SEEN, FAST, SLOW, SPREAD, RUN, LONGEST, REPEATS, PATH_END = range(8)
Held = TypeVar("Held")


class Calibrated(Protocol):
    """What a state has for its evidence to be calibrated; `recent` tells how much is remembered."""

    @property
    def numbers(self) -> MutableSequence[int]:
        """The first is the readings seen."""

    @property
    def recent(self) -> MutableSequence[int]:
        """As long as the memory."""

    @property
    def evidence(self) -> MutableSequence[int]:
        """Ring of the last evidence."""

    @property
    def evidences(self) -> MutableSequence[int]:
        """Its counts by eighth of a bit, then their total."""

    @property
    def peaks(self) -> MutableSequence[int]:
        """The counts of records."""


class StateFields(NamedTuple, Generic[Held]):
    """All that is remembered of a stream; lists for the Python reference, int64 arrays for the compiled kernel.

    `numbers`      readings seen, fast mean, slow mean, spread, run of repeats, longest run, repeats of ended runs,
                   values in `path`
    `recent`       ring of the last values; `ordered` the same values by size; `path` the last ones in a row
    `gaps`, `residuals`, `shifts`, `shapes`   counts of the channels' distances by quarter octave, then their total
    `week_means`, `week_seen`, `day_means`, `day_seen`   usual values by hour (UTC) and how often it was seen
    `evidence`     ring of combined evidence; `evidences` its counts by eighth of a bit, `peaks` those of records
    """

    numbers: Held
    recent: Held
    ordered: Held
    path: Held
    gaps: Held
    residuals: Held
    shifts: Held
    shapes: Held
    week_means: Held
    week_seen: Held
    day_means: Held
    day_seen: Held
    evidence: Held
    evidences: Held
    peaks: Held


State: TypeAlias = StateFields[MutableSequence[int]]
"""Of one stream."""
States: TypeAlias = StateFields[Sequence[MutableSequence[int]]]
"""Of many: each field has a row for each stream."""


def empty_states(params: StreamParams, streams: int) -> States:
    """The state of each stream before its first reading, as lists."""
    return StateFields(*([[0] * size for _ in range(streams)] for size in sizes(params)))


def sizes(params: StreamParams) -> tuple[int, ...]:
    """Length of each field of a stream's state."""
    counts = (BUCKETS + 1, BUCKETS + 1, 2 * BUCKETS + 1, BUCKETS + 1)
    hours = (WEEK_HOURS, WEEK_HOURS, DAY_HOURS, DAY_HOURS)
    return (
        8,
        params.memory,
        params.memory,
        2 * params.shape_memory,
        *counts,
        *hours,
        params.record_max,
        PEAK_BUCKETS + 1,
        PEAK_BUCKETS,
    )
