"""The relay on a real chain: batches that fit, replacements, rows that go bad, and kills at any moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import MAX_TRANSACTION_GAS, Chain
from gridwitness.domain.market import NO_ORDER, Order, Side
from gridwitness.domain.slots import SECONDS_PER_DAY, SLOT_SECONDS
from gridwitness.errors import StoreError
from gridwitness.service.relay.batching import RelayRules
from gridwitness.service.relay.node import RelayNode
from tests.integration.chain.relay_kill import post_until_killed
from tests.integration.chain.relay_scene import (
    AT_ONCE,
    DAY,
    PARAMS,
    ZONE,
    Scene,
    fate,
    make_scene,
    post,
    schedules_by_state,
    step_until_idle,
)

FIRST_GATE = DAY * SECONDS_PER_DAY - PARAMS.gate_lead_slots * SLOT_SECONDS
# Prime, so that rounds of other lengths are killed at other points.
KILL_STRIDE = 3
BID = Order(Side.BID, 60, 100)


@pytest.fixture
def scene(
    chain: Chain,
    anvil: Anvil,
    deployer: LocalAccount,
    outsider: LocalAccount,
    transmitter: LocalAccount,
    tmp_path: Path,
) -> Scene:
    return make_scene(chain, anvil, deployer, outsider, transmitter, tmp_path)


@pytest.fixture
def relay(scene: Scene) -> Iterator[RelayNode]:
    running = scene.relay()
    yield running
    running.close()


def test_submit__more_rows_than_fit_in_a_fresh_ring__every_transaction_stays_below_the_limit(
    scene: Scene, relay: RelayNode
) -> None:
    """Every order takes a tick of its own, so each is the first to use its storage. anvil enforces EIP-7825."""
    scene.register(60)
    rows = [
        scene.signed(device, [Order(Side(slot % 2), (device + slot) % 120 + 4, 50 + device) for slot in range(96)])
        for device in range(60)
    ]
    assert {result.status for result in post(relay, *rows)} == {"accepted"}
    step_until_idle(relay)
    assert sorted(scene.submitted()) == sorted((row.schedule.device_id, 1) for row in rows)
    used = [receipt.gas_used for receipt in scene.receipts()]
    print("gas of the transactions of", len(rows), "rows:", used)
    assert max(used) <= MAX_TRANSACTION_GAS
    # And they are full, not merely small: all but the last use most of what the outbox leaves them.
    assert len(used) >= 2
    assert min(used[:-1]) > 0.6 * MAX_TRANSACTION_GAS


def test_post__what_the_market_would_refuse__is_refused_at_once_with_its_reason(
    scene: Scene, relay: RelayNode, anvil: Anvil
) -> None:
    scene.register(2)
    good, other = scene.signed(0), scene.signed(1)
    bad = {
        "NotAuthorised": replace(other, signature=good.signature),
        "SignatureExpired": scene.signed(1, deadline=1),
        "ZoneUnknown": scene.signed(1, zone=ZONE + 1),
        "NotAccountOwner": scene.signed(1, account=scene.transmitter.address),
        "OrderBelowMinimum": scene.signed(1, [Order(Side.BID, 60, 9)]),
        "LimitBelowFee": scene.signed(1, [Order(Side.BID, 1, 100)]),
        "BeyondHorizon": scene.signed(1, day=DAY + 5),
        "InsufficientBalance": scene.signed(1, imbalance_limit_wh=(1 << 32) - 1),
        "GateClosed": scene.signed(1, day=DAY - 1),
    }
    first, *results = post(relay, good, *bad.values())
    assert (first.status, first.problem) == ("accepted", None)
    assert [(result.status, result.problem and result.problem.title) for result in results] == [
        ("refused", name) for name in bad
    ]
    assert results[4].problem is not None
    assert "energyWh=9, minOrderWh=10" in results[4].problem.detail
    step_until_idle(relay)
    assert scene.submitted() == [(good.schedule.device_id, 1)]


def test_post__same_version_again__is_a_duplicate_and_submitted_once(scene: Scene, relay: RelayNode) -> None:
    scene.register(1)
    row, other = scene.signed(0), scene.signed(0, [BID])
    assert [result.status for result in post(relay, row, row)] == ["accepted", "duplicate"]
    step_until_idle(relay)
    (again, changed) = post(relay, row, other)
    assert again.status == "duplicate"
    assert changed.problem is not None
    assert changed.problem.title == "VersionNotHigher"
    step_until_idle(relay)
    assert scene.submitted() == [(row.schedule.device_id, 1)]
    told = fate(relay, row.schedule)
    assert (told["status"], told["problem"]) == ("standing", None)
    assert bytes.fromhex(told["transaction"][2:]) == scene.receipts()[0].transaction


def test_replace__higher_versions__each_takes_the_place_of_what_stands(scene: Scene, relay: RelayNode) -> None:
    scene.register(1)
    first = scene.signed(0)
    post(relay, first)
    step_until_idle(relay)
    waiting, second = scene.signed(0, [BID], version=2), scene.signed(0, [BID, BID], version=5)
    assert [result.status for result in post(relay, waiting, second)] == ["accepted", "accepted"]
    step_until_idle(relay)
    assert scene.submitted() == [(first.schedule.device_id, 1), (first.schedule.device_id, 5)]
    assert fate(relay, first.schedule)["status"] == "replaced"
    assert fate(relay, second.schedule)["status"] == "standing"


def test_replace__sent_while_the_first_is_under_way__waits_for_it(scene: Scene, relay: RelayNode) -> None:
    scene.register(1)
    first, second = scene.signed(0), scene.signed(0, [BID], version=2)
    with scene.anvil.one_block():
        post(relay, first)
        relay.step()
        assert fate(relay, first.schedule)["status"] == "submitted"
        post(relay, second)
        relay.step()
        assert fate(relay, second.schedule)["status"] == "waiting"
    step_until_idle(relay)
    assert scene.submitted() == [(first.schedule.device_id, 1), (first.schedule.device_id, 2)]


def test_replace__what_stands_came_another_way__needs_it_from_the_sender(scene: Scene, relay: RelayNode) -> None:
    scene.register(1)
    direct, second = scene.signed(0), scene.signed(0, [BID], version=2)
    scene.chain.transact(scene.transmitter, scene.market.submit([direct]))
    (blind,) = post(relay, second)
    assert blind.problem is not None
    assert (blind.problem.title, "`previous`" in blind.problem.hint) == ("ScheduleStands", True)
    (wrong,) = post(relay, second, previous=replace(direct.schedule, imbalance_limit_wh=1))
    assert wrong.problem is not None
    (right,) = post(relay, second, previous=direct.schedule)
    assert right.status == "accepted"
    step_until_idle(relay)
    assert scene.submitted() == [(direct.schedule.device_id, 2)]
    assert fate(relay, direct.schedule)["status"] == "replaced"


def test_row_that_goes_bad__before_it_is_sent__waits_while_others_go(scene: Scene, relay: RelayNode) -> None:
    poor = scene.transmitter
    scene.register(2)
    scene.register(1, owner=poor)
    scene.deposit(poor.address, 10_000_000)
    rows = [scene.signed(0), scene.signed(2, account=poor.address), scene.signed(1)]
    assert {result.status for result in post(relay, *rows)} == {"accepted"}
    scene.chain.transact(poor, scene.market.withdraw(10_000_000, poor.address))
    while schedules_by_state(relay).get("standing") != 2:
        relay.step()
    assert [fate(relay, row.schedule)["status"] for row in rows] == ["standing", "waiting", "standing"]
    assert fate(relay, rows[1].schedule)["problem"]["title"] == "InsufficientBalance"
    scene.deposit(poor.address, 10_000_000)
    step_until_idle(relay)
    assert fate(relay, rows[1].schedule)["status"] == "standing"


def test_row_that_goes_bad__between_estimate_and_block__is_told_of_and_never_sent_again(
    scene: Scene, relay: RelayNode
) -> None:
    poor = scene.transmitter
    scene.register(2)
    scene.register(1, owner=poor)
    scene.deposit(poor.address, 10_000_000)
    rows = [scene.signed(0), scene.signed(2, account=poor.address), scene.signed(1)]
    post(relay, *rows)
    with scene.anvil.one_block():
        relay.step()
        scene.send_ahead(poor, scene.market.withdraw(10_000_000, poor.address))
    step_until_idle(relay)
    assert [fate(relay, row.schedule)["status"] for row in rows] == ["standing", "refused", "standing"]
    assert fate(relay, rows[1].schedule)["problem"]["title"] == "InsufficientBalance"
    scene.deposit(poor.address, 10_000_000)
    (again,) = post(relay, rows[1])
    assert again.problem is not None
    step_until_idle(relay)
    assert len(scene.receipts()) == 1
    (higher,) = post(relay, scene.signed(2, account=poor.address, version=2))
    assert higher.status == "accepted"


def test_transaction_that_fails__on_chain__its_rows_go_again_in_halves(scene: Scene, relay: RelayNode) -> None:
    scene.register(4)
    rows = [scene.signed(device) for device in range(4)]
    post(relay, *rows)
    with scene.anvil.one_block():
        relay.step()
        with scene.broken_market():
            scene.anvil.mine()
    step_until_idle(relay)
    assert scene.statuses() == [0, 1, 1]
    assert sorted(scene.submitted()) == sorted((row.schedule.device_id, 1) for row in rows)
    assert {fate(relay, row.schedule)["status"] for row in rows} == {"standing"}


@pytest.mark.parametrize(
    ("rules", "is_due"),
    [
        (replace(AT_ONCE, enough_rows=2), False),
        (replace(AT_ONCE, enough_rows=2, gate_margin_s=FIRST_GATE), True),
        (replace(AT_ONCE, enough_rows=1), True),
    ],
)
def test_step__one_row_waits__goes_when_enough_or_closing(scene: Scene, rules: RelayRules, is_due: bool) -> None:
    relay = scene.relay(replace(rules, max_age_s=3_600))
    scene.register(1)
    row = scene.signed(0)
    post(relay, row)
    relay.step()
    assert (fate(relay, row.schedule)["status"] == "submitted") is is_due
    relay.close()


def test_gate__closes_while_a_row_waits__row_is_refused_not_sent(scene: Scene) -> None:
    relay = scene.relay(RelayRules(enough_rows=10, max_age_s=3_600, gate_margin_s=0))
    scene.register(2)
    late, later = scene.signed(0), scene.signed(1, [NO_ORDER, NO_ORDER, BID])
    post(relay, late, later)
    relay.step()
    scene.anvil.set_next_time(FIRST_GATE)
    scene.anvil.mine()
    step_until_idle(relay)
    assert fate(relay, late.schedule)["problem"]["title"] == "GateClosed"
    assert scene.submitted() == [(later.schedule.device_id, 1)]
    relay.close()


def test_restart__two_relays_on_one_folder__second_is_refused(scene: Scene, relay: RelayNode) -> None:
    with pytest.raises(StoreError, match="in use by another process"):
        scene.relay()


# INV-O9, INV-O10
def test_kill__at_every_point_in_turn__loses_nothing_acknowledged_and_sends_nothing_twice(
    scene: Scene, tmp_path: Path
) -> None:
    """Each round posts a row, is killed at a later point than the round before, and is then left to finish."""
    acknowledged_and_killed = 0
    for device, kill_at in enumerate(range(0, 1_000, KILL_STRIDE)):
        # Files for each round: what earlier rounds sent is looked for again, and would make each longer than the last.
        scene.folder = tmp_path / f"round-{device}"
        scene.register(1)
        row = scene.signed(device)
        is_acknowledged, unharmed = post_until_killed(scene, row, kill_at)
        if not unharmed:
            assert post_until_killed(scene, None, None) == (False, True)
            acknowledged_and_killed += is_acknowledged
        stood = scene.submitted().count((row.schedule.device_id, 1))
        assert stood == 1 if is_acknowledged else stood <= 1
        if unharmed:
            break
    assert unharmed
    # The kill fell on many points before and after the acknowledgement before a round came through.
    print("killed", device, "times,", acknowledged_and_killed, "of them after the acknowledgement")
    assert device > acknowledged_and_killed > 5
    assert len(scene.receipts()) <= device + 1
