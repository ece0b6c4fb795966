"""Who counts as a holder, how many there may be, and how much each may have: by investor, not by wallet."""

from __future__ import annotations

from typing import Any

from tests.functional.shares.conftest import MakePlant
from tests.functional.shares.plant import SUPPLY, Plant, Rule, refuse, rules


# INV-S4
def test_transfer__to_oneself__changes_no_count_and_no_balance(shared_plant: Plant, investors: list[Any]) -> None:
    """A known break: a holder count broken by self-transfer."""
    plant, asset, holder = shared_plant, shared_plant.asset, investors[0]
    plant.fund(SUPPLY)
    for shares in (0, 1, 6_000):
        assert asset.transfer(holder, shares, sender=holder).events == [asset.Transfer(holder, holder, shares)]
        assert (asset.holders(), asset.balanceOf(holder), asset.claimable(holder)) == (2, 6_000, 6_000)
    asset.forcedTransfer(holder, holder, 6_000, sender=plant.agent)
    assert (asset.holders(), asset.balanceOf(holder), asset.totalSupply()) == (2, 6_000, SUPPLY)


# INV-S4
def test_transfer__among_wallets_of_one_investor__counts_it_once(shared_plant: Plant, investors: list[Any]) -> None:
    """A known break: a holder count broken by several wallets of one investor."""
    plant, asset, (first, other, second, third) = shared_plant, shared_plant.asset, (*investors[:2], *investors[4:6])
    plant.add_wallet(first, second)
    plant.add_wallet(first, third)
    asset.transfer(second, 2_000, sender=first)
    asset.transfer(third, 1_000, sender=second)
    assert asset.holders() == 2
    asset.transfer(other, 4_000, sender=first)
    asset.transfer(other, 1_000, sender=second)
    assert asset.holders() == 2  # the third wallet still has shares
    asset.transfer(other, 1_000, sender=third)
    assert (asset.holders(), asset.balanceOf(other)) == (1, SUPPLY)
    asset.transfer(third, 5, sender=other)
    asset.transfer(first, 5, sender=other)
    assert asset.holders() == 2
    asset.retire(5, b"", sender=third)
    assert asset.holders() == 2
    asset.retire(5, b"", sender=first)
    assert asset.holders() == 1


# INV-S4
def test_transfer__whole_to_another_own_wallet__counts_it_once(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset, (first, other, second) = shared_plant, shared_plant.asset, (*investors[:2], investors[4])
    plant.add_wallet(first, second)
    asset.transfer(second, 6_000, sender=first)
    assert asset.holders() == 2
    asset.transfer(other, 6_000, sender=second)
    assert asset.holders() == 1


# INV-S4
def test_transfer__whole_balance_at_the_cap__lets_another_in(
    new_plant: MakePlant, euro: Any, shared_plant: Plant, investors: list[Any]
) -> None:
    """A known break: a full-balance exit at the cap, refused or counted twice."""
    plant = new_plant(euro, rules(holder_cap=2))
    asset, (first, second, newcomer) = plant.asset, investors[:3]
    plant.mint(first, 60)
    plant.mint(second, 40)
    broken = plant.broken(Rule.HOLDER_CAP, newcomer, 3, 2)
    refuse(asset.transfer, newcomer, 59, sender=first, **broken)
    refuse(asset.mint, newcomer, 1, sender=plant.issuer, **broken)
    refuse(asset.forcedTransfer, first, newcomer, 1, sender=plant.agent, **broken)
    assert not asset.canTransfer(first, newcomer, 59)
    assert asset.canTransfer(first, newcomer, 60)
    asset.transfer(newcomer, 60, sender=first)
    assert asset.holders() == 2
    plant.add_wallet(second, investors[4])
    asset.transfer(investors[4], 20, sender=second)  # another wallet of a holder is no other holder
    assert asset.holders() == 2
    # Not an exit: the investor keeps shares in its other wallet.
    refuse(asset.transfer, first, 20, sender=second, **plant.broken(Rule.HOLDER_CAP, first, 3, 2))


def test_transfer__zero_shares_at_the_cap__goes(
    new_plant: MakePlant, euro: Any, shared_plant: Plant, investors: list[Any]
) -> None:
    plant = new_plant(euro, rules(holder_cap=1))
    plant.mint(investors[0], 10)
    plant.asset.transfer(investors[1], 0, sender=investors[0])
    assert plant.asset.holders() == 1


def test_set_rules__cap_below_the_holders__keeps_those_there_are(shared_plant: Plant, investors: list[Any]) -> None:
    plant, asset = shared_plant, shared_plant.asset
    plant.set_rules(holder_cap=1)
    asset.transfer(investors[1], 1, sender=investors[0])
    asset.transfer(investors[2], 5_999, sender=investors[0])
    assert asset.holders() == 2


# INV-S4
def test_transfer__above_the_largest_holding__counts_all_wallets_of_the_investor(
    shared_plant: Plant, investors: list[Any]
) -> None:
    plant, asset, (first, other, second) = shared_plant, shared_plant.asset, (*investors[:2], investors[4])
    plant.add_wallet(first, second)
    plant.set_rules(max_holding_bps=6_100)
    refuse(asset.transfer, first, 101, sender=other, **plant.broken(Rule.MAX_HOLDING, first, 6_101, 6_100))
    refuse(asset.transfer, second, 101, sender=other, **plant.broken(Rule.MAX_HOLDING, second, 6_101, 6_100))
    refuse(asset.forcedTransfer, other, second, 101, sender=plant.agent, **plant.broken(8, second, 6_101, 6_100))
    asset.transfer(second, 100, sender=other)
    asset.transfer(second, 3_000, sender=first)
    refuse(asset.transfer, first, 1, sender=other, **plant.broken(Rule.MAX_HOLDING, first, 6_101, 6_100))
    # 6,100 of 10,000 may grow with the supply: 6,161 of 10,101 would be 61 % of it, and one more is too many.
    refuse(asset.mint, second, 200, sender=plant.issuer, **plant.broken(Rule.MAX_HOLDING, second, 6_300, 6_222))


def test_mint__first_shares_under_a_largest_holding__must_wait_for_the_rule(
    new_plant: MakePlant, euro: Any, shared_plant: Plant, investors: list[Any]
) -> None:
    """The rule counts for mints too, and the first has all: an asset begins without it."""
    plant = new_plant(euro, rules(max_holding_bps=5_000))
    refuse(plant.asset.mint, investors[0], 10, sender=plant.issuer, **plant.broken(8, investors[0], 10, 5))
    plant.set_rules()
    plant.mint(investors[0], 10)
    plant.mint(investors[1], 10)
    plant.set_rules(max_holding_bps=5_000)
    refuse(plant.asset.transfer, investors[1], 1, sender=investors[0], **plant.broken(8, investors[1], 11, 10))
