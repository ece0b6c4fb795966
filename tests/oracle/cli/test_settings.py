"""Settings of an oracle: what is wrong is named with file, key and value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gridwitness.cli.settings import load_settings
from gridwitness.errors import ConfigError

ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
GOOD = {
    "name": "oracle-1",
    "data_dir": "data",
    "rpc_url": "http://127.0.0.1:8545",
    "manifest": "31337.json",
    "zone": 1,
    "keystore": "keystore.json",
    "password_file": "password",
}


def _write(folder: Path, tail: str = "", **changes: object) -> Path:
    path = folder / "oracle.toml"
    values = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    path.write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items()) + "\n" + tail)
    return path


def test_load__least_settings__is_a_dry_run_with_paths_beside_the_file(tmp_path: Path) -> None:
    settings = load_settings(_write(tmp_path))
    assert settings.keystore == tmp_path / "keystore.json"
    assert settings.data_dir == tmp_path / "data"
    assert settings.node_config(live=False).dry_run
    assert not settings.node_config(live=True).dry_run
    assert settings.host_and_port == ("127.0.0.1", 8101)


def test_load__peers__are_given_by_address(tmp_path: Path) -> None:
    path = _write(tmp_path, f'[[peers]]\naddress = "{ADDRESS}"\nurl = "http://127.0.0.1:8102"\n')
    assert load_settings(path).node_config(live=False).peers == {ADDRESS: "http://127.0.0.1:8102"}


def test_load__environment__goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDWITNESS_GRACE_S", "77")
    assert load_settings(_write(tmp_path, grace_s=5)).node_config(live=False).rules.grace_s == 77


BAD: list[tuple[dict[str, object], str]] = [
    ({"zone": 0}, "zone is 0: Input should be greater than or equal to 1"),
    ({"zone": None}, "zone: Field required"),
    ({"colour": "red"}, "colour is 'red': Extra inputs are not permitted"),
    ({"listen": "8101"}, "listen is '8101': Value error, 8101 is not host:port with a port of 0 to 65535"),
    ({"listen": "127.0.0.1:65536"}, "listen is '127.0.0.1:65536'"),
    ({"rpc_url": "ws://127.0.0.1"}, "rpc_url is 'ws://127.0.0.1': String should match pattern"),
    ({"clock": "sundial"}, "clock is 'sundial': Input should be 'system' or 'chain'"),
    ({"poll_interval_s": 0}, "poll_interval_s is 0: Input should be greater than or equal to 0.01"),
    ({"mqtt_url": "http://broker"}, "mqtt_url is 'http://broker': String should match pattern"),
    ({"mqtt_group": "a/b"}, "mqtt_group is 'a/b': String should match pattern"),
    ({"max_readings": 5_000}, "max_readings is 5000: Input should be less than or equal to 4096"),
]


@pytest.mark.parametrize(("changes", "words"), BAD)
def test_load__bad_value__names_file_key_value_and_limit(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    path = _write(tmp_path, **changes)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert words in caught.value.message


def test_load__peer_without_a_checksum__names_which_and_what(tmp_path: Path) -> None:
    path = _write(tmp_path, f'[[peers]]\naddress = "{ADDRESS.lower()}"\nurl = "http://127.0.0.1:8102"\n')
    with pytest.raises(ConfigError, match=r"peers\.0\.address is .* is not a checksummed address"):
        load_settings(path)


def test_load__missing_or_broken_file__says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not found"):
        load_settings(tmp_path / "none.toml")
    (tmp_path / "oracle.toml").write_text("name = ")
    with pytest.raises(ConfigError, match="cannot be read: Invalid value"):
        load_settings(tmp_path / "oracle.toml")


def test_load__broker__is_asked_under_names_of_its_own_with_files_beside_the_settings(tmp_path: Path) -> None:
    settings = load_settings(_write(tmp_path, mqtt_url="mqtts://broker", mqtt_password_file="secret"))
    mqtt = settings.node_config(live=False).mqtt
    assert mqtt is not None
    assert (mqtt.group, mqtt.client_id) == (settings.name, f"gridwitness-{settings.name}")
    assert mqtt.password_file == tmp_path / "secret"
    assert load_settings(_write(tmp_path)).node_config(live=False).mqtt is None
