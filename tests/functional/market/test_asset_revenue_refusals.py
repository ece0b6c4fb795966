"""What an asset's shares are not paid for: other days, other plants, other profiles, other assets' energy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ape
import pytest

from gridwitness.encoding.eip712 import market_domain
from tests.actors import refused
from tests.functional.market.roofs import DEPOSIT, OWN_CALL, SHARES, SLOT, Roofs, Row, make_roofs
from tests.functional.market.village import (
    DAY_SECONDS,
    PROVISIONAL,
    ZONE,
    Home,
    Village,
    bid,
    deploy_market,
    energies,
    offer,
    params_args,
    schedule_args,
    warp,
)
from tests.functional.shares.plant import refuse, rules, terms

SOLD_WH = 1_000
REVENUE = 200_000  # 1,000 Wh at 200,000 per kWh
UNPROVEN = ([0] * 12, 0, (bytes(32), 0, 0, [], []))


@pytest.fixture
def plant(village: Village, home: Home, next_home: Home, project: Any, registry: Any, accounts: Any) -> Roofs:
    """A home's roof that an asset of one holder is paid for; it has money in the market to trade on."""
    return make_roofs(project, registry, village, [home], next_home, accounts[16], [accounts[17]])


# INV-S11
def test_fund_revenue__energy_sold_twice__is_refused_in_one_call_and_for_another_asset(
    plant: Roofs, project: Any, registry: Any, accounts: Any
) -> None:
    """Energy sold twice: the same day twice in one call, and one asset's day for the shares of another."""
    row, day, device_id = plant.day(SOLD_WH, SOLD_WH), plant.village.day, plant.home.device_id
    with refused(plant.governance.PeriodFunded, deviceId=device_id, day=day, fundedThrough=day):
        plant.fund(row, row)
    other = make_roofs(project, registry, plant.village, [plant.home], plant.buyer, accounts[18], [accounts[19]])
    with refused(other.governance.AccountMismatch, deviceId=device_id, account=plant.shares.address):
        other.fund(row)
    plant.fund(row)  # the payee of that day was this asset, whoever is now
    with refused(plant.governance.PeriodFunded, deviceId=device_id, day=day, fundedThrough=day):
        plant.fund(row)


# INV-S11
def test_fund_revenue__schedule_not_final_or_profile_forged__is_refused(plant: Roofs) -> None:
    village, market, shares = plant.village, plant.village.market, plant.shares
    sold = village.schedule(plant.home, {10: offer(60, SOLD_WH)}, account=shares.address)
    village.submit(village.sign(plant.home, sold))
    village.place(plant.buyer, {10: bid(60, SOLD_WH)})
    village.end_and_clear([10])
    metered = village.meter(sold, energies({10: -SOLD_WH}))
    receipt = market.settle([schedule_args(sold)], [metered], sender=village.transmitter)
    call = [schedule_args(sold)], [metered]
    values = (plant.home.device_id, village.day, PROVISIONAL)
    fund = plant.governance.fundRevenue
    refuse(fund, *call, sender=plant.holder, error=market.ScheduleNotFinal, values=values)
    village.finalize(*village.runs(receipt))
    richer = village.meter(sold, energies({10: -SOLD_WH - 1}))
    forged = (richer[0], metered[1], village.proof_of(1))
    values = (plant.home.device_id, village.day)
    refuse(fund, call[0], [forged], sender=plant.holder, error=market.ProofInvalid, values=values)
    refuse(fund, call[0], [], sender=plant.holder, error=plant.governance.RowsMismatch, values=(1, 0))


