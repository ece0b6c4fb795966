"""A meter against its neighbours: what others under the same sky, or with the same habits, make expected of it.

Once a day a meter's predictors are chosen: the five meters of its zone whose imports (and, apart from those, whose
exports) were nearest to a constant multiple of its own in the days kept, and its own yesterday. What they say in a slot
has a median, and an error as it was in those days. Predictors are meters of the same zone only.

The channel speaks if most predictors do, at least two agree, and they were within an eighth of the meter on the mean:
so it judges PV plants by PV plants, and hardly ever a home by homes. A deviation must last: it adds up in cumulative
sums, one upwards, one downwards (E. Page, 1954), no slot alone alarms, and what the same sums came to in the days kept
is added to the limit. Where there is a feeder it has a say: a deviation that it could see, and does not miss, is real.

What is expected also stands in for a meter that is silent or stuck (`residual`), and speaks for or against a meter that
may hide what the feeder misses (`attribution`).

Rules:
- A meter that is silent, suspected frozen, deviates from its own neighbours or is accused predicts nothing.
- While a meter deviates or its zone misses energy, its predictors stay as they were, for a week: after that what was
  strange is how things are.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gridwitness.domain.readings import Score
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.scoring.channels import flagged_bps
from gridwitness.scoring.integers import clamp, median
from gridwitness.scoring.params import ScorerParams
from gridwitness.scoring.series import MISSING, Series

OWN_PAST = b""
"""Stands for the meter itself on earlier days where a predictor's device id is asked for."""

_RATIO_BITS = 16
_LEAST_RATIO, _MOST_RATIO = 1 << _RATIO_BITS - 8, 1 << _RATIO_BITS + 8
# Beyond any meter, and small enough that ratio × value and sums over days fit into 64 bits.
_MOST_WH = 1 << 32
LEAST_HISTORY = 2 * SLOTS_PER_DAY
_LEAST_SLOTS, _LEAST_BUSY = 48, 32
_ERROR_ONE = 1_024
# Two days are enough to guess by, not to accuse by.
_PROVEN_SLOTS, _UNPROVEN_Q4 = 5 * SLOTS_PER_DAY // 2, 1 << 20
_Q4 = 16
_DRIFT_Q4 = 16
_MAX_STEP_Q4 = 6 * _Q4
_ALARM_Q4 = 10 * _Q4
_FORGET_SLOTS = 7 * SLOTS_PER_DAY

Wh = npt.NDArray[np.int64]


