"""What the rules forbid, by every path on which shares or cash can move: each names the rule, with its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.functional.market.village import warp
from tests.functional.shares.plant import (
    AMERICA,
    BARRED,
    DAY_SECONDS,
    EUR,
    GERMANY,
    MAX_UINT256,
    RETAIL,
    SUPPLY,
    YEAR_SECONDS,
    Plant,
    Rule,
    now,
    refuse,
    rules,
)
from tests.functional.shares.test_asks import ask_of, signed
from tests.functional.shares.test_transfer import permit

SECOND_WALLET_SHARES = 50
Broken = dict[str, Any]


@dataclass
class Paths:
    """Two holders who let each other, by permit, and the market of shares move what they have; and another's wallet."""

    plant: Plant
    market: Any
    holder: Any
    other: Any
    spare: Any

    def refuse_leaving(self, broken: Broken) -> None:
        """No share leaves the holder by its will, and no cash."""
        asset, holder, other = self.plant.asset, self.holder, self.other
        refuse(asset.transfer, other, 1, sender=holder, **broken)
        refuse(asset.transfer, other, 0, sender=holder, **broken)
        refuse(asset.transfer, holder, 1, sender=holder, **broken)
        refuse(asset.transferFrom, holder, other, 1, sender=other, **broken)
        call = signed(self.market, holder, ask_of(self.plant, holder))
        refuse(self.market.fill, *call, 1, MAX_UINT256, sender=other, **broken)

    def refuse_using(self, broken: Broken) -> None:
        """Nothing is used up, redeemed or claimed, whoever calls."""
        asset, holder = self.plant.asset, self.holder
        refuse(asset.retire, 1, b"", sender=holder, **broken)
        refuse(asset.redeem, 1, sender=holder, **broken)
        refuse(asset.claim, sender=holder, **broken)
        refuse(asset.claimFor, holder, sender=self.other, **broken)

    def refuse_coming(self, broken: Broken, recovered: Broken | None = None) -> None:
        """No share comes to the holder, by force, mint or recovery neither."""
        asset, holder, other = self.plant.asset, self.holder, self.other
        self.refuse_buying(broken)
        refuse(asset.mint, holder, 1, sender=self.plant.issuer, **broken)
        refuse(asset.forcedTransfer, other, holder, 1, sender=self.plant.agent, **broken)
        if recovered is not None:
            refuse(asset.recover, holder, self.spare, sender=self.plant.agent, **recovered)

    def refuse_buying(self, broken: Broken) -> None:
        """No share comes to the holder by the other's will."""
        asset, holder, other = self.plant.asset, self.holder, self.other
        refuse(asset.transfer, holder, 1, sender=other, **broken)
        refuse(asset.transferFrom, other, holder, 1, sender=holder, **broken)
        call = signed(self.market, other, ask_of(self.plant, other))
        refuse(self.market.fill, *call, 1, MAX_UINT256, sender=holder, **broken)


@pytest.fixture
def every_path(new_plant: Any, shared_plant: Plant, euro: Any, share_market: Any, investors: list[Any]) -> Paths:
    """The holder, with a passport for a day and a second wallet, has dividends and redeemable shares."""
    plant = new_plant(euro, matures_at=1, redemption_per_share=1)
    holder, other, spare = investors[4], investors[1], investors[5]
    plant.admit(holder, expires_at=now() + DAY_SECONDS)
    plant.add_wallet(holder, spare)
    plant.mint(holder, SUPPLY)
    plant.mint(other, SUPPLY)
    plant.asset.transfer(spare, SECOND_WALLET_SHARES, sender=holder)
    plant.fund(100 * EUR)
    for owner, spender in ((holder, other), (other, holder)):
        plant.asset.permit(*permit(plant, owner, spender, MAX_UINT256, 0, MAX_UINT256), sender=spender)
        plant.asset.approve(share_market, MAX_UINT256, sender=owner)
        plant.fill_pocket(owner, share_market, 1_000 * EUR)
    return Paths(plant, share_market, holder, other, spare)


