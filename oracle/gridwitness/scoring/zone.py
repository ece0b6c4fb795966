"""A zone in one slot: every meter against its neighbours, and all of them against the feeder."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from gridwitness.domain.readings import Score
from gridwitness.scoring.neighbours import (
    LEAST_HISTORY,
    Expectation,
    Neighbourhood,
    choose,
    expect,
    stand_in,
    watch,
)
from gridwitness.scoring.params import ScorerParams
from gridwitness.scoring.residual import Judgement, ZoneState, judge_excess
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
) -> Verdict | None:
    """Judge a slot that is newer than all judged before, and learn from it; None for an older one.

    `meters` are the zone's meters without feeders by id, `stuck` those suspected frozen; `feeder_wh` is None in a zone
    without feeder.
    """
    if slot <= zone.newest_slot:
        return None
    zone.newest_slot = slot
    for device_id in meters:
        zone.homes.setdefault(device_id, Neighbourhood())
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
    due = expect(zone.homes[device_id], params, series, meters, mute, slot, before)
    is_unsure = device_id in stuck or series.value_at(slot) == MISSING
    return stand_in(due, series, slot, before) if is_unsure else due
