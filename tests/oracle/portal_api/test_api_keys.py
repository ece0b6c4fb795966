"""Keys and sessions as the file keeps them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridwitness.errors import InputError, StoreError
from gridwitness.store.api_keys import KEY_PREFIX, ApiKeyFile

ACCOUNT = "0x" + "ab" * 20


class Clock:
    """Stands until moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path, clock: Clock) -> Iterator[ApiKeyFile]:
    file = ApiKeyFile(tmp_path / "keys.sqlite", clock)
    yield file
    file.close()


def test_find__key_just_made__is_it_with_scopes_and_account(keys: ApiKeyFile) -> None:
    key = keys.create("billing", ["read", "trade", "read"], ACCOUNT.upper().replace("0X", "0x"))
    found = keys.find(key)
    assert found is not None
    assert (found.name, found.scopes, found.account) == ("billing", {"read", "trade"}, ACCOUNT)
    assert key.startswith(KEY_PREFIX) and len(key) >= len(KEY_PREFIX) + 12 + 43


def test_find__key_with_another_secret_or_form__is_none(keys: ApiKeyFile) -> None:
    key = keys.create("billing", ["read"])
    other = keys.create("other", ["read"])
    mixed = key[: len(KEY_PREFIX) + 12] + other[len(KEY_PREFIX) + 12 :]
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    for text in (mixed, wrong, "", key + "A", key[:-1], key.upper(), key + "\n", "é" * 80, "x" * 1_000_000):
        assert keys.find(text) is None


def test_find__revoked_by_another_process__is_none_at_once(keys: ApiKeyFile, clock: Clock) -> None:
    key = keys.create("billing", ["read"])
    beside = ApiKeyFile(keys.path, clock)
    revoked = beside.revoke(key.split("_")[1])
    beside.close()
    assert revoked.revoked_at == clock.now
    assert keys.find(key) is None
    assert [one.revoked_at for one in keys.every_key()] == [clock.now]
    with pytest.raises(InputError, match="is there to revoke"):
        keys.revoke(revoked.id)


def test_create__wrong_name_scope_or_account__is_refused_naming_it(keys: ApiKeyFile) -> None:
    for name, scopes, account, message in (
        ("", ["read"], "", "is no name"),
        ("x" * 81, ["read"], "", "is no name"),
        ("x\ny", ["read"], "", "is no name"),
        ("x", ["reed"], "", "'reed' is no scope"),
        ("x", [], "", "'none' is no scope"),
        ("x", ["read"], "0x12", "'0x12' is no account"),
    ):
        with pytest.raises(InputError, match=message):
            keys.create(name, scopes, account)
    assert keys.every_key() == []


def test_file__with_a_key_and_a_session__holds_neither(keys: ApiKeyFile) -> None:
    key = keys.create("billing", ["read"])
    token = keys.begin_session(ACCOUNT, 60)
    secret = key.rpartition("_")[0][-10:], key[-43:]
    stored = b"".join(path.read_bytes() for path in keys.path.parent.iterdir())
    assert secret[1].encode() not in stored and token.encode() not in stored
    assert keys.path.stat().st_mode & 0o077 == 0


def test_session__until_it_ends__is_of_its_account(keys: ApiKeyFile, clock: Clock) -> None:
    token = keys.begin_session(ACCOUNT, 60)
    assert keys.session_account(token) == ACCOUNT
    clock.now += 60
    assert keys.session_account(token) is None
    other = keys.begin_session(ACCOUNT, 60)
    with sqlite3.connect(keys.path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM sessions").fetchone() == (1,)
    keys.end_session(other)
    assert keys.session_account(other) is None


def test_session__twenty_one_of_an_account__ends_the_oldest(keys: ApiKeyFile, clock: Clock) -> None:
    tokens = []
    for _ in range(21):
        tokens.append(keys.begin_session(ACCOUNT, 60))
        clock.now += 1
    assert keys.session_account(tokens[0]) is None
    assert all(keys.session_account(token) == ACCOUNT for token in tokens[1:])


def test_open__file_that_is_no_database__says_so(tmp_path: Path) -> None:
    path = tmp_path / "keys.sqlite"
    path.write_bytes(b"not a database" * 1_000)
    with pytest.raises(StoreError, match=r"keys\.sqlite"):
        ApiKeyFile(path)