@dataclass(slots=True)
class Predictor:
    """Expects `ratio` / 65,536 of what a device reports; was off by `error` / 1,024 of the level on the mean."""

    device_id: bytes
    ratio: int
    error: int


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a slot's value should be (Wh) and how far off that may be (Wh, at least 1).

    `import_binds` and `export_binds` tell whether a meter that imports or exports may be held to it.
    """

    value_wh: int
    error_wh: int
    import_binds: bool = False
    export_binds: bool = False

    def binds(self, value_wh: int) -> bool:
        """Whether a meter that reports `value_wh` may be held to it."""
        needs_import, needs_export = (
            max(value_wh, self.value_wh) > 0,
            min(value_wh, self.value_wh) < 0,
        )
        return (self.import_binds or not needs_import) and (self.export_binds or not needs_export)


@dataclass(frozen=True, slots=True)
class Awaited:
    """What a silent meter should have reported: `due` to judge its late value by, `guess` to do without it."""

    due: Expectation
    guess: Expectation


@dataclass(slots=True)
class Neighbourhood:
    """State of one meter: predictors of its import and its export, the day they were chosen, and its deviation since.

    `mean_wh` is the mean size of what it reported in the days kept, `record_q4` the greatest cumulative sum that those
    would have come to. `more_q4` and `less_q4` are the cumulative sums (errors / 16). `borne_out` counts slots in a row
    in which it repeated itself and the feeder agreed. `recent` holds (slot, expected, error), all in Wh, of the slots
    that the zone's evidence may be about, `awaited` what is expected in the slots that it may still report late.
    """

    imports: list[Predictor] = field(default_factory=list)
    exports: list[Predictor] = field(default_factory=list)
    chosen_slot: int = -1
    mean_wh: int = 0
    record_q4: int = 0
    more_q4: int = 0
    less_q4: int = 0
    borne_out: int = 0
    recent: list[tuple[int, int, int]] = field(default_factory=list)
    awaited: dict[int, Awaited] = field(default_factory=dict)

    @property
    def floor_wh(self) -> int:
        """Error below which no difference counts."""
        return 2 + self.mean_wh // 64

    @property
    def deviates(self) -> bool:
        """Whether the meter has long differed from its neighbours."""
        return max(self.more_q4, self.less_q4) >= self.alarm_q4

    @property
    def alarm_q4(self) -> int:
        """Sum from which on it does."""
        return _ALARM_Q4 + 2 * self.record_q4

    def is_due(self, slot: int, position: int, *, disturbed: bool) -> bool:
        """Whether predictors are to be chosen anew: once a day, every meter of a zone in a slot of its own."""
        if self.chosen_slot >= 0 and (disturbed or self.deviates):
            return slot - self.chosen_slot > _FORGET_SLOTS
        return self.chosen_slot < 0 or (slot - position) % SLOTS_PER_DAY == 0


def choose(home: Neighbourhood, own: Series, others: Mapping[bytes, Series], slot: int) -> None:
    """Choose the predictors of a meter from what it and the others reported up to `slot`."""
    ids = [device_id for device_id in sorted(others) if others[device_id].last_slot > slot - SLOTS_PER_DAY]
    table = np.array([_history(series, slot) for series in (own, *(others[device_id] for device_id in ids))])
    known = table != MISSING
    common = known & known[0]
    home.imports = _predictors(np.where(known, table, 0).clip(0, _MOST_WH), common, ids)
    home.exports = _predictors((-np.where(known, table, 0)).clip(0, _MOST_WH), common, ids)
    sizes = np.abs(np.where(known[0], table[0], 0)).clip(0, _MOST_WH)
    home.mean_wh = int(sizes.sum()) // max(int(known[0].sum()), 1)
    home.chosen_slot = slot
    index_of = {device_id: index for index, device_id in enumerate([OWN_PAST, *ids])}
    proven = int(known[0].sum()) >= _PROVEN_SLOTS
    home.record_q4 = _record_q4(home, np.where(known, table, 0), common, index_of) if proven else _UNPROVEN_Q4


def _record_q4(
    home: Neighbourhood,
    table: Wh,
    common: npt.NDArray[np.bool_],
    index_of: Mapping[bytes, int],
) -> int:
    """The greatest cumulative sum that the deviations of the days kept come to."""
    due, error = np.zeros_like(table[0]), np.full_like(table[0], home.floor_wh)
    for predictors, sign in ((home.imports, 1), (home.exports, -1)):
        if not predictors:
            continue
        rows = [index_of[one.device_id] for one in predictors]
        ratios = np.array([[one.ratio] for one in predictors], dtype=np.int64)
        parts = (table * sign).clip(0, _MOST_WH)
        parts[0, SLOTS_PER_DAY:] = parts[0, :-SLOTS_PER_DAY]
        said = np.sort(parts[rows] * ratios >> _RATIO_BITS, axis=0)
        middle = (said[(len(rows) - 1) // 2] + said[len(rows) // 2]) // 2
        due += sign * middle
        error = np.maximum(error, 3 * predictors[0].error * middle // (2 * _ERROR_ONE))
    steps = (_Q4 * (table[0] - due) // error).clip(-_MAX_STEP_Q4, _MAX_STEP_Q4) * common[0]
    more = less = record = 0
    for step in steps[SLOTS_PER_DAY:].tolist():
        more, less = max(more + step - _DRIFT_Q4, 0), max(less - step - _DRIFT_Q4, 0)
        record = max(record, more, less)
    return record


def _history(series: Series, slot: int) -> list[int]:
    """The values of the days kept up to `slot`, the oldest first."""
    size = len(series.values)
    row = [series.values[index % size] for index in range(slot - size + 1, slot + 1)]
    for late in range(max(series.last_slot - slot + size, 0), size):
        row[late] = MISSING
    return row


def _predictors(parts: Wh, common: npt.NDArray[np.bool_], ids: Sequence[bytes]) -> list[Predictor]:
    own = parts[0]
    if int((own > 0).sum()) < _LEAST_BUSY:
        return []
    mine, theirs = (own * common).sum(axis=1), (parts * common).sum(axis=1)
    ratios = (mine << _RATIO_BITS) // theirs.clip(1)
    usable = (ratios >= _LEAST_RATIO) & (ratios <= _MOST_RATIO) & (common.sum(axis=1) >= _LEAST_SLOTS)
    ratios = ratios.clip(0, _MOST_RATIO)
    misses = np.abs(own - (ratios[:, None] * parts >> _RATIO_BITS)) * common
    errors = misses.sum(axis=1) * _ERROR_ONE // mine.clip(1)
    found = [
        Predictor(ids[index - 1], int(ratios[index]), int(errors[index]))
        for index in range(1, len(parts))
        if usable[index]
    ]
    both = common[0][SLOTS_PER_DAY:] & common[0][:-SLOTS_PER_DAY]
    busy = int((own[SLOTS_PER_DAY:] * both).sum())
    if busy:
        miss = int((np.abs(own[SLOTS_PER_DAY:] - own[:-SLOTS_PER_DAY]) * both).sum())
        found.append(Predictor(OWN_PAST, 1 << _RATIO_BITS, miss * _ERROR_ONE // busy))
    best = sorted(found, key=lambda one: (one.error, one.device_id))[:6]
    return [one for one in best if one.error <= min(2 * best[0].error + _ERROR_ONE // 64, _ERROR_ONE)]


def expect(
    home: Neighbourhood | None,
    params: ScorerParams,
    own: Series,
    others: Mapping[bytes, Series],
    mute: Container[bytes],
    slot: int,
    before: int,
) -> Expectation:
    """What a meter should report in a slot; its own past counts below slot `before`, meters in `mute` say nothing.

    With nothing to go by, nothing is expected, give or take twice the meter's mean size.
    """
    sides = []
    for predictors, sign in ((home.imports, 1), (home.exports, -1)) if home else ():
        said = [
            (max(value * sign, 0) * one.ratio >> _RATIO_BITS, one.error)
            for one in predictors
            if (value := _value_of(one, own, others, mute, slot, before)) is not None
        ]
        if said and home:
            middle, error, share, near = _middle(said, home.floor_wh)
            # Those left of many silent ones are not those that were good at it together.
            sides.append((sign, middle, error, share, near if 2 * len(said) > len(predictors) else 0))
    if home is None or not sides:
        usual = own.earlier_days(slot, before, 1)
        value = median(usual) if usual else 0
        spread = median([abs(one - value) for one in usual]) * 2 if usual else own.level_q8 >> 7
        return Expectation(value, 1 + spread)
    value = sum(sign * middle for sign, middle, *_ in sides)
    error = max(home.floor_wh, *(side_error for _, _, side_error, *_ in sides))
    binding = {sign: agreeing >= 2 and share <= params.neighbour_error_share for sign, _, _, share, agreeing in sides}
    return Expectation(value, error, binding.get(1, False), binding.get(-1, False))


def stand_in(due: Expectation, own: Series, slot: int, before: int) -> Expectation:
    """What is expected of a silent or stuck meter, as uncertain as it was at this time on days before `before`."""
    usual = own.earlier_days(slot, before, 1)
    spread = sum(abs(value - due.value_wh) for value in usual) * 3 // (2 * len(usual)) if usual else 0
    return Expectation(due.value_wh, max(due.error_wh, 1 + spread))


def _value_of(
    one: Predictor,
    own: Series,
    others: Mapping[bytes, Series],
    mute: Container[bytes],
    slot: int,
    before: int,
) -> int | None:
    if one.device_id == OWN_PAST:
        usual = own.earlier_days(slot, before, 0)
        return median(usual) if usual else None
    series = others.get(one.device_id)
    if series is None or one.device_id in mute:
        return None
    value = series.value_at(slot)
    return None if value == MISSING else value


def _middle(said: Sequence[tuple[int, int]], floor_wh: int) -> tuple[int, int, int, int]:
    """Median, its error (Wh), the best predictor's relative error, and how many are within twice the error of it."""
    values = sorted(value for value, _ in said)
    middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) // 2
    share = min(error for _, error in said)
    error_wh = 3 * share * middle // (2 * _ERROR_ONE)
    near = sum(abs(value - middle) <= 2 * (error_wh + floor_wh) for value in values)
    return middle, error_wh, share, near


