"""`gridwitness asset` on a real chain."""

from __future__ import annotations

import csv
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.assets import Asset
from gridwitness.chain.client import gas_limit
from gridwitness.cli import main
from gridwitness.encoding.hashing import keccak
from gridwitness.errors import ChainError, GridwitnessError, InputError, Reverted
from tests.deployed import ACCESS_CONTROL
from tests.integration.assets.desk import Desk
from tests.integration.assets.scene import DAY_SECONDS, EUR, EXAMPLES


def test_create_mint_fund__a_credit__is_on_the_chain(desk: Desk) -> None:
    scene, parameters = desk.scene, str(EXAMPLES / "credit.toml")
    made = desk.send("create", parameters)
    asset = Asset(scene.chain, made["asset"])
    assert asset.terms().symbol == "MILL4"
    first = scene.investors[0].address
    minted = desk.send("mint", made["asset"], "--to", first, "--shares", "40")
    assert (minted["shares"], asset.balance_of(first)) == (40, 40)
    scene.send(scene.registrar, scene.euro.functions.mint(scene.issuer.address, 10_000 * EUR))
    paid = desk.send("fund", made["asset"], "--cash", "12.5")
    assert (paid["cash"], asset.claimable(first)) == (12_500_000, 12_500_000)
    planned = desk.send("fund", made["asset"], "--parameters", parameters, "--on", "2017-01-20")
    assert planned["cash"] == 40 * 22_500_000
    assert desk.send("fund", made["asset"], "--redemption", "--cash", "100")["cash"] == 100 * EUR
    document = json.loads(desk.read("holders", made["asset"], "--json").stdout)
    assert (document["supply"], document["dividend_cash"], document["redemption_cash"]) == (40, 912_500_000, 100 * EUR)
    assert [(row["wallet"], row["claimable"]) for row in document["holders"]] == [(first, 912_500_000)]


def test_admit__a_stranger__can_hold_shares_to_the_end_of_its_last_day(desk: Desk, deployer: LocalAccount) -> None:
    scene, stranger = desk.scene, desk.scene.investors[5].address
    passport = ("--country", "250", "--investor-class", "0", "--until", "2017-01-20")
    with pytest.raises(Reverted, match=f"AccessControlUnauthorizedAccount.*{scene.issuer.address.lower()}"):
        desk.send("admit", stranger, *passport)
    passports = scene.chain.web3.eth.contract(address=scene.passports.address, abi=ACCESS_CONTROL)
    scene.send(deployer, passports.functions.grantRole(keccak(b"REGISTRAR_ROLE"), scene.issuer.address))
    with pytest.raises(Reverted, match="PassportExpired"):
        desk.send("admit", stranger, *passport, "--until", "2016-01-01")
    assert "for '--country'" in desk.run("admit", stranger, *passport, "--country", "0").output
    admitted = desk.send("admit", stranger, *passport)
    assert admitted["expires_at"] == int(datetime(2017, 1, 21, tzinfo=UTC).timestamp()) - 1
    assert desk.send("mint", scene.asset.address, "--to", stranger, "--shares", "7")["shares"] == 7
    rows = json.loads(desk.read("holders", scene.asset.address, "--json").stdout)["holders"]
    (row,) = (row for row in rows if row["wallet"] == stranger)
    assert (row["shares"], row["passport_country"], row["withheld"]) == (7, 250, "")
    with pytest.raises(Reverted, match="WalletTaken"):
        desk.send("admit", stranger, *passport)


def _made(desk: Desk, example: str) -> str:
    """Address of an asset made from an example file."""
    return str(desk.send("create", str(EXAMPLES / f"{example}.toml"))["asset"])


def test_create__dry_run_or_no__sends_nothing(desk: Desk) -> None:
    before = desk.scene.chain.head_number()
    arguments = ["create", str(EXAMPLES / "treasury.toml"), "--config", str(desk.config)]
    dry = desk.run(*arguments, "--dry-run")
    assert dry.exit_code == 0 and "nothing was sent" in dry.stderr and "data 0x" in dry.stderr
    assert "make BILL17, treasury" in dry.stderr and " gas, " in dry.stderr
    refused = desk.run(*arguments, answer="n\n")
    assert refused.exit_code == 1
    assert desk.scene.chain.head_number() == before


