"""A home's schedule on its page."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gridwitness.api.portal.protocols import Viewer
from gridwitness.api.portal.views import Page, ScheduleView
from tests.oracle.portal_api.test_pages import DAY, DEVICE, Street, page


@dataclass
class OrderingStreet(Street):
    """A street whose home has a schedule."""

    limit_wh: int | None = None

    def schedules(self, viewer: Viewer, **_: object) -> Page[object]:
        view = ScheduleView(
            device_id=DEVICE,
            device_name="number 7",
            account="",
            zone=1,
            day=DAY,
            version=3,
            imbalance_limit_wh=self.limit_wh,
            orders=[None if self.limit_wh is None else ["bid", 5, 100]] * 96,
            contracted_wh=None,
            transaction="",
            block_number=1,
        )
        return Page([view])


@pytest.mark.parametrize(
    ("limit_wh", "orders", "limit"),
    [(5_000, "96 orders", "5.00 kWh"), (0, "96 orders", "0.00 kWh"), (None, "– orders", "–")],
)
async def test_look__schedule__its_orders_and_limit_only_if_they_are_known(
    limit_wh: int | None, orders: str, limit: str
) -> None:
    text = await page(OrderingStreet(limit_wh=limit_wh), f"/homes/{DEVICE}")
    assert f"Version 3, {orders}" in text
    assert f"Up to {limit} of deviation" in text
