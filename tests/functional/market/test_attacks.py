"""The attacks of the design's threat list, one test each; replays and refusals have more in the other files."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from gridwitness.domain.market import ZoneParams
from gridwitness.encoding.eip712 import market_domain, register_digest, schedule_digest
from gridwitness.encoding.packing import pack_orders
from gridwitness.market.clearing import fill_wh
from tests.actors import Device, refused
from tests.functional.market.village import (
    EUR,
    HELD,
    SETTLED,
    ZONE,
    Home,
    MakeHomes,
    Village,
    bid,
    deploy_market,
    encoded,
    offer,
    params_args,
    schedule_args,
    warp,
)

NOTHING = (0,) * 96


def energies(values: dict[int, int]) -> tuple[int, ...]:
    """A day's net energies (Wh) from those that are not zero."""
    return tuple(values.get(index, 0) for index in range(96))


# INV-M7, INV-M11
def test_attack__last_block_shading__an_order_at_the_closing_second_is_too_late(
    village: Village, home: Home, next_home: Home
) -> None:
    """Who sees the whole book must not answer it: at the closing second nothing enters, and before it nobody clears."""
    seen = village.place(next_home, {10: bid(90, 1_000)})
    village.fund(home.owner)
    shading = village.schedule(home, {10: offer(89, 1_000)})
    closes_at = village.gate_closes_at(10)
    warp(closes_at - 60)
    with refused(village.market.GateStillOpen, slot=village.first_slot + 10, closesAt=closes_at):
        village.clear([10])
    warp(closes_at)
    assert village.submit(village.sign(home, shading)).return_value == 0
    lowered = village.schedule(next_home, {10: bid(1, 1_000)}, version=2)
    with refused(village.market.GateClosed, slot=village.first_slot + 10, closedAt=closes_at):
        village.market.replace(
            village.sign(next_home, lowered), list(pack_orders(seen.orders)), sender=village.transmitter
        )
    village.clear([10])
    assert village.market.clearing(village.zone, village.first_slot + 10).volumeWh == 0


# INV-M6
def test_attack__dust_orders__cost_the_backstop_less_than_one_wh_each(
    village: Village, make_homes: MakeHomes, home: Home, deployer: Any
) -> None:
    """Crumbs at the margin round to nothing, so the backstop buys their share: under a Wh each."""
    crumbs = make_homes(5)
    village.fund_backstop(deployer, EUR)
    bought = [village.place(crumb, {10: bid(60, 1)}) for crumb in crumbs]
    sold = village.place(home, {10: offer(20, 3)})
    village.end_and_clear([10])
    result = village.clearing(10)
    assert (result.tick, result.volume_wh, result.marginal_bid_filled_wh) == (60, 3, 3)
    for schedule in bought:
        village.settle(schedule, NOTHING)
    village.settle(sold, energies({10: -3}))
    lost = EUR - village.market.backstop(village.zone).balance
    assert lost == 3 * 200_000 // 1_000 <= len(crumbs) * result.price_per_kwh // 1_000


def test_attack__self_trade__moves_no_price_and_earns_nothing(
    village: Village, make_homes: MakeHomes, meter: Device, deployer: Any
) -> None:
    """Buying at any price from oneself shifts supply and demand alike: the price and all other fills stay."""
    homes = make_homes(3)
    meter.register(homes[2].owner)
    twin = Home(meter, homes[2].owner)
    village.fund_backstop(deployer)
    honest = {10: bid(70, 1_000)}, {10: offer(50, 1_300)}
    plain = village.schedule(homes[0], honest[0]), village.schedule(homes[1], honest[1])
    without = village.reference(plain, 10)
    for home, orders in zip(homes, honest, strict=False):
        village.place(home, orders)
    bought = village.place(homes[2], {10: bid(127, 5_000)})
    sold = village.place(twin, {10: offer(0, 5_000)})
    village.end_and_clear([10])
    result = village.clearing(10)
    assert result.tick == without.tick
    assert [fill_wh(schedule.orders[10], result) for schedule in plain] == [
        fill_wh(schedule.orders[10], without) for schedule in plain
    ]
    cash = village.settlement(village.settle(bought, energies({10: 5_000}))).traded_cash
    cash += village.settlement(village.settle(sold, energies({10: -5_000}))).traded_cash
    assert cash == 0


