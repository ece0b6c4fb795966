"""Passports: who a wallet is, and that assets hear of a change for the worse at once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.market.village import warp
from tests.functional.shares.plant import (
    AMERICA,
    FRANCE,
    GERMANY,
    PROFESSIONAL,
    RETAIL,
    SUPPLY,
    YEAR_SECONDS,
    ZERO,
    Plant,
    Rule,
    now,
    refuse,
)

MOST_WALLETS = 16


def passport(country: int = GERMANY, investor_class: int = RETAIL, years: int = 1) -> tuple[int, int, int]:
    return (now() + years * YEAR_SECONDS, country, investor_class)


def given_in(receipt: Any) -> list[tuple[Any, ...]]:
    """Investor and fields of each passport that a transaction gave."""
    return [
        (event.investor, tuple(event.event_arguments["passport"]))
        for event in receipt.events
        if event.event_name == "PassportGiven"
    ]


def test_register__two_investors__are_known_by_their_first_wallets(
    passports: Any, passport_registrar: Any, investors: list[Any]
) -> None:
    given = passport(), passport(FRANCE, PROFESSIONAL)
    rows = list(zip(map(str, investors[4:6]), given, strict=True))
    receipt = passports.register(rows, sender=passport_registrar)
    assert given_in(receipt) == rows
    for wallet, fields in rows:
        assert tuple(passports.passportOf(wallet)) == (wallet, fields, 1)
        assert passports.walletsOf(wallet) == [wallet]


def test_read__wallet_nobody_registered__is_of_nobody(passports: Any, intruder: Any) -> None:
    assert tuple(passports.passportOf(intruder)) == (ZERO, (0, 0, 0), 0)
    refuse(passports.walletsOf, intruder, sender=intruder, error=passports.InvestorUnknown, values=(intruder,))


@pytest.mark.parametrize("function", ["register", "renew", "revoke", "addWallet", "retireWallet"])
def test_register__by_anyone_but_a_registrar__is_refused(
    passports: Any, intruder: Any, investors: list[Any], function: str
) -> None:
    arguments = {
        "register": ([(str(intruder), passport())],),
        "renew": (investors[0], passport(), []),
        "revoke": (investors[0], []),
        "addWallet": (investors[0], intruder),
        "retireWallet": (investors[0], []),
    }[function]
    error, values = passports.AccessControlUnauthorizedAccount, (intruder, passports.REGISTRAR_ROLE())
    refuse(getattr(passports, function), *arguments, sender=intruder, error=error, values=values)


def test_register__bad_input__names_value_and_limit(
    passports: Any, passport_registrar: Any, investors: list[Any]
) -> None:
    warp(now() + 10)
    wallet = investors[4]

    def refuse_row(row: tuple[Any, ...], error: Any, *values: object) -> None:
        refuse(passports.register, [row], sender=passport_registrar, error=error, values=values)

    refuse_row((ZERO, passport()), passports.WalletInvalid, ZERO)
    refuse_row((str(wallet), (now(), GERMANY, RETAIL)), passports.PassportExpired, now(), now())
    refuse_row((str(wallet), passport(country=0)), passports.CountryInvalid, 0, 999)
    refuse_row((str(wallet), passport(country=1_000)), passports.CountryInvalid, 1_000, 999)
    refuse_row((str(wallet), passport(investor_class=16)), passports.InvestorClassInvalid, 16, 15)
    passports.register([(str(wallet), passport(country=999, investor_class=15))], sender=passport_registrar)
    refuse_row((str(wallet), passport()), passports.WalletTaken, wallet, wallet)
    assert passports.passportOf(wallet)[1][1:] == (999, 15)


def test_renew__after_a_revocation__counts_again(shared_plant: Plant, investors: list[Any]) -> None:
    plant, holder = shared_plant, investors[0]
    receipt = plant.revoke(holder)
    assert receipt.events == [plant.passports.PassportRevoked(holder)]
    assert plant.passports.passportOf(holder)[1] == (0, GERMANY, RETAIL)
    renewed = passport(FRANCE)
    receipt = plant.passports.renew(holder, renewed, [plant.asset], sender=plant.registrar)
    assert given_in(receipt) == [(str(holder), renewed)]
    plant.asset.transfer(investors[1], 1, sender=holder)


def test_renew__unknown_investor_or_second_wallet__is_refused(
    shared_plant: Plant, investors: list[Any], intruder: Any
) -> None:
    plant = shared_plant
    plant.add_wallet(investors[0], investors[5])
    for unknown in (intruder, investors[5]):
        for method, arguments in (
            (plant.passports.renew, (unknown, passport(), [])),
            (plant.passports.revoke, (unknown, [])),
            (plant.passports.addWallet, (unknown, investors[6])),
        ):
            error = plant.passports.InvestorUnknown
            refuse(method, *arguments, sender=plant.registrar, error=error, values=(unknown,))


def test_add_wallet__two_more__share_the_passport_of_the_first(shared_plant: Plant, investors: list[Any]) -> None:
    plant, (first, second, third) = shared_plant, (investors[0], investors[5], investors[6])
    receipt = plant.passports.addWallet(first, second, sender=plant.registrar)
    assert receipt.events == [plant.passports.WalletAdded(first, second)]
    plant.add_wallet(first, third)
    of_first = tuple(plant.passports.passportOf(first))
    assert of_first[2] == 3
    assert [tuple(plant.passports.passportOf(wallet)) for wallet in (second, third)] == [of_first, of_first]
    assert plant.passports.walletsOf(first) == [first, second, third]


def test_add_wallet__taken_or_a_seventeenth__is_refused(
    shared_plant: Plant, investors: list[Any], accounts: Any
) -> None:
    plant, (first, other) = shared_plant, investors[:2]
    error = plant.passports.WalletTaken
    refuse(plant.passports.addWallet, first, other, sender=plant.registrar, error=error, values=(other, other))
    for number in range(1, MOST_WALLETS):
        plant.add_wallet(first, f"0x{number:040x}")
    assert plant.passports.passportOf(first)[2] == MOST_WALLETS
    error, values = plant.passports.TooManyWallets, (first, MOST_WALLETS)
    refuse(plant.passports.addWallet, first, investors[6], sender=plant.registrar, error=error, values=values)


def test_retire_wallet__first_of_two__leaves_the_other_its_passport(
    shared_plant: Plant, investors: list[Any], intruder: Any
) -> None:
    plant, (lost, spare) = shared_plant, (investors[0], investors[5])
    plant.add_wallet(lost, spare)
    receipt = plant.passports.retireWallet(lost, [plant.asset], sender=plant.registrar)
    assert receipt.events == [plant.passports.WalletRetired(lost, lost)]
    assert plant.passports.passportOf(lost)[:2] == (lost, (0, GERMANY, RETAIL))
    assert plant.passports.passportOf(spare)[1][0] > now()
    broken = plant.broken(Rule.PASSPORT, lost, 0, now())
    refuse(plant.asset.transfer, investors[1], 1, sender=lost, **broken)
    retire, registrar = plant.passports.retireWallet, plant.registrar
    refuse(retire, lost, [], sender=registrar, error=plant.passports.WalletAlreadyRetired, values=(lost,))
    refuse(retire, intruder, [], sender=registrar, error=plant.passports.WalletUnknown, values=(intruder,))


# INV-S3
def test_revoke__holder_with_a_fresh_verdict__is_frozen_at_once(shared_plant: Plant, investors: list[Any]) -> None:
    plant, (holder, other) = shared_plant, investors[:2]
    plant.fund(SUPPLY)
    plant.asset.transfer(other, 1, sender=holder)
    plant.revoke(holder)
    broken = plant.broken(Rule.PASSPORT, holder, 0, now())
    refuse(plant.asset.transfer, other, 1, sender=holder, **broken)
    refuse(plant.asset.transfer, holder, 1, sender=other, **broken)
    refuse(plant.asset.claim, sender=holder, **broken)
    refuse(plant.asset.claimFor, holder, sender=other, **broken)
    refuse(plant.asset.retire, 1, b"", sender=holder, **broken)
    assert plant.asset.claimable(holder) == 6_000


# INV-S3
def test_revoke__wallets_beside_the_first__are_frozen_too(shared_plant: Plant, investors: list[Any]) -> None:
    plant, (holder, other, spare) = shared_plant, (*investors[:2], investors[5])
    plant.add_wallet(holder, spare)
    plant.asset.transfer(spare, 100, sender=holder)
    plant.revoke(holder)
    broken = plant.broken(Rule.PASSPORT, spare, 0, now())
    refuse(plant.asset.transfer, other, 1, sender=spare, **broken)


def test_revoke__asset_left_out__hears_of_it_from_anyone_or_when_the_verdict_ends(
    shared_plant: Plant, investors: list[Any], intruder: Any
) -> None:
    plant, (holder, other) = shared_plant, investors[:2]
    plant.passports.revoke(holder, [], sender=plant.registrar)
    plant.asset.transfer(other, 1, sender=holder)  # the verdict of before
    plant.asset.refresh(holder, sender=intruder)
    broken = plant.broken(Rule.PASSPORT, holder, 0, now())
    refuse(plant.asset.transfer, other, 1, sender=holder, **broken)
    plant.passports.revoke(other, [], sender=plant.registrar)
    warp(now() + YEAR_SECONDS)
    broken = plant.broken(Rule.PASSPORT, other, 0, now())
    refuse(plant.asset.transfer, investors[2], 1, sender=other, **broken)


def test_renew__to_a_country_that_is_barred__stops_the_holder_at_once(
    shared_plant: Plant, investors: list[Any]
) -> None:
    plant, (holder, other) = shared_plant, investors[:2]
    plant.passports.renew(holder, passport(AMERICA), [plant.asset], sender=plant.registrar)
    broken = plant.broken(Rule.COUNTRY, holder, AMERICA)
    refuse(plant.asset.transfer, other, 1, sender=holder, **broken)
    assert tuple(plant.asset.verdictOf(holder)) == (Rule.COUNTRY, AMERICA, 0)
