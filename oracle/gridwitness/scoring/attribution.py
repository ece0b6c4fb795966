"""Whose meter hides the excess a feeder sees.

If meter i reports the share 1 / (1 + s) of its import, the excess follows s times its reported import. Every meter is
such a hypothesis: its slope s comes from a robust fit over the slots of evidence, its cost is the sum of squared
errors in sigmas, capped per slot so that one odd slot decides nothing. Meters that live by the same rhythm (farms on
one load profile) may fit alike; then history decides: the ratio between the two must have dropped by 1 + s of the
culprit since the excess began.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.scoring.integers import LOG_ONE, log2_q8, median_and_mad
from gridwitness.scoring.params import ScorerParams
from gridwitness.scoring.series import Series

SLOPE_ONE = 1_024
_MIN_SLOPE, _MAX_SLOPE = SLOPE_ONE // 10, 8 * SLOPE_ONE
_COST_ONE = 16
_MAX_COST = 64 * _COST_ONE
_CLEAR_COST = 16
_TIE_MARGIN_Q8 = 38
_MIN_CHANGES = 8
_RATIO_BITS = 32
_CLEAR_SIGMAS = 3


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
        if suspect is not None:
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
    changes = _ratio_changes_q8(evidence, meters[suspect.device_id], meters[rival.device_id], onset_slot)
    if len(changes) >= _MIN_CHANGES:
        change, spread = median_and_mad(changes)
        mismatch = abs(change + log2_q8(SLOPE_ONE + suspect.slope) - log2_q8(SLOPE_ONE))
        rivals_mismatch = abs(change - log2_q8(SLOPE_ONE + rival.slope) + log2_q8(SLOPE_ONE))
        doubt = spread + _TIE_MARGIN_Q8
        if abs(mismatch - rivals_mismatch) > doubt >= min(mismatch, rivals_mismatch):
            return mismatch < rivals_mismatch
    return incumbent == suspect.device_id


def _ratio_changes_q8(evidence: Sequence[Evidence], series: Series, other: Series, onset_slot: int) -> list[int]:
    """Log2 (1/256) of how the ratio of two meters' imports changed, per slot and earlier day with the same slot."""
    changes = []
    for item in evidence:
        mine, theirs = series.value_at(item.slot), other.value_at(item.slot)
        if min(mine, theirs) <= 0:
            continue
        for slot in range(item.slot - SLOTS_PER_DAY, item.slot - len(series.values), -SLOTS_PER_DAY):
            past, their_past = series.value_at(slot), other.value_at(slot)
            if slot < onset_slot and min(past, their_past) > 0:
                ratio = (mine * their_past << _RATIO_BITS) // (theirs * past)
                changes.append(log2_q8(max(ratio, 1)) - _RATIO_BITS * LOG_ONE)
    return changes
