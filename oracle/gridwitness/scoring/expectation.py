"""What a meter that is silent or stuck probably used, so that its neighbours are not blamed for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.scoring.integers import median
from gridwitness.scoring.series import MISSING, Series

_REACH = 1
_RATIO_ONE = 1_024


def expected_wh(series: Series, peers: Iterable[Series], slot: int, before: int) -> tuple[int, int]:
    """Expected value of a slot and its standard deviation (Wh).

    Guesses are the median of the quarter hours around this time on earlier days (below slot `before`), and each peer's
    value times the ratio the two had in those. The one that erred least there is taken. With no past left at this
    time of day, nothing is expected, give or take twice the meter's mean size.
    """
    past = [
        past_slot
        for day_start in range(slot - SLOTS_PER_DAY, slot - len(series.values), -SLOTS_PER_DAY)
        for past_slot in range(day_start - _REACH, day_start + _REACH + 1)
        if past_slot < before and series.value_at(past_slot) != MISSING
    ]
    if not past:
        return 0, 1 + (series.level_q8 >> 7)
    own = [series.value_at(past_slot) for past_slot in past]
    usual = median(own)
    guesses = [(_mean_error(own, [usual] * len(own)), usual)]
    for peer in peers:
        theirs = [peer.value_at(past_slot) for past_slot in past]
        now = peer.value_at(slot)
        if now == MISSING or MISSING in theirs or not sum(theirs):
            continue
        ratio = _RATIO_ONE * sum(own) // sum(theirs)
        error = _mean_error(own, [ratio * value // _RATIO_ONE for value in theirs])
        guesses.append((error, ratio * now // _RATIO_ONE))
    error, best = min(guesses)
    return best, 1 + error * 3 // 2


def _mean_error(values: Sequence[int], expected: Sequence[int]) -> int:
    return sum(abs(value - other) for value, other in zip(values, expected, strict=True)) // len(values)
