"""Parameters of assets, and amounts as people write them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.chain.manifest import DeployedContract, Manifest
from gridwitness.domain.assets import BPS, NOBODY, AssetRules
from gridwitness.errors import ConfigError, InputError
from gridwitness.service.assets.parameters import AssetClass, AssetParameters
from gridwitness.service.assets.words import clean, display, parse_amount

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "assets"
CREDIT = (EXAMPLES / "credit.toml").read_text(encoding="utf-8")
NAMES = ("Passports", "EuroToken", "EnergyMarket", "HydroFeed")
MANIFEST = Manifest(31_337, {name: DeployedContract(f"0x{at:040x}", 1) for at, name in enumerate(NAMES, start=1)})


def load(folder: Path, text: str) -> AssetParameters:
    path = folder / "asset.toml"
    path.write_text(text, encoding="utf-8")
    return AssetParameters.load(path)


@pytest.mark.parametrize("name", ["energy-plant", "credit", "treasury", "commodity"])
def test_load__each_example__is_an_asset_of_its_class(name: str) -> None:
    parameters = AssetParameters.load(EXAMPLES / f"{name}.toml")
    assert parameters.asset_class == AssetClass(name.replace("-", " "))
    terms = parameters.terms(MANIFEST)
    assert (terms.market != NOBODY) == (name == "energy-plant")
    assert (terms.reserve != NOBODY) == terms.reserve_is_cumulative == (name == "commodity")
    assert (terms.matures_at > 0) == (name in ("credit", "treasury"))


def test_terms__of_a_credit__are_what_the_contract_takes() -> None:
    parameters = AssetParameters.load(EXAMPLES / "credit.toml")
    terms = parameters.terms(MANIFEST)
    assert (terms.passports, terms.cash) == (MANIFEST.address("Passports"), MANIFEST.address("EuroToken"))
    assert (terms.matures_at, terms.redemption_per_share) == (1_532_044_800, 1_000_000_000)
    assert parameters.asset_rules() == AssetRules(frozenset({276, 250}), frozenset({1}), 86_400, 50, BPS, 1_469_059_200)
    assert parameters.payment_on(date(2017, 7, 20), 40) == 900_000_000


def test_payment_on__a_day_without_one__is_refused_with_the_days_there_are() -> None:
    with pytest.raises(InputError, match="nothing is to be paid on 2017-07-21") as info:
        AssetParameters.load(EXAMPLES / "credit.toml").payment_on(date(2017, 7, 21), 40)
    assert "2017-01-20, 2017-07-20" in info.value.hint


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('class = "credit"', 'class = "bond"', "class is 'bond'"),
        ('class = "credit"', 'class = "energy plant"', "class energy plant needs market"),
        ('class = "credit"', 'class = "commodity"', "class commodity needs reserve"),
        ('cash = "EuroToken"', 'cash = "EuroToken"\nmarket = "EnergyMarket"', "class credit has no market"),
        ('cash = "EuroToken"', "", "cash: Field required"),
        ('cash = "EuroToken"', 'cash = "0xabc"', "0xabc is not a checksummed address"),
        ("decimals = 0", "decimals = 7", "decimals is 7"),
        ("decimals = 0", "decimals = 0\ncolour = 1", "colour is 1: Extra inputs"),
        ("redemption_per_share = 1_000_000_000", "redemption_per_share = 1000.5", "redemption_per_share is 1000.5"),
        ("countries = [276, 250]", "countries = [276, 1000]", "rules.countries.1 is 1000"),
        ("countries = [276, 250]", "countries = []", "rules.countries is []"),
        ("classes = [1]", "classes = [16]", "rules.classes.0 is 16"),
        ("holder_cap = 50", "holder_cap = 0", "rules.holder_cap is 0"),
        ("at = 2018-07-20T00:00:00Z", "at = 2018-07-20T00:00:00", "maturity.at is"),
        ("on = 2017-07-20", "on = 2017-01-20", "payments must stand in the order of their days"),
        ("per_share = 22_500_000", "per_share = true", "payments.0.per_share is True"),
        ("[rules]", "[rules", "cannot be read"),
    ],
)
def test_load__something_wrong__is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in CREDIT
    with pytest.raises(ConfigError) as info:
        load(tmp_path, CREDIT.replace(old, new, 1))
    assert said in info.value.message and "asset.toml" in info.value.message
    assert "\n" not in info.value.message


def test_load__reserve_without_whether_it_only_grows__is_refused(tmp_path: Path) -> None:
    """Guessing it wrong would let used certificates be issued again, or stop a vault that was emptied and filled."""
    text = (EXAMPLES / "commodity.toml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("cumulative")]
    with pytest.raises(ConfigError, match=r"reserve\.cumulative: Field required"):
        load(tmp_path, "".join(lines))


def test_load__no_such_file__says_where_examples_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not found") as info:
        AssetParameters.load(tmp_path / "none.toml")
    assert "docs/how-to/assets/" in info.value.hint


def test_terms__cash_that_the_manifest_does_not_have__is_refused(tmp_path: Path) -> None:
    parameters = load(tmp_path, CREDIT.replace('"EuroToken"', '"Dollar"'))
    with pytest.raises(ConfigError, match=r"contracts\.Dollar is missing"):
        parameters.terms(MANIFEST)


@given(st.frozensets(st.integers(1, 999)), st.frozensets(st.integers(0, 15)))
def test_of_words__of_rules__are_the_rules(countries: frozenset[int], classes: frozenset[int]) -> None:
    rules = AssetRules(countries, classes, 1, 2, 3, 4)
    assert AssetRules.of_words(rules.country_words, rules.class_mask, 1, 2, 3, 4) == rules
    assert all(word < 1 << 256 for word in rules.country_words)


@given(st.integers(1, 1 << 64), st.integers(0, 18))
def test_parse_amount__of_what_is_displayed__is_the_amount(units: int, decimals: int) -> None:
    assert parse_amount(display(units, decimals), decimals, "cash") == units


@pytest.mark.parametrize("text", ["", "-1", "1e3", "1,5", "1.", ".5", "0", "0.00", "1.0000001", "٣", " 1"])
def test_parse_amount__anything_else__is_refused(text: str) -> None:
    with pytest.raises(InputError, match="cash"):
        parse_amount(text, 6, "cash")


def test_display__negative_and_small__keeps_sign_and_zeros() -> None:
    assert [display(units, 6) for units in (-1, 0, 1_500_000)] == ["-0.000001", "0.000000", "1.500000"]
    assert display(-7, 0) == "-7"


def test_clean__text_of_strangers__is_one_short_line() -> None:
    assert clean("a\x1b[31m\n\u202eb" + "c" * 200) == "a [31m  b" + "c" * 71
