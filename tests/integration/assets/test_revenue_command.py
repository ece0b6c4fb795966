"""`gridwitness asset fund --oracle`: shares paid what their plant's final schedules earned."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridwitness.errors import GridwitnessError, InputError, ProofError, Reverted
from tests.integration.assets.desk import Desk
from tests.integration.assets.plants import SOLD_WH, oracle_of, sell_a_day
from tests.integration.chain.market_scene import DAY
from tests.integration.chain.market_scene import Scene as MarketScene


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
        with pytest.raises(InputError, match="is unpaid up to day"):
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
        with pytest.raises(ProofError, match="nothing is attested"):
            desk.send("fund", scene.asset.address, "--oracle", url)
        with pytest.raises(InputError, match="no other amount"):
            desk.send(*asked, "--oracle", url, "--cash", "1")
        with pytest.raises(InputError, match="is unpaid up to day"):
            desk.send(*asked, "--oracle", url, "--through", "2016-07-20")
