"""`gridwitness agent`: files in, a schedule out, and each fault in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from gridwitness.chain.keystore import write_keystore
from gridwitness.cli import build_app
from gridwitness.domain.market import Order, Schedule, Side
from gridwitness.domain.slots import SLOT_SECONDS, SLOTS_PER_DAY
from gridwitness.encoding.eip712 import market_domain, schedule_digest
from gridwitness.encoding.keys import Secp256k1Key, recover_signer
from gridwitness.errors import GridwitnessError, InputError
from gridwitness.market.agents import Strategy, imbalance_limit_wh, make_orders
from gridwitness.market.forecast import forecast_day
from gridwitness.market.zone_rules import zone_params_of
from gridwitness.service.net_forecast import LEAST_DAYS, forecast_net_day
from gridwitness.service.relay.messages import ScheduleMessage, to_schedule
from gridwitness.sources.community import load_community
from gridwitness.sources.community_data import date_of
from tests.oracle.market.orders import ZONE
from tests.oracle.service.test_net_forecast import MONDAY, home_wh

VILLAGE = Path(__file__).parents[3] / "data" / "simbench-rural1"
DEVICE = bytes(31) + b"\x07"
ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
MARKET = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
DAY = 17_026  # 2016-08-13
RULES = {
    "floorPricePerKwh": 66_000,
    "tickSizePerKwh": 2_000,
    "shortPricePerKwh": 320_000,
    "longPricePerKwh": 80_000,
    "penaltyPerKwh": 15_000,
    "toleranceBps": 1_000,
    "gateLeadSlots": 4,
}
BATTERY = {
    "capacity_wh": 10_000,
    "charge_power_w": 5_000,
    "discharge_power_w": 5_000,
    "round_trip_bps": 9_000,
    "initial_wh": 2_000,
    "final_wh": 2_000,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Rules, a manifest with the same rules, and a key with its password."""
    (tmp_path / "zone.json").write_text(json.dumps(RULES))
    manifest = {
        "chain_id": 31337,
        "contracts": {"EnergyMarket": {"address": MARKET, "block": 1}},
        "zones": {"1": {"params": {**RULES, "profileStream": "0x" + "00" * 32}}},
    }
    (tmp_path / "31337.json").write_text(json.dumps(manifest))
    (tmp_path / "password").write_text("secret\n")
    write_keystore(tmp_path / "key.json", (9).to_bytes(32, "big"), tmp_path / "password", light=True)
    return tmp_path


def run(folder: Path, *extra: str, rules: tuple[str, ...] = (), **changes: str) -> Result:
    given = {
        "history": str(VILLAGE),
        "meter": "bus-03",
        "day": "2016-08-13",
        "device": "0x" + DEVICE.hex(),
        "account": ACCOUNT,
        "out": str(folder / "schedule.json"),
        **changes,
    }
    rules = rules or ("--rules", str(folder / "zone.json"))
    words = ["agent", *(word for name, value in given.items() for word in (f"--{name}", value)), *rules, *extra]
    return CliRunner().invoke(build_app(words), words)


def with_battery(folder: Path, **changes: object) -> tuple[str, ...]:
    values = {name: value for name, value in {**BATTERY, **changes}.items() if value is not None}
    (folder / "battery.toml").write_text("\n".join(f"{name} = {value}" for name, value in values.items()))
    return "--strategy", "battery", "--battery", str(folder / "battery.toml")


def schedule_of(folder: Path) -> tuple[Schedule, dict[str, Any]]:
    """The schedule of the file, whose packed orders and orders in words are the same, and the file."""
    content = json.loads((folder / "schedule.json").read_text())
    schedule = to_schedule(msgspec.convert(content["schedule"], ScheduleMessage))
    in_words = tuple(Order(Side[row["side"].upper()], row["tick"], row["energyWh"]) for row in content["orders"])
    assert in_words == schedule.orders
    return schedule, content


