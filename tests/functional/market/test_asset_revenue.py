"""What an asset's plant earned in the market, paid to its shares on proof."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.actors import refused
from tests.functional.market.roofs import DEPOSIT, SHARES, Roofs, Row, make_roofs
from tests.functional.market.village import DAY_SECONDS, Home, Village, bid, energies, offer, warp

SOLD_WH = 1_000
REVENUE = 200_000  # 1,000 Wh at 200,000 per kWh


@pytest.fixture
def plant(village: Village, home: Home, next_home: Home, project: Any, registry: Any, accounts: Any) -> Roofs:
    """A home's roof that an asset of one holder is paid for; it has money in the market to trade on."""
    return make_roofs(project, registry, village, [home], next_home, accounts[16], [accounts[17]])


# INV-S11
def test_fund_revenue__attested_day__pays_the_market_s_proceeds_to_the_shares(plant: Roofs) -> None:
    row = plant.day(SOLD_WH, SOLD_WH)
    deposit = plant.village.balance(plant.shares.address)[0] - REVENUE
    receipt = plant.fund(row)
    index = REVENUE * 2**40 // SHARES
    assert receipt.events.filter(plant.governance.RevenueFunded) == [
        plant.governance.RevenueFunded(1, SOLD_WH, SOLD_WH, REVENUE, index)
    ]
    assert plant.shares.claimable(plant.holder) == REVENUE
    assert plant.village.balance(plant.shares.address) == (deposit, 0)
    before = plant.village.euro.balanceOf(plant.holder)
    plant.shares.claim(sender=plant.holder)
    assert plant.village.euro.balanceOf(plant.holder) - before == REVENUE
    proof = plant.governance.proofOfAsset()
    assert (proof.supply, proof.holders, proof.plants) == (SHARES, 1, 1)
    assert (proof.soldWh, proof.attestedWh, proof.revenue) == (SOLD_WH, SOLD_WH, REVENUE)
    assert (proof.fundedThrough, proof.dividendIndex) == (plant.village.day, index)


# INV-S11
def test_fund_revenue__period_funded_twice__is_refused(plant: Roofs) -> None:
    row = plant.day(SOLD_WH, SOLD_WH)
    plant.fund(row)
    day = plant.village.day
    with refused(plant.governance.PeriodFunded, deviceId=plant.home.device_id, day=day, fundedThrough=day):
        plant.fund(row)


# INV-S11
def test_fund_revenue__sold_more_than_was_attested__waits_for_better_days(plant: Roofs) -> None:
    poor = plant.day(SOLD_WH, SOLD_WH - 40)
    with refused(plant.governance.RevenueNotAttested, soldWh=SOLD_WH, attestedWh=SOLD_WH - 40):
        plant.fund(poor)
    rich = plant.day(SOLD_WH, SOLD_WH + 50, plant.next_day())
    with refused(plant.governance.NoRevenue, cash=0):
        plant.fund()
    plant.fund(poor, rich)
    # 40 Wh short at 0.40 EUR, 50 Wh long at 0.04 EUR; both within the tolerance of 5 %.
    earned = 2 * REVENUE - 16_000 + 2_000
    proof = plant.governance.proofOfAsset()
    assert (proof.soldWh, proof.attestedWh, proof.revenue) == (2 * SOLD_WH, 2 * SOLD_WH + 10, earned)
    # What the division left is carried into the next payment.
    assert plant.shares.claimable(plant.holder) == earned - 1


# INV-S11
def test_fund_revenue__poor_day_left_out__is_named(plant: Roofs) -> None:
    plant.day(SOLD_WH, SOLD_WH - 40)
    poor_day = plant.village.day
    rich = plant.day(SOLD_WH, SOLD_WH, plant.next_day())
    with refused(plant.governance.DaySkipped, deviceId=plant.home.device_id, day=poor_day):
        plant.fund(rich)


def test_fund__asset_that_earns_in_a_market__takes_nothing_else(plant: Roofs) -> None:
    with refused(plant.shares.RevenueMustBeAttested, market=plant.village.market.address):
        plant.shares.fund(1, sender=plant.issuer)


def test_add_plant__paid_to_somebody_else__is_refused(plant: Roofs) -> None:
    """Energy is sold for one asset alone: the registry has one payee for each device."""
    other = plant.buyer
    with refused(plant.governance.NotPayee, deviceId=other.device_id, payee=other.owner.address):
        plant.governance.addPlant(other.device_id, sender=plant.issuer)
    with refused(plant.governance.PlantKnown, deviceId=plant.home.device_id):
        plant.governance.addPlant(plant.home.device_id, sender=plant.issuer)


# INV-S11
def test_fund_revenue__energy_sold_on_another_account__is_refused(plant: Roofs) -> None:
    village = plant.village
    sold = village.place(plant.home, {10: offer(60, SOLD_WH)})
    village.place(plant.buyer, {10: bid(60, SOLD_WH)})
    village.end_and_clear([10])
    village.finalize(village.run(sold, energies({10: -SOLD_WH})))
    row = Row(sold, SOLD_WH, len(village.feed.batches))
    owner = plant.home.owner.address
    with refused(plant.governance.AccountMismatch, deviceId=plant.home.device_id, account=owner):
        plant.fund(row)


def test_return_deposit__plants_stand_or_left_of_late__waits_three_weeks(plant: Roofs) -> None:
    governance, issuer = plant.governance, plant.issuer
    with refused(governance.PlantsStand, plants=1, returnableAt=21 * DAY_SECONDS):
        governance.returnDeposit(issuer, sender=issuer)
    row = plant.day(SOLD_WH, SOLD_WH)
    receipt = governance.removePlant(plant.home.device_id, sender=issuer)
    removed_at = ape.chain.blocks[receipt.block_number].timestamp
    with refused(governance.PlantsStand, plants=0, returnableAt=removed_at + 21 * DAY_SECONDS):
        governance.returnDeposit(issuer, sender=issuer)
    plant.fund(row)
    warp(removed_at + 21 * DAY_SECONDS)
    left, _ = plant.village.balance(plant.shares.address)
    governance.returnDeposit(issuer, sender=issuer)
    assert plant.village.euro.balanceOf(issuer) == left == DEPOSIT
    with refused(governance.PlantUnknown, deviceId=plant.home.device_id):
        governance.removePlant(plant.home.device_id, sender=issuer)
