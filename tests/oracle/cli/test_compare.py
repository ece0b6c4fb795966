"""`gridwitness compare`: its tables add up, name what they promise, and come out the same again."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from gridwitness.cli import build_app
from gridwitness.errors import ConfigError, GridwitnessError, InputError
from gridwitness.market.comparison import Mechanism
from gridwitness.service.comparison import COMMUNITY_COLUMNS, HOME_COLUMNS

RULES = {
    "floorPricePerKwh": 70_000,
    "tickSizePerKwh": 2_000,
    "shortPricePerKwh": 320_000,
    "longPricePerKwh": 80_000,
    "penaltyPerKwh": 10_000,
    "toleranceBps": 1_000,
    "capTick": 125,
    "networkFeeTicks": 10,
    "greenPremiumTicks": 5,
    "greenKinds": ["prosumer", "generation"],
    "minOrderWh": 10,
    "feederCapWh": 2_000,
}
FILES = ("homes.csv", "community.csv", "comparison.png")


def run(folder: Path, *extra: str) -> Result:
    (folder / "zone.json").write_text(json.dumps(RULES))
    words = ["compare", "--rules", str(folder / "zone.json"), "--out", str(folder / "out"), *extra]
    return CliRunner().invoke(build_app(words), words)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled village's tables over two summer days."""
    folder = tmp_path_factory.mktemp("compared")
    done = run(folder, "--days", "2", "--start", "2016-08-11")
    assert done.exit_code == 0, done.output
    assert "13 homes, 2 days" in done.output
    return folder / "out"


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, converters={"bill_eur": Decimal, "saved_eur": Decimal, "other_side_eur": Decimal})


def test_compare__village__writes_the_documented_columns_for_every_home_and_mechanism(compared: Path) -> None:
    homes, community = read(compared / "homes.csv"), read(compared / "community.csv")
    assert (tuple(homes.columns), tuple(community.columns)) == (HOME_COLUMNS, COMMUNITY_COLUMNS)
    kinds = [mechanism.value for mechanism in Mechanism]
    assert community["mechanism"].tolist() == kinds
    assert homes["mechanism"].tolist() == kinds * 13
    assert (compared / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_compare__village__sums_of_homes_are_the_communitys_to_the_unit(compared: Path) -> None:
    homes, community = read(compared / "homes.csv"), read(compared / "community.csv").set_index("mechanism")
    for name in ("bill_eur", "saved_eur", "imported_wh", "exported_wh", "bought_wh", "sold_wh"):
        sums = homes.groupby("mechanism")[name].sum()
        assert {kind: sums[kind] for kind in community.index} == community[name].to_dict()


def test_compare__village__trading_saves_and_nobody_covers_more_than_was_shared(compared: Path) -> None:
    community = read(compared / "community.csv").set_index("mechanism")
    assert community.loc["market", "saved_eur"] > 0
    assert community.loc["market", "saved_eur"] > community.loc["pay as bid", "saved_eur"]
    assert 0 < community.loc["market", "bought_wh"] <= community.loc["market", "shared_wh"]
    totals = community["saved_eur"] + community["other_side_eur"]
    assert totals.nunique() == 1


def test_compare__help__says_what_every_column_means() -> None:
    output = CliRunner().invoke(build_app(["compare"]), ["compare", "--help"]).output
    for column in {*HOME_COLUMNS, *COMMUNITY_COLUMNS} - {"meter", "mechanism"}:
        assert column in output


def test_compare__again__writes_the_same_bytes(compared: Path, tmp_path: Path) -> None:
    assert run(tmp_path, "--days", "2", "--start", "2016-08-11").exit_code == 0
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (compared / name).read_bytes()


@pytest.mark.parametrize(
    ("extra", "kind", "message"),
    [
        (("--strategy", "battery"), InputError, "a comparison has no batteries to plan"),
        (("--days", "7"), InputError, "7 days need 8 complete UTC days in a row"),
        (("--community", "nowhere"), InputError, "nowhere: no such file or folder"),
        (("--manifest", "31337.json"), ConfigError, "give the zone's rules by --rules or by --manifest, not both"),
    ],
)
def test_compare__wrong_input__is_one_line(
    tmp_path: Path, extra: tuple[str, ...], kind: type[GridwitnessError], message: str
) -> None:
    error = run(tmp_path, *extra).exception
    assert isinstance(error, kind)
    assert message in error.message
    assert not (tmp_path / "out").exists()
