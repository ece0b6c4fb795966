"""Gas of the market, whole transactions on anvil (osaka), against gas.json.

Steady state: what is measured happens a second time 32 days later, when the ring of slots has come round three times
and the ring of days twice, so that no storage slot is new. Devices sign with P-256. Limits lie on a quarter of the
ticks.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ape
import pytest
from eth_abi import encode
from eth_utils import to_checksum_address

from gridwitness.domain.devices import DeviceKind, Registration
from gridwitness.domain.market import Order, Schedule, Side
from gridwitness.domain.readings import Profile
from gridwitness.encoding.eip712 import attestation_domain, market_domain, register_digest, registry_domain
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256Key, Secp256k1Key
from gridwitness.encoding.leaves import PROFILE_TYPES, profile_leaf, schema_of
from gridwitness.encoding.packing import pack_energy_wh
from gridwitness.market.settlement import contracts_wh
from tests.actors import Committee, Device, Feed, proof_args, registration_args
from tests.functional.market.village import (
    DAY_SECONDS,
    NO_RUN,
    ZONE,
    Home,
    Village,
    bid,
    deploy_market,
    params_args,
    schedule_args,
    warp,
    zone_rules,
)
from tests.rpc import LeanProvider

ROWS = 100
CROWD = 10_000
CROWD_ROWS = 150  # of a call, so that even in new storage slots it fits a transaction
FIRST_ROWS = 10
SLOTS = 96
LAP_DAYS = 32
TREE_DEPTH = 10
RANGE_DEPTH = 3
CHAIN_ID = 31_337
ANVIL = ("--hardfork", "osaka", "--base-fee", "0")
GAS_LIMIT = 16_777_216  # of one transaction, EIP-7825


@contextmanager
def mined_together() -> Iterator[None]:
    """Mine what is sent inside in full blocks, since a block for each of thousands of transactions takes minutes."""
    request = ape.chain.provider.make_request
    request("evm_setAutomine", [False])
    try:
        yield
        while int(request("txpool_status", [])["pending"], 16):
            request("evm_mine", [])
    finally:
        request("evm_setAutomine", [True])


def send(contract: Any, call: bytes, sender: Any, gas: int = 150_000) -> None:
    """Send a call of the set-up straight to anvil, without waiting for its receipt."""
    transaction = {"from": str(sender), "to": contract.address, "data": "0x" + bytes(call).hex(), "gas": hex(gas)}
    contract.provider.make_request("eth_sendTransaction", [transaction])


@pytest.fixture
def plain_chain(tmp_path: Path) -> Iterator[None]:
    """An anvil of its own. Ape's records every step with its memory: 23 GB for one transaction of this size.

    Contracts get the addresses here that others have on the session's chain, and Ape keeps what is at an address for
    all local chains together: so what it learns here it must forget again.
    """
    log = tmp_path / "anvil.log"
    with log.open("w") as output, subprocess.Popen(["anvil", "--port", "0", *ANVIL], stdout=output) as node:
        try:
            while not (listening := re.search(r"Listening on (\S+)", log.read_text())):
                assert node.poll() is None, log.read_text()
                time.sleep(0.1)
            host = f"http://{listening[1]}"
            with (
                ape.networks.ethereum.local.use_provider("foundry", provider_settings={"host": host}),
                ape.chain.contracts.use_temporary_caches(),
            ):
                assert ape.chain.provider.uri == host
                ape.chain.provider.web3.provider = LeanProvider(host)
                yield
        finally:
            node.terminate()


@pytest.fixture
def large_village(plain_chain: None, accounts: Any, project: Any, committee: Committee) -> Village:
    """A zone with a rich backstop, on the day before the one that is traded."""
    deployer, transmitter = accounts[0], accounts[1]
    registry = deployer.deploy(project.DeviceRegistry, deployer)
    attestation = deployer.deploy(project.DataAttestation, registry)
    euro = deployer.deploy(project.EuroToken)
    name = b"profiles".ljust(32, b"\0")
    receipt = attestation.openStream(name, schema_of(PROFILE_TYPES), committee.args, sender=deployer)
    stream_id = bytes(receipt.events[0].streamId)
    feed = Feed(attestation, attestation_domain(CHAIN_ID, attestation.address), stream_id, committee, transmitter)
    market = deploy_market(deployer, deployer, project, registry, attestation, euro)
    params = zone_rules(stream_id)
    market.openZone(ZONE, params_args(params), sender=deployer)
    today = ape.chain.pending_timestamp // DAY_SECONDS + 1
    warp(today * DAY_SECONDS + 3_600)
    domain = market_domain(CHAIN_ID, market.address)
    village = Village(market, euro, domain, params, feed, transmitter, today + 1)
    village.fund_backstop(deployer, 10**12)
    return village


@pytest.fixture
def registry(large_village: Village, project: Any) -> Any:
    """The village's own registry."""
    return project.DeviceRegistry.at(large_village.market.registry())


