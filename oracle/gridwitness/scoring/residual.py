"""The feeder's residual: what the transformer sees and no meter reports.

Per zone and slot, residual = feeder − sum of all meters = technical losses + what is hidden (negative where meters
report more than there is, or less export). Losses are learned from slots without excess; two cumulative sums of the
excess, one for each sign (E. Page, 1954), tell when something is hidden; `attribution` finds whose profile it follows.

Rules:
- A slot is judged in the batch that brings its feeder reading, by that reading and by what is known of the meters after
  the slot's readings in the same batch. No feeder reading, no judgement. A slot older than the newest judged one is
  never judged; readings that come after their slot was judged fill the history and change no score given.
- A zone with several feeder meters needs all of them; their sum counts.
- A meter that misses the slot or is suspected frozen is replaced by what it probably used (`neighbours`), with that
  guess's uncertainty: its neighbours are not blamed for it, and the slot teaches no losses. A meter that never
  reported is not counted at all.
- A meter that repeats itself is not frozen if the feeder, which could see a difference, bears its value out three
  times in a row.
- Slots between two judged ones are no evidence; excess accumulated before a gap stays.
- A meter once accused stays so through hours in which it hides nothing: history since then is not trusted. It is
  cleared by two hours in which the excess it should bring does not come, or by two days without new evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from math import isqrt

from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.scoring.attribution import (
    Culprit,
    Evidence,
    Mode,
    attribute,
    testify,
)
from gridwitness.scoring.integers import LOG_ONE, clamp
from gridwitness.scoring.loss import LossModel
from gridwitness.scoring.neighbours import Expectation, Neighbourhood
from gridwitness.scoring.params import ScorerParams
from gridwitness.scoring.series import MISSING, Series

# One honest slot's excess is within a sigma or so: it must stand above the drift to add up, and no slot alone alarms.
_Q4 = 16
_DRIFT_Q4 = 14
_MAX_STEP_Q4 = 8 * _Q4
_MAX_SUM_Q4 = 48 * _Q4
_ALARM_Q4 = 9 * _Q4
_HONEST_SIGMAS = 3
_HONEST_SLOTS = 8
_REAL_SLOTS = 3
_FORGET_SLOTS = 2 * SLOTS_PER_DAY
CLEAR_SIGMAS = 4


@dataclass(slots=True)
class Accusation:
    """A meter accused: when last, what it hides by which slope, and how many slots in a row spoke for it since."""

    slot: int
    mode: Mode
    slope: int
    honest_slots: int = 0


@dataclass(slots=True)
class ZoneState:
    """State of one zone.

    Its losses, the two cumulative sums of excess (sigmas / 16) and the slots they last left zero (-1: they are there),
    the evidence since then, the slot before which history is honest, the meters accused, and every meter's neighbours.
    """

    loss: LossModel = field(default_factory=LossModel)
    newest_slot: int = -1
    more_q4: int = 0
    less_q4: int = 0
    more_since: int = -1
    less_since: int = -1
    evidence: list[Evidence] = field(default_factory=list)
    onset_slot: int = 0
    accused: dict[bytes, Accusation] = field(default_factory=dict)
    homes: dict[bytes, Neighbourhood] = field(default_factory=dict)

    @property
    def alarmed(self) -> bool:
        """Whether the excess has lasted."""
        return max(self.more_q4, self.less_q4) >= _ALARM_Q4


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a slot's residual says: its excess and sigma (Wh), and the meters that hide it, if that is clear.

    `real` are meters that repeat themselves and are borne out by the feeder.
    """

    excess_wh: int
    sigma_wh: int
    alarm: bool
    culprits: tuple[Culprit, ...]
    real: frozenset[bytes] = frozenset()

    @property
    def clear(self) -> bool:
        """Whether this very slot's excess stands out of the noise."""
        return abs(self.excess_wh) >= CLEAR_SIGMAS * self.sigma_wh

    def hidden_wh(self, culprit: Culprit, reported_wh: int, expected_wh: int) -> int:
        """What a culprit hides in this very slot (Wh), 0 if the slot's excess does not bear it out."""
        hidden_wh = culprit.hidden_wh(reported_wh, expected_wh)
        borne_out = hidden_wh * self.excess_wh > 0 and 2 * abs(self.excess_wh) >= abs(hidden_wh) >= self.sigma_wh
        return hidden_wh if borne_out else 0


