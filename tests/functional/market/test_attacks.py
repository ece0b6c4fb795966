"""The attacks of the design's threat list, one test each; replays and refusals have more in the other files."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from gridwitness.domain.market import ZoneParams
from gridwitness.encoding.eip712 import market_domain, register_digest, schedule_digest
from gridwitness.market.clearing import fill_wh
from tests.actors import Device, refused
from tests.functional.market.village import (
    BACKSTOP,
    DISPUTE_BOND,
    DUST_AND_ROUNDING,
    FINAL,
    HELD,
    NOTHING,
    TRADE_RESERVE,
    ZONE,
    Home,
    MakeHomes,
    OpenVillage,
    Trade,
    Village,
    bid,
    deploy_market,
    encoded,
    energies,
    offer,
    params_args,
    schedule_args,
    warp,
)


# INV-M25, INV-R19
def test_attack__device_in_a_rich_owner_s_name__cannot_spend_the_owner_s_money(
    village: Village, meter: Device, neighbour: Any, intruder: Any
) -> None:
    """Anybody may make a key and enter it in anybody's name; the key then signs dear bids on that account."""
    village.fund(neighbour)
    meter.register(neighbour, carrier=intruder, zone=ZONE)
    planted = Home(meter, neighbour)
    row = village.sign(planted, village.schedule(planted, {0: bid(90, 20_000)}))
    before = village.balance(neighbour)
    assert village.market.refusal(row) == encoded(village.market.NotAuthorised, meter.device_id)
    assert village.submit(row).return_value == 0
    assert village.balance(neighbour) == before
    # Once it says that the device is its own, the same signature counts.
    meter.registry.acceptDevices([meter.device_id], sender=neighbour)
    assert village.submit(row).return_value == 1


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
        village.market.replace(village.sign(next_home, lowered), schedule_args(seen), sender=village.transmitter)
    village.clear([10])
    assert village.market.clearing(village.zone, village.first_slot + 10).volumeWh == 0


# INV-M6
def test_attack__dust_orders__cost_the_backstop_less_than_one_wh_each(
    village: Village, make_homes: MakeHomes, home: Home
) -> None:
    """Crumbs at the margin round to nothing, so the backstop buys their share: under a Wh each."""
    crumbs = make_homes(5)
    bought = [village.place(crumb, {10: bid(60, 1)}) for crumb in crumbs]
    sold = village.place(home, {10: offer(20, 3)})
    village.end_and_clear([10])
    result = village.clearing(10)
    assert (result.tick, result.volume_wh, result.marginal_bid_filled_wh) == (60, 3, 3)
    runs = [village.run(schedule, NOTHING) for schedule in bought]
    village.finalize(*runs, village.run(sold, energies({10: -3})))
    lost = BACKSTOP - village.market.backstop(village.zone).balance
    assert lost == 3 * 200 <= len(crumbs) * result.price_per_kwh // 1_000


def test_attack__dust_orders__are_refused_below_the_zones_minimum(
    open_village: OpenVillage, make_homes: MakeHomes
) -> None:
    """The least energy of an order says how many orders an attacker must pay for to cost a kWh."""
    village = open_village(8, min_order_wh=250)
    (crumb,) = make_homes(1, zone=8)
    row = village.sign(crumb, village.schedule(crumb, {0: bid(60, 249)}))
    assert village.market.refusal(row) == encoded(village.market.OrderBelowMinimum, village.first_slot, 249, 250)


