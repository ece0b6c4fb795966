"""A zone in one slot: every meter against its neighbours, and all of them against the feeder."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, replace

from gridwitness.domain.readings import Score
from gridwitness.scoring.neighbours import (
    LEAST_HISTORY,
    Awaited,
    Expectation,
    Neighbourhood,
    choose,
    expect,
    stand_in,
    watch,
)
from gridwitness.scoring.params import ScorerParams
from gridwitness.scoring.residual import Judgement, ZoneState, judge_excess, judge_late_excess
from gridwitness.scoring.series import MISSING, Series


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a zone's slot says: what each meter should report, how it differs, and the feeder's judgement if any."""

    due: Mapping[bytes, Expectation]
    neighbours: Mapping[bytes, Score]
    judgement: Judgement | None


def judge_zone(
    zone: ZoneState,
    params: ScorerParams,
    slot: int,
    feeder_wh: int | None,
    meters: Mapping[bytes, Series],
    stuck: Set[bytes],
) -> Verdict:
    """Judge a slot that is newer than all judged before, and learn from it.

    `meters` are the zone's meters without feeders by id, `stuck` those suspected frozen; `feeder_wh` is None in a zone
    without feeder.
    """
    zone.first_slot = zone.first_slot if zone.first_slot >= 0 else slot
    zone.newest_slot = slot
    for device_id in meters:
        zone.homes.setdefault(device_id, Neighbourhood())
    for home in zone.homes.values():
        home.awaited = {one: due for one, due in home.awaited.items() if one > slot - params.late_slots}
    mute = {
        *stuck,
        *zone.accused,
        *(device_id for device_id in meters if zone.homes[device_id].deviates),
    }
    due = {device_id: _expect(zone, params, device_id, meters, mute, stuck, slot) for device_id in meters}
    judgement = None if feeder_wh is None else judge_excess(zone, params, slot, feeder_wh, meters, stuck, due)
    excess = (judgement.excess_wh, judgement.sigma_wh) if judgement else None
    heard = judgement is not None or feeder_wh is None
    neighbours = {
        device_id: watch(zone.homes[device_id], params, series.value_at(slot), due[device_id], excess)
        for device_id, series in meters.items()
        if heard and series.value_at(slot) != MISSING
    }
    disturbed = zone.alarmed or bool(zone.accused)
    for position, device_id in enumerate(sorted(meters)):
        home, series = zone.homes[device_id], meters[device_id]
        if series.seen >= LEAST_HISTORY and home.is_due(slot, position, disturbed=disturbed):
            choose(
                home,
                series,
                {other: meters[other] for other in meters if other != device_id},
                slot,
            )
    return Verdict(due, neighbours, judgement)


def judge_late(
    zone: ZoneState,
    params: ScorerParams,
    slot: int,
    late: Collection[bytes],
    meters: Mapping[bytes, Series],
    stuck: Set[bytes],
) -> Verdict | None:
    """Judge the meters in `late`, which report a slot that was judged without them, and learn from them.

    None if they did report it before, or come too late or were not known when it was judged.
    """
    awaited = {}
    for device_id in sorted(late):
        one = zone.homes[device_id].awaited.pop(slot, None) if device_id in zone.homes else None
        if one is not None and meters[device_id].value_at(slot) != MISSING:
            awaited[device_id] = replace(one, due=one.guess) if device_id in stuck else one
    if not awaited:
        return None
    due = {device_id: one.due for device_id, one in awaited.items()}
    has_feeder = slot in zone.tallies
    judgement = judge_late_excess(zone, params, slot, meters, stuck, awaited) if has_feeder else None
    excess = (judgement.excess_wh, judgement.sigma_wh) if judgement else None
    neighbours = {
        device_id: watch(zone.homes[device_id], params, meters[device_id].value_at(slot), expected, excess)
        for device_id, expected in due.items()
        if judgement or not has_feeder
    }
    return Verdict(due, neighbours, judgement)


def _expect(
    zone: ZoneState,
    params: ScorerParams,
    device_id: bytes,
    meters: Mapping[bytes, Series],
    mute: Set[bytes],
    stuck: Set[bytes],
    slot: int,
) -> Expectation:
    series = meters[device_id]
    before = slot - series.run if device_id in stuck else slot
    if zone.alarmed or device_id in zone.accused:
        before = min(before, zone.onset_slot)
    home = zone.homes[device_id]
    due = expect(home, params, series, meters, mute, slot, before)
    is_silent = series.value_at(slot) == MISSING
    if device_id not in stuck and not is_silent:
        return due
    guess = stand_in(due, series, slot, before)
    if is_silent:
        home.awaited[slot] = Awaited(due, guess)
    return guess
