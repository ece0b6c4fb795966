"""Gas of shares of assets, whole transactions on anvil (osaka), against gas.json.

Steady state: all rules are looked at, dividends are pending on both sides, verdicts are of the same day, nobody's
balance of the paying token is or becomes zero. `first` and `new` say where a storage slot is new.
"""

from __future__ import annotations

from typing import Any

import ape
import pytest

from gridwitness.encoding.eip712 import Domain, market_domain
from gridwitness.encoding.keys import P256Key
from gridwitness.encoding.packing import pack_energy_wh
from tests.actors import Committee, Device, OpenFeed
from tests.functional.market.roofs import Roofs, make_roofs
from tests.functional.market.village import (
    ZONE,
    Home,
    Village,
    bid,
    deploy_market,
    offer,
    params_args,
    schedule_args,
    warp,
    zone_rules,
)
from tests.functional.shares.plant import (
    DAY_SECONDS,
    EUR,
    MAX_UINT256,
    YEAR_SECONDS,
    Plant,
    Staff,
    deploy_passports,
    make_plant,
    now,
    owned_by,
    rules,
    terms,
)
from tests.functional.shares.test_asks import ask_of, signed
from tests.gas.conftest import execution_gas

BATCH = 7
SLOTS = 96
NUMBERS = (4, 5, 6, 7)  # of asks, in one storage word


def registrations(start: int, count: int) -> list[tuple[str, tuple[int, int, int]]]:
    """Investors nobody knows yet, with addresses as long as real ones."""
    passport = (now() + 10 * YEAR_SECONDS, 276, 1)
    return [(f"0x{0xCAFE << 144 | start + number:040x}", passport) for number in range(1, count + 1)]


@pytest.fixture
def plant_owners(accounts: Any) -> list[Any]:
    """Two accounts with shares, and two without."""
    return list(accounts[13:17])


@pytest.fixture
def plants_factory(project: Any, deployer: Any) -> Any:
    """AssetFactory."""
    return deployer.deploy(project.AssetFactory)


@pytest.fixture
def measured_plant(
    project: Any, plants_factory: Any, deployer: Any, accounts: Any, euro: Any, plant_owners: list[Any]
) -> Plant:
    """A plant with two holders."""
    staff = Staff(*accounts[10:13])
    passports = deploy_passports(project, deployer, staff.registrar)
    return owned_by(make_plant(project, plants_factory, passports, staff, euro, rules_=rules()), plant_owners)


def test_spend__passports__as_recorded(gas_record: Any, measured_plant: Plant) -> None:
    one, seven = (
        measured_plant.passports.register(registrations(start, count), sender=measured_plant.registrar)
        for start, count in ((0, 1), (100, BATCH))
    )
    measured = {"register": gas_record.of(one), "register/batch": gas_record.of(seven, parts=BATCH)}
    gas_record.compare("Passports", measured)


def transfers_that_ask_more(plant: Plant, seller: Any, buyer: Any, second_wallet: Any) -> dict[str, Any]:
    """Receipts of a transfer once both verdicts ended, with some of the sender's shares frozen, and to an investor who
    has shares in a second wallet, each alone."""
    asset = plant.asset

    def transfer() -> Any:
        plant.fund(1_000 * EUR)
        return asset.transfer(buyer, 100, sender=seller)

    warp(now() + DAY_SECONDS + 1)
    stale = transfer()
    asset.setFrozenTokens(seller, 5, sender=plant.agent)
    frozen = transfer()
    asset.setFrozenTokens(seller, 0, sender=plant.agent)
    plant.add_wallet(buyer, second_wallet)
    asset.transfer(second_wallet, 100, sender=seller)
    return {"transfer/stale-verdicts": stale, "transfer/frozen": frozen, "transfer/two-wallets": transfer()}


def test_spend__shares__as_recorded(
    gas_record: Any, measured_plant: Plant, plant_owners: list[Any], accounts: Any
) -> None:
    plant, asset, (seller, buyer, newcomer) = measured_plant, measured_plant.asset, plant_owners[:3]
    plant.cash.mint(plant.issuer, EUR, sender=plant.issuer)
    plant.fund(1_000 * EUR + 7)
    asset.transfer(buyer, 10, sender=seller)
    for wallet in (seller, buyer):
        asset.claim(sender=wallet)
    funded = plant.fund(1_000 * EUR)
    moved = asset.transfer(buyer, 1_000, sender=seller)
    entered = asset.transfer(newcomer, 1_000, sender=seller)
    claimed = asset.claim(sender=buyer)
    others = transfers_that_ask_more(plant, seller, buyer, accounts[17])
    measured = {
        **{call: gas_record.of(receipt) for call, receipt in others.items()},
        "transfer/existing": gas_record.of(moved),
        "transfer/new": gas_record.of(entered),
        "fund": gas_record.of(funded),
        "claim": gas_record.of(claimed),
    }
    gas_record.compare("AssetShares", measured)


