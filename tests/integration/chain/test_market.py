"""The market through its wrapper: a day of two homes and a plant, from deposit to settlement, against the reference."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from eth_account.signers.local import LocalAccount
from typer.testing import CliRunner, Result

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain
from gridwitness.chain.keystore import write_keystore
from gridwitness.chain.market import Market, schedule_tuple
from gridwitness.cli import build_app
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import NO_ORDER, Order, Schedule, Side, SignedSchedule, ZoneParams
from gridwitness.domain.readings import Profile
from gridwitness.domain.slots import SECONDS_PER_DAY, day_of, slot_of, slots_of_day
from gridwitness.encoding.eip712 import market_domain, schedule_digest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import DeviceKey, P256Key, Secp256k1Key
from gridwitness.encoding.leaves import PROFILE_TYPES, profile_leaf, schema_of
from gridwitness.errors import ConfigError, Reverted
from gridwitness.market.clearing import Book, book_of, clear
from gridwitness.market.settlement import net_cash, reserve, settle, settle_missing
from gridwitness.sources.community_data import date_of
from tests.integration.chain.conftest import GENESIS_TIME
from tests.integration.chain.parties import Committee, register

ZONE = 7
DAY = day_of(slot_of(GENESIS_TIME)) + 1
DEPOSIT = 50_000_000
BUYER, SELLER, LIAR = P256Key(41), Secp256k1Key(42), P256Key(43)
ACCESS_CONTROL = [
    {
        "type": "function",
        "name": "grantRole",
        "stateMutability": "nonpayable",
        "inputs": [{"name": "role", "type": "bytes32"}, {"name": "account", "type": "address"}],
        "outputs": [],
    }
]


@pytest.fixture
def committee(chain: Chain, open_stream: Callable[[str, bytes], bytes], oracles: list[LocalAccount]) -> Committee:
    return Committee(chain, open_stream("profiles", schema_of(PROFILE_TYPES)), oracles, 2)


@pytest.fixture
def params(committee: Committee) -> ZoneParams:
    return ZoneParams(committee.stream_id, 60_000, 2_000, 320_000, 80_000, 15_000, 1_000, 9_900, 1, 2 * SECONDS_PER_DAY)


@pytest.fixture
def owner(outsider: LocalAccount) -> LocalAccount:
    return outsider


@pytest.fixture
def market(
    chain: Chain, params: ZoneParams, deployer: LocalAccount, owner: LocalAccount, transmitter: LocalAccount
) -> Market:
    """An open zone with a funded backstop, and an owner of three devices with money in."""
    market, token = Market(chain), chain.contract("EuroToken")
    access = chain.web3.eth.contract(address=chain.contract("EnergyMarket").address, abi=ACCESS_CONTROL)
    chain.transact(deployer, access.functions.grantRole(keccak(b"ZONE_OPERATOR_ROLE"), deployer.address))
    fields = (
        params.profile_stream, params.floor_price_per_kwh, params.tick_size_per_kwh, params.short_price_per_kwh,
        params.long_price_per_kwh, params.penalty_per_kwh, params.tolerance_bps, params.hold_score_bps,
        params.gate_lead_slots, params.final_after_seconds,
    )  # fmt: skip
    chain.transact(deployer, chain.contract("EnergyMarket").functions.openZone(ZONE, fields))
    for account, amount in ((deployer, 10 * DEPOSIT), (owner, DEPOSIT)):
        chain.transact(account, token.functions.mint(account.address, amount))
        chain.transact(account, token.functions.approve(market.address, amount))
    chain.transact(deployer, market.fund_backstop(ZONE, 10 * DEPOSIT))
    chain.transact(owner, market.deposit(owner.address, DEPOSIT))
    for key in (BUYER, SELLER, LIAR):
        register(chain, transmitter, owner.address, key, DeviceKind.PROSUMER, ZONE)
    return market


def signed_by(
    chain: Chain, key: DeviceKey, owner: LocalAccount, orders: tuple[Order, ...], version: int = 1
) -> SignedSchedule:
    schedule = Schedule(key.device_id, owner.address, ZONE, DAY, version, orders)
    domain = market_domain(chain.chain_id, chain.manifest.address("EnergyMarket"))
    return SignedSchedule(schedule, key.sign(schedule_digest(domain, schedule)))


@pytest.fixture
def rows(chain: Chain, owner: LocalAccount) -> list[SignedSchedule]:
    """The buyer bids and the seller offers in every slot, with other ticks and energies each; the liar bids as well."""
    bids = tuple(Order(Side.BID, 60 + slot % 20, 400 + slot) for slot in range(96))
    offers = tuple(Order(Side.OFFER, 30 + slot % 40, 900 - slot) for slot in range(96))
    few = (*[Order(Side.BID, 70, 50)] * 4, *[NO_ORDER] * 92)
    return [signed_by(chain, key, owner, orders) for key, orders in ((BUYER, bids), (SELLER, offers), (LIAR, few))]


def book_in(rows: list[SignedSchedule], index: int) -> Book:
    return book_of(row.schedule.orders[index] for row in rows)


def test_open_zone__params__come_back(market: Market, params: ZoneParams) -> None:
    assert market.zone_params(ZONE) == params
    assert market.backstop(ZONE) == (10 * DEPOSIT, 0)


def test_trade_a_day__two_homes_and_a_plant__equals_the_reference_to_the_unit(
    chain: Chain,
    anvil: Anvil,
    market: Market,
    params: ZoneParams,
    committee: Committee,
    rows: list[SignedSchedule],
    owner: LocalAccount,
    transmitter: LocalAccount,
) -> None:
    slots = list(slots_of_day(DAY))
    assert market.refusals(rows) == ["", "", ""]
    receipt = chain.transact(transmitter, market.submit(rows))
    assert market.skipped(receipt) == []
    assert market.backstop(ZONE)[1] == 3
    assert market.book(ZONE, slots[5]) == (book_in(rows, 5).bids_wh, book_in(rows, 5).offers_wh)
    assert market.clearings(ZONE, slots[:2]) == [None, None]

    anvil.set_next_time((DAY + 1) * SECONDS_PER_DAY)
    chain.transact(transmitter, market.clear(ZONE, slots))
    clearings = market.clearings(ZONE, slots)
    assert clearings == [clear(book_in(rows, index), params) for index in range(96)]

    profiles = [
        Profile(BUYER.device_id, slots[0], tuple(390 + 2 * index for index in range(96)), 100),
        Profile(SELLER.device_id, slots[0], tuple(-800 + index for index in range(96)), 9_900),
        Profile(LIAR.device_id, slots[0], (10,) * 96, 9_901),
    ]
    committee.attest(committee.members[0], [profile_leaf(profile) for profile in profiles])
    calls = [
        (row.schedule, profile, committee.proof(1, index))
        for index, (row, profile) in enumerate(zip(rows, profiles, strict=True))
    ]
    chain.transact(transmitter, market.settle(calls))

    settled = market.settled()
    assert [result.device_id for result in settled] == [BUYER.device_id, SELLER.device_id]
    for result, (schedule, profile, _) in zip(settled, calls, strict=False):
        assert result.settlement == settle(schedule, clearings, profile.energy_wh, params)
        assert (result.account, result.day, result.on_proof) == (owner.address, DAY, True)
    (held,) = market.held()
    assert held == (LIAR.device_id, DAY, 9_901, 9_900)

    anvil.set_next_time((DAY + 1) * SECONDS_PER_DAY + params.final_after_seconds)
    chain.transact(transmitter, market.settle_missing(rows[2].schedule))
    last = market.settled()[-1]
    assert (last.device_id, last.on_proof) == (LIAR.device_id, False)
    assert last.settlement == settle_missing(rows[2].schedule, clearings, params)

    moved = sum(net_cash(result.settlement) for result in market.settled())
    assert market.balance_of(owner.address) == (DEPOSIT + moved, 0)
    assert market.balances([owner.address, transmitter.address]) == [(DEPOSIT + moved, 0), (0, 0)]
    assert market.backstop(ZONE) == (10 * DEPOSIT - moved, 0)


def test_submit__rows_of_every_fault__are_skipped_with_the_error_named(
    chain: Chain, market: Market, rows: list[SignedSchedule], owner: LocalAccount, transmitter: LocalAccount
) -> None:
    forged = replace(rows[1], signature=rows[0].signature)
    elsewhere = replace(rows[2], schedule=replace(rows[2].schedule, zone=ZONE + 1))
    receipt = chain.transact(transmitter, market.submit([rows[0], rows[0], forged, elsewhere]))
    skipped = market.skipped(receipt)
    assert [(row.row, row.refusal.partition("(")[0]) for row in skipped] == [
        (1, "VersionNotHigher"),
        (2, "NotAuthorised"),
        (3, "ZoneUnknown"),
    ]
    assert market.refusals([rows[0], rows[1]])[0].startswith("VersionNotHigher(")
    assert market.refusals([rows[0], rows[1]])[1] == ""


def test_clear__gate_still_open__names_slot_and_time(chain: Chain, market: Market, transmitter: LocalAccount) -> None:
    slot = slots_of_day(DAY)[0]
    with pytest.raises(Reverted) as raised:
        chain.transact(transmitter, market.clear(ZONE, [slot]))
    assert raised.value.error_name == "GateStillOpen"
    assert raised.value.arguments == {"slot": slot, "closesAt": (slot - 1) * 900}


def test_spell_schedule__as_the_contract_takes_it__has_the_reserve_of_the_view(
    chain: Chain, market: Market, rows: list[SignedSchedule], params: ZoneParams
) -> None:
    view = chain.contract("EnergyMarket").functions.reserveOf
    assert chain.call_many([view(schedule_tuple(row.schedule)) for row in rows]) == [
        reserve(row.schedule, params) for row in rows
    ]


@pytest.fixture
def agent(chain: Chain, anvil: Anvil, owner: LocalAccount, tmp_path: Path) -> Callable[..., Result]:
    """`gridwitness agent` for the seller: a day of history, manifest, node, and a keystore with the owner's key."""
    times = pd.date_range(date_of(DAY - 1), periods=96, freq="15min").strftime("%Y-%m-%dT%H:%M:%SZ")
    history = {"slot_start": times, "meter": "seller", "import_wh": 0, "export_wh": range(500, 596)}
    pd.DataFrame(history).to_csv(tmp_path / "meter.csv", index=False)
    contracts = {name: {"address": entry.address, "block": 1} for name, entry in chain.manifest.contracts.items()}
    (tmp_path / "manifest.json").write_text(json.dumps({"chain_id": chain.chain_id, "contracts": contracts}))
    (tmp_path / "password").write_text("secret\n")
    write_keystore(tmp_path / "key.json", bytes(owner.key), tmp_path / "password", light=True)

    def run(zone: int) -> Result:
        given = {
            "history": tmp_path / "meter.csv",
            "day": date_of(DAY),
            "device": "0x" + SELLER.device_id.hex(),
            "account": owner.address,
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
    chain: Chain,
    market: Market,
    owner: LocalAccount,
    transmitter: LocalAccount,
    agent: Callable[..., Result],
    tmp_path: Path,
) -> None:
    done = agent(ZONE)
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "schedule.json").read_text())
    orders = tuple(
        Order(Side[row["side"].upper()], row["tick"], row["energyWh"]) for row in content["schedule"]["orders"]
    )
    schedule = Schedule(SELLER.device_id, owner.address, ZONE, DAY, 1, orders)
    row = SignedSchedule(schedule, bytes.fromhex(content["seal"]["signature"][2:]))
    assert market.refusals([row]) == [""]
    assert market.skipped(chain.transact(transmitter, market.submit([row]))) == []
    assert sum(market.book(ZONE, slots_of_day(DAY)[40])[1]) == orders[40].energy_wh > 0


def test_agent__zone_not_open__says_so(market: Market, agent: Callable[..., Result], tmp_path: Path) -> None:
    error = agent(ZONE + 1).exception
    assert isinstance(error, ConfigError)
    assert error.message == f"zone {ZONE + 1} is not open on chain 31337"
    assert not (tmp_path / "schedule.json").exists()