@pytest.mark.parametrize("strategy", [Strategy.TRUTHFUL, Strategy.HEDGED])
def test_agent__history_and_rules__writes_the_orders_of_the_strategy(folder: Path, strategy: Strategy) -> None:
    done = run(folder, "--strategy", strategy.value, version="3")
    assert done.exit_code == 0, done.output
    schedule, content = schedule_of(folder)
    history_wh = load_community(VILLAGE).days_wh("bus-03", range(DAY - 3, DAY))
    forecast = forecast_day(history_wh)
    orders = make_orders(forecast, ZONE, strategy)
    last = max(index for index, order in enumerate(orders) if order.energy_wh)
    deadline = (DAY * SLOTS_PER_DAY + last - RULES["gateLeadSlots"]) * SLOT_SECONDS - 1
    assert schedule == Schedule(DEVICE, ACCOUNT, 1, DAY, 3, deadline, imbalance_limit_wh(forecast), orders)
    assert content["orders"][1]["slotStart"] == "2016-08-13T00:15:00Z"
    assert (content["date"], content["seal"]) == ("2016-08-13", None)
    assert done.output.count("offer") > 20
    assert "unsigned" in done.output


@pytest.mark.parametrize(("option", "days"), [((), LEAST_DAYS), (("--history-days", "5"), 5)])
def test_agent__long_history__is_forecast_by_the_model_unless_fewer_days_are_asked_for(
    folder: Path, option: tuple[str, ...], days: int
) -> None:
    history_wh = home_wh(LEAST_DAYS, 1.5)
    slots = pd.date_range("2026-01-05", periods=history_wh.size, freq="15min", tz="UTC")
    net_wh = history_wh.ravel()
    table = {"slot_start": slots, "meter": "a", "import_wh": net_wh.clip(min=0), "export_wh": (-net_wh).clip(min=0)}
    pd.DataFrame(table).to_parquet(folder / "history.parquet")
    day = MONDAY + LEAST_DAYS
    done = run(folder, *option, history=str(folder / "history.parquet"), meter="a", day=date_of(day).isoformat())
    assert done.exit_code == 0, done.output
    expected = make_orders(forecast_net_day(history_wh[-days:], day), ZONE, Strategy.HEDGED)
    assert schedule_of(folder)[0].orders == expected


def test_agent__fee_premium_cap_and_minimum__shape_the_orders_of_a_green_kind(folder: Path) -> None:
    fee_and_premium = {"networkFeeTicks": 20, "greenPremiumTicks": 30, "greenKinds": ["generation"]}
    rules = {**RULES, **fee_and_premium, "capTick": 125, "minOrderWh": 200}
    (folder / "zone.json").write_text(json.dumps(rules))
    params = zone_params_of(rules, "rules")
    forecast = forecast_day(load_community(VILLAGE).days_wh("bus-03", range(DAY - 3, DAY)))
    written = {}
    for kind, is_green in (("consumption", False), ("generation", True)):
        assert run(folder, kind=kind).exit_code == 0
        written[kind] = schedule_of(folder)[0].orders
        assert written[kind] == make_orders(forecast, params, green=is_green)
    assert written["generation"] != written["consumption"]
    assert min(order.energy_wh for order in written["generation"] if order.energy_wh) >= 200


def test_agent__rules_announced_in_the_manifest__shape_the_orders_from_their_day_on(folder: Path) -> None:
    path = folder / "31337.json"
    manifest = json.loads(path.read_text())
    announced = {"from_day": DAY, "params": {**manifest["zones"]["1"]["params"], "minOrderWh": 400}}
    manifest["zones"]["1"]["announced"] = announced
    path.write_text(json.dumps(manifest))
    least_wh = {}
    for day in ("2016-08-12", "2016-08-13"):
        assert run(folder, day=day, rules=("--manifest", str(path))).exit_code == 0
        least_wh[day] = min(order.energy_wh for order in schedule_of(folder)[0].orders if order.energy_wh)
    assert least_wh["2016-08-12"] < 400 <= least_wh["2016-08-13"]


