"""What zone operators do, each script safe to repeat; and the limits of rules, which the contract is to agree with."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest
from web3.exceptions import ContractLogicError

from gridwitness.chain.manifest import Manifest
from gridwitness.chain.reverts import decode_revert
from gridwitness.errors import ConfigError
from scripts._artefacts import Artefact, Artefacts
from scripts._params import check_params, read_params
from scripts.zone import Euros, Slot
from tests.integration.deploy.conftest import DEPLOYER, ROOT, Console
from tests.integration.deploy.test_roles_streams import HEAT, STRANGER

LOCAL = ROOT / "deployments" / "params" / "local.yaml"
NEW_DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def market_artefact(artefacts: Artefacts) -> Artefact:
    return artefacts["EnergyMarket"]


@pytest.fixture(scope="module")
def euro_artefact(artefacts: Artefacts) -> Artefact:
    return artefacts["EuroToken"]


def now(console: Console) -> datetime:
    return datetime.fromtimestamp(console.web3.eth.get_block("latest")["timestamp"], UTC)


def day_of(time: datetime) -> int:
    return int(time.timestamp()) // 86_400


def setting(zone: int, **changes: Any) -> str:
    """The option's value that gives a zone the rules of zone 1, changed."""
    return f"zones.{zone}={json.dumps(read_params(LOCAL)['zones'][1] | changes)}"


def opened(console: Console, zone: int) -> int:
    """A zone of the test's own."""
    outcome = console.run("zone", "open", str(zone), "--set", setting(zone))
    assert outcome.code == 0, outcome.output
    return zone


def test_open__twice__opens_once_and_records_it(standing: Console) -> None:
    sent = standing.transactions
    for _ in range(2):
        outcome = standing.run("zone", "open", "7", "--set", setting(7, tickSizePerKwh=2_500))
        assert outcome.code == 0, outcome.output
        assert standing.transactions == sent + 1
    assert standing.manifest["zones"]["7"]["params"]["tickSizePerKwh"] == 2_500


def test_open__by_one_without_the_role__carries_the_contract_s_error(standing: Console) -> None:
    outcome = standing.run("zone", "open", "8", "--set", setting(8), "--account", "TEST::2")
    assert outcome.code == 1
    assert f"AccessControlUnauthorizedAccount(account={STRANGER.lower()}" in outcome.error
    assert "8" not in standing.manifest["zones"]


def test_open__its_stream_not_open_yet__names_the_script_that_opens_it(standing: Console) -> None:
    stream = HEAT.replace("heat", "cold")
    outcome = standing.run("zone", "open", "9", "--set", stream, "--set", setting(9, profileStream="$cold"))
    assert outcome.code == 1
    assert "streams.cold is missing (`ape run open_stream cold` comes first)" in outcome.error


def test_open__not_in_the_parameters__names_those_that_are(standing: Console) -> None:
    assert "zones.10 is missing; there are 1" in standing.run("zone", "open", "10").error


def test_announce__without_a_yes__shows_what_changes_and_sends_nothing(standing: Console) -> None:
    zone = opened(standing, 11)
    sent = standing.transactions
    outcome = standing.run("zone", "announce", "11", "--set", setting(zone, networkFeeTicks=12, minOrderWh=20))
    earliest = (now(standing) + timedelta(days=7)).date()
    assert f"zone 11 from {earliest} on (the earliest day is {earliest})" in outcome.output
    assert "  networkFeeTicks: 10 → 12\n  minOrderWh: 10 → 20\n" in outcome.output
    assert outcome.code == 1
    assert "there is no terminal to ask on (--yes goes ahead without)" in outcome.error
    assert standing.transactions == sent


