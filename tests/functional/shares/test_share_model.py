"""An asset beside a plain model of it, whose dividends are exact fractions."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Any

import ape
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.functional.shares.plant import (
    AMERICA,
    DAY_SECONDS,
    EUR,
    GERMANY,
    MAX_UINT256,
    RETAIL,
    YEAR_SECONDS,
    Plant,
    Rule,
    now,
    refuse,
)
from tests.functional.shares.test_asks import ask_of, signed
from tests.functional.shares.test_transfer import permit

# Two wallets each of the first two investors, one of each other.
INVESTOR_OF = (0, 0, 1, 1, 2, 3)
# It had shares before the rules refused it.
REFUSED_INVESTOR = 3
HOLDER_CAP = 3
PRICE = 2 * EUR
FIRST_DIVIDENDS = 10**9 + 7  # so that a claim finds something from the start, and what is due is not even
WALLETS = st.integers(0, len(INVESTOR_OF) - 1)
REVOCABLE = st.integers(0, REFUSED_INVESTOR - 1)
SHARES = st.integers(1, 2_000) | st.just(MAX_UINT256)  # the largest stands for all there are
# What carried remainders may add to an exact part: units of 2^-40 for each share and payment.
CARRIED = Fraction(1, 1_000)
Refusal = dict[str, Any]


def give_passport(plant: Plant, investor: Any, country: int) -> None:
    """Another passport in place of the one an investor has, or had."""
    passport = (now() + 10 * YEAR_SECONDS, country, RETAIL)
    plant.passports.renew(investor, passport, [plant.asset], sender=plant.registrar)


class ShareMachine(RuleBasedStateMachine):
    """What the model says is refused must be, for the reason it says; all else must go through."""

    def __init__(self, plant: Plant, share_market: Any, wallets: list[Any], spender: Any) -> None:
        super().__init__()
        self._snapshot = ape.chain.snapshot()
        self._plant, self._market, self._wallets, self._spender = plant, share_market, wallets, spender
        self._balances = dict(enumerate(plant.balances(*wallets)))
        self._exact: defaultdict[int, Fraction] = defaultdict(Fraction)
        self._roundings: defaultdict[int, int] = defaultdict(int)
        self._cash = 0
        self._asks = 0
        self._revoked: set[int] = set()
        self.fund(FIRST_DIVIDENDS)

    def teardown(self) -> None:
        """Leave the chain as it was."""
        ape.chain.restore(self._snapshot)

    @property
    def _supply(self) -> int:
        return sum(self._balances.values())

    @property
    def _holdings(self) -> dict[int, int]:
        """Shares of the investors that have some."""
        holdings: defaultdict[int, int] = defaultdict(int)
        for wallet, balance in self._balances.items():
            holdings[INVESTOR_OF[wallet]] += balance
        return {investor: held for investor, held in holdings.items() if held}

    def _some(self, wallet: int, shares: int) -> int:
        return min(shares, self._balances[wallet])

    @rule(sender=WALLETS, receiver=WALLETS, shares=SHARES)
    def transfer(self, sender: int, receiver: int, shares: int) -> None:
        """Move shares; both sides are rounded once."""
        amount = self._some(sender, shares)
        call = (self._plant.asset.transfer, self._wallets[receiver], amount)
        refusal = self._transfer_refusal(sender, receiver, amount)
        if self._goes_through(*call, by=self._wallets[sender], refusal=refusal):
            self._move(sender, receiver, amount)

    @rule(owner=WALLETS, receiver=WALLETS, allowed=SHARES, shares=SHARES)
    def transfer_by_permit(self, owner: int, receiver: int, allowed: int, shares: int) -> None:
        """Let the spender move shares, by signature: what it is allowed, and only where the holder might."""
        asset, account, amount = self._plant.asset, self._wallets[owner], self._some(owner, shares)
        signed_permit = permit(self._plant, account, self._spender, allowed, asset.nonces(account), now() + DAY_SECONDS)
        asset.permit(*signed_permit, sender=self._spender)
        refusal = self._transfer_refusal(owner, receiver, amount)
        if allowed < amount:
            refusal = {"error": asset.ERC20InsufficientAllowance, "values": (self._spender, allowed, amount)}
        call = (asset.transferFrom, account, self._wallets[receiver], amount)
        if self._goes_through(*call, by=self._spender, refusal=refusal):
            self._move(owner, receiver, amount)
            left = allowed if allowed == MAX_UINT256 else allowed - amount
            assert asset.allowance(account, self._spender) == left

    @rule(seller=WALLETS, buyer=WALLETS, asked=st.integers(1, 2_000), shares=SHARES)
    def sell(self, seller: int, buyer: int, asked: int, shares: int) -> None:
        """Fill an ask: no more than it says, and only where the seller might send."""
        account, cash, amount = self._wallets[seller], self._plant.cash, self._some(seller, shares)
        self._asks += 1
        ask = ask_of(self._plant, account, amount=asked, number=self._asks, price_per_share=PRICE)
        offer = signed(self._market, account, ask)
        refusal = self._transfer_refusal(seller, buyer, amount)
        if amount == 0:
            refusal = {"error": self._market.AskAmountInvalid, "values": (0,)}
        elif amount > asked:
            refusal = self._exhausted(account, amount, asked)
        before, fill, by = cash.balanceOf(account), self._market.fill, self._wallets[buyer]
        if self._goes_through(fill, *offer, amount, MAX_UINT256, by=by, refusal=refusal):
            self._move(seller, buyer, amount)
            assert cash.balanceOf(account) == before + (0 if seller == buyer else amount * PRICE)
            left = asked - amount
            refuse(fill, *offer, left + 1, MAX_UINT256, sender=by, **self._exhausted(account, left + 1, left))

    @rule(wallet=WALLETS, shares=st.integers(1, 2_000))
    def mint(self, wallet: int, shares: int) -> None:
        """Issue shares."""
        refusal = self._rule_broken(wallet) or self._cap_broken(wallet, len({*self._holdings, INVESTOR_OF[wallet]}))
        call = (self._plant.asset.mint, self._wallets[wallet], shares)
        if self._goes_through(*call, by=self._plant.issuer, refusal=refusal):
            self._balances[wallet] += shares
            self._round(wallet)

    @rule(wallet=WALLETS, shares=SHARES)
    def retire(self, wallet: int, shares: int) -> None:
        """Take shares out."""
        amount = self._some(wallet, shares)
        call = (self._plant.asset.retire, amount, b"")
        if self._goes_through(*call, by=self._wallets[wallet], refusal=self._rule_broken(wallet)):
            self._balances[wallet] -= amount
            self._round(wallet)

    @precondition(lambda self: self._supply > 0)
    @rule(cash=st.integers(1, 50) | st.integers(1, 10**12))
    def fund(self, cash: int) -> None:
        """Pay dividends, to holders whom the rules refuse too."""
        self._plant.fund(cash)
        self._cash += cash
        for wallet, balance in self._balances.items():
            self._exact[wallet] += Fraction(cash * balance, self._supply)

    @rule(wallet=WALLETS, by_other=st.booleans())
    def claim(self, wallet: int, *, by_other: bool) -> None:
        """Take what is due, or have another send it, if that is anything."""
        account, asset = self._wallets[wallet], self._plant.asset
        due, before = asset.claimable(account), self._plant.cash.balanceOf(account)
        refusal = self._rule_broken(wallet)
        if not refusal and due == 0:
            refusal = {"error": asset.NothingToClaim, "values": (account,)}
        call, by = ((asset.claimFor, account), self._spender) if by_other else ((asset.claim,), account)
        if self._goes_through(*call, by=by, refusal=refusal):
            assert self._plant.cash.balanceOf(account) == before + due
            self._exact[wallet] -= due
            self._cash -= due
            self._round(wallet)

    @rule(lost=st.integers(0, 3))
    def recover(self, lost: int) -> None:
        """Move all from one wallet of an investor to the other."""
        found = lost ^ 1
        call = (self._plant.asset.recover, self._wallets[lost], self._wallets[found])
        if not self._goes_through(*call, by=self._plant.agent, refusal=self._rule_broken(found)):
            return
        self._balances[found] += self._balances.pop(lost)
        self._balances[lost] = 0
        self._exact[found] += self._exact.pop(lost, Fraction())
        self._roundings[found] += self._roundings.pop(lost, 0) + 2

    @rule(investor=REVOCABLE)
    def revoke(self, investor: int) -> None:
        """Revoke a passport: no wallet of its investor sends or receives from then on."""
        wallets = [wallet for wallet, owner in enumerate(INVESTOR_OF) if owner == investor]
        self._plant.revoke(self._wallets[wallets[0]])
        self._revoked.add(investor)
        for wallet in wallets:
            account, asset = self._wallets[wallet], self._plant.asset
            broken = self._plant.broken(Rule.PASSPORT, account, 0, now())
            refuse(asset.transfer, account, 0, sender=account, **broken)
            refuse(asset.mint, account, 1, sender=self._plant.issuer, **broken)

    @precondition(lambda self: self._revoked)
    @rule()
    def renew(self) -> None:
        """Give every investor that lost its passport another."""
        for investor in self._revoked:
            give_passport(self._plant, self._wallets[INVESTOR_OF.index(investor)], GERMANY)
        self._revoked.clear()

    def _goes_through(self, method: Any, *arguments: Any, by: Any, refusal: Refusal) -> bool:
        if refusal:
            refuse(method, *arguments, sender=by, **refusal)
        else:
            method(*arguments, sender=by)
        return not refusal

    def _exhausted(self, seller: Any, amount: int, left: int) -> Refusal:
        return {"error": self._market.AskExhausted, "values": (seller, self._asks, amount, left)}

    def _rule_broken(self, wallet: int) -> Refusal:
        """The rule that keeps a wallet from sending, receiving and claiming, if any does."""
        if INVESTOR_OF[wallet] == REFUSED_INVESTOR:
            return self._plant.broken(Rule.COUNTRY, self._wallets[wallet], AMERICA)
        if INVESTOR_OF[wallet] in self._revoked:
            return self._plant.broken(Rule.PASSPORT, self._wallets[wallet], 0, now())
        return {}

    def _cap_broken(self, receiver: int, holders: int) -> Refusal:
        """The cap, if a wallet that receives makes more holders than there were, and too many."""
        if holders <= max(len(self._holdings), HOLDER_CAP):
            return {}
        return self._plant.broken(Rule.HOLDER_CAP, self._wallets[receiver], holders, HOLDER_CAP)

    def _transfer_refusal(self, sender: int, receiver: int, amount: int) -> Refusal:
        refusal = self._rule_broken(sender) or self._rule_broken(receiver)
        if refusal or amount == 0:
            return refusal
        giver, taker, holdings = INVESTOR_OF[sender], INVESTOR_OF[receiver], self._holdings
        leaving = {giver} if holdings[giver] == amount else set()
        return self._cap_broken(receiver, len((holdings.keys() - leaving) | {taker}))

    def _move(self, sender: int, receiver: int, amount: int) -> None:
        self._balances[sender] -= amount
        self._balances[receiver] += amount
        self._round(sender, receiver)

    def _round(self, *wallets: int) -> None:
        for wallet in wallets:
            self._roundings[wallet] += 1

    @invariant()
    def books_agree(self) -> None:
        """Balances, supply and holders are the model's."""
        asset = self._plant.asset
        assert self._plant.balances(*self._wallets) == [self._balances[index] for index in range(len(self._wallets))]
        assert asset.totalSupply() == self._supply
        assert asset.holders() == len(self._holdings)

    @invariant()
    def dividends_agree(self) -> None:
        """Each is due its exact part, less a unit for each time it was rounded; together never more than the cash."""
        dues = [self._plant.asset.claimable(wallet) for wallet in self._wallets]
        for index, due in enumerate(dues):
            exact = self._exact[index]
            assert exact - self._roundings[index] - 1 - CARRIED <= due <= exact + CARRIED, (index, due, float(exact))
        assert sum(dues) <= self._cash
        assert tuple(self._plant.asset.cashHeld()) == (self._cash, 0)


# INV-S1, INV-S2, INV-S3, INV-S4, INV-S6, INV-S7, INV-S9
def test_walk__any_calls__agree_with_the_model(
    shared_plant: Plant, share_market: Any, investors: list[Any], intruder: Any
) -> None:
    plant, (first, second, third, refused, *spares) = shared_plant, investors
    for investor, spare in zip((first, second), spares, strict=False):
        plant.add_wallet(investor, spare)
        plant.mint(spare, 1_000)
    plant.mint(refused, 500)
    plant.set_rules(holder_cap=HOLDER_CAP)
    give_passport(plant, refused, AMERICA)
    wallets = [first, spares[0], second, spares[1], third, refused]
    for wallet in wallets:
        plant.fill_pocket(wallet, share_market, 10**6 * EUR)
        plant.asset.approve(share_market, MAX_UINT256, sender=wallet)
    run_state_machine_as_test(
        lambda: ShareMachine(plant, share_market, wallets, intruder),
        settings=settings(max_examples=20, stateful_step_count=20, deadline=None),
    )
