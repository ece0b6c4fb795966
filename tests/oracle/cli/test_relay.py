"""Settings of a relay: what is wrong is named with file, key and value."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from gridwitness.cli.relay import RelaySettings
from gridwitness.cli.toml_settings import host_and_port
from gridwitness.errors import ConfigError
from gridwitness.service.relay.batching import RelayRules

GOOD = {
    "data_dir": "data",
    "rpc_url": "http://127.0.0.1:8545",
    "manifest": "31337.json",
    "keystore": "keystore.json",
    "password_file": "password",
}


def write(folder: Path, **changes: object) -> Path:
    path = folder / "relay.toml"
    values = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    path.write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items()))
    return path


def test_load__least_settings__have_the_rules_own_defaults_and_paths_beside_the_file(tmp_path: Path) -> None:
    settings = RelaySettings.load(write(tmp_path), "relay")
    assert (settings.keystore, settings.manifest) == (tmp_path / "keystore.json", tmp_path / "31337.json")
    assert settings.relay_config().data_dir == tmp_path / "data"
    assert settings.relay_config().rules == RelayRules()
    assert host_and_port(settings.listen) == ("127.0.0.1", 8201)


def test_load__environment__goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDWITNESS_RELAY_MAX_AGE_S", "77")
    monkeypatch.setenv("GRIDWITNESS_MAX_VERSIONS", "5")  # an oracle's would not be ours
    rules = RelaySettings.load(write(tmp_path, max_age_s=5), "relay").relay_config().rules
    assert (rules.max_age_s, rules.max_versions) == (77, RelayRules().max_versions)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keystore": None}, "give either keystore or signer_url"),
        ({"colour": "red"}, "colour is 'red': Extra inputs are not permitted"),
        ({"listen": "8201"}, "listen is '8201': Value error, 8201 is not host:port with a port of 0 to 65535"),
        ({"rpc_url": "ws://127.0.0.1"}, "rpc_url is 'ws://127.0.0.1': String should match pattern"),
        ({"clock": "sundial"}, "clock is 'sundial': Input should be 'system' or 'chain'"),
        ({"enough_rows": 0}, "enough_rows is 0: Input should be greater than or equal to 1"),
        ({"max_waiting": 499}, "max_waiting is 499: Input should be greater than or equal to 500"),
    ],
)
def test_load__bad_setting__names_file_key_and_value(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    path = write(tmp_path, **changes)
    with pytest.raises(ConfigError) as raised:
        RelaySettings.load(path, "relay")
    assert raised.value.message.startswith(f"{path}: {message}")


def test_load__no_file__hints_at_the_example(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not found") as raised:
        RelaySettings.load(tmp_path / "none.toml", "relay")
    assert raised.value.hint == "`gridwitness relay --help` shows an example"


def test_load__settings_of_the_operator_manual__are_what_the_command_reads(tmp_path: Path) -> None:
    manual = (Path(__file__).parents[3] / "docs" / "operator-reference.md").read_text(encoding="utf-8")
    manual = manual.split("\n## Relay\n")[1]
    (block,) = re.findall(r'^```toml title="relay.toml"\n(.*?)^```', manual, flags=re.MULTILINE | re.DOTALL)
    path = tmp_path / "relay.toml"
    path.write_text(block, encoding="utf-8")
    assert RelaySettings.load(path, "relay").confirmations == 2
    told = dict(re.findall(r"`(\w+)` \(`?([\w,]+)`?\)", manual))
    defaults = {name: str(RelaySettings.model_fields[name].default) for name in told}
    assert {name: told[name].replace(",", "") for name in defaults} == defaults
    assert set(defaults) >= {field.name for field in fields(RelayRules)}
