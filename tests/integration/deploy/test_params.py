"""Parameters are held against the ABIs before anything is sent: each fault is one line with file, key, value, limit."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from gridwitness.encoding.hashing import keccak
from gridwitness.errors import ConfigError
from scripts._artefacts import Artefacts
from scripts._params import check_params, read_params
from tests.integration.deploy.conftest import DEPLOYER, ROOT

PARAMS = ROOT / "deployments" / "params"
ANYONE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
DROP = object()
SHIPPED = sorted(PARAMS.glob("*.yaml"))
CHAIN_IDS = {
    "arbitrum-sepolia": 421_614,
    "base-sepolia": 84_532,
    "ethereum-sepolia": 11_155_111,
    "local": 31_337,
    "optimism-sepolia": 11_155_420,
    "polygon-amoy": 80_002,
}
TIMELOCK = {"minDelaySeconds": 172_800, "proposers": [ANYONE], "executors": "anyone"}


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    return read_params(PARAMS / "local.yaml")


def check(data: dict[str, Any], artefacts: Artefacts, *, is_mainnet: bool = False) -> Any:
    return check_params(data, "village.yaml", artefacts, deployer=DEPLOYER, is_mainnet=is_mainnet)


def altered(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(data)
    *parents, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    table = changed
    for parent in parents:
        table = table[parent]
    if value is DROP:
        del table[last]
    else:
        table[last] = value
    return changed


def bases() -> set[Path]:
    """Files that others extend: what they hold is checked with those."""
    named = [re.findall(r"^extends: (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE) for path in SHIPPED]
    return {PARAMS / name for names in named for name in names}


def test_check__files_that_are_extended__are_all_there_and_for_no_chain() -> None:
    assert {path.name for path in bases()} == {"common.yaml", "testnet.yaml"}
    assert all("chain_id" not in read_params(path) for path in bases())


@pytest.mark.parametrize("path", sorted(set(SHIPPED) - bases()), ids=lambda path: path.name)
def test_check__every_file_that_we_ship__passes(path: Path, artefacts: Artefacts) -> None:
    params = check(read_params(path), artefacts)
    assert params.chain_id == CHAIN_IDS[path.stem]
    assert set(params.streams) == {"readings", "profiles"}
    assert params.zones[1]["profileStream"] == "$profiles"
    assert params.salt == keccak(b"gridwitness")
    assert params.governance is None


def test_check__shares__are_contracts_and_a_role_and_nothing_if_left_out(
    good: dict[str, Any], artefacts: Artefacts
) -> None:
    params = check(altered(good, "shares.registrars", [ANYONE]), artefacts)
    assert params.contracts["Passports"] == {"admin": DEPLOYER}
    assert params.contracts["AssetFactory"] == params.contracts["ShareMarket"] == {}
    assert params.roles["Passports"] == {"REGISTRAR_ROLE": (ANYONE,)}
    for absent in (None, DROP):
        left_out = check(altered(good, "shares", absent), artefacts)
        assert set(left_out.contracts) == {"DeviceRegistry", "DataAttestation", "EnergyMarket"}
        assert set(left_out.roles) == {"DeviceRegistry", "EnergyMarket"}


def test_check__members_in_any_order__come_out_ascending(good: dict[str, Any], artefacts: Artefacts) -> None:
    members = good["streams"]["readings"]["members"]
    params = check(altered(good, "streams.readings.members", [members[2], members[0], members[1]]), artefacts)
    assert params.streams["readings"].members == tuple(sorted(members, key=lambda member: int(member, 16)))


@pytest.mark.parametrize(("kinds", "bits"), [([], 0), (["prosumer", "generation"], 0b1100), (0b1000_0000, 0b1000_0000)])
def test_check__green_kinds_by_name_or_number__become_bits(
    kinds: Any, bits: int, good: dict[str, Any], artefacts: Artefacts
) -> None:
    assert check(altered(good, "zones.1.greenKinds", kinds), artefacts).zones[1]["greenKinds"] == bits


FAULTS = {
    "missing constructor argument": (
        "contracts.EnergyMarket.token", DROP, "contracts.EnergyMarket.token is missing",
    ),
    "extra constructor argument": (
        "contracts.EnergyMarket.fee", 1, "contracts.EnergyMarket.fee is not known; expected registry, attestation",
    ),
    "argument for none": ("contracts.EuroToken", {"owner": ANYONE}, "its constructor takes no arguments"),
    "unknown contract": ("contracts.EnergyMarkt", None, "contracts.EnergyMarkt is 'EnergyMarkt'; there is no such"),
    "market missing": ("contracts.EnergyMarket", DROP, "EnergyMarket is missing"),
    "missing struct field": ("zones.1.holdScoreBps", DROP, "zones.1.holdScoreBps is missing"),
    "extra struct field": ("zones.1.greenPremium", 5, "zones.1.greenPremium is not known; expected profileStream"),
    "uint16 too large": ("zones.1.minOrderWh", 65_536, "minOrderWh is 65536; uint16 allows integers from 0 to 65535"),
    "uint32 negative": ("zones.1.penaltyPerKwh", -1, "is -1; uint32 allows integers from 0 to 4294967295"),
    "fraction": ("zones.1.tickSizePerKwh", 0.25, "tickSizePerKwh is 0.25; uint32 allows integers"),
    "yes for a number": ("zones.1.tickSizePerKwh", True, "tickSizePerKwh is True; uint32 allows integers"),
    "basis points": ("zones.1.toleranceBps", 10_001, "toleranceBps is 10001; basis points allow 0 to 10000"),
    "unknown kind": (
        "zones.1.greenKinds", ["prosumer", "solar"], "zones.1.greenKinds[1] is 'solar'; kinds are unspecified, consum",
    ),
    "beyond a fixed limit": ("zones.1.gateLeadSlots", 192, "zones.1.gateLeadSlots is 192; at most 191"),
    "beyond another rule": ("zones.1.longPricePerKwh", 80_001, "at most 80000, floorPricePerKwh plus penaltyPerKwh"),
    "no later than another rule": ("zones.1.finalAfterSeconds", 21_600, "is 21600; at least 21601, above provisional"),
    "zone zero": ("zones.0", {}, "zones.0 is 0; zones count from 1"),
    "zone beyond uint24": ("zones.16777216", {}, "is 16777216; uint24 allows integers from 0 to 16777215"),
    "unknown reference": ("zones.1.profileStream", "$profile", "bytes32 wanted; defined above are $profiles"),
    "reference of a wrong type": ("contracts.EnergyMarket.token", "$profiles", "is '$profiles'; address wanted"),
    "reference to later": ("contracts.EnergyMarket.registry", "$EnergyMarket", "address wanted; defined above are"),
    "short bytes32": ("zones.1.profileStream", "0xabcd", "is '0xabcd'; bytes32 is 0x and 64 hex digits"),
    "address not checksummed": (
        "contracts.DeviceRegistry.admin", ANYONE.lower(), f"not checksummed (EIP-55); {ANYONE} would be",
    ),
    "address too short": ("contracts.DeviceRegistry.admin", ANYONE[:-2], "expected an address: 0x and 40 hex digits"),
    "zero address": ("contracts.DeviceRegistry.admin", "0x" + "0" * 40, "the zero address is nobody's"),
    "unknown role": ("roles.EnergyMarket.CLERK_ROLE", [ANYONE], "EnergyMarket has the roles DEFAULT_ADMIN_ROLE, ZONE_"),
    "role for one account, not a list": ("roles.EnergyMarket.ZONE_OPERATOR_ROLE", ANYONE, "expected a list of address"),
    "threshold zero": ("streams.readings.threshold", 0, "threshold is 0; 3 members allow 1 to 3"),
    "threshold above members": ("streams.readings.threshold", 4, "threshold is 4; 3 members allow 1 to 3"),
    "no members": ("streams.readings.members", [], "members is []; expected 1 to 31 different addresses"),
    "a member twice": ("streams.readings.members", [ANYONE, ANYONE], "expected 1 to 31 different addresses"),
    "a dynamic leaf type": ("streams.readings.leaf", ["bytes32", "string"], "leaf[1] is 'string'; expected a static"),
    "a stream named as a contract": ("streams.token", {}, "streams.token is missing; expected"),
    "unknown section": ("zone", {}, "zone is not known; expected chain_id, contracts"),
    "no section": ("token", DROP, "token is missing; expected chain_id, contracts"),
    "neither auto nor never": ("create2", True, "create2 is True; auto uses CREATE2 where the chain has its factory"),
    "no salt": ("salt", "", "salt is ''; expected a line of text"),
    "governance without an admin": ("governance", {"timelock": TIMELOCK}, "governance.admin is missing"),
    "an admin beside a timelock": (
        "governance", {"admin": ANYONE, "timelock": TIMELOCK}, "with governance.timelock it is $timelock",
    ),
    "a timelock that is not there": ("governance", {"admin": "$timelock"}, "governance.admin is '$timelock'; address"),
    "nobody to propose": (
        "governance", {"admin": "$timelock", "timelock": {**TIMELOCK, "proposers": []}}, "proposers is []; expected",
    ),
    "a delay for ever": (
        "governance", {"admin": "$timelock", "timelock": {**TIMELOCK, "minDelaySeconds": 2**32}}, "Seconds is 4294967",
    ),
    "token of no kind": ("token", {"deploy": "Dollar"}, "expected {address: 0x…} or, on a test network"),
    "shares without a registrar": ("shares", {}, "shares.registrars is missing; expected registrars"),
    "a registrar that is none": ("shares.registrars", ["$readings"], "shares.registrars[0] is '$readings'; address"),
    "a contract of shares twice": ("contracts.Passports", {"admin": ANYONE}, "contracts.Passports is {'admin': "),
    "a list for a table": ("zones", [1], "zones is [1]; expected a table of keys"),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_check__one_fault__names_file_key_value_and_limit(
    fault: str, good: dict[str, Any], artefacts: Artefacts
) -> None:
    path, value, expected = FAULTS[fault]
    if fault == "a stream named as a contract":
        value, expected = dict(good["streams"]["readings"]), "streams.token is 'token'; the name is taken"
    with pytest.raises(ConfigError) as raised:
        check(altered(good, path, value), artefacts)
    assert raised.value.message.startswith("village.yaml: ")
    assert expected in raised.value.message
    assert "\n" not in raised.value.message


def test_check__test_token_on_a_main_network__is_refused(good: dict[str, Any], artefacts: Artefacts) -> None:
    with pytest.raises(ConfigError, match=r"token\.deploy is 'EuroToken'; anyone may mint it"):
        check(good, artefacts, is_mainnet=True)


def test_check__given_token_on_a_main_network__passes(good: dict[str, Any], artefacts: Artefacts) -> None:
    assert check(altered(good, "token", {"address": ANYONE}), artefacts, is_mainnet=True).token == ANYONE


def test_read__unquoted_address__stays_text(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"admin: {ANYONE}\nchain_id: 31_337\n", encoding="utf-8")
    assert read_params(path) == {"admin": ANYONE, "chain_id": 31_337}


def test_read__key_given_twice__is_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("zones:\n  1: {}\n  1: {}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"params\.yaml: key 1 is given twice \(line 2"):
        read_params(path)


def test_read__file_that_extends_another__merges_tables_and_replaces_lists(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "salt: a\nzones: {1: {x: 1, y: 2}}\nroles: {A: {B: [1, 2]}}\n", encoding="utf-8"
    )
    (tmp_path / "own.yaml").write_text(
        "extends: base.yaml\nzones: {1: {y: 3}}\nroles: {A: {B: [3]}}\n", encoding="utf-8"
    )
    assert read_params(tmp_path / "own.yaml") == {
        "salt": "a",
        "zones": {1: {"x": 1, "y": 3}},
        "roles": {"A": {"B": [3]}},
    }


def test_read__file_that_extends_itself_by_another__is_refused(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"extends: {other}.yaml\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"b\.yaml: extends is a\.yaml, which extends that file itself"):
        read_params(tmp_path / "a.yaml")


def test_check__timelock__gets_the_constructor_s_values_and_no_admin_of_its_own(
    good: dict[str, Any], artefacts: Artefacts
) -> None:
    governance = check({**good, "governance": {"admin": "$timelock", "timelock": TIMELOCK}}, artefacts).governance
    assert governance.admin == "$TimelockController"
    nobody = "0x" + "0" * 40
    assert governance.timelock == {"minDelay": 172_800, "proposers": [ANYONE], "executors": [nobody], "admin": nobody}


def test_read__broken_yaml__is_one_line_naming_the_file(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("zones: [1\n", encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        read_params(path)
    assert str(path) in raised.value.message
    assert "\n" not in raised.value.message


def test_read__no_such_file__says_where_examples_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read_params(tmp_path / "holesky.yaml")
    assert "holesky.yaml" in raised.value.message
    assert "deployments/params/" in raised.value.hint


def test_read__override__sets_a_nested_value() -> None:
    data = read_params(PARAMS / "local.yaml", (f"streams.readings.members=[{ANYONE}]", "zones.1.toleranceBps=500"))
    assert data["streams"]["readings"]["members"] == [ANYONE]
    assert data["zones"][1]["toleranceBps"] == 500


@pytest.mark.parametrize("override", ["zones.1.toleranceBps", "chain_id.deep=1"])
def test_read__override_that_fits_nowhere__is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        read_params(PARAMS / "local.yaml", (override,))
