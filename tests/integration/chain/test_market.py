"""The market through its wrapper: a day of two homes and a plant, from deposit to the end, against the reference."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path

import pandas as pd
import pytest
from eth_account.signers.local import LocalAccount
from typer.testing import CliRunner, Result

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import MAX_TRANSACTION_GAS, Chain
from gridwitness.chain.keystore import write_keystore
from gridwitness.chain.market import Backstop, Market, schedule_tuple
from gridwitness.cli import build_app
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import SignedSchedule
from gridwitness.domain.readings import Profile
from gridwitness.encoding.keys import P256Key
from gridwitness.encoding.leaves import profile_leaf
from gridwitness.errors import ConfigError, Reverted
from gridwitness.market.clearing import clear
from gridwitness.market.settlement import dust_cash, exposure, net_cash, reserve, settle, settle_missing, sources_of
from gridwitness.service.relay.messages import decode_row, to_signed
from gridwitness.sources.community_data import date_of
from tests.integration.chain.market_scene import (
    BUYER,
    DAY,
    DEPOSIT,
    END,
    LIAR,
    NOBODY,
    SELLER,
    SLOTS,
    ZONE,
    Scene,
    book_in,
    is_green,
    signed_by,
)
from tests.integration.chain.parties import register_batch


def test_announce_params__from_a_day_on__leaves_earlier_days_as_they_are(scene: Scene) -> None:
    market, params = scene.market, scene.params
    assert market.zone_params(ZONE, DAY) == params
    dearer = replace(params, network_fee_ticks=12)
    scene.chain.transact(scene.deployer, market.announce_params(ZONE, DAY + 8, dearer))
    assert market.zone_params(ZONE, DAY + 7) == params
    assert market.zone_params(ZONE, DAY + 8) == dearer
    assert market.backstop(ZONE) == Backstop(DEPOSIT, 0, 0, False)


def test_pause__zone__refuses_new_orders_until_it_ends(scene: Scene, rows: list[SignedSchedule]) -> None:
    scene.chain.transact(scene.deployer, scene.market.pause(ZONE, paused=True))
    assert scene.market.backstop(ZONE).paused
    assert scene.market.refusals(rows[:1]) == [f"ZoneOrdersPaused(zone={ZONE})"]
    scene.chain.transact(scene.deployer, scene.market.pause(ZONE, paused=False))
    assert scene.market.refusals(rows[:1]) == [""]


def test_trade_a_day__two_homes_and_a_plant__equals_the_reference_to_the_unit(
    scene: Scene, rows: list[SignedSchedule]
) -> None:
    market, params, committee = scene.market, scene.params, scene.committee
    assert market.refusals(rows) == ["", "", ""]
    assert market.accepted(rows, scene.transmitter.address) == 3
    scene.chain.transact(scene.deployer, market.set_feeder_cap(ZONE, SLOTS[40:50], 250))
    clearings = scene.trade(rows)
    caps = [250 if 40 <= index < 50 else None for index in range(96)]
    assert market.book(ZONE, SLOTS[5]) == astuple(book_in(rows, 5, params))
    assert clearings == [clear(book_in(rows, index, params), params, caps[index]) for index in range(96)]
    assert market.backstop(ZONE).exposure == sum(exposure(row.schedule, params, green=is_green(row)) for row in rows)

    profiles = [
        Profile(BUYER.device_id, SLOTS[0], tuple(390 + 2 * index for index in range(96)), 100),
        Profile(SELLER.device_id, SLOTS[0], tuple(-800 + index for index in range(96)), 9_900),
        Profile(LIAR.device_id, SLOTS[0], (10,) * 96, 9_901),
    ]
    committee.attest(committee.members[0], [profile_leaf(profile) for profile in profiles])
    proofs = [committee.proof(1, index) for index in range(3)]
    schedules = [row.schedule for row in rows]
    scene.send(market.settle(list(zip(schedules, profiles, proofs, strict=True))))
    assert market.held() == [(LIAR.device_id, DAY, 9_901, 9_900)]
    made = market.made_runs()
    assert [run.device_id for run, _ in made] == [BUYER.device_id, SELLER.device_id]
    for (run, settlement), row, profile in zip(made, rows, profiles, strict=False):
        expected = settle(row.schedule, clearings, profile.energy_wh, params, green=is_green(row))
        assert settlement == expected
        assert all(astuple(expected)[:6])
        assert expected.residual_short_wh + expected.residual_long_wh > 0
        sources = sources_of(expected, dust_cash(row.schedule, clearings, params))
        assert (run.from_counterparties, run.from_backstop) == sources
        assert (run.account, run.day, run.zone, run.profile_seq) == (scene.owner.address, DAY, ZONE, 1)
        assert (run.disputer, run.disputed_at) == (NOBODY, 0)
    assert market.finals() == []

    scene.wait(params.dispute_seconds)
    scene.send(market.finalize(list(market.standing_runs().values())))
    assert market.standing_runs() == {}
    scene.anvil.set_next_time(END + params.final_after_seconds)
    scene.send(market.settle_missing(rows[2].schedule))
    last = market.made_runs()[-1]
    assert (last.run.device_id, last.run.profile_seq) == (LIAR.device_id, 0)
    assert last.settlement == settle_missing(rows[2].schedule, clearings, params, green=True)

    cash = [net_cash(settlement) for _, settlement in market.made_runs()]
    assert [final.cash for final in market.finals()] == cash
    assert market.balances([scene.owner.address, scene.transmitter.address]) == [(DEPOSIT + sum(cash), 0), (0, 0)]
    assert market.backstop(ZONE) == Backstop(DEPOSIT - sum(cash), 0, 0, False)


def test_replace__higher_version__takes_the_place_of_the_first(scene: Scene, rows: list[SignedSchedule]) -> None:
    market, params = scene.market, scene.params
    scene.send(market.submit(rows[:1]))
    orders = tuple(replace(order, energy_wh=order.energy_wh + 7) for order in rows[0].schedule.orders)
    higher = signed_by(scene.chain, BUYER, scene.owner, orders, version=2)
    scene.send(market.replace(higher, rows[0].schedule))
    assert market.book(ZONE, SLOTS[9]) == astuple(book_in([higher], 9, params))
    assert market.balance_of(scene.owner.address)[1] == reserve(higher.schedule, params)


def test_submit__rows_of_every_fault__are_skipped_with_the_error_named(
    scene: Scene, rows: list[SignedSchedule]
) -> None:
    market = scene.market
    forged = replace(rows[1], signature=rows[0].signature)
    elsewhere = replace(rows[2], schedule=replace(rows[2].schedule, zone=ZONE + 1))
    sent = [rows[0], rows[0], forged, elsewhere]
    assert market.accepted(sent, scene.transmitter.address) == 1
    skipped = market.skipped(scene.chain.transact(scene.transmitter, market.submit(sent)))
    assert [(row.row, row.refusal.partition("(")[0]) for row in skipped] == [
        (1, "VersionNotHigher"),
        (2, "NotAuthorised"),
        (3, "ZoneUnknown"),
    ]
    assert market.refusals([rows[0], rows[1]])[0].startswith("VersionNotHigher(")
    assert market.refusals([rows[0], rows[1]])[1] == ""


def test_accepted__more_rows_than_a_transaction_holds__says_so(scene: Scene, rows: list[SignedSchedule]) -> None:
    keys = [P256Key(1_000 + index) for index in range(60)]
    register_batch(scene.chain, scene.owner, scene.owner.address, keys, DeviceKind.PROSUMER, ZONE)
    orders = rows[0].schedule.orders
    many = [signed_by(scene.chain, key, scene.owner, tuple(replace(o, tick=20 + 9 * (i % 12)) for o in orders))
            for i, key in enumerate(keys)]  # fmt: skip
    sender = scene.transmitter
    assert scene.market.accepted(many, sender.address) < len(many)
    fitting = next(n for n in (40, 30, 20, 10, 5) if scene.market.accepted(many[:n], sender.address) == n)
    receipt = scene.chain.transact(sender, scene.market.submit(many[:fitting]), gas=MAX_TRANSACTION_GAS)
    assert scene.market.skipped(receipt) == []
    assert receipt.gas_used < MAX_TRANSACTION_GAS


def test_clear__gate_still_open__names_slot_and_time(chain: Chain, market: Market, transmitter: LocalAccount) -> None:
    with pytest.raises(Reverted) as raised:
        chain.transact(transmitter, market.clear(ZONE, SLOTS[:1]))
    assert raised.value.error_name == "GateStillOpen"
    assert raised.value.arguments == {"slot": SLOTS[0], "closesAt": (SLOTS[0] - 1) * 900}


def test_spell_schedule__as_the_contract_takes_it__has_the_money_of_the_views(
    scene: Scene, rows: list[SignedSchedule]
) -> None:
    view = scene.chain.contract("EnergyMarket").functions.reserveOf
    reserves = [reserve(row.schedule, scene.params) for row in rows]
    assert scene.chain.call_many([view(schedule_tuple(row.schedule)) for row in rows]) == reserves
    for row in rows:
        for green in (False, True):
            expected = exposure(row.schedule, scene.params, green=green)
            assert scene.market.exposure_of(row.schedule, green=green) == expected


@pytest.fixture
def agent(chain: Chain, anvil: Anvil, outsider: LocalAccount, tmp_path: Path) -> Callable[..., Result]:
    """`gridwitness agent` for the seller: a day of history, manifest, node, and a keystore with the owner's key."""
    times = pd.date_range(date_of(DAY - 1), periods=96, freq="15min").strftime("%Y-%m-%dT%H:%M:%SZ")
    history = {"slot_start": times, "meter": "seller", "import_wh": 0, "export_wh": range(500, 596)}
    pd.DataFrame(history).to_csv(tmp_path / "meter.csv", index=False)
    contracts = {name: {"address": entry.address, "block": 1} for name, entry in chain.manifest.contracts.items()}
    (tmp_path / "manifest.json").write_text(json.dumps({"chain_id": chain.chain_id, "contracts": contracts}))
    (tmp_path / "password").write_text("secret\n")
    write_keystore(tmp_path / "key.json", bytes(outsider.key), tmp_path / "password", light=True)

    def run(zone: int) -> Result:
        given = {
            "history": tmp_path / "meter.csv",
            "day": date_of(DAY),
            "device": "0x" + SELLER.device_id.hex(),
            "account": outsider.address,
            "zone": zone,
            "manifest": tmp_path / "manifest.json",
            "rpc": anvil.url,
            "key": tmp_path / "key.json",
            "password-file": tmp_path / "password",
            "out": tmp_path / "schedule.json",
        }
        words = ["agent", *(str(word) for name, value in given.items() for word in (f"--{name}", value))]
        return CliRunner().invoke(build_app(words), words)

    return run


def test_submit__schedule_of_the_agent_command__counts(
    scene: Scene, agent: Callable[..., Result], tmp_path: Path
) -> None:
    market = scene.market
    done = agent(ZONE)
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "schedule.json").read_text())
    message = {"schedule": content["schedule"], "signature": content["seal"]["signature"]}
    row = to_signed(decode_row(json.dumps(message).encode()))
    assert market.refusals([row]) == [""]
    scene.send(market.submit([row]))
    assert sum(market.book(ZONE, SLOTS[40])[1]) == content["orders"][40]["energyWh"] > 0


def test_agent__zone_not_open__says_so(market: Market, agent: Callable[..., Result], tmp_path: Path) -> None:
    error = agent(ZONE + 1).exception
    assert isinstance(error, ConfigError)
    assert error.message == f"zone {ZONE + 1} is not open on chain 31337"
    assert not (tmp_path / "schedule.json").exists()