def test_rules__largest_holding__is_set_when_shares_are_placed(desk: Desk, tmp_path: Path) -> None:
    text = (EXAMPLES / "treasury.toml").read_text(encoding="utf-8")
    limited = tmp_path / "limited.toml"
    limited.write_text(text + "max_holding_bps = 5_000\n", encoding="utf-8")
    with pytest.raises(InputError, match="no shares could ever be issued"):
        desk.send("create", str(limited))
    made = desk.send("create", str(EXAMPLES / "treasury.toml"))
    with pytest.raises(Reverted, match="EpochTooSoon"):
        desk.send("rules", made["asset"], str(limited))
    desk.scene.wait(600)
    desk.send("rules", made["asset"], str(limited))
    with pytest.raises(InputError, match=r"describes MILL4, and 0x.* is BILL17"):
        desk.send("rules", made["asset"], str(EXAMPLES / "credit.toml"))
    first = desk.scene.investors[0].address
    with pytest.raises(Reverted, match=r"RuleBroken\(rule=8"):
        desk.send("mint", made["asset"], "--to", first, "--shares", "1.00")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mint", "ASSET", "--to", "AMERICAN", "--shares", "1"), r"RuleBroken\(rule=3, .*value=840"),
        (("mint", "ASSET", "--to", "STRANGER", "--shares", "1"), r"RuleBroken\(rule=1"),
        (("mint", "ASSET", "--to", "FIRST", "--shares", "0.5"), "more decimals than 0"),
        (("mint", "ASSET", "--to", "0xabc", "--shares", "1"), "'0xabc' is not a checksummed address"),
        (("fund", "ASSET"), "give either --cash, or --parameters and --on"),
        (("fund", "ASSET", "--cash", "1", "--on", "2017-01-20"), "give either --cash"),
        (("fund", "ASSET", "--cash", "minus"), "is not an amount"),
        (("fund", "ASSET", "--cash", "1", "--through", "2017-01-20"), "--through and --key-file go with --oracle"),
        (("fund", "ASSET", "--cash", "1", "--key-file", "key"), "--through and --key-file go with --oracle"),
        (("fund", "ASSET", "--oracle", "http://127.0.0.1:1", "--on", "2017-01-20"), "pays what was earned, and no"),
        (("fund", "TOKEN", "--cash", "1"), "is no asset of the factory at 0x"),
    ],
)
def test_send__something_that_cannot_be__is_one_line_before_anything_is_sent(
    desk: Desk, arguments: tuple[str, ...], said: str
) -> None:
    scene = desk.scene
    names = {
        "ASSET": scene.asset.address,
        "TOKEN": scene.euro.address,
        "FIRST": scene.investors[0].address,
        "AMERICAN": scene.investors[3].address,
        "STRANGER": scene.investors[5].address,
    }
    before = scene.chain.head_number()
    with pytest.raises(GridwitnessError, match=said) as info:
        desk.send(*(names.get(argument, argument) for argument in arguments))
    assert "\n" not in info.value.message
    assert scene.chain.head_number() == before


def test_fund__redemption_that_never_comes__is_refused_before_any_cash_moves(desk: Desk) -> None:
    scene = desk.scene
    scene.send(scene.registrar, scene.euro.functions.mint(scene.issuer.address, 100 * EUR))
    for asset, symbol in ((scene.asset.address, "SUN1"), (_made(desk, "energy-plant"), "SUN1")):
        with pytest.raises(InputError, match=f"{symbol} has no maturity: its shares are never redeemed"):
            desk.send("fund", asset, "--redemption", "--cash", "1")
        assert scene.chain.call(scene.euro.functions.allowance(scene.issuer.address, asset)) == 0
    planned = ("--parameters", str(EXAMPLES / "credit.toml"), "--on", "2017-01-20")
    credit = _made(desk, "credit")
    for more in (planned, planned[:2], planned[2:], (*planned, "--cash", "1")):
        with pytest.raises(InputError, match="--redemption takes --cash alone"):
            desk.send("fund", credit, "--redemption", *more)
    assert scene.chain.call(scene.euro.functions.balanceOf(scene.issuer.address)) == 100 * EUR


