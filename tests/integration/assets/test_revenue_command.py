"""`gridwitness asset fund --oracle`: shares paid what their plant's final schedules earned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gridwitness.encoding.keys import P256Key
from gridwitness.errors import GridwitnessError, InputError, ProofError, Reverted
from tests.integration.assets.desk import Desk
from tests.integration.assets.plants import (
    SLOT,
    SOLD_WH,
    add_plants,
    deliver,
    finish,
    oracle_of,
    sell_a_day,
    sell_days,
    sold_for,
)
from tests.integration.assets.scene import DAY_SECONDS, Scene
from tests.integration.chain.market_scene import DAY, SELLER
from tests.integration.chain.market_scene import Scene as MarketScene

OTHER = P256Key(78)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "api-key"
    path.write_text("secret\n")
    return path


def test_fund__day_that_is_final__is_paid_once_on_the_oracle_s_proof(
    desk: Desk, market_scene: MarketScene, key_file: Path
) -> None:
    scene = desk.scene
    first = scene.investors[0]
    scene.create_from("energy-plant")
    scene.send(scene.issuer, scene.asset.mint(first.address, 1_000))
    (row,) = sell_a_day(scene, market_scene, SOLD_WH)
    asked = ["fund", scene.asset.address, "--key-file", str(key_file)]
    with oracle_of(market_scene, row) as url:
        dry = desk.run(*asked, "--oracle", url, "--config", str(desk.config), "--dry-run")
        assert "pay what 1 plants earned in 1 schedules of 2016-07-21 to SUN1" in dry.stderr
        paid = desk.send(*asked, "--oracle", url)
        assert paid["cash"] == scene.asset.claimable(first.address) > 0
        with pytest.raises(InputError, match=r"no schedule of the plants of 0x.* is unpaid$"):
            desk.send(*asked, "--oracle", url)
    (dividend,) = scene.ledger().dividends
    assert (dividend.sold_wh, dividend.first_day, dividend.cash) == (SOLD_WH, DAY, paid["cash"])


def test_fund__less_delivered_than_sold__waits_and_says_how_much(
    desk: Desk, market_scene: MarketScene, key_file: Path
) -> None:
    scene = desk.scene
    scene.create_from("energy-plant")
    scene.send(scene.issuer, scene.asset.mint(scene.investors[0].address, 1_000))
    (row,) = sell_a_day(scene, market_scene, SOLD_WH - 1)
    asked = ["fund", scene.asset.address, "--key-file", str(key_file)]
    with oracle_of(market_scene, row) as url, pytest.raises(Reverted) as info:
        desk.send(*asked, "--oracle", url)
    assert info.value.arguments == {"soldWh": SOLD_WH, "attestedWh": SOLD_WH - 1}
    with pytest.raises(GridwitnessError, match="no oracle answers at"):
        desk.send(*asked, "--oracle", "http://127.0.0.1:1")
    with oracle_of(market_scene, row) as url:
        with pytest.raises(ProofError, match="API key is unknown"):
            desk.send("fund", scene.asset.address, "--oracle", url)
        with pytest.raises(InputError, match="no other amount"):
            desk.send(*asked, "--oracle", url, "--cash", "1")
        with pytest.raises(InputError, match=r"is unpaid up to 2016-07-20$"):
            desk.send(*asked, "--oracle", url, "--through", "2016-07-20")


@pytest.fixture
def plants(desk: Desk, market_scene: MarketScene) -> Scene:
    """Two plants that earn for the asset, which has shares."""
    scene = desk.scene
    scene.create_from("energy-plant")
    scene.send(scene.issuer, scene.asset.mint(scene.investors[0].address, 1_000))
    add_plants(scene, market_scene, SELLER, OTHER)
    return scene


def fund(desk: Desk, key_file: Path, url: str) -> tuple[dict[str, int], str]:
    """What is paid, and what is said meanwhile."""
    asked = ("fund", desk.scene.asset.address, "--oracle", url, "--key-file", str(key_file))
    result = desk.run(*asked, "--config", str(desk.config), "--yes", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), result.stderr


def test_fund__day_that_is_held__makes_its_plant_wait_and_no_other(
    plants: Scene, desk: Desk, market_scene: MarketScene, key_file: Path
) -> None:
    chain, account = plants.chain, plants.asset.address
    held, later = (sold_for(chain, account, SELLER, day) for day in (DAY, DAY + 1))
    other = sold_for(chain, account, OTHER, DAY, SLOT + 1)
    sell_days(plants, market_scene, [held, later, other])
    deliver(market_scene, held, score_bps=9_950)
    rows = [deliver(market_scene, later), deliver(market_scene, other)]
    finish(market_scene)
    with oracle_of(market_scene, *rows) as url:
        _, said = fund(desk, key_file, url)
        assert f"plant 0x{SELLER.device_id.hex()} waits from 2016-07-21 on: its schedule is held\n" in said
        assert "pay what 1 plants earned in 1 schedules of 2016-07-21 to SUN1" in said
        with pytest.raises(InputError, match=r"can be paid: plant 0x.* waits from 2016-07-21 on: its schedule is held"):
            fund(desk, key_file, url)
    rows.append(deliver(market_scene, held))
    with oracle_of(market_scene, *rows) as url, pytest.raises(InputError, match="its schedule is provisional"):
        fund(desk, key_file, url)
    finish(market_scene)
    with oracle_of(market_scene, *rows) as url:
        _, said = fund(desk, key_file, url)
    assert "pay what 1 plants earned in 2 schedules of 2016-07-21 to 2016-07-22" in said
    assert [dividend.sold_wh for dividend in plants.ledger().dividends] == [SOLD_WH, 2 * SOLD_WH]


@pytest.mark.parametrize("is_overwritten", [False, True])
def test_fund__day_without_data__waits_until_the_market_forgot_it(
    plants: Scene, desk: Desk, market_scene: MarketScene, key_file: Path, is_overwritten: bool
) -> None:
    chain, account, market = plants.chain, plants.asset.address, market_scene.market
    silent, later = (sold_for(chain, account, SELLER, day) for day in (DAY, DAY + 1))
    sell_days(plants, market_scene, [silent, later])
    row = deliver(market_scene, later)
    finish(market_scene)
    with oracle_of(market_scene, row) as url, pytest.raises(InputError, match="2016-07-21 on: its schedule is open"):
        fund(desk, key_file, url)
    market_scene.wait(market_scene.params.final_after_seconds)
    market_scene.send(market.settle_missing(silent.schedule))
    said = r"2016-07-21 on: no proof of what was delivered \(nothing is attested\)"
    with oracle_of(market_scene, row) as url, pytest.raises(InputError, match=said):
        fund(desk, key_file, url)
    with pytest.raises(GridwitnessError, match="no oracle answers at"):
        fund(desk, key_file, "http://127.0.0.1:1")
    if is_overwritten:
        plants.anvil.set_next_time((DAY + 15) * DAY_SECONDS)
        market_scene.send(market.submit([sold_for(chain, account, SELLER, DAY + 16)]))
        why = "the market has forgotten its schedule"
    else:
        plants.wait((DAY + 16) * DAY_SECONDS - plants.now)
        why = "no proof of what was delivered (nothing is attested)"
    with oracle_of(market_scene, row) as url:
        paid, said = fund(desk, key_file, url)
    assert f"plant 0x{SELLER.device_id.hex()} 2016-07-21 is passed over for good: {why}" in said
    assert ("waits from 2016-08-06 on: its schedule is open" in said) == is_overwritten
    assert plants.asset.claimable(plants.investors[0].address) == paid["cash"] > 0


def test_fund__day_on_another_account__makes_its_plant_wait(
    plants: Scene, desk: Desk, market_scene: MarketScene, key_file: Path
) -> None:
    foreign = sold_for(plants.chain, market_scene.owner.address, SELLER, DAY)
    own = sold_for(plants.chain, plants.asset.address, SELLER, DAY + 1)
    sell_days(plants, market_scene, [foreign, own])
    rows = [deliver(market_scene, foreign), deliver(market_scene, own)]
    finish(market_scene)
    said = "waits from 2016-07-21 on: its schedule is on another account"
    with oracle_of(market_scene, *rows) as url, pytest.raises(InputError, match=said):
        fund(desk, key_file, url)


def test_fund__proof_that_the_market_refuses__makes_its_plant_wait(
    plants: Scene, desk: Desk, market_scene: MarketScene, key_file: Path
) -> None:
    own, other = (
        sold_for(plants.chain, plants.asset.address, key, DAY, slot)
        for key, slot in ((SELLER, SLOT), (OTHER, SLOT + 1))
    )
    sell_days(plants, market_scene, [own, other])
    rows = [deliver(market_scene, own), deliver(market_scene, other)]
    finish(market_scene)
    schedule, profile, proof = rows[1]
    rows[1] = (schedule, replace(profile, score_bps=101), proof)
    with oracle_of(market_scene, *rows) as url:
        _, said = fund(desk, key_file, url)
    assert f"plant 0x{OTHER.device_id.hex()} waits from 2016-07-21 on: ProofInvalid(" in said
