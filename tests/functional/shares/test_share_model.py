"""An asset beside a plain model of it, whose dividends are exact fractions."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Any

import ape
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.functional.shares.plant import MAX_UINT256, Plant

WALLETS = st.integers(0, 3)
SHARES = st.integers(1, 2_000) | st.just(MAX_UINT256)  # the largest stands for all there are
# What carried remainders may add to an exact part: units of 2^-40 for each share and payment.
CARRIED = Fraction(1, 1_000)


class ShareMachine(RuleBasedStateMachine):
    """The first two wallets are of one investor."""

    def __init__(self, plant: Plant, wallets: list[Any]) -> None:
        super().__init__()
        self._snapshot = ape.chain.snapshot()
        self._plant, self._wallets = plant, wallets
        plant.add_wallet(wallets[0], wallets[1])
        self._balances = dict(enumerate(plant.balances(*wallets)))
        self._exact: defaultdict[int, Fraction] = defaultdict(Fraction)
        self._roundings: defaultdict[int, int] = defaultdict(int)
        self._cash = 0

    def teardown(self) -> None:
        """Leave the chain as it was."""
        ape.chain.restore(self._snapshot)

    @property
    def _supply(self) -> int:
        return sum(self._balances.values())

    def _some(self, wallet: int, shares: int) -> int:
        return min(shares, self._balances[wallet])

    @rule(sender=WALLETS, receiver=WALLETS, shares=SHARES)
    def transfer(self, sender: int, receiver: int, shares: int) -> None:
        """Move shares; both sides are rounded once."""
        amount = self._some(sender, shares)
        self._plant.asset.transfer(self._wallets[receiver], amount, sender=self._wallets[sender])
        self._balances[sender] -= amount
        self._balances[receiver] += amount
        self._round(sender, receiver)

    @rule(wallet=WALLETS, shares=st.integers(1, 2_000))
    def mint(self, wallet: int, shares: int) -> None:
        """Issue shares."""
        self._plant.mint(self._wallets[wallet], shares)
        self._balances[wallet] += shares
        self._round(wallet)

    @rule(wallet=WALLETS, shares=SHARES)
    def retire(self, wallet: int, shares: int) -> None:
        """Take shares out."""
        amount = self._some(wallet, shares)
        self._plant.asset.retire(amount, b"", sender=self._wallets[wallet])
        self._balances[wallet] -= amount
        self._round(wallet)

    @precondition(lambda self: self._supply > 0)
    @rule(cash=st.integers(1, 50) | st.integers(1, 10**12))
    def fund(self, cash: int) -> None:
        """Pay dividends."""
        self._plant.fund(cash)
        self._cash += cash
        for wallet, balance in self._balances.items():
            self._exact[wallet] += Fraction(cash * balance, self._supply)

    @rule(wallet=WALLETS)
    def claim(self, wallet: int) -> None:
        """Take what is due, if that is anything."""
        account = self._wallets[wallet]
        due = self._plant.asset.claimable(account)
        if due == 0:
            return
        assert self._plant.asset.claim(sender=account).return_value == due
        self._exact[wallet] -= due
        self._cash -= due
        self._round(wallet)

    @rule(lost=st.integers(0, 1))
    def recover(self, lost: int) -> None:
        """Move all from one wallet of the first investor to the other."""
        found = 1 - lost
        asset = self._plant.asset
        asset.recover(self._wallets[lost], self._wallets[found], sender=self._plant.agent)
        self._balances[found] += self._balances.pop(lost)
        self._balances[lost] = 0
        self._exact[found] += self._exact.pop(lost, Fraction())
        self._roundings[found] += self._roundings.pop(lost, 0) + 2

    def _round(self, *wallets: int) -> None:
        for wallet in wallets:
            self._roundings[wallet] += 1

    @invariant()
    def books_agree(self) -> None:
        """Balances, supply and holders are the model's."""
        asset, held = self._plant.asset, self._balances
        assert self._plant.balances(*self._wallets) == [held[index] for index in range(len(self._wallets))]
        assert asset.totalSupply() == self._supply
        assert asset.holders() == sum(map(bool, (held[0] + held[1], held[2], held[3])))

    @invariant()
    def dividends_agree(self) -> None:
        """Each is due its exact part, less a unit for each time it was rounded; together never more than the cash."""
        dues = [self._plant.asset.claimable(wallet) for wallet in self._wallets]
        for index, due in enumerate(dues):
            exact = self._exact[index]
            assert exact - self._roundings[index] - 1 - CARRIED <= due <= exact + CARRIED, (index, due, float(exact))
        assert sum(dues) <= self._cash
        assert tuple(self._plant.asset.cashHeld()) == (self._cash, 0)


# INV-S1, INV-S2, INV-S4, INV-S7
def test_walk__any_calls__agree_with_the_model(shared_plant: Plant, investors: list[Any]) -> None:
    wallets = [investors[0], investors[4], investors[1], investors[2]]
    run_state_machine_as_test(
        lambda: ShareMachine(shared_plant, wallets),
        settings=settings(max_examples=5, stateful_step_count=20, deadline=None),
    )