def test_fund__parameters_of_another_asset__are_refused(desk: Desk, tmp_path: Path) -> None:
    credit = _made(desk, "credit")
    text = (EXAMPLES / "credit.toml").read_text(encoding="utf-8")
    desk.send("mint", credit, "--to", desk.scene.investors[0].address, "--shares", "1")
    for changed, said in (
        (text.replace('"MILL4"', '"MILL5"'), f"describes MILL5, and {credit} is MILL4"),
        (text.replace('"EuroToken"', f'"{credit}"'), f"an asset that pays in {credit}, and {credit} pays in 0x"),
        (text.replace('"EuroToken"', '"OtherToken"'), "has 0 units of 0x"),
    ):
        (tmp_path / "other.toml").write_text(changed, encoding="utf-8")
        with pytest.raises(InputError, match=said):
            desk.send("fund", credit, "--parameters", str(tmp_path / "other.toml"), "--on", "2017-01-20")
    (tmp_path / "other.toml").write_text(text.replace('"EuroToken"', f'"{credit}"'), encoding="utf-8")
    with pytest.raises(InputError, match="an asset that pays in"):
        desk.send("rules", credit, str(tmp_path / "other.toml"))


def test_fund__dry_run__shows_the_gas_it_would_sign_and_of_which_step(desk: Desk) -> None:
    scene = desk.scene
    scene.send(scene.registrar, scene.euro.functions.mint(scene.issuer.address, 100 * EUR))
    asked = ("fund", scene.asset.address, "--cash", "1", "--config", str(desk.config), "--dry-run")
    first, called, second, *_ = desk.run(*asked).stderr.splitlines()
    assert first.endswith(" ether at most for this first one") and " gas" not in second
    to, data = called.split()[1].rstrip(","), called.split()[3]
    call = {"from": scene.issuer.address, "to": to, "data": data}
    estimated = int(scene.chain.rpc("eth_estimateGas", [call, "pending"]), 16)
    assert f", {gas_limit(estimated)} gas, " in first
    scene.send(scene.issuer, scene.euro.functions.approve(scene.asset.address, EUR))
    assert "ether at most\n" in desk.run(*asked).stderr


def test_fund__what_cannot_be_paid__leaves_no_allowance_behind(desk: Desk) -> None:
    scene = desk.scene
    plant = desk.send("create", str(EXAMPLES / "energy-plant.toml"))["asset"]
    with pytest.raises(InputError, match="SUN1 is paid what its plants earned in the market at 0x"):
        desk.send("fund", plant, "--cash", "1")
    bill = desk.send("create", str(EXAMPLES / "treasury.toml"))["asset"]
    with pytest.raises(InputError, match="BILL17 has no shares yet"):
        desk.send("fund", bill, "--cash", "1")
    desk.send("mint", bill, "--to", scene.investors[0].address, "--shares", "5")
    with pytest.raises(InputError, match=r"has 0 units of 0x.*, and is to pay 1000000"):
        desk.send("fund", bill, "--cash", "1")
    for asset in (plant, bill):
        assert scene.chain.call(scene.euro.functions.allowance(scene.issuer.address, asset)) == 0


