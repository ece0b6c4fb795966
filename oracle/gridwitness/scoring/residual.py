"""The feeder's residual: what the transformer sees and no meter reports.

Per zone and slot, residual = feeder − sum of all meters = technical losses + what is hidden (negative where meters
report more than there is, or less export). Losses are learned from slots without excess; two cumulative sums of the
excess, one for each sign (E. Page, 1954), tell when something is hidden; `attribution` finds whose profile it follows.

Rules:
- A slot is judged in the batch that brings its feeder reading, by that reading and by what is known of the meters after
  the slot's readings in the same batch. No feeder reading, no judgement. A slot older than the newest judged one is
  never judged.
- A meter that reports a slot after it was judged, within half a day less than the history, is judged as if it had been
  in time: its value takes the place of the guess that stood for it, and excess is added up anew from there. No score
  given changes. After half a day what its neighbours made expected is forgotten, and the feeder speaks alone.
- A zone with several feeder meters needs all of them; their sum counts.
- A meter that misses the slot or is suspected frozen is replaced by what it probably used (`neighbours`), with that
  guess's uncertainty: its neighbours are not blamed for it, and the slot teaches no losses. A meter that never
  reported is not counted at all, except in the zone's first day, when its energy would be learned as losses.
- A meter that repeats itself is not frozen if the feeder, which could see a difference, bears its value out three
  times in a row.
- Slots between two judged ones are no evidence; excess accumulated before a gap stays.
- A meter once accused stays so through hours in which it hides nothing: history since then is not trusted. It is
  cleared by two hours in which the excess it should bring does not come, or by two days without new evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from math import isqrt

from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.scoring.attribution import (
    Culprit,
    Evidence,
    Mode,
    attribute,
    testify,
)
from gridwitness.scoring.excess import Sums, Tally
from gridwitness.scoring.integers import LOG_ONE
from gridwitness.scoring.loss import LossModel
from gridwitness.scoring.neighbours import Awaited, Expectation, Neighbourhood
from gridwitness.scoring.params import ScorerParams
from gridwitness.scoring.series import MISSING, Series

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

    Its losses, the first and the newest slot judged, the sums of excess; as far back as the history reaches, the
    evidence of all slots judged, and the sums before those; the tallies of slots that a meter may still report late,
    the slot before which history is honest, the meters accused, and every meter's neighbours.
    """

    loss: LossModel = field(default_factory=LossModel)
    first_slot: int = -1
    newest_slot: int = -1
    sums: Sums = field(default_factory=Sums)
    sums_before: Sums = field(default_factory=Sums)
    evidence: list[Evidence] = field(default_factory=list)
    tallies: dict[int, Tally] = field(default_factory=dict)
    onset_slot: int = 0
    accused: dict[bytes, Accusation] = field(default_factory=dict)
    homes: dict[bytes, Neighbourhood] = field(default_factory=dict)

    @property
    def alarmed(self) -> bool:
        """Whether the excess has lasted."""
        return self.sums.alarmed


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a slot's residual says: its excess and sigma (Wh), and the meters that hide it, if that is clear.

    `real` are meters that repeat themselves and are borne out by the feeder.
    """

    excess_wh: int
    sigma_wh: int
    alarm: bool
    culprits: tuple[Culprit, ...]
    real: frozenset[bytes]

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
    tally, heard = Tally(feeder_wh), list[bytes]()
    for device_id, series in meters.items():
        value = series.value_at(slot)
        if value != MISSING:
            heard.append(device_id)
        is_sure = value != MISSING and device_id not in stuck
        tally = tally.plus(value) if is_sure else tally.plus_guess(device_id, due[device_id])
    item = tally.evidence(params, zone.loss, slot)
    judgement = None
    if zone.loss.ready(params):
        zone.sums = zone.sums.plus(item)
        zone.evidence.append(item)
        _remember(zone, slot, due, slot - params.evidence_slots + 1)
        judgement = _judge(zone, params, item, zone.sums, heard, meters)
    _learn(zone, params, tally, item, judgement)
    if len(heard) < len(meters):
        zone.tallies[slot] = tally
    _forget(zone, params, slot)
    return judgement


def judge_late_excess(
    zone: ZoneState,
    params: ScorerParams,
    slot: int,
    meters: Mapping[bytes, Series],
    stuck: Set[bytes],
    late: Mapping[bytes, Awaited],
) -> Judgement | None:
    """Judge the excess of a slot anew, now that the meters in `late` have reported it too, and learn from it.

    Those of them suspected frozen (`stuck`) stay guessed. None if losses were not known when the slot was judged.
    """
    tally = zone.tallies.pop(slot)
    for device_id, awaited in late.items():
        if device_id not in stuck:
            tally = tally.with_late(device_id, awaited.guess, meters[device_id].value_at(slot))
    item = tally.evidence(params, zone.loss, slot)
    judgement = None
    index = next((index for index, one in enumerate(zone.evidence) if one.slot == slot), None)
    if index is not None:
        zone.evidence[index] = item
        _remember(zone, slot, {device_id: awaited.due for device_id, awaited in late.items()}, first_slot=0)
        judgement = _judge(zone, params, item, _add_up_anew(zone, slot), late.keys(), meters)
    _learn(zone, params, tally, item, judgement)
    if tally.unsure:
        zone.tallies[slot] = tally
    return judgement


def _borne_out(
    zone: ZoneState,
    item: Evidence,
    heard: Collection[bytes],
    meters: Mapping[bytes, Series],
) -> frozenset[bytes]:
    """Meters that repeat themselves, and whose very values explain what the feeder saw three times in a row.

    Each of those `heard` is tried alone, with the others guessed, and all together.
    """
    stuck = {}
    for device_id in item.unsure:
        value = meters[device_id].value_at(item.slot) if device_id in meters else MISSING
        expected = _expected(zone, device_id, item.slot)
        if value != MISSING and expected is not None:
            stuck[device_id] = expected[0] - value, expected[1]
    all_off_wh = item.excess_wh + sum(off_wh for off_wh, _ in stuck.values())
    all_sigma_wh = isqrt(max(item.sigma_wh**2 - sum(doubt_wh**2 for _, doubt_wh in stuck.values()), 1))
    for device_id in heard:
        home = zone.homes[device_id]
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
    return frozenset(device_id for device_id in heard if zone.homes[device_id].borne_out >= _REAL_SLOTS)


def _judge(
    zone: ZoneState,
    params: ScorerParams,
    item: Evidence,
    sums: Sums,
    heard: Collection[bytes],
    meters: Mapping[bytes, Series],
) -> Judgement:
    """Judge a slot whose evidence is in, by the `sums` up to it; `heard` are the meters that have just reported it."""
    real = _borne_out(zone, item, heard, meters)
    _reconsider(zone, item, heard, meters)
    if not zone.alarmed and not zone.accused:
        zone.onset_slot = zone.newest_slot + 1 if zone.sums.since is None else zone.sums.since
    if not sums.alarmed:
        return Judgement(item.excess_wh, item.sigma_wh, False, (), real)
    if item.slot < zone.newest_slot:
        zone.onset_slot = min(zone.onset_slot, sums.alarmed_since)
    culprits = _culprits(zone, params, item.slot, sums, meters)
    for culprit in culprits:
        known = zone.accused.get(culprit.device_id)
        newest_slot = max(item.slot, known.slot) if known else item.slot
        zone.accused[culprit.device_id] = Accusation(newest_slot, culprit.mode, culprit.slope)
    return Judgement(item.excess_wh, item.sigma_wh, True, culprits, real)


def _add_up_anew(zone: ZoneState, slot: int) -> Sums:
    """The sums up to a slot, with all evidence added up again; accusations fall that no alarm is behind any more."""
    sums = up_to_slot = zone.sums_before
    calm = set()
    for item in zone.evidence:
        sums = sums.plus(item)
        if item.slot == slot:
            up_to_slot = sums
        if not sums.alarmed:
            calm.add(item.slot)
    zone.sums = sums
    zone.accused = {one: accusation for one, accusation in zone.accused.items() if accusation.slot not in calm}
    return up_to_slot


def _learn(zone: ZoneState, params: ScorerParams, tally: Tally, item: Evidence, judgement: Judgement | None) -> None:
    alarm = judgement is not None and judgement.alarm
    honest = not zone.loss.ready(params) or (not alarm and abs(item.excess_wh) <= _HONEST_SIGMAS * item.sigma_wh)
    # An implausible slot is a glitch, which would spoil the model in its first days.
    if honest and tally.is_plausible and not tally.unsure:
        nominal_wh = tally.nominal_sigma_wh(params, zone.loss)
        zone.loss.learn(params, tally.feeder_wh, tally.missing_wh, nominal_wh, item.excess_wh)


def _remember(zone: ZoneState, slot: int, due: Mapping[bytes, Expectation], first_slot: int) -> None:
    """Keep what meters were expected to report in a slot, and of earlier ones what came from `first_slot` on."""
    for device_id, expected in due.items():
        home = zone.homes[device_id]
        home.recent = [row for row in home.recent if row[0] >= first_slot and row[0] != slot]
        home.recent.append((slot, expected.value_wh, expected.error_wh))


def _expected(zone: ZoneState, device_id: bytes, slot: int) -> tuple[int, int] | None:
    rows = reversed(zone.homes[device_id].recent)
    return next(((value_wh, error_wh) for at, value_wh, error_wh in rows if at == slot), None)


def _forget(zone: ZoneState, params: ScorerParams, newest_slot: int) -> None:
    """Let go of tallies for which any value now comes too late, and of evidence that no later one can go with."""
    while zone.evidence and zone.evidence[0].slot <= newest_slot - params.history_slots:
        zone.sums_before = zone.sums_before.plus(zone.evidence.pop(0))
    zone.tallies = {slot: tally for slot, tally in zone.tallies.items() if slot > newest_slot - params.late_slots}


def _culprits(
    zone: ZoneState, params: ScorerParams, slot: int, sums: Sums, meters: Mapping[bytes, Series]
) -> tuple[Culprit, ...]:
    since = max(sums.alarmed_since, slot - params.evidence_slots + 1)
    evidence = [item for item in zone.evidence if since <= item.slot <= slot]
    # The sum left zero in the noise before: what is clear begins with the first clear slot.
    clear = (item.slot for item in evidence if abs(item.excess_wh) >= CLEAR_SIGMAS * item.sigma_wh)
    begin = next(clear, since)
    evidence = [item for item in evidence if item.slot >= begin]
    expected = {
        device_id: {slot: (value, error) for slot, value, error in zone.homes[device_id].recent} for device_id in meters
    }
    words = testify(evidence, meters, expected)
    return tuple(attribute(params, evidence, meters, words, zone.onset_slot, zone.accused))


def _reconsider(zone: ZoneState, item: Evidence, heard: Collection[bytes], meters: Mapping[bytes, Series]) -> None:
    """Clear those accused, of those heard, whose share of the excess no longer comes."""
    shares = {}
    for device_id, accusation in zone.accused.items():
        culprit = Culprit(device_id, accusation.mode, accusation.slope)
        reported_wh = meters[device_id].value_at(item.slot) if device_id in meters else MISSING
        expected_wh, _ = _expected(zone, device_id, item.slot) or (reported_wh, 0)
        is_sure = reported_wh != MISSING and device_id not in item.unsure
        shares[device_id] = culprit.hidden_wh(reported_wh, expected_wh) if is_sure else 0
    for device_id, share_wh in shares.items():
        accusation = zone.accused[device_id]
        rest_wh = item.excess_wh - sum(shares.values()) + share_wh
        if device_id in heard and abs(share_wh) >= CLEAR_SIGMAS * item.sigma_wh:
            comes = 2 * rest_wh * (1 if share_wh > 0 else -1) >= abs(share_wh)
            accusation.honest_slots = 0 if comes else accusation.honest_slots + 1
    zone.accused = {
        device_id: accusation
        for device_id, accusation in zone.accused.items()
        if accusation.honest_slots < _HONEST_SLOTS and item.slot - accusation.slot <= _FORGET_SLOTS
    }
    if shares and not zone.accused:
        zone.onset_slot = item.slot
