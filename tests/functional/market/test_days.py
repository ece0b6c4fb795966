"""Whole days under random rules, through every stage to the end, equal to the Python reference to the unit."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import Clearing, Order, Schedule, Settlement, SettlementRun, Side
from gridwitness.market import settlement as reference
from tests.functional.market.village import (
    DISPUTE_BOND,
    FINAL,
    Home,
    MakeHomes,
    OpenVillage,
    Run,
    Village,
    warp,
)

ZONE = 9
INT32_MAX = 2**31 - 1
Energies = tuple[int, ...]


def random_rules(random: Random) -> dict[str, Any]:
    """Rules that a zone may have, many of them at a limit."""
    floor, penalty, short = (random.choice((0, random.randint(0, most))) for most in (90_000, 60_000, 500_000))
    most_long = min(short, floor + penalty)
    return {
        "floor_price_per_kwh": floor,
        "tick_size_per_kwh": random.randint(1, 5_000),
        "short_price_per_kwh": short,
        "long_price_per_kwh": random.choice((0, most_long, random.randint(0, most_long))),
        "penalty_per_kwh": penalty,
        "tolerance_bps": random.choice((0, 500, 10_000, random.randint(0, 10_000))),
        "cap_tick": random.randint(62, 127),
        "network_fee_ticks": random.choice((0, random.randint(1, 40))),
        "green_premium_ticks": random.choice((0, random.randint(1, 127))),
        "green_kinds": 1 << DeviceKind.GENERATION,
        "feeder_cap_wh": random.choice((2**32 - 1, 2_000, 800)),
    }


def random_orders(random: Random) -> list[Order]:
    """Orders that meet around tick 50, some of them small enough for dust."""
    most_wh = random.choice((3_000, 20))
    sides = [random.choice(list(Side)) for _ in range(96)]
    return [Order(side, random.randint(40, 62), random.randint(0, most_wh)) for side in sides]


def random_energies(random: Random, contracts_wh: list[int]) -> Energies:
    """As contracted, nearly so, or not at all; on some days a slot as far off as can be."""
    energies_wh = [
        random.choice((contract, contract + random.randint(-200, 200), random.randint(-4_000, 4_000), 0))
        for contract in contracts_wh
    ]
    if random.random() < 0.3:
        energies_wh[random.randrange(96)] = random.choice((-INT32_MAX - 1, INT32_MAX))
    return tuple(energies_wh)


@dataclass
class TradedDay:
    """A cleared day: what its schedules came to by the Python reference, and who holds money."""

    village: Village
    trades: list[tuple[Home, Schedule]]
    clearings: list[Clearing]
    disputer: Any

    def energies(self, random: Random, number: int) -> Energies:
        """Something that trade `number` may have been metered."""
        home, schedule = self.trades[number]
        rules, green = self.village.params, self.village.is_green(home)
        return random_energies(random, reference.contracts_wh(schedule, self.clearings, rules, green=green))

    def expected(self, number: int, metered_wh: Energies) -> Settlement:
        """What trade `number` is due."""
        home, schedule = self.trades[number]
        green = self.village.is_green(home)
        return reference.settle(schedule, self.clearings, metered_wh, self.village.params, green=green)

    def checked(self, number: int, receipt: Any, expected: Settlement) -> Run:
        """The run that a receipt announces, which is the expected one, within what was reserved and exposed."""
        _, schedule = self.trades[number]
        assert self.village.settlement(receipt) == expected
        ((*fields,),) = self.village.runs(receipt)
        run = SettlementRun(*fields)
        dust = reference.dust_cash(schedule, self.clearings, self.village.params)
        assert (run.from_counterparties, run.from_backstop) == reference.sources_of(expected, dust)
        assert run.from_counterparties + run.from_backstop >= -run.reserve
        assert run.from_backstop <= run.exposure
        self.assert_conserved()
        return tuple(fields)

    def assert_conserved(self) -> None:
        """No money appeared or vanished, in this zone and the first, which has its backstop only."""
        market, owners = self.village.market, [home.owner for home, _ in self.trades]
        backstop = market.backstop(ZONE)
        held = self.village.cash(*owners, self.disputer) + backstop.balance + backstop.inTransit
        assert held + market.backstop(7).balance == self.village.euro.balanceOf(market)
        assert backstop.exposure <= backstop.balance


def trade_a_day(village: Village, homes: list[Home], random: Random, disputer: Any) -> TradedDay:
    """Submit random schedules that reserve just what everybody has, and clear."""
    trades = []
    for home in homes:
        limit_wh = random.choice((0, 500, 60_000))
        schedule = village.place(home, random_orders(random), imbalance_limit_wh=limit_wh)
        reserve = reference.reserve(schedule, village.params)
        assert village.balance(home.owner) == (0, reserve)
        trades.append((home, schedule))
    exposures = [reference.exposure(s, village.params, green=village.is_green(home)) for home, s in trades]
    assert village.market.backstop(ZONE).exposure == sum(exposures)
    village.end_and_clear()
    clearings = village.clearings()
    assert clearings == [village.reference(trades, index) for index in range(96)]
    return TradedDay(village, trades, clearings, disputer)


# INV-M1, INV-M2, INV-M3, INV-M10, INV-M20, INV-M21, INV-M24
@pytest.mark.parametrize("seed", range(3))
def test_settle__random_day__equals_reference_at_every_stage_and_pays_out_to_the_last_unit(
    open_village: OpenVillage, make_homes: MakeHomes, operator: Any, disputer: Any, seed: int
) -> None:
    random = Random(seed)
    village = open_village(ZONE, **random_rules(random))
    homes = make_homes(4, ZONE, (DeviceKind.GENERATION, DeviceKind.PROSUMER))
    day = trade_a_day(village, homes, random, disputer)
    reserves = [village.balance(home.owner)[1] for home in homes]
    cash, runs = settle_each_its_own_way(day, random)
    village.finalize(*runs)
    assert [village.status(schedule) for _, schedule in day.trades] == [FINAL] * 4
    for home, reserve, due in zip(homes, reserves, cash, strict=True):
        assert village.balance(home.owner) == (reserve + due, 0)
        if reserve + due:
            village.market.withdraw(reserve + due, home.owner, sender=home.owner)
    day.assert_conserved()
    backstop = village.market.backstop(ZONE)
    assert (backstop.exposure, backstop.inTransit) == (0, 0)
    village.market.withdrawBackstop(ZONE, backstop.balance, operator, sender=operator)
    left = village.balance(disputer)[0] + village.market.backstop(7).balance
    assert village.euro.balanceOf(village.market) == left


def settle_each_its_own_way(day: TradedDay, random: Random) -> tuple[list[int], list[Run]]:
    """What each of four is due in the end, and the runs that are open to dispute.

    The first settles at once. The second is held, then settled, disputed and corrected. The third is estimated, then
    corrected; the fourth is estimated, and no data come.
    """
    village, schedules = day.village, [schedule for _, schedule in day.trades]
    metered = [day.energies(random, number) for number in range(4)]
    first = day.checked(0, village.settle(schedules[0], metered[0]), day.expected(0, metered[0]))
    village.settle(schedules[1], metered[1], score_bps=10_000)
    early = day.energies(random, 1)
    second = day.checked(1, village.settle(schedules[1], early), day.expected(1, early))
    second = village.dispute(second, day.disputer)
    day.assert_conserved()

    warp(village.end_of_day() + village.params.provisional_after_seconds)
    estimates = []
    for number in (2, 3):
        home, schedule = day.trades[number]
        green = village.is_green(home)
        expected = reference.estimate(schedule, day.clearings, village.params, green=green)
        estimates.append(day.checked(number, village.settle_missing(schedule), expected))
    second = day.checked(1, village.correct(schedules[1], metered[1], second), day.expected(1, metered[1]))
    third = day.checked(2, village.correct(schedules[2], metered[2], estimates[0]), day.expected(2, metered[2]))

    warp(village.end_of_day() + village.params.final_after_seconds)
    green = village.is_green(day.trades[3][0])
    missing = reference.settle_missing(schedules[3], day.clearings, village.params, green=green)
    day.checked(3, village.settle_missing(schedules[3], estimates[1]), missing)
    cash = [reference.net_cash(day.expected(number, metered[number])) for number in range(3)]
    if cash[1] == reference.net_cash(day.expected(1, early)):
        cash[1] += DISPUTE_BOND  # of a dispute that changed nothing
    return [*cash, reference.net_cash(missing)], [first, second, third]