# INV-M19
@pytest.mark.parametrize("parts", [(1_000,), (250, 250, 250, 250), (1, 1, 499, 499), (997, 1, 1, 1)])
def test_attack__sybil_splitting__never_gains_more_than_rounding(
    village: Village, make_homes: MakeHomes, parts: tuple[int, ...]
) -> None:
    """A bid at the margin gets its share whether one device makes it or four; the split one loses up to a Wh a part."""
    homes = make_homes(6)
    split = [village.place(home, {10: bid(60, part)}) for home, part in zip(homes, parts, strict=False)]
    village.place(homes[4], {10: bid(60, 777)})
    village.place(homes[5], {10: offer(20, 1_111)})
    village.clear_after_gates([10])
    result = village.clearing(10)
    whole_wh = fill_wh(bid(60, 1_000), result)
    split_wh = sum(fill_wh(schedule.orders[10], result) for schedule in split)
    assert whole_wh - len(parts) < split_wh <= whole_wh
    assert whole_wh == 1_000 * 1_111 // 1_777


# INV-M14
def test_attack__false_metering__is_held_and_pays_nothing(
    village: Village, home: Home, next_home: Home, deployer: Any
) -> None:
    """A seller that reports more than it fed in is held, and settles only on a profile that is not suspicious."""
    village.fund_backstop(deployer)
    village.place(home, {10: bid(60, 1_000)})
    sold = village.place(next_home, {10: offer(60, 1_000)})
    village.end_and_clear([10])
    before = village.balance(next_home.owner)
    village.settle(sold, energies({10: -50_000}), score_bps=9_999)
    assert (village.status(sold), village.balance(next_home.owner)) == (HELD, before)
    village.settle(sold, energies({10: -400}), score_bps=100)
    assert village.status(sold) == SETTLED
    # 1,000 Wh at 200,000; 600 Wh short at 400,000, 550 of them beyond the tolerance at 30,000.
    assert village.balance(next_home.owner) == (230_000 + 200_000 - 240_000 - 16_500, 0)


def test_attack__strategic_non_delivery__costs_more_than_the_sale_brings(
    village: Village, home: Home, next_home: Home, deployer: Any
) -> None:
    """Selling what one will not deliver loses at every price up to the short price, and the bond covers it in full."""
    village.fund_backstop(deployer)
    village.place(home, {10: bid(127, 1_000)})
    sold = village.place(next_home, {10: offer(127, 1_000)})
    bond = village.balance(next_home.owner)[1]
    village.end_and_clear([10])
    settlement = village.settlement(village.settle(sold, NOTHING))
    assert village.clearing(10).price_per_kwh == 50_000 + 127 * 2_500
    assert settlement.traded_cash + settlement.imbalance_cash + settlement.penalty_cash == 367_500 - 400_000 - 28_500
    assert (settlement.uncollected, village.balance(next_home.owner)) == (0, (bond - 61_000, 0))


# INV-M15
def test_attack__oracle_withholds_data__money_is_free_after_the_deadline(
    village: Village, home: Home, next_home: Home, deployer: Any, intruder: Any
) -> None:
    """Silence delays settlement to a known second and no longer; then anybody settles."""
    village.fund_backstop(deployer)
    schedules = village.place(home, {10: bid(60, 1_000)}), village.place(next_home, {10: offer(60, 1_000)})
    village.end_and_clear([10])
    warp(village.end_of_day() + village.params.final_after_seconds)
    for schedule in schedules:
        village.market.settleMissing(schedule_args(schedule), sender=intruder)
    assert village.balance(home.owner)[1] == village.balance(next_home.owner)[1] == 0
    assert village.market.backstop(village.zone).outstanding == 0


