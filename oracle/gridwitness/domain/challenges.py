"""Doubts about attested readings, and what a stream has put up against them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ChallengeStatus(IntEnum):
    """Where a challenge stands. The numbers are those of IStreamBonds."""

    NONE = 0
    OPEN = 1
    ANSWERED = 2
    CONVICTED = 3


@dataclass(frozen=True, slots=True)
class Challenge:
    """A doubt about one leaf of a batch; `leaf` in the order of encoding.leaves.READING_TYPES.

    `deadline` is the last second (unix) to answer, `window_s` how long before it the challenge was made, `stake` what
    an answer earns in the token's smallest unit.
    """

    challenge_id: bytes
    leaf: tuple[bytes, int, int, bytes, int, int, bytes]
    seq: int
    deadline: int
    window_s: int
    stake: int
    challenger: str


@dataclass(frozen=True, slots=True)
class Bond:
    """What a stream puts up; amounts in the token's smallest unit, `exit_at` unix seconds or 0 if none is announced."""

    token: str
    answer_window_s: int
    exit_at: int
    open_challenges: int
    amount: int
    stake: int
