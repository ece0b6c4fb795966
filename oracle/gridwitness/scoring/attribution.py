"""Whose meter hides the excess a feeder sees.

Every meter is suspected in three ways: it reports all it measures times one factor (a wrong transformer ratio), its
import alone (theft), or what it clearly lacks against its neighbours and its past is what the feeder misses
(`shortfall`: a bypass, a shift). The factor comes from a robust fit over the slots of evidence. Two witnesses speak:
the feeder, by how much better its excess is explained, and the meter's neighbours, by how much nearer the corrected
value is to what they make expected. Both count squared errors in sigmas, capped per slot so that one odd slot decides
nothing.

The suspect with the greatest gain is accused if every other one gains clearly less, or gains enough beside it: then
both may hide something, and the search goes on with what is left. If two explain the same, history decides: the ratio
between the two must have dropped by the culprit's factor since the excess began. All accused together must explain most
of the excess, and a meter that steadily reports what it reported on earlier days is out. If nothing is clear, nobody is
accused.

All meters are fitted at once, in 64-bit integers; energies count up to 1 MWh a slot, beyond any low-voltage feeder, so
that no sum overflows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.scoring.integers import LOG_ONE, clamp, log2_q8
from gridwitness.scoring.params import ScorerParams
from gridwitness.scoring.series import MISSING, Series

SLOPE_ONE = 1_024
# Reports between 96 % and 11 % of the truth, or between 104 % and 400 %: less is noise, more is a dead meter.
_MIN_SLOPE, _MAX_SLOPE = SLOPE_ONE // 24, 8 * SLOPE_ONE
_MOST_NEGATIVE_SLOPE = -3 * SLOPE_ONE // 4
# Costs count squared sigmas in 1/16; a slot costs 64 at most, the neighbours' word 9; 8 more is clearly more.
_COST_ONE = 16
_MAX_COST = 64 * _COST_ONE
_MAX_WORD = 9 * _COST_ONE
_CLEAR_COST = 8
# Twice the natural logarithm of 2: what a guess with double the error costs in the likelihood of a normal one.
_VAGUE_COST, _VAGUE_BITS = 22, 20
_MIN_GAIN = 36 * _COST_ONE
_MOST_CULPRITS = 4
_LEAST_SHARE_PCT = 20
# Changes are log2 in 1/256: a tenth is within the noise of a tie; what spreads less than a factor 1.7 is steady.
_TIE_MARGIN_Q8 = 38
_STEADY_Q8 = 192
_MIN_CHANGES = 8
_LEAST_DROP = 4
_RATIO_BITS = 32
_MOST_WH = (1 << 20) - 1

Table = npt.NDArray[np.int64]


class Mode(IntEnum):
    """How a meter may hide energy."""

    IMPORT = 0
    SCALE = 1
    SHORTFALL = 2


@dataclass(frozen=True, slots=True)
class Evidence:
    """Excess of one slot (Wh), its standard deviation (Wh, at least 1), and the meters that were silent or stuck."""

    slot: int
    excess_wh: int
    sigma_wh: int
    unsure: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Culprit:
    """A meter that explains the excess: hidden energy is `slope` / 1,024 of what it reports, or of its shortfall."""

    device_id: bytes
    mode: Mode
    slope: int
    gain: int = 0
    cost: int = 0
    reported_pct: int = 0

    @property
    def drop_q8(self) -> int:
        """How far the reported import fell below the true one: log2 of truth over report, in 1/256."""
        return log2_q8(max(SLOPE_ONE + self.slope, 1)) - log2_q8(SLOPE_ONE)

    def hidden_wh(self, reported_wh: int, expected_wh: int) -> int:
        """What it hides in a slot (Wh, negative if it reports more than there is)."""
        if self.mode is Mode.SHORTFALL:
            return expected_wh - reported_wh
        return self.slope * (max(reported_wh, 0) if self.mode is Mode.IMPORT else reported_wh) // SLOPE_ONE


@dataclass(frozen=True)
class Testimony:
    """What every meter said in the slots of the evidence: a row a meter, a column a slot, in Wh.

    `error` is that of what was expected, 0 where nothing was or the meter was silent or stuck; what it reported is 0
    there.
    """

    ids: tuple[bytes, ...]
    reported: Table
    expected: Table
    error: Table

    def row(self, device_id: bytes) -> int:
        """Row of a meter."""
        return self.ids.index(device_id)


def testify(
    evidence: Sequence[Evidence],
    meters: Mapping[bytes, Series],
    expected: Mapping[bytes, Mapping[int, tuple[int, int]]],
) -> Testimony:
    """Gather what the meters reported beside what was expected of them (value and error by slot)."""
    ids = tuple(sorted(meters))
    reported, due, error = [], [], []
    for device_id in ids:
        values = [meters[device_id].value_at(item.slot) for item in evidence]
        present = [
            value != MISSING and device_id not in item.unsure for value, item in zip(values, evidence, strict=True)
        ]
        rows = [expected[device_id].get(item.slot, (0, 0)) for item in evidence]
        reported.append([_bounded(value) if here else 0 for value, here in zip(values, present, strict=True)])
        due.append([_bounded(value) for value, _ in rows])
        error.append([_bounded(spread) if here else 0 for (_, spread), here in zip(rows, present, strict=True)])
    # Without a meter there are no rows to take the number of columns from.
    shape = len(ids), len(evidence)
    return Testimony(ids, *(np.array(rows, dtype=np.int64).reshape(shape) for rows in (reported, due, error)))


def _bounded(value_wh: int) -> int:
    return clamp(value_wh, -_MOST_WH, _MOST_WH)


@dataclass(frozen=True, slots=True)
class _Change:
    """Median of a change over slots and days, and half its quartile distance: log2 in 1/256."""

    middle_q8: int
    spread_q8: int


@dataclass(frozen=True)
class _Hearing:
    """Everything there is to decide by, and what was found out about changes so far."""

    params: ScorerParams
    meters: Mapping[bytes, Series]
    words: Testimony
    onset_slot: int
    incumbents: frozenset[bytes]
    changes: dict[bytes, _Change | None] = field(default_factory=dict)


def attribute(
    params: ScorerParams,
    evidence: Sequence[Evidence],
    meters: Mapping[bytes, Series],
    words: Testimony,
    onset_slot: int,
    incumbents: Iterable[bytes],
) -> list[Culprit]:
    """The meters whose reports the excess clearly follows, or none.

    `onset_slot` is when the excess began: history before it is honest. `incumbents` are those accused before: they
    keep a tie that neither fit nor history breaks.
    """
    if not meters:
        return []
    hearing = _Hearing(params, meters, words, onset_slot, frozenset(incumbents))
    left, found = list(evidence), list[Culprit]()
    while len(found) < _MOST_CULPRITS:
        known = {one.device_id for one in found}
        suspects = [one for one in _fits(params, left, words) if one.device_id not in known]
        best = _clearest(hearing, suspects, left)
        rest = _without(left, best, words) if best is not None else left
        # Who comes second explains what the first left, not just noise that anybody's profile resembles.
        if best is None or (found and 2 * _cost(rest) > _cost(left)):
            break
        found.append(best)
        left = rest
    return found if 100 * _cost(left) <= (100 - params.explained_pct) * _cost(evidence) else []


def _cost(evidence: Sequence[Evidence]) -> int:
    return sum(min((4 * item.excess_wh // item.sigma_wh) ** 2, _MAX_COST) for item in evidence)


def _without(evidence: Sequence[Evidence], culprit: Culprit, words: Testimony) -> list[Evidence]:
    row = words.row(culprit.device_id)
    reported, expected = words.reported[row].tolist(), words.expected[row].tolist()
    heard = ((words.error[row] > 0) | (words.reported[row] != 0)).tolist()
    return [
        replace(item, excess_wh=item.excess_wh - (culprit.hidden_wh(value, due) if here else 0))
        for item, value, due, here in zip(evidence, reported, expected, heard, strict=True)
    ]


def _clearest(hearing: _Hearing, suspects: Sequence[Culprit], evidence: Sequence[Evidence]) -> Culprit | None:
    """The suspect that gains most, or the one of several with the same explanation that history speaks against."""
    ranked = sorted(suspects, key=lambda one: (-one.gain, one.device_id))
    best = next((one for one in ranked if not _is_unchanged(hearing, one, evidence)), None)
    if best is None:
        return None
    margin = _CLEAR_COST * max(_COST_ONE, best.cost // len(evidence))
    close = [one for one in ranked if one is not best and best.gain - one.gain <= margin]
    if close:
        left = _fits(hearing.params, _without(evidence, best, hearing.words), hearing.words)
        beside = {one.device_id for one in left}
        close = [one for one in close if one.device_id not in beside and not _is_unchanged(hearing, one, evidence)]
    for suspect in (best, *close):
        others = [one for one in (best, *close) if one is not suspect]
        if all(_beats(hearing, suspect, rival, evidence, margin) for rival in others):
            return suspect
    return None


def _fits(params: ScorerParams, evidence: Sequence[Evidence], words: Testimony) -> list[Culprit]:
    """Every meter that may explain the excess, in the way that explains it best."""
    excess = np.array([_bounded(item.excess_wh) for item in evidence], dtype=np.int64)
    sigma = np.array([_bounded(item.sigma_wh) for item in evidence], dtype=np.int64)
    best: dict[int, Culprit] = {}
    worth: dict[int, int] = {}
    for mode in Mode:
        profile = _profile(mode, words)
        slope = np.full(len(profile), SLOPE_ONE) if mode is Mode.SHORTFALL else _slopes(excess, sigma, profile)
        hidden = slope[:, None] * profile // SLOPE_ONE
        error = words.error
        doubt = sigma + (np.where(hidden != 0, error, 0) if mode is Mode.SHORTFALL else 0)
        vague = sum(((doubt // sigma >> bits) > 0) * _VAGUE_COST for bits in range(1, _VAGUE_BITS))
        cost = (_squares(excess - hidden, doubt, _MAX_COST) + vague).sum(axis=1)
        feeder = _squares(excess, sigma, _MAX_COST).sum() - cost
        off = words.reported - words.expected
        word = _squares(off, error.clip(1), _MAX_WORD) - _squares(off + hidden, error.clip(1), _MAX_WORD)
        gain = feeder + (word * (error > 0)).sum(axis=1)
        active = (np.abs(hidden) >= sigma).sum(axis=1) >= params.evidence_min_slots
        plausible = (slope >= _MIN_SLOPE) & (slope <= _MAX_SLOPE)
        plausible |= (slope <= -_MIN_SLOPE) & (slope >= _MOST_NEGATIVE_SLOPE)
        explains = (feeder >= _MIN_GAIN) & (100 * feeder >= _LEAST_SHARE_PCT * (feeder + cost))
        for row in np.flatnonzero(active & plausible & explains).tolist():
            # The later ways of hiding can explain more than the first; they must gain clearly more to be believed.
            value = int(gain[row]) - _CLEAR_COST * _COST_ONE * mode
            if row not in best or value > worth[row]:
                pct = _reported_pct(words.reported[row], hidden[row])
                best[row] = Culprit(words.ids[row], mode, int(slope[row]), int(gain[row]), int(cost[row]), pct)
                worth[row] = value
    return list(best.values())


def _profile(mode: Mode, words: Testimony) -> Table:
    if mode is Mode.SHORTFALL:
        lacks = words.expected - words.reported
        return np.where((words.error > 0) & (np.abs(lacks) >= 2 * words.error), lacks, 0)
    return words.reported.clip(min=0) if mode is Mode.IMPORT else words.reported


def _squares(error: Table, sigma: Table, most: int) -> Table:
    return np.minimum((4 * error // sigma) ** 2, most)


def _reported_pct(reported: Table, hidden: Table) -> int:
    shown, true = int(np.abs(reported * (hidden != 0)).sum()), int(np.abs((reported + hidden) * (hidden != 0)).sum())
    return clamp((100 * shown + true // 2) // max(true, 1), 0, 999)


def _slopes(excess: Table, sigma: Table, profile: Table) -> Table:
    """Per meter the weighted median of excess / profile, then least squares over the slots within four sigmas of it."""
    used = profile != 0
    ratios = np.where(used, SLOPE_ONE * excess // np.where(used, profile, 1), 0)
    weights = np.where(used, (np.abs(profile) << 8) // sigma, 0)
    order = np.argsort(ratios, axis=1, kind="stable")
    reached = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    middle = (reached > (reached[:, -1] // 2)[:, None]).argmax(axis=1)
    median = np.take_along_axis(ratios, np.take_along_axis(order, middle[:, None], axis=1), axis=1)
    # A slope outside what may be is out anyhow; bounded, its product stays within 64 bits.
    median = median.clip(-16 * SLOPE_ONE, 16 * SLOPE_ONE)
    near = used & (np.abs(excess - median * profile // SLOPE_ONE) <= 4 * sigma)
    scaled = np.where(near, (profile << 8) // sigma, 0)
    top, bottom = (scaled * ((excess << 8) // sigma)).sum(axis=1), (scaled * scaled).sum(axis=1)
    # Shifted alike so that 1,024 times the sum stays within 64 bits.
    return np.where(bottom > 0, SLOPE_ONE * (top >> 10) // (bottom >> 10).clip(1), median[:, 0])


def _beats(hearing: _Hearing, suspect: Culprit, rival: Culprit, evidence: Sequence[Evidence], margin: int) -> bool:
    """Whether the gain, else the history, else having been accused before speaks for the suspect against a rival."""
    if abs(suspect.gain - rival.gain) > margin:
        return suspect.gain > rival.gain
    mine, theirs = hearing.meters[suspect.device_id], hearing.meters[rival.device_id]
    change = _change_since(evidence, mine, theirs, hearing.onset_slot)
    if change is not None:
        mismatch = abs(change.middle_q8 + suspect.drop_q8)
        rivals_mismatch = abs(change.middle_q8 - rival.drop_q8)
        doubt = change.spread_q8 + _TIE_MARGIN_Q8
        if abs(mismatch - rivals_mismatch) > doubt >= min(mismatch, rivals_mismatch):
            return mismatch < rivals_mismatch
    return suspect.device_id in hearing.incumbents and rival.device_id not in hearing.incumbents


def _is_unchanged(hearing: _Hearing, suspect: Culprit, evidence: Sequence[Evidence]) -> bool:
    """Whether a meter steadily reports what it reported on earlier days, so that it can hardly hide a share since."""
    if suspect.slope < 0 or suspect.mode is Mode.SHORTFALL:
        return False
    device_id = suspect.device_id
    if device_id not in hearing.changes:
        change = _change_since(evidence, hearing.meters[device_id], None, hearing.onset_slot)
        hearing.changes[device_id] = change
    change = hearing.changes[device_id]
    if change is None or change.spread_q8 > _STEADY_Q8:
        return False
    return _LEAST_DROP * change.middle_q8 > -suspect.drop_q8


def _change_since(
    evidence: Sequence[Evidence], series: Series, other: Series | None, onset_slot: int
) -> _Change | None:
    """How a meter's import changed against the same slots of earlier days, before the excess began.

    With another meter, how the ratio of the two imports changed. None with too little to compare.
    """
    ratios = []
    for item in evidence:
        mine, theirs = (
            series.value_at(item.slot),
            other.value_at(item.slot) if other else 1,
        )
        if mine <= 0 or theirs <= 0:
            continue
        for slot in range(item.slot - SLOTS_PER_DAY, item.slot - len(series.values), -SLOTS_PER_DAY):
            past, their_past = (
                series.value_at(slot),
                other.value_at(slot) if other else 1,
            )
            if slot < onset_slot and past > 0 and their_past > 0:
                ratios.append((mine * their_past << _RATIO_BITS) // (theirs * past))
    if len(ratios) < _MIN_CHANGES:
        return None
    ratios.sort()
    quartiles = [log2_q8(max(ratios[len(ratios) * part // 4], 1)) for part in (1, 2, 3)]
    return _Change(quartiles[1] - _RATIO_BITS * LOG_ONE, (quartiles[2] - quartiles[0]) // 2)
