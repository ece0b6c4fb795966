"""What two roofs earn for their shares, beside a plain model: each day once, and never more than was attested.

The same walks each time; GRIDWITNESS_REVENUE_WALKS=50 walks more.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import ape
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.functional.market.roofs import OWN_CALL, SLOT, Roofs, Row, make_roofs
from tests.functional.market.village import DAY_SECONDS, EUR, Home, MakeHomes, Village, warp
from tests.functional.shares.plant import refuse

WALKS = int(os.environ.get("GRIDWITNESS_REVENUE_WALKS", "2"))
ROOF = st.integers(0, 1)
OFFERED_WH = st.sampled_from([1, 400, 1_000, 2_500])
# Of what was offered: nothing, well short, a little short (nothing forgiven), just so, more.
DELIVERED_PERCENT = st.sampled_from([0, 70, 99, 100, 100, 103, 140])
OUTPUT = st.none() | st.tuples(OFFERED_WH, DELIVERED_PERCENT)
DAYS_REMEMBERED, RESULTS_KEPT_DAYS, RECORDS_KEPT_DAYS = 15, 21, 16
Refusal = tuple[str, tuple[Any, ...]]


@dataclass
class Day:
    """A roof's day as the model has it: energy sold and delivered, the price it was sold at, and what that earned."""

    row: Row
    number: int
    account: str
    sold_wh: int
    price: int
    earned: int
    is_paid: bool = False


@dataclass
class Roof:
    """A home, and what the asset knows of it."""

    home: Home
    is_plant: bool = True
    is_payee: bool = True
    funded_through: int = 0
    last_day: int = 0
    days: list[Day] = field(default_factory=list)