# INV-S11
def test_fund_revenue__day_that_ended_without_a_profile__is_refused_whatever_is_attested_later(plant: Roofs) -> None:
    """The market charged the account for it, so what a late profile is worth would come out of its deposit."""
    village, governance, account = plant.village, plant.governance, plant.shares.address
    sold = village.schedule(plant.home, {SLOT: offer(60, SOLD_WH)}, account=account)
    village.submit(village.sign(plant.home, sold))
    village.place(plant.buyer, {SLOT: bid(60, SOLD_WH)})
    village.end_and_clear([SLOT])
    warp((village.day + 1) * DAY_SECONDS + village.params.final_after_seconds)
    village.settle_missing(sold)
    left, _ = village.balance(account)
    assert left < DEPOSIT
    village.meter(sold, energies({SLOT: -SOLD_WH}))
    row, unmetered_day = Row(sold, SOLD_WH, len(village.feed.batches)), village.day
    error, values = village.market.ScheduleUnmetered, (plant.home.device_id, unmetered_day)
    refuse(governance.fundRevenue, *plant.call_of(row), sender=plant.holder, error=error, values=values)
    # It stands in the way of those after it for as long as the market remembers it, as every day does.
    later = plant.day(SOLD_WH, SOLD_WH, plant.next_day())
    with refused(governance.DaySkipped, deviceId=plant.home.device_id, day=unmetered_day):
        plant.fund(later)
    warp((unmetered_day + 16) * DAY_SECONDS)
    plant.fund(later)
    assert village.balance(account) == (left, 0)


# INV-S11
def test_fund_revenue__market_s_token_that_lies__is_refused_and_the_day_stays_unpaid(
    village: Village,
    home: Home,
    next_home: Home,
    project: Any,
    registry: Any,
    attestation: Any,
    deployer: Any,
    operator: Any,
    accounts: Any,
) -> None:
    token = deployer.deploy(project.LyingToken)
    token.setMovedPercent(100, sender=deployer)
    market = deploy_market(deployer, operator, project, registry, attestation, token)
    market.openZone(ZONE, params_args(village.params), sender=operator)
    domain = market_domain(ape.chain.chain_id, market.address)
    odd = replace(village, market=market, euro=token, domain=domain)
    odd.fund_backstop(operator)
    plant = make_roofs(project, registry, odd, [home], next_home, accounts[16], [accounts[17]])
    row = plant.day(SOLD_WH, SOLD_WH)
    token.setMovedPercent(0, sender=deployer)
    call, values = plant.call_of(row), (REVENUE, SHARES)
    refuse(plant.governance.fundRevenue, *call, sender=plant.holder, error=plant.shares.NothingToFund, values=values)
    token.setMovedPercent(99, sender=deployer)  # a fee: what arrives counts
    plant.fund(row)
    assert plant.governance.proofOfAsset().revenue == plant.shares.claimable(plant.holder) + 1 == REVENUE * 99 // 100


# INV-S11
def test_fund_revenue__device_never_a_plant__is_refused(plant: Roofs, registry: Any) -> None:
    """Being its payee is not enough: the issuer adds a plant, and days count from the next on."""
    village, governance = plant.village, plant.governance
    device_id = plant.buyer.device_id
    sold = village.schedule(plant.buyer, {10: offer(60, SOLD_WH)}, account=plant.shares.address)
    refuse(
        governance.fundRevenue,
        [schedule_args(sold)],
        [UNPROVEN],
        sender=plant.holder,
        error=governance.PlantUnknown,
        values=(device_id,),
    )
    registry.setPayee(device_id, plant.shares, OWN_CALL, sender=plant.buyer.owner)
    receipt = governance.addPlant(device_id, sender=plant.issuer)
    today = int(receipt.timestamp) // DAY_SECONDS
    assert receipt.events.filter(governance.PlantAdded) == [governance.PlantAdded(device_id, today + 1)]
    sold = village.schedule(plant.buyer, {10: offer(60, SOLD_WH)}, account=plant.shares.address, day=today)
    values = (device_id, today, today)
    call = [schedule_args(sold)], [UNPROVEN]
    refuse(governance.fundRevenue, *call, sender=plant.holder, error=governance.PeriodFunded, values=values)


# INV-S11
def test_fund_revenue__day_after_the_plant_left__is_refused(plant: Roofs, registry: Any) -> None:
    governance, device_id = plant.governance, plant.home.device_id
    row = plant.day(SOLD_WH, SOLD_WH)
    later = plant.village.schedule(plant.home, {10: offer(60, 1)}, account=plant.shares.address, day=plant.next_day())
    receipt = governance.removePlant(device_id, sender=plant.issuer)
    last = int(receipt.timestamp) // DAY_SECONDS
    _, metered = plant.call_of(row)
    values = (device_id, later.day, last)
    call = [schedule_args(later)], metered
    refuse(governance.fundRevenue, *call, sender=plant.holder, error=governance.PlantEnded, values=values)
    plant.fund(row)  # what it earned before is still paid


