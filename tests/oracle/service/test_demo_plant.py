"""Which plant the demo divides into shares, and who takes them."""

from __future__ import annotations

import numpy as np
import pytest

from gridwitness.service.demo.actors import Actors, make_actors
from gridwitness.service.demo.investors import SHARES, Country
from gridwitness.service.demo.meters import Faults, MeterBank, make_meters
from gridwitness.service.demo.plant import choose_plant
from gridwitness.service.demo.shared_plant import HOLDER_CAP, OFFERS
from gridwitness.sources.community_data import Block, Community

FIRST = 17_000 * 96
DAY = np.arange(96)
SUN = np.where((DAY >= 32) & (DAY < 64), 1, 0)
TAKES = 300 + DAY % 5
# By day the roof sells a little of much, the mill by night all that it has, and takes nothing.
NET_WH = {"attic": TAKES, "roof": 100 - 2_000 * SUN, "mill": -150 * (1 - SUN), "cellar": TAKES}


def village(**net_wh: np.ndarray) -> tuple[MeterBank, Actors]:
    values = {name: np.asarray(value, dtype=np.int64) for name, value in net_wh.items()}
    place = Community("here", tuple(values), (Block(FIRST, 96),), np.array(list(values.values())))
    return MeterBank(values, FIRST, seed=3), make_actors(make_meters(place, 1), 1)


def chosen(bank: MeterBank, actors: Actors) -> str | None:
    home = choose_plant(bank, actors.homes, FIRST + 96)
    return home.meter.name if home is not None else None


def test_choose_plant__two_that_feed_in__takes_the_one_that_sells_most_to_neighbours() -> None:
    assert chosen(*village(**NET_WH)) == "roof"
    assert chosen(*village(**{**NET_WH, "mill": -600 * (1 - SUN)})) == "mill"


def test_choose_plant__best_one_misbehaves__takes_the_next_or_else_the_same() -> None:
    bank, actors = village(**NET_WH)
    bank.faults = Faults("attic", FIRST + 96, "roof", FIRST + 96)
    assert chosen(bank, actors) == "mill"
    bank.faults = Faults("mill", FIRST + 96, "roof", FIRST + 96)
    assert chosen(bank, actors) == "roof"


def test_choose_plant__nobody_feeds_in__is_none() -> None:
    assert chosen(*village(attic=TAKES, cellar=TAKES)) is None


@pytest.fixture
def actors() -> Actors:
    return village(**NET_WH)[1]


def test_make_actors__investors__are_twelve_in_three_countries_and_one_outside(actors: Actors) -> None:
    countries = [investor.country for investor in actors.investors]
    assert len(countries) == 12
    assert set(countries) == {Country.GERMANY, Country.AUSTRIA, Country.FRANCE}
    assert actors.outsider.country not in countries
    assert sum(investor.subscribed for investor in actors.investors) == SHARES == 10_000
    addresses = {account.address for account in actors.funded()}
    assert len(addresses) == len(actors.funded())


def test_offers__filled_as_planned__keep_within_the_rules_and_leave_some_to_the_outsider(actors: Actors) -> None:
    held = [investor.subscribed for investor in actors.investors]
    for offer in OFFERS:
        for buyer, shares in offer.buyers:
            held[offer.seller] -= shares
            held[buyer] += shares
    assert len(held) <= HOLDER_CAP and min(held) > 0
    assert OFFERS[0].shares > sum(shares for _, shares in OFFERS[0].buyers)