def test_agent__nothing_worth_ordering__is_not_sent_to_the_relay(folder: Path) -> None:
    """An empty schedule would cancel the day."""
    manifest = json.loads((folder / "31337.json").read_text())
    manifest["zones"]["1"]["params"]["minOrderWh"] = 65_535
    (folder / "31337.json").write_text(json.dumps(manifest))
    done = run(
        folder, *signed(folder), "--relay", "http://relay.invalid", rules=("--manifest", str(folder / "31337.json"))
    )
    assert isinstance(done.exception, InputError)
    assert done.exception.message == "no order is worth making, so nothing is sent"
    assert not any(order.energy_wh for order in schedule_of(folder)[0].orders)


def test_agent__battery__writes_states_within_it_and_other_orders(folder: Path) -> None:
    assert run(folder).exit_code == 0
    without, _ = schedule_of(folder)
    assert run(folder, *with_battery(folder)).exit_code == 0
    schedule, content = schedule_of(folder)
    assert len(content["storedWh"]) == SLOTS_PER_DAY
    assert 0 <= min(content["storedWh"]) <= max(content["storedWh"]) <= 10_000
    assert content["storedWh"][-1] >= 2_000
    assert schedule.orders != without.orders


def test_agent__battery_with_prices__charges_when_they_are_low_and_gives_when_high(folder: Path) -> None:
    cents = np.where((np.arange(SLOTS_PER_DAY) >= 8) & (np.arange(SLOTS_PER_DAY) < 16), 0.10, 0.30)
    times = pd.date_range("2016-08-12T00:00Z", periods=SLOTS_PER_DAY, freq="15min").strftime("%Y-%m-%dT%H:%M:%SZ")
    prices = pd.DataFrame({"slot_start": times, "zone": 1, "price_eur_per_kwh": cents})
    prices.to_csv(folder / "clearings.csv", index=False)
    done = run(folder, *with_battery(folder), "--prices", str(folder / "clearings.csv"))
    assert done.exit_code == 0, done.output
    stored_wh = schedule_of(folder)[1]["storedWh"]
    assert stored_wh[7] == 0
    assert stored_wh[15] == 8 * 1_125
    assert stored_wh[-1] == 2_000


def test_agent__prices_of_another_time_only__names_the_first_missing(folder: Path) -> None:
    (folder / "p.csv").write_text("slot_start,price_eur_per_kwh\n2016-08-12T00:00:00Z,0.2\n2016-08-13T00:15:00Z,0.2\n")
    error = fault(folder, *with_battery(folder), "--prices", str(folder / "p.csv"))
    assert "no price of 00:15 UTC before 2016-08-13, nor of 94 other" in error.message


def test_agent__key_of_owner_or_delegate__signs_with_its_address_before(folder: Path) -> None:
    done = run(folder, *signed(folder), rules=("--manifest", str(folder / "31337.json")))
    assert done.exit_code == 0, done.output
    schedule, content = schedule_of(folder)
    digest = schedule_digest(market_domain(31337, MARKET), schedule)
    signature = bytes.fromhex(content["seal"]["signature"][2:])
    signer = Secp256k1Key(9).device_id[12:]
    assert content["seal"]["digest"] == "0x" + digest.hex()
    assert (signature[:20], recover_signer(digest, signature[20:])) == (signer, signer)
    other = schedule_digest(market_domain(1, MARKET), schedule)
    assert recover_signer(other, signature[20:]) != signer


def test_agent__key_of_the_device_itself__signs_bare(folder: Path) -> None:
    own = "0x" + Secp256k1Key(9).device_id.hex()
    done = run(folder, *signed(folder), rules=("--manifest", str(folder / "31337.json")), device=own)
    assert done.exit_code == 0, done.output
    assert len(schedule_of(folder)[1]["seal"]["signature"]) == 2 + 2 * 65


def signed(folder: Path) -> tuple[str, ...]:
    return "--key", str(folder / "key.json"), "--password-file", str(folder / "password")


def fault(folder: Path, *extra: str, rules: tuple[str, ...] = (), **changes: str) -> GridwitnessError:
    error = run(folder, *extra, rules=rules, **changes).exception
    assert isinstance(error, GridwitnessError), error
    assert "\n" not in error.message
    assert not (folder / "schedule.json").exists()
    return error