def earned_of(sold_wh: int, delivered_wh: int, price: int, params: Any) -> int:
    """Money of a day with one slot, each component rounded toward less."""
    short, long = max(sold_wh - delivered_wh, 0), max(delivered_wh - sold_wh, 0)
    penalised = max(0, min(short + long, sold_wh) - sold_wh * params.tolerance_bps // 10_000)
    imbalance = long * params.long_price_per_kwh - short * params.short_price_per_kwh
    return sold_wh * price // 1_000 + imbalance // 1_000 + -penalised * params.penalty_per_kwh // 1_000


class RevenueMachine(RuleBasedStateMachine):
    """Owners sell and change payees, the issuer adds and removes plants, anyone funds in any grouping."""

    def __init__(self, roofs: Roofs, registry: Any) -> None:
        super().__init__()
        self._stack = ExitStack()
        village = self._stack.enter_context(roofs.village.isolated())
        self._roofs = Roofs(
            village, roofs.homes, roofs.buyer, roofs.shares, roofs.governance, roofs.issuer, roofs.holders
        )
        self._registry = registry
        self._model = [Roof(home, funded_through=self._today()) for home in roofs.homes]
        self._paid: set[tuple[int, int]] = set()
        self._sold_wh = self._attested_wh = self._revenue = self._claimed = self._ended_at = self._most = 0

    def teardown(self) -> None:
        """Leave the chain as it was."""
        self._stack.close()

    @staticmethod
    def _today() -> int:
        return int(ape.chain.pending_timestamp // DAY_SECONDS)

    @initialize(first=OFFERED_WH, second=OFFERED_WH)
    def sell_a_good_day(self, first: int, second: int) -> None:
        """Begin with something to pay out."""
        self._sell([(first, 100), (second, 103)], 60, 100)

    @rule(
        outputs=st.tuples(OUTPUT, OUTPUT),
        tick=st.sampled_from([0, 60, 127]),
        bought_percent=st.sampled_from([60, 100]),
        picks=st.none() | st.lists(st.tuples(ROOF, st.sampled_from([0, 0, 0, 0, 1, -1])), max_size=6),
    )
    def a_day(
        self,
        outputs: Sequence[tuple[int, int] | None],
        tick: int,
        bought_percent: int,
        picks: Sequence[tuple[int, int]] | None,
    ) -> None:
        """A day that some roofs sit out; then somebody has days paid for, all that there are or these."""
        self._sell(outputs, tick, bought_percent)
        if picks is None:
            self._fund_all()
        else:
            self._fund_picked(picks)

    def _sell(self, outputs: Sequence[tuple[int, int] | None], tick: int, bought_percent: int) -> None:
        roofs, village = self._roofs, self._roofs.village
        sellers = [(roof, *output) for roof, output in zip(self._model, outputs, strict=True) if output is not None]
        if not sellers:
            return
        village.day = roofs.next_day()
        plan = [
            (roof.home, offered, offered * percent // 100, self._account_of(roof)) for roof, offered, percent in sellers
        ]
        offered_wh = sum(offered for _, offered, _, _ in plan)
        volume = max(1, offered_wh * bought_percent // 100)
        for home, _, _, account in plan:
            village.fund(account if account == home.owner.address else roofs.shares, 20 * EUR)
        rows = roofs.trade(plan, volume, tick)
        price = village.params.floor_price_per_kwh + tick * village.params.tick_size_per_kwh
        assert village.clearing(SLOT).volume_wh == volume
        for (roof, *_), (_, offered, delivered, account), row in zip(sellers, plan, rows, strict=True):
            sold_wh = offered * volume // offered_wh
            earned = earned_of(sold_wh, delivered, price, village.params)
            roof.days.append(Day(row, village.day, account, sold_wh, price, earned))

    def _account_of(self, roof: Roof) -> str:
        owner = roof.home.owner.address
        return str(self._roofs.shares.address if roof.is_payee and roof.is_plant else owner)

    def _fund_picked(self, picks: Sequence[tuple[int, int]]) -> None:
        """Days in any grouping: each roof's next ones, after one left out, or once more the one before."""
        at = [next((n for n, day in enumerate(roof.days) if not day.is_paid), len(roof.days)) for roof in self._model]
        chosen: list[tuple[int, Day]] = []
        for index, step in picks:
            place, days = at[index] + step, self._model[index].days
            if 0 <= place < len(days):
                chosen.append((index, days[place]))
                at[index] = place + 1
        self._fund(chosen)

    def _fund_all(self) -> None:
        """Every day there is for the asset, as whoever has a share would."""
        mine = self._roofs.shares.address
        self._fund(
            [
                (index, day)
                for index, roof in enumerate(self._model)
                for day in roof.days
                if day.account == mine and not day.is_paid
            ]
        )

    def _fund(self, chosen: Sequence[tuple[int, Day]]) -> None:
        roofs, governance = self._roofs, self._roofs.governance
        rows = [day.row for _, day in chosen]
        expected, through = self._judge(chosen)
        if expected is not None:
            name, values = expected
            error = getattr(governance, name)
            refuse(governance.fundRevenue, *roofs.call_of(*rows), sender=roofs.holder, error=error, values=values)
            return
        receipt = roofs.fund(*rows)
        sold_wh, attested_wh = sum(day.sold_wh for _, day in chosen), sum(day.row.delivered_wh for _, day in chosen)
        earned = sum(day.earned for _, day in chosen)
        (event,) = receipt.events.filter(governance.RevenueFunded)
        assert (event.rows, event.soldWh, event.attestedWh, event.cash) == (len(rows), sold_wh, attested_wh, earned)
        keys = {(index, day.number) for index, day in chosen}
        assert len(keys) == len(chosen)
        assert not keys & self._paid
        # What is sold at its price, and what was delivered beside at the price for that.
        most = sum(day.sold_wh * day.price for _, day in chosen)
        most += (attested_wh - sold_wh) * roofs.village.params.long_price_per_kwh
        assert sold_wh <= attested_wh
        assert earned * 1_000 <= most
        self._paid |= keys
        self._sold_wh, self._attested_wh = self._sold_wh + sold_wh, self._attested_wh + attested_wh
        self._revenue, self._most = self._revenue + earned, self._most + most
        for index, day in chosen:
            day.is_paid = True
            self._model[index].funded_through = through[index]

    def _judge(self, chosen: Sequence[tuple[int, Day]]) -> tuple[Refusal | None, list[int]]:
        """The error that funding these rows meets, if any, and how far each roof is funded after it."""
        through = [roof.funded_through for roof in self._model]
        oldest = int(ape.chain.blocks.head.timestamp) // DAY_SECONDS - DAYS_REMEMBERED
        for index, day in chosen:
            roof, device_id = self._model[index], self._model[index].home.device_id
            if day.account != self._roofs.shares.address:
                return ("AccountMismatch", (device_id, day.account)), through
            if day.number <= through[index]:
                return ("PeriodFunded", (device_id, day.number, through[index])), through
            if roof.last_day and day.number > roof.last_day:
                return ("PlantEnded", (device_id, day.number, roof.last_day)), through
            known = {other.number for other in roof.days} - {
                other.number for other in roof.days if self._is_replaced(roof, other)
            }
            skipped = sorted(number for number in known if max(through[index] + 1, oldest) <= number < day.number)
            if skipped:
                return ("DaySkipped", (device_id, skipped[0])), through
            through[index] = day.number
        sold_wh, attested_wh = sum(day.sold_wh for _, day in chosen), sum(day.row.delivered_wh for _, day in chosen)
        earned = sum(day.earned for _, day in chosen)
        if sold_wh > attested_wh:
            return ("RevenueNotAttested", (sold_wh, attested_wh)), through
        if earned <= 0 or sold_wh <= 0:
            return ("NoRevenue", (earned,)), through
        return None, through

    @staticmethod
    def _is_replaced(roof: Roof, day: Day) -> bool:
        """Whether the market has the record of a later day in its place."""
        return any(
            later.number > day.number and (later.number - day.number) % RECORDS_KEPT_DAYS == 0 for later in roof.days
        )

    @rule(
        changes=st.lists(
            st.tuples(st.sampled_from(["pay", "plant", "plant", "give", "claim", "end"]), ROOF), min_size=1, max_size=3
        )
    )
    def change(self, changes: Sequence[tuple[str, int]]) -> None:
        """What may come between two days."""
        for what, index in changes:
            if what == "pay":
                self._change_payee(index)
            elif what == "plant":
                self._add_or_remove(index)
            elif what == "give":
                self._transfer(index)
            elif what == "claim":
                self._claim(index)
            else:
                self._return_deposit_too_early()
                if not any(roof.is_plant for roof in self._model):
                    self._return_deposit()

    def _change_payee(self, index: int) -> None:
        """The owner names itself, or the asset again: only days to come are sold on another account."""
        roof = self._model[index]
        payee = roof.home.owner if roof.is_payee else self._roofs.shares
        self._registry.setPayee(roof.home.device_id, payee, OWN_CALL, sender=roof.home.owner)
        roof.is_payee = not roof.is_payee

    def _add_or_remove(self, index: int) -> None:
        """The issuer takes a plant away, or back if it is the payee."""
        roof, governance, issuer = self._model[index], self._roofs.governance, self._roofs.issuer
        device_id = roof.home.device_id
        if roof.is_plant:
            receipt = governance.removePlant(device_id, sender=issuer)
            self._ended_at = int(ape.chain.blocks[receipt.block_number].timestamp)
            roof.last_day, roof.is_plant = self._ended_at // DAY_SECONDS, False
        elif not roof.is_payee:
            values = (device_id, roof.home.owner)
            refuse(governance.addPlant, device_id, sender=issuer, error=governance.NotPayee, values=values)
        else:
            governance.addPlant(device_id, sender=issuer)
            roof.last_day, roof.is_plant = 0, True

    def _transfer(self, sender: int) -> None:
        """A third of what one holder has goes to the other."""
        holders, asset = self._roofs.holders, self._roofs.shares
        asset.transfer(holders[1 - sender], asset.balanceOf(holders[sender]) // 3, sender=holders[sender])

    def _claim(self, index: int) -> None:
        """A holder takes what is due, if anything."""
        holder, asset = self._roofs.holders[index], self._roofs.shares
        if asset.claimable(holder):
            self._claimed += asset.claim(sender=holder).return_value

    def _return_deposit_too_early(self) -> None:
        """The issuer gets nothing back while a plant stands, or for three weeks after the last."""
        governance, issuer = self._roofs.governance, self._roofs.issuer
        plants = sum(roof.is_plant for roof in self._model)
        returnable_at = self._ended_at + RESULTS_KEPT_DAYS * DAY_SECONDS
        if not plants and int(ape.chain.blocks.head.timestamp) >= returnable_at:
            return
        error = governance.PlantsStand
        refuse(governance.returnDeposit, issuer, sender=issuer, error=error, values=(plants, returnable_at))

    def _return_deposit(self) -> None:
        """In time the issuer gets all that is left, and no day that was not paid for can be any more."""
        roofs = self._roofs
        warp(max(self._ended_at + RESULTS_KEPT_DAYS * DAY_SECONDS, int(ape.chain.pending_timestamp)))
        left, reserved = roofs.village.balance(roofs.shares.address)
        before = roofs.village.euro.balanceOf(roofs.issuer)
        if left == 0:  # it was returned before
            error = roofs.village.market.ZeroAmount
            refuse(roofs.governance.returnDeposit, roofs.issuer, sender=roofs.issuer, error=error)
            return
        roofs.governance.returnDeposit(roofs.issuer, sender=roofs.issuer)
        assert (roofs.village.euro.balanceOf(roofs.issuer) - before, reserved) == (left, 0)
        for roof in self._model:
            for day in roof.days:
                if not day.is_paid:
                    with ape.reverts():
                        roofs.fund(day.row)
                    day.is_paid = True  # never will be

    @invariant()
    def books_agree(self) -> None:
        """Sums are the model's; revenue is within what was attested, and holders' dues within the cash."""
        governance, asset = self._roofs.governance, self._roofs.shares
        proof = governance.proofOfAsset()
        assert (proof.soldWh, proof.attestedWh, proof.revenue) == (self._sold_wh, self._attested_wh, self._revenue)
        assert proof.plants == sum(roof.is_plant for roof in self._model)
        assert self._sold_wh <= self._attested_wh
        assert self._revenue * 1_000 <= self._most
        cash = self._revenue - self._claimed
        assert tuple(governance.cashHeld()) == (cash, 0)
        assert sum(asset.claimable(holder) for holder in self._roofs.holders) <= cash
        for roof in self._model:
            assert tuple(governance.plantOf(roof.home.device_id)) == (roof.funded_through, roof.last_day)


@pytest.fixture
def roofs(
    village: Village, make_homes: MakeHomes, next_home: Home, project: Any, registry: Any, accounts: Any
) -> Roofs:
    """Two roofs and two holders."""
    village.fund(next_home.owner, 1_000 * EUR)
    return make_roofs(project, registry, village, make_homes(2), next_home, accounts[16], list(accounts[17:19]))


# INV-S2, INV-S11
def test_walk__any_days_in_any_grouping__pays_each_once_and_within_what_was_attested(
    roofs: Roofs, registry: Any
) -> None:
    run_state_machine_as_test(
        lambda: RevenueMachine(roofs, registry),
        settings=settings(
            max_examples=WALKS,
            stateful_step_count=9,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # to shrink a walk of whole days takes longer than to read it
            suppress_health_check=list(HealthCheck),
        ),
    )
