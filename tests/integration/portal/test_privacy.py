"""What one household measured and traded does not exist for another, by any method, argument or cursor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from eth_account import Account

from gridwitness.api.portal.protocols import ANYBODY, EVERYTHING, Viewer
from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.registry import BY_ITSELF
from gridwitness.cli.demo import COMMUNITY
from gridwitness.errors import ChainError, InputError
from gridwitness.service.demo.actors import make_actors
from gridwitness.service.demo.meters import make_meters
from gridwitness.service.portal import SitePortal
from gridwitness.service.portal.chain_index import ChainIndexer
from gridwitness.sources.community import load_community
from tests.integration.portal.conftest import Household
from tests.portal_scene import copied, opened_portal

ALWAYS = 1 << 40
SEED = 1  # the demo's, unless it is told another


def viewer_of(household: Household) -> Viewer:
    return Viewer(accounts=frozenset({household.account}))


def days_of(portal: SitePortal) -> list[int]:
    return portal.zones()[0].days


def test_ask__device_of_another__what_it_measured_and_traded_does_not_exist(
    closed_portal: SitePortal, held_household: Household, other_household: Household
) -> None:
    portal, device_id, day = closed_portal, held_household.device_id, days_of(closed_portal)[0]
    for stranger in (viewer_of(other_household), ANYBODY):
        for flagged in (False, True):
            readings = portal.readings(
                stranger, device_id, time_from=0, time_to=ALWAYS, flagged=flagged, cursor="", limit=10
            )
            assert (readings.items, readings.next_cursor) == ([], "")
        assert portal.reading(stranger, device_id, 300) is None
        assert portal.trail(stranger, device_id, 300) is None
        assert portal.reading_proof(stranger, device_id, 300) is None
        assert portal.profile_proof(stranger, device_id, day) is None
        assert portal.bill(stranger, device_id, day) is None
        assert portal.forecast(stranger, device_id) is None
        for listed in (portal.schedules, portal.settlements):
            for of_day in (None, day):
                page = listed(stranger, device_id=device_id, day=of_day, cursor="", limit=10)
                assert (page.items, page.next_cursor) == ([], "")


def test_ask__own_device__all_of_it_is_there(closed_portal: SitePortal, held_household: Household) -> None:
    portal, device_id, day = closed_portal, held_household.device_id, days_of(closed_portal)[0]
    own = viewer_of(held_household)
    for flagged in (False, True):
        assert portal.readings(own, device_id, time_from=0, time_to=ALWAYS, flagged=flagged, cursor="", limit=10).items
    assert portal.trail(own, device_id, 300) is not None
    assert portal.reading_proof(own, device_id, 300) is not None
    assert portal.profile_proof(own, device_id, day) is not None
    assert portal.bill(own, device_id, day) is not None
    assert portal.schedules(own, device_id=None, day=None, cursor="", limit=10).items
    assert portal.settlements(own, device_id=None, day=None, cursor="", limit=10).items
    assert portal.flagged(own, cursor="", limit=10).items
    assert portal.scores(own).held


def test_list__stranger__nothing_names_another_household(
    closed_portal: SitePortal, held_household: Household, other_household: Household
) -> None:
    portal, own = closed_portal, viewer_of(other_household)
    answers = [
        portal.flagged(own, cursor="", limit=100),
        portal.scores(own),
        portal.schedules(own, device_id=None, day=None, cursor="", limit=100),
        portal.settlements(own, device_id=None, day=None, cursor="", limit=100),
        portal.community_days(own),
        portal.events_since(own, 0, 10_000),
        portal.now(),
        portal.rejections(),
        portal.streams(),
    ]
    text = msgspec.json.encode(answers).decode()
    assert held_household.device_id.hex() not in text
    assert held_household.account not in text.lower()


def test_look_at_devices__stranger__only_what_the_registry_says(
    closed_portal: SitePortal, held_household: Household, other_household: Household
) -> None:
    device = closed_portal.device(viewer_of(other_household), held_household.device_id)
    assert device is not None
    measured = (device.last_seen, device.gaps_last_day, device.clock_skew_s, device.readings, device.health)
    assert (*measured, device.flagged_last_day, device.name) == (None, None, None, None, None, None, "")
    assert [key.public_key for key in device.keys] == [""]  # it would be taken from a reading
    listed = closed_portal.devices(viewer_of(other_household), cursor="", limit=100).items
    assert [one.health is not None for one in listed].count(True) == 1


@pytest.mark.parametrize("flagged", [False, True])
def test_go_on__cursor_of_who_sees_all__gives_a_stranger_nothing(
    closed_portal: SitePortal, held_household: Household, other_household: Household, flagged: bool
) -> None:
    portal, device_id, stranger = closed_portal, held_household.device_id, viewer_of(other_household)
    span: dict[str, Any] = {"time_from": 0, "time_to": ALWAYS, "flagged": flagged, "limit": 5}
    cursor = portal.readings(EVERYTHING, device_id, cursor="", **span).next_cursor
    assert cursor
    assert portal.readings(stranger, device_id, cursor=cursor, **span).items == []
    with pytest.raises(InputError, match="cursor"):
        portal.readings(stranger, other_household.device_id, cursor=cursor, **span)
    for listed in (portal.schedules, portal.settlements):
        cursor = listed(EVERYTHING, device_id=None, day=None, cursor="", limit=5).next_cursor
        with pytest.raises(InputError, match="cursor"):
            listed(stranger, device_id=None, day=None, cursor=cursor, limit=5)
    cursor = portal.flagged(EVERYTHING, cursor="", limit=5).next_cursor
    shown = portal.flagged(stranger, cursor=cursor, limit=100).items
    assert {one.device_id for one in shown} <= {"0x" + other_household.device_id.hex()}


def test_look_at_community__stranger__sums_of_many_and_no_homes(
    closed_portal: SitePortal, other_household: Household
) -> None:
    (newest, *_) = closed_portal.community_days(ANYBODY)
    assert newest.homes == []
    assert newest.import_wh is not None  # of 13 homes
    assert newest.bills is newest.shared_wh is None  # two of 13 are held: the difference would tell of these
    (mine, *_) = closed_portal.community_days(viewer_of(other_household))
    assert [home.device_id for home in mine.homes] == ["0x" + other_household.device_id.hex()]


def test_look_at_site__open_data__anybody_sees_all(open_portal: SitePortal, held_household: Household) -> None:
    day = days_of(open_portal)[0]
    assert open_portal.bill(ANYBODY, held_household.device_id, day) is not None
    assert len(open_portal.community_days(ANYBODY)[0].homes) == 13
    assert open_portal.trail(ANYBODY, held_household.device_id, 300) is not None


def fail(*arguments: object) -> bool:
    raise ChainError("the node is away")


def assert_nothing_of_before(portal: SitePortal, viewer: Viewer, device_id: bytes, day: int) -> None:
    span: dict[str, Any] = {"time_from": 0, "time_to": ALWAYS, "flagged": False, "limit": 5}
    assert portal.readings(viewer, device_id, cursor="", **span).items == []
    assert portal.flagged(viewer, cursor="", limit=5).items == []
    assert portal.trail(viewer, device_id, 300) is None
    assert portal.profile_proof(viewer, device_id, day) is None


def test_hand_over__device__its_new_owner_sees_nothing_of_before(
    finished_demo: Path, anvil: Anvil, tmp_path: Path, held_household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_portal(copied(finished_demo, tmp_path), anvil, is_open_data=False) as portal:
        chain = Chain(anvil.url, Manifest.load(finished_demo / "31337.json"))
        snapshot = anvil.node.rpc("evm_snapshot")
        functions = chain.contract("DeviceRegistry").functions
        buyer, device_id, day = Account.create(), held_household.device_id, days_of(portal)[0]
        homes = make_actors(make_meters(load_community(COMMUNITY), SEED), SEED).homes
        seller = next(home.owner for home in homes if home.meter.key.device_id == device_id)
        anvil.node.rpc("anvil_setBalance", buyer.address, hex(10**20))
        offer = functions.offerTransfer(device_id, buyer.address, (1 << 40) - 1, BY_ITSELF)
        chain.transact(seller, offer)
        chain.transact(buyer, functions.acceptTransfer(device_id, BY_ITSELF))
        bought = Viewer(accounts=frozenset({buyer.address.lower()}))
        with monkeypatch.context() as context:  # the registry is read, the index not yet
            context.setattr(ChainIndexer, "sync", fail)
            with pytest.raises(ChainError):
                portal.refresh()
            assert_nothing_of_before(portal, bought, device_id, day)
        portal.refresh()
        for viewer in (bought, viewer_of(held_household)):
            assert_nothing_of_before(portal, viewer, device_id, day)
        assert portal.bill(bought, device_id, day) is None
        assert portal.settlements(bought, device_id=device_id, day=None, cursor="", limit=5).items == []
        assert portal.community_days(bought)[0].homes == []
        assert portal.bill(viewer_of(held_household), device_id, day) is not None  # it traded that day
        assert anvil.node.rpc("evm_revert", snapshot)
