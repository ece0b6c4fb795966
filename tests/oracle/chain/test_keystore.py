"""Keystore files: only the right password opens them, and none is ever replaced."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from eth_account import Account

from gridwitness.chain.keystore import load_account, read_password, write_keystore
from gridwitness.errors import ConfigError

KEY = bytes(31) + b"\x07"


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("correct horse\n")
    return path


@pytest.mark.parametrize("light", [True, False])
def test_write_keystore__any_strength__opens_to_the_same_account(
    tmp_path: Path, password_file: Path, light: bool
) -> None:
    path = tmp_path / "key.json"
    account = write_keystore(path, KEY, password_file, light=light)
    assert load_account(path, password_file).key == account.key == KEY
    assert json.loads(path.read_text())["version"] == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY.hex() not in path.read_text()


def test_write_keystore__file_there__is_not_replaced(tmp_path: Path, password_file: Path) -> None:
    path = tmp_path / "key.json"
    write_keystore(path, KEY, password_file, light=True)
    before = path.read_text()
    with pytest.raises(ConfigError, match="exists already"):
        write_keystore(path, bytes(Account.create().key), password_file, light=True)
    assert path.read_text() == before


def test_load_account__wrong_password__is_said(tmp_path: Path, password_file: Path) -> None:
    path = tmp_path / "key.json"
    write_keystore(path, KEY, password_file, light=True)
    password_file.write_text("battery staple\n")
    with pytest.raises(ConfigError, match="does not open: wrong password"):
        load_account(path, password_file)


@pytest.mark.parametrize("content", ["{}", '{"version": 1, "crypto": {}}', '{"version": 3, "crypto": {}}', "[]"])
def test_load_account__no_keystore__is_said(tmp_path: Path, password_file: Path, content: str) -> None:
    path = tmp_path / "key.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="no version 3 keystore"):
        load_account(path, password_file)


def test_load_account__missing_file__is_said(tmp_path: Path, password_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"keystore .* not found"):
        load_account(tmp_path / "key.json", password_file)


@pytest.mark.parametrize("content", ["", "\n", "\nsecond line\n"])
def test_read_password__first_line_empty__is_said(password_file: Path, content: str) -> None:
    password_file.write_text(content)
    with pytest.raises(ConfigError, match="is empty"):
        read_password(password_file)


def test_read_password__missing_file__is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_password(tmp_path / "password")
