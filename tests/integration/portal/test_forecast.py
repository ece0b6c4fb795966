"""A meter's next day, forecast on the site's own log: here a demo's, with four months before it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridwitness.api.portal.protocols import ANYBODY, EVERYTHING
from gridwitness.chain.anvil import Anvil
from gridwitness.domain.batches import AttestedBatch, BatchMeta
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score, ScoredReading, SignedReading
from gridwitness.domain.slots import SECONDS_PER_DAY, SLOTS_PER_DAY, slot_start, slots_of_day
from gridwitness.scoring.forecasting import DEFAULT_FORECAST_PARAMS
from gridwitness.service.portal import SitePortal
from gridwitness.store import BatchLog, Database, ReadingLog, StoredBatch, row_of
from tests.integration.portal.conftest import Household
from tests.portal_scene import copied, opened_portal

DAYS = 120


def usual_wh(slot: int) -> int:
    """Much in the evening, more on some days than on others."""
    evening = math.exp(-(((slot % SLOTS_PER_DAY) / 4 - 19) ** 2) / 8)
    return 60 + round(400 * evening * (1 + 0.1 * math.sin(slot / SLOTS_PER_DAY)))


def remember(log: Database, device_id: bytes, day: int, stream_id: bytes, seq: int) -> None:
    """A day in which a device took what is usual, in a batch of its own."""
    first_counter = 1_000_000 + day * SLOTS_PER_DAY
    signed = [
        SignedReading(
            Reading(
                device_id, first_counter + slot % SLOTS_PER_DAY, slot_start(slot), NET_ENERGY_METRIC, usual_wh(slot)
            ),
            bytes(128),
        )
        for slot in slots_of_day(day)
    ]
    ReadingLog(log).append([row_of(one) for one in signed], (day + 1) * SECONDS_PER_DAY)
    meta = BatchMeta(SLOTS_PER_DAY, 0, 0, day * SECONDS_PER_DAY, (day + 1) * SECONDS_PER_DAY, bytes(12))
    batch = AttestedBatch(stream_id, seq, bytes(32), meta, 0, 1, seq.to_bytes(32, "big"), 7, bytes(32), 59)
    scored = [ScoredReading(one, Score(0, "none", "nothing unusual")) for one in signed]
    BatchLog(log).commit_readings(StoredBatch(batch, "final", "{}"), scored, b"{}")


@pytest.fixture
def long_kept_portal(
    finished_demo: Path, anvil: Anvil, tmp_path: Path, open_portal: SitePortal, households: list[Household]
) -> Iterator[SitePortal]:
    """The portal of a site whose first household has four months of readings before the demo began."""
    folder = copied(finished_demo, tmp_path)
    readings = open_portal.streams()[0]
    last = open_portal.zones()[0].days[-1]
    log = Database(folder / "oracle-1" / "oracle.sqlite")
    begun = last - 3
    for number, day in enumerate(range(begun - DAYS, begun)):
        stream_id = bytes.fromhex(readings.stream_id[2:])
        remember(log, households[0].device_id, day, stream_id, readings.seq + 1 + number)
    log.close()
    with opened_portal(folder, anvil, is_open_data=False) as portal:
        yield portal


def test_forecast__four_months_kept__a_day_with_an_evening(
    long_kept_portal: SitePortal, households: list[Household]
) -> None:
    forecast = long_kept_portal.forecast(EVERYTHING, households[0].device_id)
    assert forecast is not None
    assert forecast.model == DEFAULT_FORECAST_PARAMS.model_label()
    assert forecast.time_from % SECONDS_PER_DAY == 0
    assert all(
        low <= median <= high
        for low, median, high in zip(forecast.low_wh, forecast.median_wh, forecast.high_wh, strict=True)
    )
    assert len(forecast.median_wh) == 24
    assert long_kept_portal.forecast(EVERYTHING, households[0].device_id) is forecast
    assert long_kept_portal.forecast(ANYBODY, households[0].device_id) is None
    assert long_kept_portal.forecast(EVERYTHING, households[1].device_id) is None  # four days are too few
