"""Passports, a factory, a market of shares, and a plant whose shares two investors have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gridwitness.domain.readings import NET_ENERGY_METRIC
from gridwitness.encoding.eip712 import Domain
from gridwitness.encoding.leaves import READING_TYPES
from gridwitness.encoding.packing import metric_bytes
from tests.actors import Committee, Device, OpenFeed
from tests.functional.adapters.conftest import Gauge
from tests.functional.shares.plant import Plant, Staff, deploy_passports, make_plant, owned_by, rules

MakePlant = Callable[..., Plant]
QUARTER_HOUR_SECONDS = 900


@pytest.fixture(scope="session")
def share_issuer(accounts: Any) -> Any:
    """Account that issues the plant's shares and pays in what it earns."""
    return accounts[10]


@pytest.fixture(scope="session")
def share_agent(accounts: Any) -> Any:
    """Account that freezes, forces, recovers and pauses."""
    return accounts[11]


@pytest.fixture(scope="session")
def passport_registrar(accounts: Any) -> Any:
    """Account that gives passports."""
    return accounts[12]


@pytest.fixture(scope="session")
def investors(accounts: Any) -> list[Any]:
    """Seven wallets: the plant admits the first four, and the first two have shares."""
    return list(accounts[13:20])


@pytest.fixture(scope="session")
def passports(deployer: Any, passport_registrar: Any, project: Any) -> Any:
    """Passports with a registrar."""
    return deploy_passports(project, deployer, passport_registrar)


@pytest.fixture(scope="session")
def asset_factory(deployer: Any, project: Any) -> Any:
    """AssetFactory."""
    return deployer.deploy(project.AssetFactory)


@pytest.fixture(scope="session")
def share_market(deployer: Any, project: Any) -> Any:
    """ShareMarket."""
    return deployer.deploy(project.ShareMarket)


@pytest.fixture(scope="session")
def new_plant(
    project: Any, asset_factory: Any, passports: Any, share_issuer: Any, share_agent: Any, passport_registrar: Any
) -> MakePlant:
    """Make a plant that pays in a token, with rules; other terms as keywords."""
    staff = Staff(share_issuer, share_agent, passport_registrar)

    def make(cash: Any, holder_rules: tuple[Any, ...] | None = None, **changes: Any) -> Plant:
        return make_plant(project, asset_factory, passports, staff, cash, rules_=holder_rules or rules(), **changes)

    return make


@pytest.fixture(scope="session")
def shared_plant(new_plant: MakePlant, euro: Any, investors: list[Any]) -> Plant:
    """6,000 shares of the first investor, 4,000 of the second."""
    return owned_by(new_plant(euro), investors)


@pytest.fixture
def reserve_gauge(
    project: Any,
    deployer: Any,
    transmitter: Any,
    attestation: Any,
    open_feed: OpenFeed,
    committee: Committee,
    meter: Device,
    registry_domain_712: Domain,
) -> Gauge:
    """The real feed of what the plant's meter says, in Wh."""
    readings = open_feed("reserve", committee, READING_TYPES)
    where = (attestation, readings.stream_id, meter.device_id, metric_bytes(NET_ENERGY_METRIC))
    adapter = deployer.deploy(project.FeedAdapter, *where, 3, QUARTER_HOUR_SECONDS, 9_900, "reserve / kWh")
    return Gauge(adapter, readings, meter, registry_domain_712, transmitter)
