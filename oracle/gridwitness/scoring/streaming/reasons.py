"""What a channel saw, in words a householder understands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gridwitness.scoring.streaming.fixed_point import to_text
from gridwitness.scoring.streaming.kernel import CHANNELS, NOVELTY, RANK, SEASON, SHAPE, SHIFT, STUCK
from gridwitness.scoring.streaming.params import StreamParams

NOTHING_BPS = 9_000
"""Up to this score nothing is said: one reading in ten has a higher one."""


def weighted(row: Sequence[int], params: StreamParams) -> list[int]:
    """Each channel's part of the squared evidence, in the order of CHANNELS."""
    weights = (
        params.novelty_weight,
        params.rank_weight,
        params.season_weight,
        params.shift_weight,
        params.shape_weight,
        params.stuck_weight,
    )
    return [weight * surprise * surprise for weight, surprise in zip(weights, row, strict=True)]


def explain(
    row: Sequence[int], facts: Sequence[int], value: int, params: StreamParams, decimals: int
) -> tuple[str, str]:
    """Channel with the greatest part of the evidence, and its reason."""
    parts = weighted(row, params)
    channel = parts.index(max(parts))
    fact = facts[channel]

    def text(fixed: int) -> str:
        return to_text(fixed, decimals)

    def about(fixed: int) -> str:
        return text(fixed - fixed % 10 ** max(len(str(fixed)) - 4, 0))

    say: dict[int, Callable[[], str]] = {
        NOVELTY: lambda: f"{text(value)} is {text(fact)} away from any value before",
        RANK: lambda: _rank(fact, text(value)),
        SEASON: lambda: f"about {about(abs(fact))} {'more' if fact > 0 else 'less'} than is usual at this hour",
        SHIFT: lambda: f"the level has moved {'up' if fact > 0 else 'down'} by about {about(abs(fact))}",
        SHAPE: lambda: f"the last three values are {text(fact)} away from any three in a row before",
        STUCK: lambda: f"stuck at {text(value)} for {fact} slots",
    }
    return CHANNELS[channel], say[channel]()


def _rank(count: int, text: str) -> str:
    if count == 0:
        return f"no value before was as extreme as {text}"
    values = "value" if abs(count) == 1 else "values"
    return f"only {abs(count)} {values} before as {'high' if count > 0 else 'low'} as {text}"