def judge_excess(
    zone: ZoneState,
    params: ScorerParams,
    slot: int,
    feeder_wh: int,
    meters: Mapping[bytes, Series],
    stuck: Set[bytes],
    due: Mapping[bytes, Expectation],
) -> Judgement | None:
    """Judge a slot's excess by the rules of this module and learn from it; None while losses are not known.

    `meters` are the zone's meters without feeders, `stuck` those suspected frozen, `due` what each should report.
    """
    total = squares = doubt = 0
    unsure = tuple(
        device_id for device_id in meters if device_id in stuck or meters[device_id].value_at(slot) == MISSING
    )
    for device_id, series in meters.items():
        value, spread = series.value_at(slot), 0
        if device_id in unsure:
            value, spread = due[device_id].value_wh, due[device_id].error_wh
        total, squares, doubt = (
            total + value,
            squares + value * value,
            doubt + spread * spread,
        )
    loss_wh = zone.loss.estimate_wh(feeder_wh)
    nominal_wh = zone.loss.nominal_sigma_wh(params, feeder_wh, squares, loss_wh)
    sigma_wh = isqrt(zone.loss.sigma_wh(params, nominal_wh) ** 2 + doubt)
    excess_wh = feeder_wh - total - loss_wh
    judgement = None
    if zone.loss.ready(params):
        real = _borne_out(zone, Evidence(slot, excess_wh, sigma_wh, unsure), meters, due)
        judgement = replace(_judge(zone, params, Evidence(slot, excess_wh, sigma_wh, unsure), meters, due), real=real)
    honest = judgement is None or (not judgement.alarm and abs(excess_wh) <= _HONEST_SIGMAS * sigma_wh)
    # Losses are never half of what flows: such a slot is a glitch, which would spoil the model in its first days.
    plausible = 2 * abs(feeder_wh - total) <= isqrt(feeder_wh * feeder_wh + squares)
    if honest and plausible and not unsure:
        zone.loss.learn(params, feeder_wh, feeder_wh - total, nominal_wh, excess_wh)
    return judgement