# INV-S3, INV-S6
@pytest.mark.parametrize("reason", ["expired", "revoked", "country", "class"])
def test_move__refused_holder__is_kept_from_it_on_every_path(every_path: Paths, reason: str) -> None:
    plant, holder = every_path.plant, every_path.holder
    last = now() + YEAR_SECONDS
    if reason == "expired":
        _, (last, *_), _ = plant.passports.passportOf(holder)
        warp(last + 1)
    elif reason == "revoked":
        plant.revoke(holder)
    else:
        passport = (last, AMERICA if reason == "country" else GERMANY, BARRED if reason == "class" else RETAIL)
        plant.passports.renew(holder, passport, [plant.asset], sender=plant.registrar)
    broken = {
        "expired": (Rule.PASSPORT, last, last + 1),
        "revoked": (Rule.PASSPORT, 0, now()),
        "country": (Rule.COUNTRY, AMERICA, 0),
        "class": (Rule.INVESTOR_CLASS, BARRED, rules()[1]),
    }[reason]
    of_holder, of_spare = (plant.broken(broken[0], wallet, *broken[1:]) for wallet in (holder, every_path.spare))
    every_path.refuse_leaving(of_holder)
    every_path.refuse_using(of_holder)
    every_path.refuse_coming(of_holder, recovered=of_spare)
    assert plant.asset.claimable(holder) == 50 * EUR * (SUPPLY - SECOND_WALLET_SHARES) // SUPPLY


# INV-S3
def test_move__stranger__is_kept_from_it_on_every_path(every_path: Paths, intruder: Any) -> None:
    plant = every_path.plant
    plant.asset.approve(intruder, 1, sender=every_path.other)
    plant.fill_pocket(intruder, every_path.market, 1_000 * EUR)
    broken = plant.broken(Rule.REGISTRATION, intruder)
    every_path.holder = intruder
    every_path.refuse_coming(broken)
    refuse(plant.asset.claimFor, intruder, sender=intruder, **broken)
    values = (intruder, every_path.other)
    refuse(plant.asset.recover, *values, sender=plant.agent, error=plant.asset.NotSameInvestor, values=values)


# INV-S3
def test_move__paused_or_locked__holders_are_kept_from_it_on_every_path(every_path: Paths) -> None:
    plant = every_path.plant
    plant.asset.setPaused(True, sender=plant.agent)
    every_path.refuse_leaving(plant.broken(Rule.PAUSE, every_path.holder))
    every_path.refuse_buying(plant.broken(Rule.PAUSE, every_path.other))
    plant.asset.setPaused(False, sender=plant.agent)
    until = now() + YEAR_SECONDS
    plant.set_rules(lock_until=until)
    every_path.refuse_leaving(plant.broken(Rule.LOCK_UP, every_path.holder, now(), until))


# INV-S4, INV-S5
def test_move__caps_and_frozen_shares__hold_on_every_path(every_path: Paths, investors: list[Any]) -> None:
    plant, newcomer = every_path.plant, investors[2]
    plant.fill_pocket(newcomer, every_path.market, 1_000 * EUR)
    plant.asset.approve(newcomer, MAX_UINT256, sender=every_path.other)
    holder, every_path.holder = every_path.holder, newcomer
    plant.set_rules(holder_cap=2)
    every_path.refuse_coming(plant.broken(Rule.HOLDER_CAP, newcomer, 3, 2))
    every_path.holder = holder
    plant.set_rules(max_holding_bps=5_000)
    broken = plant.broken(Rule.MAX_HOLDING, holder, SUPPLY + 1, SUPPLY)
    every_path.refuse_buying(broken)
    refuse(plant.asset.forcedTransfer, every_path.other, holder, 1, sender=plant.agent, **broken)
    refuse(plant.asset.mint, holder, 2, sender=plant.issuer, **plant.broken(8, holder, SUPPLY + 2, SUPPLY + 1))
    plant.asset.setFrozenTokens(every_path.other, SUPPLY, sender=plant.agent)
    plant.set_rules()
    frozen: Broken = {"error": plant.asset.ERC7943InsufficientUnfrozenBalance, "values": (every_path.other, 1, 0)}
    every_path.refuse_buying(frozen)
    refuse(plant.asset.retire, 1, b"", sender=every_path.other, **frozen)
    refuse(plant.asset.redeem, 1, sender=every_path.other, **frozen)


def test_fund_revenue__asset_without_a_market__is_refused(shared_plant: Plant, intruder: Any) -> None:
    asset = shared_plant.asset
    refuse(asset.fundRevenue, [], [], sender=intruder, error=asset.NoMarket)
    refuse(asset.addPlant, bytes(32), sender=shared_plant.issuer, error=asset.NoMarket)
