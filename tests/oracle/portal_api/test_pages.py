"""Pages of a street without market data: units of what its devices say, bills without a grid's beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import pytest

from gridwitness.api.portal.app import create_portal_app
from gridwitness.api.portal.protocols import Keys, Portal, Viewer
from gridwitness.api.portal.views import (
    BillView,
    CommunityDayView,
    DeviceView,
    Page,
    ReadingView,
    ScoreSummaryView,
    SettlementView,
    SiteView,
    TrailView,
)
from gridwitness.service.portal import SitePortal

DAY, DAY_S = 17_026, 86_400
DEVICE = "0x" + "11" * 32
VALUES = {"1-0:16.29.0": "1,250 Wh", "cold-room:mCel": "−18,500 mCel", "1-b:1.8.0:mWh": "7,042 mWh", "odd": "3"}


def reading(metric: str, value: int, counter: int) -> ReadingView:
    texts = dict.fromkeys(("channel", "reason", "signature"), "")
    return ReadingView(
        **cast("Any", texts),
        device_id=DEVICE,
        device_name="number 7",
        counter=counter,
        time=DAY * DAY_S + 900 * counter,
        metric=metric,
        value=value,
        received_at=DAY * DAY_S,
        batch_seq=None,
        score_bps=None,
        is_flagged=False,
        channels={},
    )


READINGS = [
    reading(metric, int(text.split()[0].replace(",", "").replace("−", "-")), counter)
    for counter, (metric, text) in enumerate(VALUES.items())
]


def bill(total: int | None, grid_only: int | None) -> BillView:
    return BillView(
        device_id=DEVICE,
        device_name="number 7",
        day=DAY,
        status="held" if total is None else "final",
        lines=[],
        total=total,
        grid_only=grid_only,
        import_wh=0,
        export_wh=0,
    )


@dataclass
class Street:
    """A portal with one home, which knows what it was asked for."""

    bill_of_day: BillView | None = None
    asked: list[str] = field(default_factory=list)

    unit_of = SitePortal.unit_of

    def site(self) -> SiteView:
        texts = dict.fromkeys(("name", "explorer_url", "rpc_url", "oracle"), "")
        return SiteView(
            **cast("Any", texts), currency="EUR", time_zone="UTC", chain_id=1, contracts={}, is_open_data=True
        )

    def device(self, viewer: Viewer, device_id: bytes) -> DeviceView:
        texts = {"owner": "", "did": "", "device_id": DEVICE, "name": "number 7", "kind": "sensor", "status": "active"}
        numbers = dict.fromkeys(("gaps_last_day", "clock_skew_s", "flagged_last_day", "health"))
        return DeviceView(
            **cast("Any", texts | numbers), zone=1, registered_at=0, last_seen=DAY * DAY_S + 1, readings=4, keys=[]
        )

    def devices(self, viewer: Viewer, **_: object) -> Page[DeviceView]:
        return Page([self.device(viewer, b"")])

    def days(self) -> Sequence[int]:
        self.asked.append("days")
        return [DAY, DAY - 1]

    def community_day(self, viewer: Viewer, day: int) -> CommunityDayView | None:
        self.asked.append(f"day {day}")
        sums = dict.fromkeys(
            ("import_wh", "export_wh", "shared_wh", "self_sufficiency_bps", "bills", "grid_only"),
        )
        known = day in (DAY, DAY - 1)
        return CommunityDayView(day=day, homes_count=3, held=0, homes=[], **cast("Any", sums)) if known else None

    def community_days(self, viewer: Viewer) -> Sequence[CommunityDayView]:
        raise AssertionError("no page is of so many days")

    def readings(self, viewer: Viewer, device_id: bytes, **_: object) -> Page[ReadingView]:
        return Page(READINGS)

    def flagged(self, viewer: Viewer, **_: object) -> Page[ReadingView]:
        return Page(READINGS)

    def scores(self, viewer: Viewer) -> ScoreSummaryView:
        return ScoreSummaryView(day=None, counts=[], flagged=0, by_channel={}, held=[])

    def trail(self, viewer: Viewer, device_id: bytes, counter: int) -> TrailView:
        return TrailView(reading=READINGS[counter], batch=None, steps=[])

    def schedules(self, viewer: Viewer, **_: object) -> Page[object]:
        return Page([])

    def settlements(self, viewer: Viewer, **_: object) -> Page[SettlementView]:
        return Page([])

    def bill(self, viewer: Viewer, device_id: bytes, day: int) -> BillView | None:
        return self.bill_of_day

    def forecast(self, viewer: Viewer, device_id: bytes) -> None:
        return None


async def page(street: Street, path: str) -> str:
    app = create_portal_app(cast("Portal", street), cast("Keys", street), is_secure_cookie=False)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize("path", [f"/homes/{DEVICE}", "/trail", "/scores"])
async def test_look__readings_of_many_metrics__each_value_in_its_own_unit(path: str) -> None:
    text = await page(Street(), path)
    for shown in VALUES.values():
        assert f">{shown}<" in text or f">{shown}, score" in text


@pytest.mark.parametrize(("counter", "shown"), enumerate(VALUES.values()))
async def test_look__trail_of_a_reading__its_value_in_its_own_unit(counter: int, shown: str) -> None:
    assert f"<h1>{shown} at " in await page(Street(), f"/trail/{DEVICE}/{counter}")


@pytest.mark.parametrize(
    ("total", "grid_only", "said"),
    [
        (5_000_000, 6_000_000, ["You owe <strong>€5.00", "With the grid alone you would owe €6.00: €1.00 better"]),
        (5_000_000, None, ["You owe <strong>€5.00</strong>."]),
        (None, 6_000_000, ["Grid only would be €6.00."]),
        (None, None, ["It is not zero"]),
    ],
)
async def test_look__bill__beside_the_grids_only_if_that_is_known(
    total: int | None, grid_only: int | None, said: list[str]
) -> None:
    text = await page(Street(bill(total, grid_only)), f"/homes/{DEVICE}")
    assert all(words in text for words in said)
    assert ("With the grid alone" in text, "Grid only" in text) == (
        total is not None and grid_only is not None,
        total is None and grid_only is not None,
    )


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/community", ["days", f"day {DAY}"]),
        ("/community?day=2016-08-12", ["days", f"day {DAY - 1}"]),
        ("/community?day=2016-08-01", ["days", f"day {DAY - 12}"]),
        (f"/homes/{DEVICE}", ["days"]),
    ],
)
async def test_look__community_and_home__ask_for_no_other_days(path: str, asked: list[str]) -> None:
    street = Street()
    await page(street, path)
    assert street.asked == asked
