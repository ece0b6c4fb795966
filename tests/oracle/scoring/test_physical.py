"""What a device of a kind cannot report."""

from __future__ import annotations

import pytest

from gridwitness.domain.devices import Device, DeviceKind
from gridwitness.domain.readings import Score
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.scoring import FLAG_SCORE_BPS, Scorer

from .test_neighbours import PLANTS, plant_wh
from .zone import device_of, energy_reading

DAYS = 3
MIDNIGHT = DAYS * SLOTS_PER_DAY


def physical(kind: DeviceKind, slot: int, value: int, neighbours_wh: int | None = None) -> Score:
    """What the channel says of a value after three days as a plant, beside two plants in the same slot."""
    fleet: dict[bytes, Device] = {plant: device_of(plant, DeviceKind.GENERATION) for plant in PLANTS[:3]}
    fleet[PLANTS[0]] = device_of(PLANTS[0], kind)
    scorer = Scorer()
    for past in range(slot):
        scorer.score([energy_reading(plant, past, plant_wh(plant, past)) for plant in PLANTS[:3]], fleet)
    batch = [energy_reading(PLANTS[0], slot, value)]
    if neighbours_wh is not None:
        batch += [energy_reading(plant, slot, neighbours_wh) for plant in PLANTS[1:3]]
    channels = scorer.explain(batch, fleet)[0].channels
    return next((one for one in channels if one.channel == "physical"), Score(0, "none", ""))


@pytest.mark.parametrize(
    ("kind", "slot", "value", "reason"),
    [
        (DeviceKind.CONSUMPTION, MIDNIGHT + 40, -800, "exports 800 Wh, but is registered as consumption"),
        (DeviceKind.GENERATION, MIDNIGHT + 40, 4_000, "imports 4000 Wh, but is registered as generation"),
        (DeviceKind.GENERATION, MIDNIGHT + 4, -600, "exports 600 Wh at night"),
        (DeviceKind.PROSUMER, MIDNIGHT + 40, 260_000, "260000 Wh in a quarter hour, more than any connection carries"),
    ],
)
def test_score__what_a_kind_cannot_do__is_flagged(kind: DeviceKind, slot: int, value: int, reason: str) -> None:
    score = physical(kind, slot, value, neighbours_wh=0)
    assert score.score_bps > FLAG_SCORE_BPS
    assert score.reason == reason


@pytest.mark.parametrize(
    ("kind", "slot", "value", "neighbours_wh"),
    [
        (DeviceKind.CONSUMPTION, MIDNIGHT + 40, -10, 0),
        (DeviceKind.GENERATION, MIDNIGHT + 40, 10, 0),
        (DeviceKind.GENERATION, MIDNIGHT + 4, -600, -500),
        (DeviceKind.GENERATION, MIDNIGHT + 4, -600, None),
        (DeviceKind.GENERATION, MIDNIGHT + 48, -600, 0),
        (DeviceKind.PROSUMER, MIDNIGHT + 4, -600, 0),
        (DeviceKind.FEEDER, MIDNIGHT + 4, 260_000, 0),
    ],
    ids=["rest", "standby", "others export too", "nobody to compare with", "by day", "battery", "feeder"],
)
def test_score__what_it_may_do__is_not(kind: DeviceKind, slot: int, value: int, neighbours_wh: int | None) -> None:
    assert physical(kind, slot, value, neighbours_wh).score_bps <= FLAG_SCORE_BPS
