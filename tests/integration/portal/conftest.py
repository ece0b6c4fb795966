"""One village's finished day, and its portal seen as open data and as households' own."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gridwitness.api.portal.protocols import EVERYTHING
from gridwitness.chain.anvil import Anvil
from gridwitness.service.portal import SitePortal
from tests.portal_scene import copied, demo_chain, finished_demo, opened_portal

__all__ = ["finished_demo"]


@dataclass(frozen=True)
class Household:
    """A home: its device, its account (lower case), and a counter of one of its flagged readings, if it has some."""

    device_id: bytes
    account: str


@pytest.fixture(scope="module")
def finished_village(finished_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(finished_demo, tmp_path_factory.mktemp("village"))


@pytest.fixture(scope="module")
def anvil(finished_village: Path) -> Iterator[Anvil]:
    with demo_chain(finished_village) as running:
        yield running


@pytest.fixture(scope="module")
def open_portal(finished_village: Path, anvil: Anvil) -> Iterator[SitePortal]:
    """The portal of a site whose data is for everybody."""
    with opened_portal(finished_village, anvil) as portal:
        yield portal


@pytest.fixture(scope="module")
def closed_portal(finished_demo: Path, anvil: Anvil, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SitePortal]:
    """The portal of the same site, where households see their own."""
    with opened_portal(copied(finished_demo, tmp_path_factory.mktemp("closed")), anvil, is_open_data=False) as portal:
        yield portal


@pytest.fixture(scope="module")
def households(open_portal: SitePortal) -> list[Household]:
    devices = open_portal.devices(EVERYTHING, cursor="", limit=100).items
    return [
        Household(bytes.fromhex(device.device_id[2:]), device.owner.lower())
        for device in devices
        if device.kind != "feeder"
    ]


@pytest.fixture(scope="module")
def held_household(open_portal: SitePortal, households: list[Household]) -> Household:
    """One whose settlement is held: it has readings, flags, a schedule and a settlement."""
    held = open_portal.scores(EVERYTHING).held[0]
    return next(one for one in households if one.device_id.hex() == held.device_id[2:])


@pytest.fixture(scope="module")
def other_household(held_household: Household, households: list[Household]) -> Household:
    return next(one for one in households if one.account != held_household.account)


@pytest.fixture(scope="module")
def clearings_file(finished_village: Path) -> list[dict[str, str]]:
    with (finished_village / "clearings.csv").open() as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def settlements_file(finished_village: Path) -> list[dict[str, str]]:
    with (finished_village / "settlements.csv").open() as lines:
        return list(csv.DictReader(lines))
