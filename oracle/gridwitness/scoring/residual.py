"""The feeder's residual: what the transformer sees and no meter reports.

Per zone and slot, residual = feeder − sum of all meters = technical losses + what is hidden. Losses are learned from
slots without excess; a cumulative sum of the excess (E. Page, 1954) tells when something is hidden; `attribution`
finds whose profile it follows.

Rules:
- A slot is judged in the batch that brings its feeder reading, by that reading and by what is known of the meters after
  the slot's readings in the same batch. No feeder reading, no judgement. A slot older than the newest judged one is
  never judged; readings that come after their slot was judged fill the history and change no score given.
- A zone with several feeder meters needs all of them; their sum counts.
- A meter that misses the slot or is suspected frozen is replaced by what it probably used (`expectation`), with that
  guess's uncertainty: its neighbours are not blamed for it, and the slot teaches no losses. A meter that never
  reported is not counted at all.
- Slots between two judged ones are no evidence; excess accumulated before a gap stays.
- A meter once accused stays so through hours in which it imports nothing: history since then is not trusted. It is
  cleared by two hours of import without the excess it should bring, or by two days without new evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from math import isqrt

from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.scoring.attribution import SLOPE_ONE, Culprit, Evidence, attribute
from gridwitness.scoring.expectation import expected_wh
from gridwitness.scoring.integers import clamp
from gridwitness.scoring.loss import LossModel
from gridwitness.scoring.params import ScorerParams
from gridwitness.scoring.series import MISSING, Series

# One honest slot's excess is within a sigma or so: it must stand above the drift to add up, and no slot alone alarms.
_Q4 = 16
_DRIFT_Q4 = 24
_MAX_STEP_Q4 = 8 * _Q4
_MAX_SUM_Q4 = 64 * _Q4
_ALARM_Q4 = 8 * _Q4
_HONEST_SIGMAS = 3
_HONEST_SLOTS = 8
_FORGET_SLOTS = 2 * SLOTS_PER_DAY
CLEAR_SIGMAS = 4


@dataclass(slots=True)
class ZoneState:
    """State of one zone.

    Its losses, the cumulative sum of excess (sigmas / 16), the evidence since that left zero, the slot before which
    history is honest, the device accused last (empty: none), when, with what slope, and how many slots spoke for it
    since.
    """

    loss: LossModel = field(default_factory=LossModel)
    newest_slot: int = -1
    excess_sum_q4: int = 0
    evidence: list[Evidence] = field(default_factory=list)
    onset_slot: int = 0
    accused: bytes = b""
    accused_slot: int = -1
    accused_slope: int = 0
    honest_slots: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a slot's residual says: its excess and sigma (Wh), and the meter that hides it, if that is clear."""

    excess_wh: int
    sigma_wh: int
    alarm: bool
    culprit: Culprit | None

    @property
    def clear(self) -> bool:
        """Whether this very slot's excess stands out of the noise."""
        return self.excess_wh >= CLEAR_SIGMAS * self.sigma_wh


def judge_slot(
    zone: ZoneState, params: ScorerParams, slot: int, feeder_wh: int, meters: Mapping[bytes, Series], stuck: Set[bytes]
) -> Judgement | None:
    """Judge a slot by the rules of this module and learn from it; None if it cannot be judged.

    `meters` are the zone's meters without feeders, `stuck` those suspected frozen.
    """
    if slot <= zone.newest_slot:
        return None
    zone.newest_slot = slot
    total = squares = doubt = 0
    unsure = tuple(
        device_id for device_id in meters if device_id in stuck or meters[device_id].value_at(slot) == MISSING
    )
    peers = [series for device_id, series in meters.items() if device_id not in unsure]
    for device_id, series in meters.items():
        value, spread = series.value_at(slot), 0
        if device_id in unsure:
            value, spread = expected_wh(series, peers, slot, slot - series.run)
        total, squares, doubt = total + value, squares + value * value, doubt + spread * spread
    loss_wh = zone.loss.estimate_wh(feeder_wh)
    nominal_wh = zone.loss.nominal_sigma_wh(params, feeder_wh, squares, loss_wh)
    sigma_wh = isqrt(zone.loss.sigma_wh(params, nominal_wh) ** 2 + doubt)
    excess_wh = feeder_wh - total - loss_wh
    judgement = None
    if zone.loss.ready(params):
        judgement = _judge_excess(zone, params, Evidence(slot, excess_wh, sigma_wh, unsure), meters)
    honest = judgement is None or (not judgement.alarm and abs(excess_wh) <= _HONEST_SIGMAS * sigma_wh)
    # Losses are never half of what flows: such a slot is a glitch, which would spoil the model in its first days.
    plausible = 2 * abs(feeder_wh - total) <= isqrt(feeder_wh * feeder_wh + squares)
    if honest and plausible and not unsure:
        zone.loss.learn(params, feeder_wh, feeder_wh - total, nominal_wh, excess_wh)
    return judgement


def _judge_excess(zone: ZoneState, params: ScorerParams, item: Evidence, meters: Mapping[bytes, Series]) -> Judgement:
    step = clamp(_Q4 * item.excess_wh // item.sigma_wh, -_MAX_STEP_Q4, _MAX_STEP_Q4)
    zone.excess_sum_q4 = clamp(zone.excess_sum_q4 + step - _DRIFT_Q4, 0, _MAX_SUM_Q4)
    _reconsider(zone, item, meters)
    if zone.excess_sum_q4 == 0:
        zone.evidence = []
        if not zone.accused:
            zone.onset_slot = item.slot + 1
        return Judgement(item.excess_wh, item.sigma_wh, False, None)
    zone.evidence = [*zone.evidence[-params.evidence_slots + 1 :], item]
    alarm = zone.excess_sum_q4 >= _ALARM_Q4
    culprit = attribute(params, zone.evidence, meters, zone.onset_slot, zone.accused) if alarm else None
    if culprit is not None:
        zone.accused, zone.accused_slot, zone.accused_slope = culprit.device_id, item.slot, culprit.slope
    return Judgement(item.excess_wh, item.sigma_wh, alarm, culprit)


def _reconsider(zone: ZoneState, item: Evidence, meters: Mapping[bytes, Series]) -> None:
    if not zone.accused:
        return
    series = meters.get(zone.accused)
    import_wh = max(series.value_at(item.slot), 0) if series and zone.accused not in item.unsure else 0
    due_wh = import_wh * zone.accused_slope // SLOPE_ONE
    if due_wh >= CLEAR_SIGMAS * item.sigma_wh:
        zone.honest_slots = zone.honest_slots + 1 if 2 * item.excess_wh < due_wh else 0
    if zone.honest_slots >= _HONEST_SLOTS or item.slot - zone.accused_slot > _FORGET_SLOTS:
        zone.accused, zone.honest_slots, zone.onset_slot = b"", 0, item.slot
