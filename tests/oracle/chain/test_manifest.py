"""Manifests: what is missing is named by file and key."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from gridwitness.chain.manifest import Manifest
from gridwitness.errors import ConfigError

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
GOOD: dict[str, Any] = {
    "chain_id": 31337,
    "contracts": {"DataAttestation": {"address": ADDRESS, "block": 3, "transaction": "0x00", "arguments": []}},
    "streams": {"readings": {"id": "0x" + "ab" * 32, "schema": "0x" + "00" * 32, "owner": ADDRESS}},
    "zones": {"1": {"params": {"floorPricePerKwh": 60000}}},
}


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "31337.json"
    path.write_text(json.dumps(content))
    return path


def test_load_manifest__complete__has_addresses_streams_and_zones(tmp_path: Path) -> None:
    manifest = Manifest.load(written(tmp_path, GOOD))
    assert manifest.chain_id == 31337
    assert (manifest.address("DataAttestation"), manifest.block("DataAttestation")) == (ADDRESS, 3)
    assert manifest.stream("readings") == b"\xab" * 32
    assert manifest.zone_rules(1, 0) == ({"floorPricePerKwh": 60000}, f"{tmp_path}/31337.json: zones.1.params")


def test_ask_manifest__rules_were_announced__they_begin_on_their_day(tmp_path: Path) -> None:
    announced = {"from_day": 20_000, "params": {"floorPricePerKwh": 61_000}}
    zones = {"1": {**GOOD["zones"]["1"], "announced": announced}}
    manifest = Manifest.load(written(tmp_path, {**GOOD, "zones": zones}))
    source = f"{tmp_path}/31337.json: zones.1"
    assert manifest.zone_rules(1, 19_999) == ({"floorPricePerKwh": 60_000}, f"{source}.params")
    assert manifest.zone_rules(1, 20_000) == ({"floorPricePerKwh": 61_000}, f"{source}.announced.params")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["chain_id"], None, "key chain_id is None"),
        (["chain_id"], "31337", "key chain_id is '31337'; it must be a non-negative integer"),
        (["contracts"], None, "key contracts is missing or not an object"),
        (["contracts", "DataAttestation", "address"], ADDRESS.lower(), "must be a checksummed address"),
        (["contracts", "DataAttestation", "block"], -1, "key contracts.DataAttestation.block is -1"),
        (["streams", "readings", "id"], "0xab", "key streams.readings.id is '0xab'; it must be 32 bytes in hex"),
        (["streams", "readings", "id"], None, "key streams.readings.id is None"),
        (["zones", "1"], {}, "key zones.1.params is missing"),
        (["zones", "1", "announced"], None, "key zones.1.announced is missing or not an object"),
        (["zones", "1", "announced"], {"params": {}}, "key zones.1.announced.from_day is None"),
        (["zones", "1", "announced"], {"from_day": 1}, "key zones.1.announced.params is missing"),
        (["zones", "one"], {"params": {}}, "key zones.one is not a zone number"),
    ],
)
def test_load_manifest__one_key_wrong__is_named(tmp_path: Path, path: list[str], value: object, message: str) -> None:
    content = copy.deepcopy(GOOD)
    table = content
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value
    with pytest.raises(ConfigError) as raised:
        Manifest.load(written(tmp_path, content))
    assert message in raised.value.message
    assert "31337.json" in raised.value.message


def test_load_manifest__no_file__says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"manifest .*1\.json not found") as raised:
        Manifest.load(tmp_path / "1.json")
    assert "ape run deploy" in raised.value.hint


def test_load_manifest__not_json__is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "1.json"
    path.write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        Manifest.load(path)


def test_ask_manifest__contract_or_stream_not_there__names_the_key(tmp_path: Path) -> None:
    manifest = Manifest.load(written(tmp_path, GOOD))
    with pytest.raises(ConfigError, match=r"key contracts\.EnergyMarket is missing"):
        manifest.address("EnergyMarket")
    with pytest.raises(ConfigError, match=r"key streams\.profiles is missing"):
        manifest.stream("profiles")
