"""Whose meter hides the excess a feeder sees.

If meter i reports the share 1 / (1 + s) of its import, the excess follows s times its reported import. Every meter is
such a hypothesis: its slope s comes from a robust fit over the slots of evidence, its cost is the sum of squared
errors in sigmas, capped per slot so that one odd slot decides nothing. It must explain most of the excess, and a
meter that steadily reports what it reported on earlier days is out. Meters that live by the same rhythm (farms on one
load profile) may fit alike; then history decides: the ratio between the two must have dropped by 1 + s of the culprit
since the excess began. If nothing is clear, nobody is accused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.scoring.integers import LOG_ONE, log2_q8
from gridwitness.scoring.params import ScorerParams
from gridwitness.scoring.series import Series

SLOPE_ONE = 1_024
# Reports between 91 % and 11 % of the truth: less is noise, more is a dead meter.
_MIN_SLOPE, _MAX_SLOPE = SLOPE_ONE // 10, 8 * SLOPE_ONE
# Costs count squared sigmas in 1/16; a slot costs 64 at most, and 16 more than the best is clearly worse.
_COST_ONE = 16
_MAX_COST = 64 * _COST_ONE
_CLEAR_COST = 16
_CLEAR_SIGMAS = 3
# Changes are log2 in 1/256: a tenth is within the noise of a tie; what spreads less than a factor 1.7 is steady.
_TIE_MARGIN_Q8 = 38
_STEADY_Q8 = 192
_MIN_CHANGES = 8
_LEAST_DROP = 4
_RATIO_BITS = 32


@dataclass(frozen=True, slots=True)
class Evidence:
    """Excess of one slot (Wh), its standard deviation (Wh, at least 1), and the meters that were silent or stuck."""

    slot: int
    excess_wh: int
    sigma_wh: int
    unsure: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Culprit:
    """A meter that explains the excess: hidden energy is `slope` / 1,024 of what it reports."""

    device_id: bytes
    slope: int
    cost: int

    @property
    def reported_pct(self) -> int:
        """Share of its true import that the meter reports, in per cent."""
        return (100 * SLOPE_ONE + (SLOPE_ONE + self.slope) // 2) // (SLOPE_ONE + self.slope)

    @property
    def drop_q8(self) -> int:
        """How far the reported import fell below the true one: log2 of truth over report, in 1/256."""
        return log2_q8(SLOPE_ONE + self.slope) - log2_q8(SLOPE_ONE)


@dataclass(frozen=True, slots=True)
class _Change:
    """Median of a change over slots and days, and half its quartile distance: log2 in 1/256."""

    middle_q8: int
    spread_q8: int


def _cost(error_wh: int, sigma_wh: int) -> int:
    return min((4 * error_wh // sigma_wh) ** 2, _MAX_COST)


def attribute(
    params: ScorerParams,
    evidence: Sequence[Evidence],
    meters: Mapping[bytes, Series],
    onset_slot: int,
    incumbent: bytes,
) -> Culprit | None:
    """The meter whose reported import the excess clearly follows, or None.

    `onset_slot` is when the excess began: history before it is honest. `incumbent` is the device accused last, empty if
    none: it keeps a tie that neither fit nor history breaks.
    """
    suspects = []
    for device_id in sorted(meters):
        suspect = _fit(params, evidence, meters[device_id], device_id)
        if suspect is not None and not _is_unchanged(suspect, evidence, meters[device_id], onset_slot):
            suspects.append(suspect)
    for suspect in suspects:
        rivals = [rival for rival in suspects if rival is not suspect]
        if all(_beats(suspect, rival, evidence, meters, onset_slot, incumbent) for rival in rivals):
            return suspect
    return None


def _fit(params: ScorerParams, evidence: Sequence[Evidence], series: Series, device_id: bytes) -> Culprit | None:
    imports = [0 if device_id in item.unsure else max(series.value_at(item.slot), 0) for item in evidence]
    slope = _robust_slope(evidence, imports)
    if not _MIN_SLOPE <= slope <= _MAX_SLOPE:
        return None
    cost = clear = unexplained = 0
    for item, import_wh in zip(evidence, imports, strict=True):
        if device_id in item.unsure:
            continue
        hidden_wh = slope * import_wh // SLOPE_ONE
        cost += _cost(item.excess_wh - hidden_wh, item.sigma_wh)
        unexplained += _cost(item.excess_wh, item.sigma_wh)
        clear += min(hidden_wh, item.excess_wh) >= _CLEAR_SIGMAS * item.sigma_wh
    if clear < params.evidence_min_slots or 100 * cost > (100 - params.explained_pct) * unexplained:
        return None
    return Culprit(device_id, slope, cost)


def _robust_slope(evidence: Sequence[Evidence], imports: Sequence[int]) -> int:
    """Weighted median of excess / import, then least squares over the slots within four sigmas of it."""
    rows = [(item, import_wh) for item, import_wh in zip(evidence, imports, strict=True) if import_wh > 0]
    if not rows:
        return 0
    ratios = sorted((SLOPE_ONE * item.excess_wh // x, (x << 8) // item.sigma_wh) for item, x in rows)
    half = sum(weight for _, weight in ratios) // 2
    slope = ratios[0][0]
    for slope, weight in ratios:  # noqa: B007
        half -= weight
        if half < 0:
            break
    top = bottom = 0
    for item, import_wh in rows:
        if abs(item.excess_wh - slope * import_wh // SLOPE_ONE) <= 4 * item.sigma_wh:
            scaled = (import_wh << 8) // item.sigma_wh
            top += scaled * ((item.excess_wh << 8) // item.sigma_wh)
            bottom += scaled * scaled
    return SLOPE_ONE * top // bottom if bottom else slope


def _beats(
    suspect: Culprit,
    rival: Culprit,
    evidence: Sequence[Evidence],
    meters: Mapping[bytes, Series],
    onset_slot: int,
    incumbent: bytes,
) -> bool:
    """Whether the fit, else the history, else the incumbency speaks for the suspect against a rival."""
    better, worse = sorted((suspect, rival), key=lambda culprit: culprit.cost)
    scale = max(_COST_ONE, better.cost // len(evidence))
    if worse.cost - better.cost > _CLEAR_COST * scale:
        return better is suspect
    change = _change_since(evidence, meters[suspect.device_id], meters[rival.device_id], onset_slot)
    if change is not None:
        mismatch = abs(change.middle_q8 + suspect.drop_q8)
        rivals_mismatch = abs(change.middle_q8 - rival.drop_q8)
        doubt = change.spread_q8 + _TIE_MARGIN_Q8
        if abs(mismatch - rivals_mismatch) > doubt >= min(mismatch, rivals_mismatch):
            return mismatch < rivals_mismatch
    return incumbent == suspect.device_id


def _is_unchanged(suspect: Culprit, evidence: Sequence[Evidence], series: Series, onset_slot: int) -> bool:
    """Whether a meter steadily reports what it reported on earlier days, so that it can hardly hide a share since."""
    change = _change_since(evidence, series, None, onset_slot)
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
        mine, theirs = series.value_at(item.slot), other.value_at(item.slot) if other else 1
        if mine <= 0 or theirs <= 0:
            continue
        for slot in range(item.slot - SLOTS_PER_DAY, item.slot - len(series.values), -SLOTS_PER_DAY):
            past, their_past = series.value_at(slot), other.value_at(slot) if other else 1
            if slot < onset_slot and past > 0 and their_past > 0:
                ratios.append((mine * their_past << _RATIO_BITS) // (theirs * past))
    if len(ratios) < _MIN_CHANGES:
        return None
    ratios.sort()
    quartiles = [log2_q8(max(ratios[len(ratios) * part // 4], 1)) for part in (1, 2, 3)]
    return _Change(quartiles[1] - _RATIO_BITS * LOG_ONE, (quartiles[2] - quartiles[0]) // 2)