def _borne_out(
    zone: ZoneState, item: Evidence, meters: Mapping[bytes, Series], due: Mapping[bytes, Expectation]
) -> frozenset[bytes]:
    """Meters that repeat themselves, and whose very values explain what the feeder saw three times in a row.

    Each is tried alone, with the others guessed, and all together.
    """
    stuck = {
        device_id: (due[device_id].value_wh - value, due[device_id].error_wh)
        for device_id in item.unsure
        if (value := meters[device_id].value_at(item.slot)) != MISSING
    }
    all_off_wh = item.excess_wh + sum(off_wh for off_wh, _ in stuck.values())
    all_sigma_wh = isqrt(max(item.sigma_wh**2 - sum(doubt_wh**2 for _, doubt_wh in stuck.values()), 1))
    for device_id, home in zone.homes.items():
        if device_id not in stuck:
            home.borne_out = 0
            continue
        off_wh, doubt_wh = stuck[device_id]
        sigma_wh = isqrt(max(item.sigma_wh**2 - doubt_wh**2, 1))
        series = meters[device_id]
        could_be_wh = max(doubt_wh, abs(series.value_at(item.slot)) // 4, series.level_q8 // (4 * LOG_ONE))
        tries = ((item.excess_wh + off_wh, sigma_wh), (all_off_wh, all_sigma_wh))
        if not any(abs(off_wh) <= _HONEST_SIGMAS * sigma_wh for off_wh, sigma_wh in tries):
            home.borne_out = 0
        elif any(
            abs(off_wh) <= _HONEST_SIGMAS * sigma_wh and could_be_wh >= 2 * sigma_wh for off_wh, sigma_wh in tries
        ):
            home.borne_out += 1
    return frozenset(device_id for device_id, home in zone.homes.items() if home.borne_out >= _REAL_SLOTS)


def _judge(
    zone: ZoneState,
    params: ScorerParams,
    item: Evidence,
    meters: Mapping[bytes, Series],
    due: Mapping[bytes, Expectation],
) -> Judgement:
    _add_up(zone, item)
    _reconsider(zone, item, meters, due)
    since = [slot for slot in (zone.more_since, zone.less_since) if slot >= 0]
    if not zone.alarmed and not zone.accused:
        zone.onset_slot = min(since, default=item.slot + 1)
    first_slot = max(min(since, default=item.slot + 1), item.slot - params.evidence_slots + 1)
    zone.evidence = [one for one in (*zone.evidence, item) if one.slot >= first_slot]
    _remember(zone, item, due, first_slot)
    if not zone.alarmed:
        return Judgement(item.excess_wh, item.sigma_wh, False, ())
    culprits = _culprits(zone, params, meters)
    for culprit in culprits:
        zone.accused[culprit.device_id] = Accusation(item.slot, culprit.mode, culprit.slope)
    return Judgement(item.excess_wh, item.sigma_wh, True, culprits)


def _add_up(zone: ZoneState, item: Evidence) -> None:
    step = clamp(_Q4 * item.excess_wh // item.sigma_wh, -_MAX_STEP_Q4, _MAX_STEP_Q4)
    zone.more_q4 = clamp(zone.more_q4 + step - _DRIFT_Q4, 0, _MAX_SUM_Q4)
    zone.less_q4 = clamp(zone.less_q4 - step - _DRIFT_Q4, 0, _MAX_SUM_Q4)
    zone.more_since = (zone.more_since if zone.more_since >= 0 else item.slot) if zone.more_q4 else -1
    zone.less_since = (zone.less_since if zone.less_since >= 0 else item.slot) if zone.less_q4 else -1


def _remember(zone: ZoneState, item: Evidence, due: Mapping[bytes, Expectation], first_slot: int) -> None:
    """Keep what every meter was expected to report in the slots of the evidence."""
    for device_id, expected in due.items():
        home = zone.homes[device_id]
        home.recent = [row for row in home.recent if row[0] >= first_slot]
        if zone.evidence and zone.evidence[-1].slot == item.slot:
            home.recent.append((item.slot, expected.value_wh, expected.error_wh))


def _culprits(zone: ZoneState, params: ScorerParams, meters: Mapping[bytes, Series]) -> tuple[Culprit, ...]:
    sums = ((zone.more_q4, zone.more_since), (zone.less_q4, zone.less_since))
    since = min(slot for total, slot in sums if total >= _ALARM_Q4)
    evidence = [item for item in zone.evidence if item.slot >= since]
    # The sum left zero in the noise before: what is clear begins with the first clear slot.
    clear = (item.slot for item in evidence if abs(item.excess_wh) >= CLEAR_SIGMAS * item.sigma_wh)
    begin = next(clear, since)
    evidence = [item for item in evidence if item.slot >= begin]
    expected = {
        device_id: {slot: (value, error) for slot, value, error in zone.homes[device_id].recent} for device_id in meters
    }
    words = testify(evidence, meters, expected)
    return tuple(attribute(params, evidence, meters, words, zone.onset_slot, zone.accused))


def _reconsider(
    zone: ZoneState,
    item: Evidence,
    meters: Mapping[bytes, Series],
    due: Mapping[bytes, Expectation],
) -> None:
    """Clear those accused whose share of the excess no longer comes."""
    shares = {}
    for device_id, accusation in zone.accused.items():
        culprit = Culprit(device_id, accusation.mode, accusation.slope)
        series = meters.get(device_id)
        if series is None or device_id in item.unsure:
            shares[device_id] = 0
        else:
            shares[device_id] = culprit.hidden_wh(series.value_at(item.slot), due[device_id].value_wh)
    for device_id, share_wh in shares.items():
        accusation = zone.accused[device_id]
        rest_wh = item.excess_wh - sum(shares.values()) + share_wh
        if abs(share_wh) >= CLEAR_SIGMAS * item.sigma_wh:
            comes = 2 * rest_wh * (1 if share_wh > 0 else -1) >= abs(share_wh)
            accusation.honest_slots = 0 if comes else accusation.honest_slots + 1
    zone.accused = {
        device_id: accusation
        for device_id, accusation in zone.accused.items()
        if accusation.honest_slots < _HONEST_SLOTS and item.slot - accusation.slot <= _FORGET_SLOTS
    }
    if shares and not zone.accused:
        zone.onset_slot = item.slot