def test_attack__push_payment_denial__nobody_can_block_a_settlement(
    village: Village,
    deployer: Any,
    operator: Any,
    registry: Any,
    attestation: Any,
    project: Any,
    home: Home,
    next_home: Home,
    params: ZoneParams,
) -> None:
    """Settlement moves no tokens: it goes on while every transfer of the token fails."""
    token = deployer.deploy(project.CallbackToken)
    market = deploy_market(deployer, operator, project, registry, attestation, token)
    market.openZone(ZONE, params_args(params), sender=operator)
    domain = market_domain(ape.chain.chain_id, market.address)
    there = Village(market, token, domain, params, village.feed, village.transmitter, village.day)
    there.fund_backstop(deployer)
    schedules = there.schedule(home, {10: bid(60, 1_000)}), there.schedule(next_home, {10: offer(60, 1_000)})
    for trader, schedule in zip((home, next_home), schedules, strict=True):
        there.fund(trader.owner)
        market.submitOwn(schedule_args(schedule), sender=trader.owner)
    there.end_and_clear([10])
    token.arm(market, b"\xff\xff\xff\xff", sender=deployer)  # no such function: every transfer reverts
    with ape.reverts():
        market.withdraw(1, home.owner, sender=home.owner)
    for schedule, energy_wh in zip(schedules, (1_000, -1_000), strict=True):
        there.settle(schedule, energies({10: energy_wh}))
        assert there.status(schedule) == SETTLED


# INV-M13
def test_attack__signature_for_another_market__is_not_authorised(
    village: Village, deployer: Any, operator: Any, registry: Any, attestation: Any, project: Any, home: Home
) -> None:
    """A market on the same chain with the same zone takes none of this one's signatures."""
    other = deploy_market(deployer, operator, project, registry, attestation, village.euro)
    other.openZone(ZONE, params_args(village.params), sender=operator)
    row = village.sign(home, village.schedule(home, {0: bid(1, 0), 1: bid(1, 1)}))
    assert other.refusal(row) == encoded(other.NotAuthorised, home.device_id)


def test_attack__signature_for_another_action__is_not_authorised(
    village: Village, home: Home, registry_domain_712: Any, meter: Device, prosumer: Any
) -> None:
    """What a device signed to be registered is no schedule, nor is a schedule signed under the registry's domain."""
    village.fund(home.owner)
    schedule = village.schedule(home, {0: bid(1, 1)})
    registered = meter.key.sign(register_digest(registry_domain_712, meter.registration(prosumer)))
    elsewhere = meter.key.sign(schedule_digest(registry_domain_712, schedule))
    for signature in (registered, elsewhere):
        refusal = village.market.refusal((schedule_args(schedule), signature))
        assert refusal == encoded(village.market.NotAuthorised, home.device_id)


# INV-M12, INV-M13
def test_attack__replay_after_replace_and_settle__nothing_is_usable_twice(
    village: Village, home: Home, deployer: Any
) -> None:
    """An accepted, a replaced and a settled version are spent, whichever function they are sent to."""
    village.fund_backstop(deployer)
    first = village.place(home, {10: bid(60, 1_000)})
    second = village.schedule(home, {10: bid(59, 1_000)}, version=2)
    row = village.sign(home, second)
    orders = list(pack_orders(first.orders))
    village.market.replace(row, orders, sender=village.transmitter)
    not_higher = {"deviceId": home.device_id, "given": 2, "current": 2}
    with refused(village.market.VersionNotHigher, **not_higher):
        village.market.replace(row, list(pack_orders(second.orders)), sender=village.transmitter)
    for spent, version in ((first, 1), (second, 2)):
        assert village.market.refusal(village.sign(home, spent)) == encoded(
            village.market.VersionNotHigher, home.device_id, version, 2
        )
    village.end_and_clear([10])
    village.settle(second, NOTHING)
    for spent, version in ((first, 1), (second, 2)):
        assert village.market.refusal(village.sign(home, spent)) == encoded(
            village.market.VersionNotHigher, home.device_id, version, 2
        )
