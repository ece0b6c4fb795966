"""Settings of nodes and keys: what fits together, what is refused, and that secrets have no place in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridwitness.cli.chain_settings import ChainSettings
from gridwitness.errors import ConfigError

ADDRESS = "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"
NODE = 'rpc_url = "http://127.0.0.1:8545"\n'
KEY = 'keystore = "key"\npassword_file = "password"\n'
SIGNER = f'signer_url = "https://signer:9000"\nsigner_address = "{ADDRESS}"\n'


def load(folder: Path, text: str) -> ChainSettings:
    path = folder / "settings.toml"
    path.write_text('manifest = "manifest.json"\n' + text)
    return ChainSettings.load(path, "run")


def test_load__one_node_or_several__in_their_order(tmp_path: Path) -> None:
    assert load(tmp_path, NODE + KEY).nodes == ("http://127.0.0.1:8545",)
    urls = 'rpc_urls = ["https://a", "https://b"]\n'
    assert load(tmp_path, urls + KEY).nodes == ("https://a", "https://b")


def test_load__paths__are_relative_to_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, NODE + SIGNER + 'signer_token_file = "token"\n')
    assert settings.signer_token_file == tmp_path / "token"
    assert settings.secret_files == (tmp_path / "token",)


def test_load__chain_clock__sets_no_limit_to_a_heads_age(tmp_path: Path) -> None:
    assert load(tmp_path, NODE + KEY).rpc_limits.max_head_age_s == 300
    assert load(tmp_path, NODE + KEY + 'clock = "chain"\n').rpc_limits.max_head_age_s is None
    assert load(tmp_path, NODE + KEY + 'clock = "chain"\nmax_head_age_s = 9\n').rpc_limits.max_head_age_s == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (KEY, "give either rpc_url or rpc_urls"),
        (NODE + 'rpc_urls = ["https://a"]\n' + KEY, "give either rpc_url or rpc_urls"),
        (NODE, "give either keystore or signer_url"),
        (NODE + KEY + SIGNER, "give either keystore or signer_url"),
        (NODE + 'keystore = "key"\n', "a keystore needs a password_file"),
        (NODE + 'signer_url = "https://signer"\n', "a signer_url needs a signer_address"),
        (NODE + KEY + "max_fee_per_gas_gwei = 0\n", "max_fee_per_gas_gwei is 0: Input should be greater"),
    ],
)
def test_load__does_not_fit_together__is_said_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["private_key", "mnemonic", "password"])
def test_load__secret_in_the_file__is_refused_and_not_repeated(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is a secret and has no place here") as caught:
        load(tmp_path, NODE + KEY + f'{name} = "hunter2"\n')
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_load__secret_in_the_environment__is_refused_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ChainSettings.model_config, "env_prefix", "GRIDWITNESS_")
    monkeypatch.setenv("GRIDWITNESS_PRIVATE_KEY", "0xhunter2")
    with pytest.raises(ConfigError, match="GRIDWITNESS_PRIVATE_KEY is a secret and has no place here") as caught:
        load(tmp_path, NODE + KEY)
    assert "hunter2" not in caught.value.message + caught.value.hint
