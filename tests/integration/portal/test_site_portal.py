"""A demo's portal tells what the demo itself found, and follows its chain wherever that goes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gridwitness.api.portal.protocols import EVERYTHING, Portal
from gridwitness.api.portal.views import Page
from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain, calldata
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.market import Market
from gridwitness.domain.market import EUR
from gridwitness.errors import InputError
from gridwitness.service.portal import SitePortal
from gridwitness.service.proof_checks import check_offline
from gridwitness.service.proofs import parse_proof
from gridwitness.store import BatchLog, Database
from tests.integration.portal.conftest import Household
from tests.portal_scene import copied, opened_portal

ZONE = 1


def every_item(page_of: Any) -> list[Any]:
    """All items of a list, page by page."""
    items: list[Any] = []
    cursor = ""
    while True:
        page: Page[Any] = page_of(cursor)
        items += page.items
        cursor = page.next_cursor
        if not cursor:
            return items


def test_fulfil__protocol__by_its_methods(open_portal: SitePortal) -> None:
    portal: Portal = open_portal
    assert portal.site().is_open_data


def test_count__finished_day__is_what_the_demo_counted(finished_village: Path, open_portal: SitePortal) -> None:
    summary = json.loads((finished_village / "summary.json").read_text())
    now = open_portal.now()
    assert now.stored == now.attested == summary["readings_accepted"]
    assert now.devices_active == summary["meters"] + 1
    assert (now.unattested, now.devices_silent, now.not_ready) == (0, 0, [])
    assert sum(stream.seq for stream in open_portal.streams()) == summary["batches_attested"]
    (day,) = [one for one in open_portal.community_days(EVERYTHING) if one.held]
    assert day.held == summary["schedules_held"]


def test_list__clearings__are_those_of_the_demo(open_portal: SitePortal, clearings_file: list[dict[str, str]]) -> None:
    shown = every_item(lambda cursor: open_portal.clearings(ZONE, day=None, cursor=cursor, limit=7))
    told = [
        [int(row[name]) for name in ("tick", "volume_wh", "cap_wh", "bids_wh", "offers_wh")] for row in clearings_file
    ]
    assert [[one.tick, one.volume_wh, one.cap_wh, one.bids_wh, one.offers_wh] for one in shown] == told


def test_bill__every_home__is_the_demos_to_the_unit(
    open_portal: SitePortal, households: list[Household], settlements_file: list[dict[str, str]]
) -> None:
    day = open_portal.zones()[0].days[0]
    told = {row["device_id"]: row for row in settlements_file}
    for home in households:
        bill = open_portal.bill(EVERYTHING, home.device_id, day)
        row = told["0x" + home.device_id.hex()]
        assert bill is not None
        assert bill.status == row["status"]
        assert bill.total == (round(float(row["bill_eur"]) * EUR) if row["bill_eur"] else None)
        assert bill.grid_only == round(float(row["grid_only_bill_eur"]) * EUR)
        assert sum(line.amount for line in bill.lines) == (bill.total or 0)


def test_page__readings_of_a_device__each_once_in_order_of_time(
    open_portal: SitePortal, households: list[Household]
) -> None:
    device_id = households[0].device_id
    span: dict[str, Any] = {"time_from": 0, "time_to": 1 << 40, "flagged": False}
    whole = open_portal.readings(EVERYTHING, device_id, cursor="", limit=1_000, **span).items
    pages = every_item(lambda cursor: open_portal.readings(EVERYTHING, device_id, cursor=cursor, limit=50, **span))
    assert pages == whole
    assert len(whole) == 384
    assert [one.time for one in whole] == sorted({one.time for one in whole})


def test_page__flagged_readings__newest_first_and_as_many_as_counted(open_portal: SitePortal) -> None:
    flagged = every_item(lambda cursor: open_portal.flagged(EVERYTHING, cursor=cursor, limit=7))
    assert all(one.is_flagged and one.reason for one in flagged)
    assert [one.time for one in flagged] == sorted((one.time for one in flagged), reverse=True)
    scores = open_portal.scores(EVERYTHING)
    assert len(flagged) == scores.flagged == sum(scores.by_channel.values())
    assert sum(scores.counts) == open_portal.now().attested


def test_prove__reading_and_profile__the_documents_hold(open_portal: SitePortal, held_household: Household) -> None:
    day = open_portal.zones()[0].days[0]
    for body in (
        open_portal.reading_proof(EVERYTHING, held_household.device_id, 300),
        open_portal.profile_proof(EVERYTHING, held_household.device_id, day),
    ):
        assert body is not None
        assert list(check_offline(parse_proof(json.loads(body))))


def test_follow_trail__attested_reading__each_step_later_than_the_one_before(
    open_portal: SitePortal, held_household: Household
) -> None:
    trail = open_portal.trail(EVERYTHING, held_household.device_id, 300)
    assert trail is not None
    times = [step.at for step in trail.steps if step.at is not None]
    assert [step.name for step in trail.steps] == [
        "signed", "accepted", "scored", "batched", "co-signed", "mined", "final",
    ]  # fmt: skip
    assert len(times) == len(trail.steps)
    assert times == sorted(times)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "é", "A" * 500, "eyJhIjoxfQ"])
def test_go_on__cursor_nobody_made__is_refused(open_portal: SitePortal, cursor: str) -> None:
    with pytest.raises(InputError, match="cursor"):
        open_portal.clearings(ZONE, day=None, cursor=cursor, limit=10)


def test_open_again__same_index__goes_on_where_it_was(finished_demo: Path, anvil: Anvil, tmp_path: Path) -> None:
    folder = copied(finished_demo, tmp_path)
    with opened_portal(folder, anvil) as portal:
        before = portal.latest_position()
        happened = portal.events_since(EVERYTHING, 0, 10_000)
        days = portal.community_days(EVERYTHING)
    with opened_portal(folder, anvil) as portal:
        assert portal.latest_position() == before == happened[-1].position
        assert portal.community_days(EVERYTHING) == days


def test_refresh__reorganised_chain__what_it_took_back_is_gone(
    finished_demo: Path, anvil: Anvil, tmp_path: Path
) -> None:
    folder = copied(finished_demo, tmp_path)
    with opened_portal(folder, anvil) as portal:
        chain = Chain(anvil.url, Manifest.load(folder / "31337.json"))
        market = Market(chain)
        before = portal.zones()[0].params
        snapshot = anvil.node.rpc("evm_snapshot")
        anvil.mine()  # a chain loaded anew goes on by this machine's time
        today = chain.head_time() // 86_400
        rules = market.zone_params(ZONE, today)
        dearer = type(rules)(**{**{name: getattr(rules, name) for name in rules.__slots__}, "dispute_bond": 7 * EUR})
        operator = anvil.node.rpc("eth_accounts")[0]
        call = market.announce_params(ZONE, today + 40, dearer)
        sent = {"from": operator, "to": market.address, "data": "0x" + calldata(call).hex(), "gas": hex(10**6)}
        announced = anvil.node.rpc("eth_sendTransaction", sent)
        chain.wait([bytes.fromhex(announced[2:])])
        anvil.set_next_time((today + 41) * 86_400)
        anvil.mine()
        portal.refresh()
        assert portal.zones()[0].params["disputeBond"] == 7 * EUR
        assert portal.chain().reorgs == 0
        assert anvil.node.rpc("evm_revert", snapshot)
        anvil.set_next_time((today + 42) * 86_400)
        anvil.mine(3)
        portal.refresh()
        assert portal.zones()[0].params == before
        assert portal.chain().reorgs == 1


def test_follow_trail__two_confirmations__final_with_the_second_block_on_top(
    finished_demo: Path, anvil: Anvil, tmp_path: Path, open_portal: SitePortal, held_household: Household
) -> None:
    folder = copied(finished_demo, tmp_path)
    settings = folder / "oracle-1" / "oracle.toml"
    settings.write_text("confirmations = 2\n" + settings.read_text())
    with opened_portal(folder, anvil) as portal:
        trail = portal.trail(EVERYTHING, held_household.device_id, 300)
        assert trail is not None
        assert trail.batch is not None
        block = anvil.node.block(trail.batch.block_number + 2)
        assert block is not None
        assert trail.steps[-1].at == block.time


def test_watch__finished_day__tells_of_batches_clearings_and_settlements_once(
    open_portal: SitePortal, clearings_file: list[dict[str, str]]
) -> None:
    happened = open_portal.events_since(EVERYTHING, 0, 10_000)
    kinds = Counter(event.kind for event in happened)
    assert kinds["clearing"] == len(clearings_file)
    assert kinds["batch"] == sum(stream.seq for stream in open_portal.streams())
    assert kinds["readings"] == open_portal.streams()[0].seq
    positions = [event.position for event in happened]
    assert positions == sorted(set(positions))
    assert open_portal.events_since(EVERYTHING, positions[-1], 10) == []
    assert open_portal.events_since(EVERYTHING, -1, 10) == []


def test_refresh__batches_taken_back_by_the_log__figures_as_of_an_index_made_then(
    finished_demo: Path, anvil: Anvil, tmp_path: Path
) -> None:
    folder = copied(finished_demo, tmp_path)
    log = folder / "oracle-1" / "oracle.sqlite"

    def figures(portal: SitePortal) -> list[object]:
        return [
            portal.scores(EVERYTHING).counts,
            portal.community_days(EVERYTHING),
            portal.flagged(EVERYTHING, cursor="", limit=100),
            portal.clearings(ZONE, day=None, cursor="", limit=96),
        ]

    with opened_portal(folder, anvil) as portal:
        whole = figures(portal)
        stream = portal.streams()[0]
        database = Database(log)
        BatchLog(database).roll_back_readings(bytes.fromhex(stream.stream_id[2:]), stream.seq - 30)
        database.close()
        portal.refresh()
        shrunk = figures(portal)
        assert portal.now().unattested == 30 * 14
    for index in folder.glob("site.sqlite*"):
        index.unlink()
    with opened_portal(folder, anvil) as portal:
        assert figures(portal) == shrunk != whole
