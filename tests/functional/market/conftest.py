"""A market with one open zone, and homes that trade in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ape
import pytest

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import Schedule, ZoneParams
from gridwitness.encoding.eip712 import Domain, market_domain
from gridwitness.encoding.keys import P256Key, Secp256k1Key
from tests.actors import Committee, Device, Feed, OpenFeed
from tests.functional.market.village import (
    DAY_SECONDS,
    DISPUTE_BOND,
    ZONE,
    Home,
    MakeHomes,
    OpenVillage,
    Trade,
    Village,
    bid,
    deploy_market,
    offer,
    params_args,
    warp,
    zone_rules,
)


@pytest.fixture(scope="session")
def operator(accounts: Any) -> Any:
    """Account that opens zones and answers for their backstops."""
    return accounts[6]


@pytest.fixture(scope="session")
def market(deployer: Any, operator: Any, registry: Any, attestation: Any, euro: Any, project: Any) -> Any:
    """EnergyMarket with an operator."""
    return deploy_market(deployer, operator, project, registry, attestation, euro)


@pytest.fixture(scope="session")
def market_feed(open_feed: OpenFeed, committee: Committee) -> Feed:
    """Stream of the zone's profiles, before any batch."""
    return open_feed("market-profiles", committee)


@pytest.fixture(scope="session")
def params(market_feed: Feed) -> ZoneParams:
    """Rules of the zone."""
    return zone_rules(bytes(market_feed.stream_id))


@pytest.fixture(scope="session")
def opened(market: Any, operator: Any, euro: Any, params: ZoneParams, market_feed: Feed, transmitter: Any) -> Village:
    """The zone, open, with a rich backstop and a transmitter with a full pocket; nobody trades yet."""
    market.openZone(ZONE, params_args(params), sender=operator)
    domain: Domain = market_domain(ape.chain.chain_id, market.address)
    village = Village(market, euro, domain, params, market_feed, transmitter, day=0)
    village.fill_pocket(transmitter, 1)
    village.fund_backstop(operator)
    return village


@pytest.fixture
def village(opened: Village) -> Village:
    """The zone at one o'clock in the morning (UTC) of the day before the one that is traded."""
    today = ape.chain.pending_timestamp // DAY_SECONDS + 1
    warp(today * DAY_SECONDS + 3_600)
    feed = opened.feed
    own_feed = Feed(feed.attestation, feed.domain, feed.stream_id, feed.committee, feed.transmitter)
    return replace(opened, feed=own_feed, day=today + 1)


@pytest.fixture
def open_village(village: Village, operator: Any) -> OpenVillage:
    """Open another zone, of the same rules but for `changes`, with a rich backstop."""

    def open_(zone: int, **changes: Any) -> Village:
        params = replace(village.params, **changes)
        village.market.openZone(zone, params_args(params), sender=operator)
        other = replace(village, params=params, zone=zone)
        other.fund_backstop(operator)
        return other

    return open_


# Registered once, with keys of their own: other folders register `meter` and `charger` anew in each test.
@pytest.fixture(scope="session")
def home(registry: Any, registry_domain_712: Domain, prosumer: Any) -> Home:
    """A prosumer with a P-256 meter."""
    home = Home(Device(P256Key(0x486F6D65), registry, registry_domain_712), prosumer)
    home.device.register(prosumer)
    return home


@pytest.fixture(scope="session")
def next_home(registry: Any, registry_domain_712: Domain, neighbour: Any) -> Home:
    """A neighbour with a secp256k1 meter."""
    home = Home(Device(Secp256k1Key(0x4E657874), registry, registry_domain_712), neighbour)
    home.device.register(neighbour)
    return home


@pytest.fixture
def make_homes(village: Village, registry: Any, registry_domain_712: Domain, accounts: Any) -> MakeHomes:
    """Register homes of these kinds in turn, each with an owner of its own, every other one with a P-256 meter."""

    def make(count: int, zone: int = ZONE, kinds: Sequence[DeviceKind] = (DeviceKind.PROSUMER,)) -> list[Home]:
        homes = []
        for index in range(count):
            key = P256Key(0xA0000 + index) if index % 2 else Secp256k1Key(0xA0000 + index)
            home = Home(Device(key, registry, registry_domain_712), accounts[8 + index], kinds[index % len(kinds)])
            home.device.register(home.owner, kind=home.kind, zone=zone)
            homes.append(home)
        return homes

    return make


@pytest.fixture
def trade(village: Village, home: Home, next_home: Home) -> Trade:
    """A purchase of 1,000 Wh that a neighbour sells, both at tick 60 = 200,000 per kWh; the day is over and cleared."""
    bought = village.place(home, {10: bid(60, 1_000)}, imbalance_limit_wh=2_000)
    sold = village.place(next_home, {10: offer(60, 1_000)}, imbalance_limit_wh=2_000)
    village.end_and_clear([10])
    return bought, sold


@pytest.fixture
def bought(trade: Trade) -> Schedule:
    """A purchase of 1,000 Wh at 200,000 per kWh that reserved 1,030,003, 830,003 of which stay when it is paid."""
    return trade[0]


@pytest.fixture
def disputer(village: Village, accounts: Any) -> Any:
    """Somebody who does not trade, and has just a bond to put at stake."""
    village.fund(accounts[18], DISPUTE_BOND)
    return accounts[18]