@pytest.mark.parametrize(
    ("changes", "extra", "message"),
    [
        ({"meter": "bus-99"}, (), "simbench-rural1: no meter bus-99; there are bus-01"),
        ({"day": "2016-01-01"}, (), "simbench-rural1: no slot 2015-12-31T00:00:00Z"),
        ({"device": "0x07"}, (), "device '0x07' is not 0x and 64 hex digits"),
        ({"account": ACCOUNT.lower()}, (), "is not a checksummed address"),
        ({"kind": "windmill"}, (), "kind 'windmill' is not one of consumption, prosumer, generation"),
        ({}, ("--strategy", "battery"), "strategy battery needs a battery plan"),
        ({}, ("--strategy", "battery", "--battery", "none.toml"), "battery none.toml not found"),
        ({}, ("--prices", "none.csv"), "prices none.csv are for a battery, and there is none"),
        ({}, ("--key", "key.json"), "--key, --password-file and --manifest go together"),
        ({}, ("--relay", "http://relay.invalid"), "go together, and --relay needs them"),
        ({}, ("--manifest", "31337.json"), "give the zone's rules by --rules or by --manifest, not both"),
    ],
)
def test_agent__wrong_input__is_one_line_and_nothing_is_written(
    folder: Path, changes: dict[str, str], extra: tuple[str, ...], message: str
) -> None:
    assert message in fault(folder, *extra, **changes).message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"final_wh": 10_001}, "battery: final_wh 10001 is outside 0 to 10000"),
        ({"final_wh": None}, "{file}: final_wh is missing"),
        ({"final_wh": 0.5}, "{file}: final_wh is 0.5"),
        ({"power_w": 5_000}, "{file}: power_w is not known of a battery"),
    ],
)
def test_agent__bad_battery__names_file_key_and_value(folder: Path, changes: dict[str, object], message: str) -> None:
    error = fault(folder, *with_battery(folder, **changes))
    assert error.message == message.format(file=folder / "battery.toml")


def test_agent__battery_of_another_strategy__is_refused(folder: Path) -> None:
    error = fault(folder, *with_battery(folder), "--strategy", "hedged")
    assert error.message == "strategy hedged takes no battery plan"


def test_agent__prices_not_there__says_so(folder: Path) -> None:
    error = fault(folder, *with_battery(folder), "--prices", "none.csv")
    assert error.message == "prices none.csv cannot be read: No such file or directory"


def test_agent__history_of_several_meters__hint_names_them(folder: Path) -> None:
    words = ["agent", "--history", str(VILLAGE), "--day", "2016-08-13", "--device", "0x" + DEVICE.hex()]
    words += ["--account", ACCOUNT, "--rules", str(folder / "zone.json"), "--out", str(folder / "schedule.json")]
    error = CliRunner().invoke(build_app(words), words).exception
    assert isinstance(error, GridwitnessError)
    assert error.message == f"{VILLAGE} has 13 meters"
    assert error.hint.startswith("--meter is one of bus-01, ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tickSizePerKwh": None}, "tickSizePerKwh is missing; it must be a non-negative integer"),
        ({"tickSizePerKwh": 0}, "tickSizePerKwh is 0; it must be at least 1"),
        ({"toleranceBps": 0.1}, "toleranceBps is 0.1; it must be a non-negative integer"),
        ({"tarrif": 1}, "tarrif is not a rule of a zone"),
        ({"longPricePerKwh": 320_001}, "longPricePerKwh 320001 is above shortPricePerKwh 320000"),
    ],
)
def test_agent__bad_rule__names_file_and_key(folder: Path, changes: dict[str, object], message: str) -> None:
    rules = {key: value for key, value in {**RULES, **changes}.items() if value is not None}
    (folder / "zone.json").write_text(json.dumps(rules))
    assert fault(folder).message == f"{folder / 'zone.json'}: {message}"


def test_agent__zone_the_manifest_lacks__names_those_it_has(folder: Path) -> None:
    error = fault(folder, rules=("--manifest", str(folder / "31337.json")), zone="2")
    assert error.message == f"{folder / '31337.json'}: no zone 2"
    assert error.hint == "zones in it: 1"