def test_spend__governance__as_recorded(gas_record: Any, measured_plant: Plant, plant_owners: list[Any]) -> None:
    minted = measured_plant.mint(plant_owners[0], 100)
    gas_record.compare("AssetGovernance", {"mint": gas_record.of(minted)})


def test_spend__asks__as_recorded(
    gas_record: Any, measured_plant: Plant, project: Any, deployer: Any, plant_owners: list[Any]
) -> None:
    plant, (seller, buyer) = measured_plant, plant_owners[:2]
    share_market = deployer.deploy(project.ShareMarket)
    plant.asset.approve(share_market, MAX_UINT256, sender=seller)
    plant.fill_pocket(buyer, share_market, 1_000 * EUR)
    plant.cash.mint(seller, EUR, sender=seller)
    plant.fund(1_000 * EUR)
    plant.asset.transfer(buyer, 1, sender=seller)
    first, *others = (
        share_market.fill(
            *signed(share_market, seller, ask_of(plant, seller, number=number)), 5, 10 * EUR, sender=buyer
        )
        for number in NUMBERS
    )
    measured = {
        "fill": gas_record.mean(others),
        "fill/first": gas_record.of(first),
        "fill/mean-4": gas_record.mean([first, *others]),
    }
    gas_record.compare("ShareMarket", measured)


def test_spend__factory__as_recorded(gas_record: Any, plants_factory: Any, measured_plant: Plant, euro: Any) -> None:
    call = terms(measured_plant.passports, euro), rules(), measured_plant.issuer
    created = plants_factory.create(*call, sender=measured_plant.issuer)
    gas_record.compare("AssetFactory", {"create": gas_record.of(created)})


@pytest.fixture
def measured_roof(
    project: Any,
    deployer: Any,
    registry: Any,
    registry_domain_712: Domain,
    attestation: Any,
    euro: Any,
    open_feed: OpenFeed,
    committee: Committee,
    transmitter: Any,
    accounts: Any,
) -> Roofs:
    """A roof that an asset of one holder is paid for, and a buyer, each with a P-256 meter."""
    feed = open_feed("gas-profiles", committee)
    market = deploy_market(deployer, deployer, project, registry, attestation, euro)
    params = zone_rules(bytes(feed.stream_id))
    market.openZone(ZONE, params_args(params), sender=deployer)
    village = Village(market, euro, market_domain(ape.chain.chain_id, market.address), params, feed, transmitter, day=0)
    village.fund_backstop(deployer)
    homes = [Home(Device(P256Key(0xCC00 + n), registry, registry_domain_712), accounts[1 + n]) for n in range(2)]
    for home in homes:
        home.device.register(home.owner)
    village.fund(homes[1].owner)
    roofs = make_roofs(project, registry, village, homes[:1], homes[1], accounts[10], [accounts[13]])
    village.fund(roofs.shares)
    return roofs


def full_day(roofs: Roofs) -> tuple[list[Any], list[Any]]:
    """The next day, sold in each of its 96 slots and delivered; what `fundRevenue` takes for it."""
    village, whole = roofs.village, (100,) * SLOTS
    village.day = roofs.next_day()
    sold = village.schedule(roofs.home, [offer(60, 100)] * SLOTS, account=roofs.shares.address)
    bought = village.schedule(roofs.buyer, [bid(60, 100)] * SLOTS)
    village.submit(village.sign(roofs.home, sold), village.sign(roofs.buyer, bought))
    village.end_and_clear()
    delivered = [-energy for energy in whole]
    village.finalize(*village.runs(village.settle_all([(sold, delivered), (bought, whole)])))
    seq = len(village.feed.batches) - 1
    return [schedule_args(sold)], [(list(pack_energy_wh(delivered)), 0, village.proof_of(seq))]


def test_spend__revenue__as_recorded(gas_record: Any, measured_roof: Roofs) -> None:
    """A day of 96 slots on its proof, once one was paid for before; most of it is the market's, which settles anew."""
    governance, market = measured_roof.governance, measured_roof.village.market
    governance.fundRevenue(*full_day(measured_roof), sender=measured_roof.holder)
    schedules, metered = full_day(measured_roof)
    proof = bytes(market.settlementOf.encode_input(schedules[0], metered[0]))
    proven = gas_record.spending(execution_gas(market, proof), len(proof))
    funded = governance.fundRevenue(schedules, metered, sender=measured_roof.holder)
    assert measured_roof.shares.claimable(measured_roof.holder) > 0
    gas_record.compare("AssetGovernance", {"fundRevenue/96-slots": gas_record.of(funded)})
    gas_record.compare("EnergyMarket", {"settlementOf/96-slots,execution": proven})
