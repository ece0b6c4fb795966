"""Each class of asset, made from its example file, through its life: one code, other parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.manifest import DeployedContract
from gridwitness.domain.assets import MovementKind
from gridwitness.encoding.leaves import READING_TYPES, schema_of
from gridwitness.errors import InputError, Reverted
from tests.integration.assets.plants import SOLD_WH, Gauge, deploy_feed, sell_a_day
from tests.integration.assets.scene import DAY_SECONDS, EUR, Scene
from tests.integration.chain.market_scene import DAY
from tests.integration.chain.market_scene import Scene as MarketScene
from tests.integration.chain.parties import Committee


def second_of(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())


def turn_to(scene: Scene, time: int) -> None:
    scene.anvil.set_next_time(time)
    scene.anvil.mine()


def test_credit__from_issue_to_redemption__pays_interest_and_the_loan_back(scene: Scene) -> None:
    first, second = scene.investors[:2]
    parameters = scene.create_from("credit")
    asset = scene.asset
    scene.send(scene.issuer, asset.mint(first.address, 30))
    scene.send(scene.issuer, asset.mint(second.address, 10))
    with pytest.raises(Reverted, match="RuleBroken") as locked:
        scene.send(first, asset.transfer(second.address, 1))
    assert (locked.value.arguments["rule"], locked.value.arguments["limit"]) == (6, 1_469_059_200)
    for payment in parameters.payments:
        turn_to(scene, second_of(payment.on))
        scene.fund(parameters.payment_on(payment.on, 40))
    assert asset.claimable(first.address) == 4 * 30 * 22_500_000
    scene.fill_pocket(scene.issuer, asset.address, 40_000 * EUR)
    scene.send(scene.issuer, asset.fund_redemption(40_000 * EUR))
    scene.send(second, asset.transfer(first.address, 10))
    scene.send(first, asset.redeem(40))
    scene.send(first, asset.claim())
    scene.send(scene.issuer, asset.claim_for(second.address))
    ledger = scene.ledger()
    assert (ledger.proof.supply, ledger.holders, ledger.dividend_cash, ledger.redemption_cash) == (0, (), 0, 0)
    (redeemed,) = (one for one in ledger.movements if one.kind is MovementKind.REDEMPTION)
    assert (redeemed.shares, redeemed.cash) == (40, 40_000 * EUR)


def test_treasury__sold_below_its_value__accrues_to_it(scene: Scene) -> None:
    first, third = scene.investors[0], scene.investors[2]
    parameters = scene.create_from("treasury")
    asset, maturity = scene.asset, parameters.maturity
    assert maturity is not None
    scene.send(scene.issuer, asset.mint(first.address, 10_000))  # 100.00 shares
    with pytest.raises(Reverted, match="NotMatured") as early:
        scene.send(first, asset.redeem(1))
    assert early.value.arguments["maturesAt"] == int(maturity.at.timestamp())
    scene.fill(third, scene.ask(first, 4_000, 985_000), 4_000)  # at 98.50
    turn_to(scene, int(maturity.at.timestamp()))
    with pytest.raises(Reverted, match=rf"RedemptionUnfunded\(cash={4_000 * EUR}, available=0\)"):
        scene.send(third, asset.redeem(4_000))
    scene.fill_pocket(scene.issuer, asset.address, 10_000 * EUR)
    scene.send(scene.issuer, asset.fund_redemption(10_000 * EUR))
    scene.send(third, asset.redeem(4_000))
    ledger = scene.ledger()
    (bought,) = ledger.trades
    (redeemed,) = (one for one in ledger.movements if one.kind is MovementKind.REDEMPTION)
    assert redeemed.cash - bought.cash == 60 * EUR  # 1.50 for each of 40.00 shares
    assert (ledger.proof.supply, ledger.redemption_cash) == (6_000, 6_000 * EUR)


def test_commodity__units_of_an_attested_reserve__are_minted_up_to_it_and_used_up(
    scene: Scene,
    deployer: LocalAccount,
    transmitter: LocalAccount,
    oracles: list[LocalAccount],
    open_stream: Callable[[str, bytes], bytes],
) -> None:
    first = scene.investors[0]
    stream_id = open_stream("readings", schema_of(READING_TYPES))
    feed = deploy_feed(scene.chain, deployer, stream_id)
    gauge = Gauge(scene.chain, Committee(scene.chain, stream_id, oracles, 2), transmitter, feed)
    known = scene.chain.manifest
    scene.create_from(
        "commodity", replace(known, contracts={**known.contracts, "HydroFeed": DeployedContract(feed, 0)})
    )
    asset = scene.asset
    gauge.attest(50_000)
    with pytest.raises(Reverted, match=r"ReserveTooSmall\(reserve=50000, needed=51000\)"):
        scene.send(scene.issuer, asset.mint(first.address, 51))
    scene.send(scene.issuer, asset.mint(first.address, 50))
    scene.wait(2 * DAY_SECONDS)
    with pytest.raises(Reverted, match="AnswerStale") as stale:
        scene.send(scene.issuer, asset.mint(first.address, 1))
    assert stale.value.arguments["maxAgeSeconds"] == DAY_SECONDS
    scene.send(first, asset.retire(20, b"steel of July"))
    gauge.attest(50_999)
    with pytest.raises(Reverted, match=r"ReserveTooSmall\(reserve=50999, needed=51000\)"):
        scene.send(scene.issuer, asset.mint(first.address, 1))  # what was used up does not come back
    ledger = scene.ledger()
    (used,) = (one for one in ledger.movements if one.kind is MovementKind.RETIREMENT)
    assert (used.shares, used.purpose.rstrip(b"\0")) == (20, b"steel of July")
    assert (ledger.proof.supply, ledger.proof.reserve, ledger.proof.needed) == (30, 50_999, 50_000)


def test_energy_plant__a_day_delivered__pays_its_holders_what_it_earned_and_nothing_else(
    scene: Scene, market_scene: MarketScene
) -> None:
    first, second = scene.investors[:2]
    scene.create_from("energy-plant")
    asset = scene.asset
    scene.send(scene.issuer, asset.mint(first.address, 750))
    scene.send(scene.issuer, asset.mint(second.address, 250))
    with pytest.raises(Reverted, match="RevenueMustBeAttested"):
        scene.fund(EUR)
    rows = sell_a_day(scene, market_scene, SOLD_WH)
    scene.send(second, asset.fund_revenue(rows))
    with pytest.raises(Reverted, match="PeriodFunded") as again:
        scene.send(second, asset.fund_revenue(rows))
    assert again.value.arguments["day"] == DAY
    with pytest.raises(Reverted, match="RuleBroken") as too_much:
        limited = replace(scene.ledger().rules, max_holding_bps=7_500)
        scene.send(scene.issuer, asset.set_rules(limited))
        scene.send(second, asset.transfer(first.address, 1))
    assert [too_much.value.arguments[name] for name in ("rule", "value", "limit")] == [8, 751, 750]
    ledger = scene.ledger()
    (dividend,) = ledger.dividends
    assert dividend.is_attested
    assert (dividend.rows, dividend.sold_wh, dividend.attested_wh) == (1, SOLD_WH, SOLD_WH)
    assert (dividend.first_day, dividend.last_day) == (DAY, DAY)
    assert dividend.cash == ledger.proof.revenue == ledger.dividend_cash > 0
    assert {holder.wallet: holder.claimable for holder in ledger.holders} == {
        first.address: dividend.cash * 3 // 4,
        second.address: dividend.cash // 4,
    }


def test_checked_terms__maturity_that_is_past__is_refused(scene: Scene) -> None:
    parameters = scene.create_from("treasury")
    parameters.checked_terms(scene.chain)
    turn_to(scene, second_of(date(2017, 1, 20)))
    with pytest.raises(InputError, match=r"maturity\.at is past"):
        parameters.checked_terms(scene.chain)