def test_attack__self_trade__moves_no_price_and_earns_nothing(
    village: Village, make_homes: MakeHomes, meter: Device
) -> None:
    """Buying at any price from oneself shifts supply and demand alike: the price and all other fills stay."""
    homes = make_homes(3)
    meter.register(homes[2].owner)
    twin = Home(meter, homes[2].owner)
    honest = {10: bid(70, 1_000)}, {10: offer(50, 1_300)}
    plain = [(home, village.place(home, orders)) for home, orders in zip(homes, honest, strict=False)]
    without = village.reference(plain, 10)
    bought = village.place(homes[2], {10: bid(127, 5_000)})
    sold = village.place(twin, {10: offer(0, 5_000)})
    village.end_and_clear([10])
    result = village.clearing(10)
    assert result.tick == without.tick
    orders = [village.book_order(home, schedule.orders[10]) for home, schedule in plain]
    assert [fill_wh(order, result) for order in orders] == [fill_wh(order, without) for order in orders]
    before = village.cash(twin.owner)
    village.finalize(village.run(bought, energies({10: 5_000})), village.run(sold, energies({10: -5_000})))
    assert village.cash(twin.owner) == before


# INV-M19
@pytest.mark.parametrize("parts", [(250, 250, 250, 250), (997, 1, 1, 1)])
def test_attack__sybil_splitting__never_gains_more_than_rounding(
    village: Village, make_homes: MakeHomes, parts: tuple[int, ...]
) -> None:
    """A bid at the margin gets its share whether one device makes it or four; the split one loses up to a Wh a part."""
    homes = make_homes(6)
    split = [(home, village.place(home, {10: bid(60, part)})) for home, part in zip(homes, parts, strict=False)]
    village.place(homes[4], {10: bid(60, 777)})
    village.place(homes[5], {10: offer(20, 1_111)})
    village.clear_after_gates([10])
    result = village.clearing(10)
    whole_wh = fill_wh(village.book_order(homes[0], bid(60, 1_000)), result)
    split_wh = sum(fill_wh(village.book_order(home, schedule.orders[10]), result) for home, schedule in split)
    assert whole_wh - len(parts) < split_wh <= whole_wh
    assert whole_wh == 1_000 * 1_111 // 1_777


# INV-M14
def test_attack__false_metering__is_held_and_pays_nothing(village: Village, next_home: Home, trade: Trade) -> None:
    """A seller that reports more than it fed in is held, and settles only on a profile that is not suspicious."""
    _, sold = trade
    before = village.balance(next_home.owner)
    village.settle(sold, energies({10: -50_000}), score_bps=9_999)
    assert (village.status(sold), village.balance(next_home.owner)) == (HELD, before)
    village.finalize(village.run(sold, energies({10: -400})))
    # 1,000 Wh at 200,000; 600 Wh short at 400,000, 550 of them beyond the tolerance at 30,000.
    assert village.balance(next_home.owner) == (TRADE_RESERVE + 200_000 - 240_000 - 16_500, 0)


# INV-M20
def test_attack__false_metering__can_claim_no_more_than_the_schedule_exposed(
    village: Village, next_home: Home, trade: Trade
) -> None:
    """However much feed-in a meter makes up, the market pays up to the imbalance limit, and the backstop has it."""
    _, sold = trade
    exposure = village.market.exposureOf(schedule_args(sold), False)
    made_up = [-(2**31)] * 96
    made_up[10] = -1_000
    village.finalize(village.run(sold, made_up))
    earned = village.balance(next_home.owner)[0] - TRADE_RESERVE - 200_000
    assert earned == 2_000 * 40 <= exposure


# INV-M20
def test_attack__strategic_non_delivery__costs_more_than_the_sale_brings(
    village: Village, home: Home, next_home: Home
) -> None:
    """Selling what one will not deliver loses at every price up to the short price, and the reserve covers it all."""
    village.place(home, {10: bid(127, 1_000)})
    sold = village.place(next_home, {10: offer(127, 1_000)}, imbalance_limit_wh=0)
    reserve = village.balance(next_home.owner)[1]
    village.end_and_clear([10])
    village.finalize(village.run(sold, NOTHING))
    assert village.clearing(10).price_per_kwh == 50_000 + 127 * 2_500
    assert village.balance(next_home.owner) == (reserve + 367_500 - 400_000 - 28_500, 0)
    assert reserve == 400_000 + 30_000 - 367_500 + DUST_AND_ROUNDING