def test_announce__twice__sends_once_and_the_manifest_follows_the_day(
    standing: Console, market_artefact: Artefact
) -> None:
    zone = opened(standing, 12)
    sent = standing.transactions
    first = now(standing) + timedelta(days=9)
    new = ("--set", setting(zone, networkFeeTicks=12))
    for _ in range(2):
        outcome = standing.run("zone", "announce", "12", "--yes", "--from-day", f"{first:%Y-%m-%d}", *new)
        assert outcome.code == 0, outcome.output
        assert standing.transactions == sent + 1
    assert f"zone 12 has these rules from {first.date()} on" in outcome.output
    before, after = (
        standing.call(market_artefact, "zoneParams", zone, day_of(day)) for day in (first - NEW_DAY, first)
    )
    assert [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]] == [(10, 12)]

    entry = standing.manifest["zones"]["12"]
    assert entry["params"]["networkFeeTicks"] == 10
    assert entry["announced"] == {"from_day": day_of(first), "params": entry["params"] | {"networkFeeTicks": 12}}
    recorded = Manifest.load(standing.path)
    fees = [recorded.zone_rules(12, day_of(day))[0]["networkFeeTicks"] for day in (first - NEW_DAY, first)]
    assert fees == [10, 12]
    assert f"from {first.date()} on:\n  networkFeeTicks: 10 → 12" in standing.run("zone", "show", "12").output
    for rules in (setting(zone), new[1]):
        assert standing.run("zone", "open", "12", "--set", rules).code == 0
    other = standing.run("zone", "announce", "12", "--yes", "--set", setting(zone, networkFeeTicks=13))
    assert f"zone 12 gets other rules on {first.date()}, which were announced already" in other.error

    standing.web3.provider.make_request("evm_setNextBlockTimestamp", [day_of(first) * 86_400])  # type: ignore[arg-type]
    standing.web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]
    assert standing.run("zone", "show", "12").code == 0
    assert "announced" not in standing.manifest["zones"]["12"]
    assert "is open with networkFeeTicks 12" in standing.run("zone", "open", "12", "--set", setting(zone)).error


def test_announce__with_too_little_notice__names_the_earliest_day(standing: Console) -> None:
    zone = opened(standing, 13)
    tomorrow, earliest = (f"{now(standing) + timedelta(days=days):%Y-%m-%d}" for days in (1, 7))
    outcome = standing.run(
        "zone", "announce", "13", "--yes", "--from-day", tomorrow, "--set", setting(zone, capTick=120)
    )
    assert f"--from-day is {tomorrow}; rules need 7 days of notice: {earliest}" in outcome.error


def test_announce__same_rules__sends_nothing(standing: Console) -> None:
    sent = standing.transactions
    assert "· zone 1 has these rules" in standing.run("zone", "announce", "1").output
    assert standing.transactions == sent


@pytest.mark.parametrize("command", [("show", "99"), ("withdraw", "99", "--down-to", "0")])
def test_zone__not_open__names_what_opens_it(command: tuple[str, ...], standing: Console) -> None:
    assert "zone 99 is not open (`ape run zone open 99` opens it)" in standing.run("zone", *command).error


def test_pause_and_resume__each_twice__send_one_each(standing: Console, market_artefact: Artefact) -> None:
    sent = standing.transactions
    for count, (command, paused) in enumerate([("pause", True), ("resume", False)], start=1):
        for _ in range(2):
            outcome = standing.run("zone", command, "1")
            assert outcome.code == 0, outcome.output
            assert standing.transactions == sent + count
            assert standing.call(market_artefact, "backstop", 1)[3] is paused
    assert "zone 1 takes orders" in outcome.output


def slot_time(slot: int) -> str:
    return f"{datetime.fromtimestamp(slot * 900, UTC):%Y-%m-%dT%H:%M}"


def test_cap__open_slots__sets_each_of_them_and_no_other(standing: Console, market_artefact: Artefact) -> None:
    first = int(now(standing).timestamp()) // 900 + 20
    hours = ("--from", slot_time(first), "--until", slot_time(first + 8))
    outcome = standing.run("zone", "cap", "1", *hours, "--wh", "20000")
    assert f"zone 1 matches at most 20,000 Wh in 8 slots from {slot_time(first)} on" in outcome.output
    caps = [standing.call(market_artefact, "clearing", 1, slot)[4] for slot in range(first - 1, first + 9)]
    assert caps == [0] + [20_000] * 8 + [0]


def test_cap__times_that_no_cap_can_have__are_refused_by_name(standing: Console) -> None:
    current = int(now(standing).timestamp()) // 900
    sent = standing.transactions

    def refusal(first: int, end: int) -> str:
        hours = ("--from", slot_time(first), "--until", slot_time(end))
        return standing.run("zone", "cap", "1", *hours, "--wh", "20000").error

    # The chain's clock runs on between the calls, by less than a slot; so limits are tested a slot away.
    assert f"--from is {slot_time(current + 3)}; the first slot whose gate is open" in refusal(current + 3, current + 9)
    far = current + 290
    assert f"--until is {slot_time(far)}; it must be after --from and" in refusal(current + 9, far)
    assert "it must be after --from" in refusal(current + 9, current + 9)
    assert standing.transactions == sent


def test_slot__not_at_its_start__is_refused() -> None:
    with pytest.raises(
        click.BadParameter, match="'2026-06-21T10:07' is within a delivery slot; they start every quarter"
    ):
        Slot().convert("2026-06-21T10:07", None, None)