@pytest.fixture
def homes(large_village: Village, registry: Any, accounts: Any) -> list[Home]:
    """A hundred homes with a P-256 meter and money; nobody needs the owners' accounts."""
    euro, market, deployer = large_village.euro, large_village.market, accounts[0]
    euro.mint(deployer, 10**15, sender=deployer)
    euro.approve(market, 10**15, sender=deployer)
    domain = registry_domain(CHAIN_ID, registry.address)
    homes = []
    with mined_together():
        for index in range(ROWS):
            device = Device(P256Key(0x60000 + index), registry, domain)
            owner = checksum(owner_key(index).device_id[12:])
            registration = device.registration(owner, deadline=2**40)
            signature = device.sign_registration(registration)
            for change in (("anvil_setBalance", [owner, hex(10**18)]), ("anvil_impersonateAccount", [owner])):
                registry.provider.make_request(*change)
            send(registry, registry.register.encode_input(registration_args(registration), signature), owner)
            send(market, market.deposit.encode_input(owner, 10**9), deployer)
            homes.append(Home(device, owner))
    return homes


def owner_key(home: int) -> Secp256k1Key:
    """Key of a home's owner."""
    return Secp256k1Key(0x70000 + home)


def checksum(address: bytes) -> str:
    """An address as Ape takes it."""
    return str(to_checksum_address(address))


@pytest.fixture
def crowd(large_village: Village, registry: Any, accounts: Any, homes: list[Home]) -> list[Home]:
    """Ten thousand meters of one owner with money."""
    market, deployer = large_village.market, accounts[0]
    keys = [P256Key(0x100000 + index) for index in range(CROWD)]
    domain = registry_domain(CHAIN_ID, registry.address)
    owner, deadline = str(accounts[3]), 2**40
    market.deposit(owner, 10**13, sender=deployer)
    registrations = [Registration(key.device_id, owner, DeviceKind.PROSUMER, ZONE, deadline) for key in keys]
    signatures = [
        key.sign(register_digest(domain, registration)) for key, registration in zip(keys, registrations, strict=True)
    ]
    with mined_together():
        for start in range(0, CROWD, 300):
            part = slice(start, start + 300)
            fields = (owner, DeviceKind.PROSUMER, ZONE, deadline, [key.device_id for key in keys[part]])
            call = registry.registerBatch.encode_input(fields, b"".join(signatures[part]))
            send(registry, call, accounts[3], GAS_LIMIT)
    assert registry.device(keys[-1].device_id).owner == owner
    return [Home(Device(key, registry, domain), owner) for key in keys]


@pytest.fixture
def owner(large_village: Village, registry: Any, accounts: Any) -> Home:
    """A home whose owner sends its schedule itself."""
    device = Device(P256Key(0x5E1F), registry, registry_domain(CHAIN_ID, registry.address))
    device.register(accounts[2])
    large_village.fund(accounts[2])
    return Home(device, accounts[2])


def quarter_hour(home: int, index: int) -> Order:
    """A home's order: limits scatter over 16 ticks a side around the middle, energies up to 2 kWh."""
    noise = int.from_bytes(keccak(b"%d/%d" % (home, index))[:8], "big")
    side = Side(noise % 3 == 0)
    tick = (64 if side is Side.BID else 48) + (noise >> 8) % 32 - 8
    return Order(side, tick, 1 + (noise >> 16) % 2_000)


def any_tick(home: int) -> Order:
    """An order anywhere in the book."""
    noise = int.from_bytes(keccak(b"any %d" % home)[:8], "big")
    return Order(Side(noise & 1), (noise >> 8) % 128, 1 + (noise >> 16) % 2_000)


def measure_day(
    village: Village, homes: list[Home], owner: Home, per_call: int, *, by_owners: bool = False
) -> dict[str, Any]:
    """Trade a whole day from submission, `per_call` schedules a call, to settlement; returns the receipts.

    Schedules are signed by the devices, on P-256, or by their owners, on secp256k1.
    """
    schedules = [
        village.schedule(home, tuple(quarter_hour(number, index) for index in range(SLOTS)))
        for number, home in enumerate(homes)
    ]
    if by_owners:
        rows = [village.signed_by(owner_key(number), schedule) for number, schedule in enumerate(schedules)]
    else:
        rows = [village.sign(home, schedule) for home, schedule in zip(homes, schedules, strict=True)]
    submitted = [village.submit(*rows[start : start + per_call]) for start in range(0, ROWS, per_call)]
    receipts = {"submit": submitted[0]}
    assert not any(receipt.events.filter(village.market.ScheduleSkipped) for receipt in submitted)
    own = village.schedule(owner, {40: bid(70, 1_500)})
    receipts["own"] = village.market.submitOwn(schedule_args(own), sender=owner.owner)
    village.end_and_clear()
    clearings = village.clearings()
    profiles = []
    for schedule in schedules:
        contracts = contracts_wh(schedule, clearings, village.params, green=False)
        # Everybody misses the contract by a little, so that every slot has all three components.
        energy_wh = tuple(wh + 300 - 7 * index for index, wh in enumerate(contracts))
        profiles.append(Profile(schedule.device_id, schedule.day * SLOTS, energy_wh, 0))
    receipts["settle"] = settle_all(village, schedules, profiles)
    warp(ape.chain.pending_timestamp + village.params.dispute_seconds)
    receipts["finalize"] = village.market.finalize(village.runs(receipts["settle"]), sender=village.transmitter)
    warp(village.end_of_day() + village.params.final_after_seconds)
    village.market.settleMissing(schedule_args(own), NO_RUN, sender=village.transmitter)
    return receipts