# INV-M20
def test_attack__consuming_on_the_backstops_account__stops_at_the_reserve(
    village: Village, home: Home, trade: Trade
) -> None:
    """Who bought 1 kWh and takes megawatt hours pays the short price up to its limit; its supplier bills the rest."""
    bought, _ = trade
    receipt = village.settle(bought, (1_000_000,) * 96)
    village.finalize(*village.runs(receipt))
    assert village.balance(home.owner) == (TRADE_RESERVE - 200_000 - 2_000 * 400 - 28_500, 0)
    assert village.settlement(receipt).residual_short_wh == 96_000_000 - 1_000 - 2_000
    assert village.market.backstop(ZONE).balance > BACKSTOP


# INV-M15
def test_attack__oracle_withholds_data__money_is_free_after_the_deadline(
    village: Village, home: Home, next_home: Home, trade: Trade, intruder: Any
) -> None:
    """Silence delays settlement to a known second and no longer; then anybody settles."""
    warp(village.end_of_day() + village.params.final_after_seconds)
    for schedule in trade:
        village.settle_missing(schedule, sender=intruder)
    assert village.balance(home.owner)[1] == village.balance(next_home.owner)[1] == 0
    assert village.market.backstop(village.zone).exposure == 0


# INV-M23
def test_attack__hostile_disputer__pays_the_account_for_a_bounded_wait(
    village: Village, home: Home, trade: Trade, disputer: Any
) -> None:
    """A run is disputed once: at most it waits as long again, and then the bond is the account's."""
    bought, _ = trade
    run = village.run(bought, energies({10: 1_000}))
    wait = village.params.dispute_seconds
    ran_at = ape.chain.blocks.head.timestamp
    ape.chain.pending_timestamp = ran_at + wait - 1
    disputed = village.dispute(run, disputer)
    village.fund(disputer, DISPUTE_BOND)
    status = village.status(bought)
    with refused(village.market.RunMismatch, deviceId=home.device_id, day=village.day, status=status):
        village.market.dispute(disputed, sender=disputer)
    ape.chain.pending_timestamp = ran_at + 2 * wait - 1
    village.market.finalize([disputed], sender=home.owner)
    assert village.balance(home.owner) == (TRADE_RESERVE - 200_000 + DISPUTE_BOND, 0)
    assert village.balance(disputer) == (DISPUTE_BOND, 0)


# INV-M1, INV-M17, INV-M21
def test_attack__seller_paid_first_and_all_withdraw__leaves_enough_for_the_last(
    village: Village, home: Home, next_home: Home, trade: Trade, operator: Any
) -> None:
    """The seller is paid before the buyer, and the operator takes all it can: whoever comes last still gets all."""
    bought, sold = trade
    owners = home.owner, next_home.owner
    village.finalize(village.run(sold, energies({10: -1_000})))
    village.market.withdraw(TRADE_RESERVE + 200_000, next_home.owner, sender=next_home.owner)
    backstop = village.market.backstop(ZONE)
    assert backstop.inTransit == -200_000
    spare = backstop.balance - backstop.exposure
    village.market.withdrawBackstop(ZONE, spare, operator, sender=operator)
    village.assert_conserved(*owners)
    # The buyer is as long as the market pays for: but for dust it gets all that the backstop was exposed to.
    village.finalize(village.run(bought, energies({50: -9_000})))
    village.market.withdraw(TRADE_RESERVE - 200_000 + 120_000 - 28_500, home.owner, sender=home.owner)
    assert village.cash(*owners) == 0
    left = village.market.backstop(ZONE)
    assert (left.exposure, left.inTransit) == (0, 0)
    village.market.withdrawBackstop(ZONE, left.balance, operator, sender=operator)
    assert village.euro.balanceOf(village.market) == 0