def test_fund_revenue__at_zero_supply__is_refused(plant: Roofs) -> None:
    """A known break: cash paid in when nobody can be due any of it."""
    row = plant.day(SOLD_WH, SOLD_WH)
    plant.governance.retire(plant.shares.totalSupply(), b"", sender=plant.holder)
    error = plant.shares.NothingToFund
    refuse(plant.governance.fundRevenue, *plant.call_of(row), sender=plant.issuer, error=error, values=(0, 0))


@pytest.mark.parametrize("function", ["addPlant", "removePlant", "returnDeposit"])
def test_govern_plants__by_anyone_but_the_issuer__is_refused(plant: Roofs, intruder: Any, function: str) -> None:
    governance = plant.governance
    argument = str(intruder) if function == "returnDeposit" else plant.home.device_id
    error = governance.AccessControlUnauthorizedAccount
    for caller in (intruder, plant.holder, plant.home.owner):
        values = (caller, governance.ISSUER_ROLE())
        refuse(getattr(governance, function), argument, sender=caller, error=error, values=values)


# INV-S11
def test_fund_revenue__plant_that_comes_back__goes_on_where_it_was(plant: Roofs) -> None:
    """Removing and adding a plant again neither pays a day twice nor brings back one between."""
    governance, device_id = plant.governance, plant.home.device_id
    row = plant.day(SOLD_WH, SOLD_WH)
    plant.fund(row)
    through = plant.village.day
    governance.removePlant(device_id, sender=plant.issuer)
    governance.addPlant(device_id, sender=plant.issuer)
    assert tuple(governance.plantOf(device_id)) == (through, 0)
    with refused(governance.PeriodFunded, deviceId=device_id, day=through, fundedThrough=through):
        plant.fund(row)
    plant.fund(plant.day(SOLD_WH, SOLD_WH, plant.next_day()))


def test_create__cash_that_is_not_the_markets__is_refused(plant: Roofs, project: Any, deployer: Any) -> None:
    """What the market paid would lie in the asset for ever, and the days count as paid for."""
    other = deployer.deploy(project.EuroToken)
    factory = deployer.deploy(project.AssetFactory)
    changed = terms(plant.shares.terms().passports, other, market=plant.village.market.address)
    values = (b"cash".ljust(32, b"\0"), int(other.address, 16), int(plant.village.euro.address, 16))
    call = (changed, rules(), plant.issuer)
    refuse(factory.create, *call, sender=plant.issuer, error=plant.shares.TermInvalid, values=values)


# INV-S11
def test_remove_and_add_again__days_not_paid_for__are_not_lost(plant: Roofs) -> None:
    """Else an issuer could keep what holders were due: out, in again before anyone asks, out, and take the deposit."""
    governance, device_id, issuer = plant.governance, plant.home.device_id, plant.issuer
    before = governance.plantOf(device_id).fundedThrough
    first, first_day = plant.day(SOLD_WH, SOLD_WH), plant.village.day
    second = plant.day(SOLD_WH, SOLD_WH, plant.next_day())
    governance.removePlant(device_id, sender=issuer)
    receipt = governance.addPlant(device_id, sender=issuer)
    assert receipt.events.filter(governance.PlantAdded) == [governance.PlantAdded(device_id, before + 1)]
    with refused(governance.DaySkipped, deviceId=device_id, day=first_day):
        plant.fund(second)
    plant.fund(first, second)
    assert governance.proofOfAsset().soldWh == 2 * SOLD_WH


def test_fund_revenue__poor_day_left_out__is_let_go_when_its_record_made_way_for_a_later_day(plant: Roofs) -> None:
    """The market keeps a day's record until one of sixteen days later comes, which can be three days ahead of today."""
    village, governance = plant.village, plant.governance
    plant.day(SOLD_WH, SOLD_WH - 40)
    poor_day = village.day
    rich = plant.day(SOLD_WH, SOLD_WH, plant.next_day())
    warp((poor_day + 13) * DAY_SECONDS + 3_600)
    with refused(governance.DaySkipped, deviceId=plant.home.device_id, day=poor_day):
        plant.fund(rich)
    later = village.schedule(plant.home, {0: offer(60, 1)}, account=plant.shares.address, day=poor_day + 16)
    assert not village.submit(village.sign(plant.home, later)).events.filter(village.market.ScheduleSkipped)
    plant.fund(rich)