def test_fund_and_withdraw__each_twice__move_the_difference_once(
    standing: Console, market_artefact: Artefact, euro_artefact: Artefact
) -> None:
    zone = opened(standing, 14)
    standing.send(euro_artefact, "mint", DEPLOYER, 500_000_000)
    for _ in range(2):
        outcome = standing.run("zone", "fund", "14", "--up-to", "300.25")
        assert outcome.code == 0, outcome.output
        assert standing.call(market_artefact, "backstop", zone) == (300_250_000, 0, 0, False)
    assert "· the backstop of zone 14 holds 300.25 EUR" in outcome.output
    assert standing.call(euro_artefact, "balanceOf", DEPLOYER) == 199_750_000
    assert (
        standing.call(euro_artefact, "allowance", DEPLOYER, standing.manifest["contracts"]["EnergyMarket"]["address"])
        == 0
    )
    short = standing.run("zone", "fund", "14", "--up-to", "1000")
    assert f"{DEPLOYER} holds 199.75 EUR; 699.75 EUR are missing in zone 14" in short.error

    for _ in range(2):
        outcome = standing.run("zone", "withdraw", "14", "--down-to", "100", "--to", STRANGER)
        assert outcome.code == 0, outcome.output
        assert standing.call(market_artefact, "backstop", zone) == (100_000_000, 0, 0, False)
    assert standing.call(euro_artefact, "balanceOf", STRANGER) == 200_250_000
    stranger = standing.run("zone", "withdraw", "14", "--down-to", "0", "--account", "TEST::2")
    assert f"AccessControlUnauthorizedAccount(account={STRANGER.lower()}" in stranger.error
    shown = standing.run("zone", "show", "14").output
    assert "backstop: 100 EUR, exposed 0 EUR, in transit 0 EUR" in shown


@pytest.mark.parametrize("amount", ["-1", "0.0000001", "NaN", "Infinity", "ten"])
def test_euros__no_amount_of_them__is_refused(amount: str) -> None:
    with pytest.raises(
        click.BadParameter, match=f"'{amount}' is no amount of euros: zero or more, at most six decimals"
    ):
        Euros().convert(amount, None, None)


LIMITS: list[tuple[str, int, int, dict[str, int]]] = [
    # rule, last value within its limit, first beyond it, other rules that the limit depends on
    ("tickSizePerKwh", 1, 0, {}),
    ("minOrderWh", 1, 0, {}),
    ("disputeSeconds", 1, 0, {}),
    ("disputeSeconds", 432_000, 432_001, {}),
    ("longPricePerKwh", 90_000, 90_001, {"floorPricePerKwh": 80_000, "penaltyPerKwh": 10_000}),
    ("longPricePerKwh", 60_000, 60_001, {"shortPricePerKwh": 60_000}),
    ("toleranceBps", 10_000, 10_001, {}),
    ("holdScoreBps", 10_000, 10_001, {}),
    ("capTick", 127, 128, {}),
    ("networkFeeTicks", 30, 31, {"capTick": 30}),
    ("greenPremiumTicks", 127, 128, {}),
    ("gateLeadSlots", 191, 192, {}),
    ("finalAfterSeconds", 3_601, 3_600, {"provisionalAfterSeconds": 3_600}),
    ("finalAfterSeconds", 518_400, 518_401, {}),
]


@pytest.mark.parametrize(("rule", "within", "beyond", "others"), LIMITS)
def test_limits__of_each_rule__are_the_contract_s(
    rule: str, within: int, beyond: int, others: dict[str, int], standing: Console, artefacts: Artefacts
) -> None:
    def rules(value: int) -> dict[str, Any]:
        data = read_params(LOCAL)
        data["zones"][1] |= others | {rule: value}
        return dict(check_params(data, "village.yaml", artefacts, deployer=DEPLOYER, is_mainnet=False).zones[1])

    def open_on_chain(values: dict[str, Any]) -> None:
        values = values | {"profileStream": standing.manifest["streams"]["profiles"]["id"]}
        standing.call(artefacts["EnergyMarket"], "openZone", 77, tuple(values.values()))

    accepted = rules(within)
    open_on_chain(accepted)
    with pytest.raises(ConfigError, match=rf"zones\.1\.{rule} is {beyond}; .*\b{within}\b"):
        rules(beyond)
    with pytest.raises(ContractLogicError) as refused:
        open_on_chain(accepted | {rule: beyond})
    error = decode_revert(bytes.fromhex(str(refused.value.data)[2:]))
    name = "0x" + rule.encode().ljust(32, b"\0").hex()
    assert (error.error_name, list(error.arguments.values())) == ("ZoneParamInvalid", [name, beyond, within])