# INV-M17
def test_attack__operator_empties_the_backstop__only_what_no_schedule_can_claim(
    village: Village, home: Home, trade: Trade, operator: Any
) -> None:
    """What the backstop owes, or takes in before a run is final, is not the operator's yet."""
    bought, _ = trade
    exposure = village.market.backstop(ZONE).exposure
    available = BACKSTOP - exposure
    run = village.run(bought, energies({10: 1_050}))  # pays 20,000
    for needed in (available + 1, BACKSTOP):
        with refused(village.market.BackstopExhausted, zone=ZONE, needed=needed, available=available):
            village.market.withdrawBackstop(ZONE, needed, operator, sender=operator)
    village.market.withdrawBackstop(ZONE, available, operator, sender=operator)
    (run,) = village.runs(village.correct(bought, energies({10: 0}), run))
    village.finalize(run)
    assert village.balance(home.owner) == (TRADE_RESERVE - 200_000 + 40_000 - 28_500, 0)


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
    run = there.dispute(there.run(schedules[0], energies({10: 1_000})), next_home.owner)
    there.finalize(run, there.run(schedules[1], energies({10: -1_000})))
    assert [there.status(schedule) for schedule in schedules] == [FINAL, FINAL]


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
    village: Village, home: Home, registry_domain_712: Any
) -> None:
    """What a device signed to be registered is no schedule, nor is a schedule signed under the registry's domain."""
    village.fund(home.owner)
    schedule = village.schedule(home, {0: bid(1, 1)})
    device = home.device
    registered = device.key.sign(register_digest(registry_domain_712, device.registration(home.owner)))
    elsewhere = device.key.sign(schedule_digest(registry_domain_712, schedule))
    for signature in (registered, elsewhere):
        refusal = village.market.refusal((schedule_args(schedule), signature))
        assert refusal == encoded(village.market.NotAuthorised, home.device_id)


# INV-M12, INV-M13
def test_attack__replay_after_replace_and_settle__nothing_is_usable_twice(village: Village, home: Home) -> None:
    """An accepted, a replaced and a settled version are spent, whichever function they are sent to."""
    first = village.place(home, {10: bid(60, 1_000)})
    second = village.schedule(home, {10: bid(59, 1_000)}, version=2)
    row = village.sign(home, second)
    village.market.replace(row, schedule_args(first), sender=village.transmitter)
    not_higher = {"deviceId": home.device_id, "given": 2, "current": 2}
    with refused(village.market.VersionNotHigher, **not_higher):
        village.market.replace(row, schedule_args(second), sender=village.transmitter)
    for spent, version in ((first, 1), (second, 2)):
        reason = encoded(village.market.VersionNotHigher, home.device_id, version, 2)
        assert village.market.refusal(village.sign(home, spent)) == reason
    village.end_and_clear([10])
    village.finalize(village.run(second, NOTHING))
    for spent, version in ((first, 1), (second, 2)):
        reason = encoded(village.market.VersionNotHigher, home.device_id, version, 2)
        assert village.market.refusal(village.sign(home, spent)) == reason


# INV-M12, INV-M13
def test_attack__old_cancellation_replayed__brings_no_cancelled_order_back(village: Village, home: Home) -> None:
    """Anybody can replay what is in old calldata, as long as its deadline allows."""
    old = village.sign(home, village.schedule(home, {}))
    assert village.submit(old).return_value == 1
    village.day += 16
    warp((village.day - 1) * 86_400 + 3_600)
    ordered = village.place(home, {10: bid(60, 1_000)})
    cancelled = village.schedule(home, {}, version=2)
    village.market.replace(village.sign(home, cancelled), schedule_args(ordered), sender=village.transmitter)
    village.submit(old)
    assert village.submit(village.sign(home, ordered)).return_value == 0
    assert sum(village.market.book(ZONE, village.first_slot + 10).bidsWh) == 0