def settle_all(village: Village, schedules: list[Schedule], profiles: list[Profile]) -> Any:
    """Attest all profiles in one batch with others before and after it, and settle in one transaction."""
    feed = village.feed
    filler = [keccak(index.to_bytes(2, "big")) for index in range(2**TREE_DEPTH - len(profiles))]
    while len(feed.batches) % 2**RANGE_DEPTH != 0:
        feed.attest(filler[:1])
    feed.attest([*(profile_leaf(profile) for profile in profiles), *filler])
    seq = len(feed.batches)
    while len(feed.batches) % 2**RANGE_DEPTH != 0:
        feed.attest(filler[:1])
    metered = []
    for index, profile in enumerate(profiles):
        proof = feed.proof(seq, index)
        assert len(proof.tree_proof) == TREE_DEPTH
        metered.append((list(pack_energy_wh(profile.energy_wh)), 0, proof_args(proof)))
    rows = [schedule_args(schedule) for schedule in schedules]
    receipt = village.market.settle(rows, metered, sender=village.transmitter)
    assert len(receipt.events.filter(village.market.RunMade)) == len(rows)
    return receipt


def measure_clearing(village: Village, crowd: list[Home]) -> dict[str, Any]:
    """Clear a slot with ten thousand orders all over the book, one with a thousand, and one with ten."""
    with mined_together():
        for start in range(0, CROWD, CROWD_ROWS):
            rows = []
            for number, home in enumerate(crowd[start : start + CROWD_ROWS], start):
                orders = {index: any_tick(number) for index, few in enumerate((CROWD, 1_000, 10)) if number < few}
                rows.append(village.sign(home, village.schedule(home, orders, imbalance_limit_wh=0)))
            send(village.market, submit_call(village.market, rows), village.transmitter, GAS_LIMIT)
    bids_wh, offers_wh = village.market.book(ZONE, village.first_slot)
    assert sum(bids_wh) + sum(offers_wh) == sum(any_tick(number).energy_wh for number in range(CROWD))
    warp(village.end_of_day())
    return {few: village.clear([index]) for index, few in enumerate(("10000", "1000", "10"))}


def submit_call(market: Any, rows: list[tuple[tuple[Any, ...], bytes]]) -> bytes:
    """A call of `submit`. Ape converts each value on its own, which takes minutes for ten thousand rows."""
    row = "((bytes32,address,uint24,uint24,uint32,uint40,uint32,uint256[12]),bytes)"
    return bytes(keccak(f"submit({row}[])".encode())[:4] + encode([f"{row}[]"], [rows]))


def test_spend__energy_market__as_recorded(
    gas_record: Any, large_village: Village, homes: list[Home], owner: Home, crowd: list[Home]
) -> None:
    # A hundred schedules in new storage slots would not fit one transaction.
    first = measure_day(large_village, homes, owner, FIRST_ROWS)
    large_village.day += LAP_DAYS
    warp((large_village.day - 1) * DAY_SECONDS + 3_600)
    steady = measure_day(large_village, homes, owner, ROWS)
    large_village.day += LAP_DAYS
    warp((large_village.day - 1) * DAY_SECONDS + 3_600)
    by_owners = measure_day(large_village, homes, owner, ROWS, by_owners=True)
    large_village.day += LAP_DAYS
    warp((large_village.day - 1) * DAY_SECONDS + 3_600)
    cleared = measure_clearing(large_village, crowd)

    gas_record.compare(
        "EnergyMarket",
        {
            "submit/100x96,per-slot-order": gas_record.of(steady["submit"], ROWS * SLOTS),
            "submit/100x96,owner-signed,per-slot-order": gas_record.of(by_owners["submit"], ROWS * SLOTS),
            "submit/10x96,first,per-slot-order": gas_record.of(first["submit"], FIRST_ROWS * SLOTS),
            "submit/own-1-slot": gas_record.of(steady["own"]),
            "settle/100x96,per-slot-order": gas_record.of(steady["settle"], ROWS * SLOTS),
            "finalize/100,per-schedule": gas_record.of(steady["finalize"], ROWS),
            "clear/10000": gas_record.of(cleared["10000"]),
            "clear/1000": gas_record.of(cleared["1000"]),
            "clear/10": gas_record.of(cleared["10"]),
        },
    )
    for receipt in (*first.values(), *steady.values(), *cleared.values()):
        assert receipt.gas_used <= GAS_LIMIT