def watch(
    home: Neighbourhood,
    params: ScorerParams,
    value: int,
    due: Expectation,
    excess: tuple[int, int] | None,
) -> Score:
    """Score a meter's value against what its neighbours make expected, and add the deviation up.

    `excess` is the zone's and its standard deviation (Wh), if its feeder is judged.
    """
    step = clamp(_Q4 * (value - due.value_wh) // due.error_wh, -_MAX_STEP_Q4, _MAX_STEP_Q4)
    if not due.binds(value) or (excess is not None and _is_real(value - due.value_wh, due.error_wh, *excess)):
        step = 0
    limit = home.alarm_q4
    home.more_q4 = clamp(home.more_q4 + step - _DRIFT_Q4, 0, 2 * limit)
    home.less_q4 = clamp(home.less_q4 - step - _DRIFT_Q4, 0, 2 * limit)
    total = home.more_q4 if step > 0 else home.less_q4
    off_wh = abs(value - due.value_wh)
    stands_out = abs(step) >= _Q4 and 100 * off_wh >= params.neighbour_least_pct * abs(due.value_wh)
    reason = f"reports {value} Wh where its neighbours' meters suggest {due.value_wh} Wh"
    if stands_out and total >= limit:
        return Score(flagged_bps(total, limit - 1), "neighbours", reason)
    return Score(min(total * 9_000 // limit, 9_000) if step else 0, "neighbours", reason)


def _is_real(off_wh: int, error_wh: int, excess_wh: int, sigma_wh: int) -> bool:
    """Whether a feeder that could see the deviation, were it false, does not miss it."""
    if abs(off_wh) < 2 * sigma_wh:
        return False
    return abs(excess_wh) * (sigma_wh + error_wh) <= abs(excess_wh + off_wh) * sigma_wh
