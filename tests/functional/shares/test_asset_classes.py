"""Kinds of assets are terms and rules of one contract: a loan, a house, a treasury fund, certificates of energy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.adapters.conftest import Gauge, past
from tests.functional.market.village import warp
from tests.functional.shares.conftest import QUARTER_HOUR_SECONDS, MakePlant
from tests.functional.shares.plant import DAY_SECONDS, EUR, YEAR_SECONDS, ZERO, Plant, Rule, now, refuse, rules

QUARTER_SECONDS = YEAR_SECONDS // 4
PAR = 1_000 * EUR
COUPON = 12 * EUR + 500_000  # 5 % a year, each quarter


def test_loan__interest_each_quarter__goes_to_whom_has_it_and_the_par_at_maturity(
    new_plant: MakePlant, shared_plant: Plant, euro: Any, investors: list[Any]
) -> None:
    """Credit: scheduled interest is paid in by the debtor, and shares are redeemed when it matures."""
    first, second = investors[:2]
    matures_at = now() + YEAR_SECONDS
    loan = new_plant(euro, name="Loan One", symbol="LOAN1", matures_at=matures_at, redemption_per_share=PAR)
    loan.mint(first, 100)
    for quarter in range(4):
        warp(matures_at - (3 - quarter) * QUARTER_SECONDS)
        loan.fund(100 * COUPON)
        if quarter == 1:
            loan.asset.transfer(second, 40, sender=first)
    assert [loan.asset.claimable(wallet) for wallet in (first, second)] == [(200 + 120) * COUPON, 80 * COUPON]
    loan.fill_pocket(loan.issuer, loan.asset, 100 * PAR)
    loan.asset.fundRedemption(100 * PAR, sender=loan.issuer)
    for wallet, shares in ((first, 60), (second, 40)):
        assert loan.asset.redeem(shares, sender=wallet).return_value == shares * PAR
    assert (loan.asset.totalSupply(), loan.asset.holders()) == (0, 0)
    # Who gave its shares back still has its interest.
    assert [loan.asset.claim(sender=wallet).return_value for wallet in (first, second)] == [320 * COUPON, 80 * COUPON]
    assert tuple(loan.asset.cashHeld()) == (0, 0)


def test_house__rent_each_month__is_paid_by_anyone_and_nothing_is_ever_redeemed(
    new_plant: MakePlant, shared_plant: Plant, euro: Any, investors: list[Any], intruder: Any
) -> None:
    """Property: rent as it comes, from whoever pays it, for as long as the house stands."""
    first, second = investors[:2]
    house = new_plant(euro, name="House One", symbol="HOUSE1")
    house.mint(first, 700)
    house.mint(second, 300)
    house.fill_pocket(intruder, house.asset, 10_000 * EUR)
    for rent in (1_000 * EUR, 0, 900 * EUR, 1_100 * EUR):  # one month it stood empty
        warp(now() + 30 * DAY_SECONDS)
        if rent:
            house.asset.fund(rent, sender=intruder)
    assert [house.asset.claim(sender=wallet).return_value for wallet in (first, second)] == [2_100 * EUR, 900 * EUR]
    refuse(house.asset.redeem, 1, sender=first, error=house.asset.NotMatured, values=(0, now()))


def test_treasury__accrues_each_day__and_is_redeemed_on_demand_without_losing_it(
    new_plant: MakePlant, shared_plant: Plant, euro: Any, investors: list[Any]
) -> None:
    """Treasury-like: yield is paid in day by day, fractions are carried, and a share is one euro at any time."""
    first, second = investors[:2]
    fund = new_plant(euro, name="Treasury", symbol="TSY", decimals=6, matures_at=1, redemption_per_share=1)
    whole = 10_000 * EUR
    fund.mint(first, whole)
    fund.mint(second, whole // 4)
    daily = 1_369_863  # 4 % a year of 12,500 EUR, rounded down
    for _ in range(10):
        warp(now() + DAY_SECONDS)
        fund.fund(daily)
    exact = 10 * daily
    dues = [fund.asset.claimable(wallet) for wallet in (first, second)]
    assert exact - 2 <= sum(dues) <= exact
    assert abs(dues[0] - 4 * dues[1]) <= 4
    fund.fill_pocket(fund.issuer, fund.asset, whole)
    fund.asset.fundRedemption(whole, sender=fund.issuer)
    assert fund.asset.redeem(whole, sender=first).return_value == whole
    assert fund.asset.claim(sender=first).return_value == dues[0]
    error, values = fund.asset.RedemptionUnfunded, (1, 0)
    refuse(fund.asset.redeem, 1, sender=second, error=error, values=values)


# INV-S8
def test_certificates__each_a_kilowatt_hour__are_issued_on_attested_energy_and_used_up(
    new_plant: MakePlant, shared_plant: Plant, euro: Any, investors: list[Any], reserve_gauge: Gauge
) -> None:
    """Certificates and commodities: no unit without attested reserve, traded, and retired when it is used."""
    producer, user = investors[:2]
    certificates = new_plant(
        euro,
        name="Guarantee of origin",
        symbol="GO",
        reserve=reserve_gauge.adapter.address,
        reserve_per_share=1_000,
        max_reserve_age_seconds=DAY_SECONDS,
    )
    asset = certificates.asset
    time = past(QUARTER_HOUR_SECONDS + 60)
    reserve_gauge.update(reserve_gauge.reading(time, value=50_999))
    certificates.mint(producer, 50)
    error, values = asset.ReserveTooSmall, (50_999, 51_000)
    refuse(asset.mint, producer, 1, sender=certificates.issuer, error=error, values=values)
    asset.transfer(user, 30, sender=producer)
    purpose = b"office, 2026".ljust(32, b"\0")
    receipt = asset.retire(20, purpose, sender=user)
    assert receipt.events == [asset.Transfer(user, ZERO, 20), asset.Retired(user, 20, purpose)]
    proof = asset.proofOfAsset()
    assert (proof.supply, proof.reserve, proof.needed) == (30, 50_999, 30_000)
    values = (user, 10, 11)
    refuse(asset.retire, 11, purpose, sender=user, error=asset.ERC20InsufficientBalance, values=values)


# INV-S8
def test_certificates__retired_against_a_register_that_only_grows__are_not_issued_again(
    new_plant: MakePlant, shared_plant: Plant, euro: Any, investors: list[Any], reserve_gauge: Gauge
) -> None:
    """A register shows used energy for ever, so it must cover every certificate there ever was."""
    producer = investors[0]
    certificates = new_plant(
        euro,
        name="Guarantee of origin",
        symbol="GO",
        reserve=reserve_gauge.adapter.address,
        reserve_per_share=1_000,
        reserve_is_cumulative=True,
        max_reserve_age_seconds=DAY_SECONDS,
    )
    asset = certificates.asset
    time = past(QUARTER_HOUR_SECONDS + 60)
    reserve_gauge.update(reserve_gauge.reading(time, value=50_999))
    certificates.mint(producer, 20)
    certificates.mint(producer, 30)
    asset.retire(20, b"office, 2026".ljust(32, b"\0"), sender=producer)
    error, values = asset.ReserveTooSmall, (50_999, 51_000)
    refuse(asset.mint, producer, 1, sender=certificates.issuer, error=error, values=values)
    proof = asset.proofOfAsset()
    assert (proof.supply, proof.reserve, proof.needed) == (30, 50_999, 50_000)
    warp(now() + QUARTER_HOUR_SECONDS)
    reserve_gauge.update(reserve_gauge.reading(time + QUARTER_HOUR_SECONDS, value=51_000))
    certificates.mint(producer, 1)
    assert (asset.totalSupply(), asset.proofOfAsset().needed) == (31, 51_000)


def test_place__all_shares_in_the_lock_up__lets_a_largest_holding_begin_with_trading(
    new_plant: MakePlant, shared_plant: Plant, euro: Any, investors: list[Any]
) -> None:
    """A largest holding counts for mints, so it is set once shares are placed; until then a lock-up stands for it."""
    until = now() + 7 * DAY_SECONDS
    plant = new_plant(euro, rules(lock_until=until))
    for wallet, shares in zip(investors[:3], (40, 40, 20), strict=True):
        plant.mint(wallet, shares)
    plant.set_rules(lock_until=until, max_holding_bps=4_000)
    first, second, third = investors[:3]
    refuse(plant.asset.transfer, second, 1, sender=first, **plant.broken(Rule.LOCK_UP, first, now(), until))
    warp(until)
    broken = plant.broken(Rule.MAX_HOLDING, second, 41, 40)
    refuse(plant.asset.transfer, second, 1, sender=first, **broken)
    plant.asset.transfer(third, 20, sender=first)


@pytest.mark.parametrize("bps", [4_000, 9_999])
def test_mint__to_more_than_the_largest_holding__is_no_way_around_the_rule(
    shared_plant: Plant, investors: list[Any], bps: int
) -> None:
    """Were mints free of it, an issuer could give anyone any part of the asset, whatever holders were promised."""
    plant, holder = shared_plant, investors[0]
    plant.set_rules(max_holding_bps=bps)
    shares = 10**9
    held, most = 6_000 + shares, (10_000 + shares) * bps // 10_000
    refuse(plant.asset.mint, holder, shares, sender=plant.issuer, **plant.broken(8, holder, held, most))