def test_holders__table__shows_who_waits_and_why(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    scene = desk.scene
    scene.fund(10 * EUR)
    scene.send(scene.registrar, scene.passports.revoke(scene.investors[1].address, [scene.asset.address]))
    shown = desk.read("holders", scene.asset.address).output
    line = next(line for line in shown.splitlines() if scene.investors[1].address in line)
    assert all(words in line for words in ("4000", "40.00 %", "4.000000", "250", "passport"))
    assert "10000 shares of 2 investors at block" in shown


@pytest.mark.parametrize("columns", ["80", "120"])
def test_holders__narrow_window__cuts_no_wallet_and_no_sum(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    scene = desk.scene
    first, other = scene.investors[0].address, scene.investors[5].address
    scene.send(scene.registrar, scene.passports.add_wallet(first, other))
    scene.send(scene.investors[0], scene.asset.transfer(other, 6_000))
    scene.fund(123_456_789 * EUR)
    due = "74074073.400000"
    monkeypatch.setenv("COLUMNS", columns)
    lines = desk.read("holders", scene.asset.address).output.splitlines()
    assert any(other in line and first in line and due in line for line in lines)
    monkeypatch.setenv("FORCE_COLOR", "1")  # takes the output for a terminal
    shown = re.sub(r"\x1b\[[0-9;]*m", "", desk.read("holders", scene.asset.address).output).splitlines()
    assert max(len(line) for line in shown) <= int(columns)
    rows = [line.split("│")[1:-1] for line in shown if line.startswith("│")]
    whole = ["".join(cells).replace(" ", "") for cells in zip(*rows, strict=True)]
    assert other in whole[0] and first in whole[1] and due in whole[5]


def test_statement__csv_pdf_and_json__are_the_same_again(desk: Desk, tmp_path: Path) -> None:
    scene = desk.scene
    scene.fund(10 * EUR)
    scene.fill(scene.investors[2], scene.ask(scene.investors[0], 500, 12 * EUR), 500)
    scene.send(scene.investors[0], scene.asset.claim())
    day = datetime.fromtimestamp(scene.now, UTC).date()
    scene.wait(2 * DAY_SECONDS)
    block = str(scene.chain.head_number())
    days = ("--first", str(day), "--last", str(day + timedelta(days=1)))
    wallet = ("--wallet", scene.investors[0].address)
    outs = [tmp_path / f"july.{suffix}" for suffix in ("csv", "pdf", "json")]
    asked = [scene.asset.address, *wallet, *days, "--block", block]
    desk.read("statement", *asked, *(part for out in outs for part in ("--out", str(out))))
    rows = list(csv.DictReader(outs[0].read_text().splitlines()))
    assert [row["kind"] for row in rows] == ["opening", "minted", "dividend", "sold", "claimed", "closing"]
    assert [row["cash"] for row in rows] == ["", "0", "0", "6000.000000", "6.000000", ""]
    assert rows[-1]["shares"] == "5500"
    first = [out.read_bytes() for out in outs]
    scene.anvil.mine(5)
    desk.read("statement", *asked, *(part for out in outs for part in ("--out", str(out))))
    assert [out.read_bytes() for out in outs] == first
    assert json.loads(desk.read("statement", *asked).stdout) == json.loads(outs[2].read_text())


@pytest.mark.parametrize(
    ("wallet", "first", "last", "said"),
    [
        (5, "2016-07-20", "2016-07-20", "was never registered"),
        (0, "2016-07-21", "2016-07-20", "ends on 2016-07-20, before it begins on 2016-07-21"),
        (0, "2016-07-20", "2036-07-20", "the period ends on 2036-07-20, the ledger at"),
    ],
)
def test_statement__of_nobody_or_no_period__is_refused(
    desk: Desk, wallet: int, first: str, last: str, said: str
) -> None:
    desk.scene.wait(DAY_SECONDS)
    with pytest.raises(InputError, match=said):
        desk.read(
            "statement",
            desk.scene.asset.address,
            "--wallet",
            desk.scene.investors[wallet].address,
            "--first",
            first,
            "--last",
            last,
        )


def test_main__error__is_a_line_and_a_hint_and_a_trace_with_debug(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["gridwitness", "asset", "holders", desk.scene.euro.address, "--rpc", desk.scene.anvil.url]
    line += ["--manifest", str(desk.manifest)]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 2 and error[0].startswith("error: ") and error[1].startswith("hint: ")
    monkeypatch.setattr(sys, "argv", [line[0], "--debug", *line[1:]])
    with pytest.raises(InputError):
        main()


def test_holders__no_node__says_so(desk: Desk) -> None:
    with pytest.raises(ChainError, match="no node answers"):
        desk.run("holders", desk.scene.asset.address, "--rpc", "http://127.0.0.1:1", "--manifest", str(desk.manifest))


def test_create__cash_that_is_no_token__is_refused_in_a_line(desk: Desk, tmp_path: Path) -> None:
    text = (EXAMPLES / "treasury.toml").read_text(encoding="utf-8")
    for cash in ("Passports", desk.scene.investors[0].address):
        (tmp_path / "no-token.toml").write_text(text.replace('"EuroToken"', f'"{cash}"'), encoding="utf-8")
        with pytest.raises(ChainError, match="is no token that an asset can pay in"):
            desk.send("create", str(tmp_path / "no-token.toml"))
