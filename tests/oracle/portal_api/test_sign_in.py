"""Signing in with a wallet: what is accepted, and every way in which it is not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.encoding.sign_in import parse_sign_in, write_sign_in
from gridwitness.errors import InputError
from gridwitness.service.sign_in import NONCE_S, SESSION_S, SiteKeys
from gridwitness.store.api_keys import ApiKeyFile
from tests.oracle.portal_api.test_api_keys import Clock

WALLET = Account.from_key("0x" + "42" * 32)
DOMAIN, CHAIN_ID = "energy.example:8443", 31_337
# The example of the EIP, with its address in the checksum it has.
EXAMPLE = """example.com wants you to sign in with your Ethereum account:
0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2

I accept the ExampleOrg Terms of Service: https://example.com/tos

URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json"""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path, clock: Clock) -> Iterator[SiteKeys]:
    file = ApiKeyFile(tmp_path / "keys.sqlite", clock)
    yield SiteKeys(file, clock)
    file.close()


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _message(keys: SiteKeys, clock: Clock, nonce: str = "") -> str:
    return write_sign_in(
        domain=DOMAIN,
        address=WALLET.address,
        uri=f"https://{DOMAIN}/",
        chain_id=CHAIN_ID,
        nonce=nonce or keys.issue_nonce(),
        issued_at=_time(clock.now),
        statement="See your household's data.",
    )


def _sign(text: str) -> bytes:
    return bytes(WALLET.sign_message(encode_defunct(text=text)).signature)


def test_sign_in__right_message__opens_the_wallets_household(keys: SiteKeys, clock: Clock) -> None:
    text = _message(keys, clock)
    token, grant = keys.sign_in(text, _sign(text), DOMAIN, CHAIN_ID)
    assert (grant.account, grant.scopes) == (WALLET.address.lower(), {"read", "trade"})
    assert keys.grant_of_session(token) == grant
    assert grant.viewer.may_see(WALLET.address) and not grant.viewer.sees_all
    clock.now += SESSION_S
    assert keys.grant_of_session(token) is None


def test_sign_in__same_message_again__is_refused(keys: SiteKeys, clock: Clock) -> None:
    text = _message(keys, clock)
    keys.sign_in(text, _sign(text), DOMAIN, CHAIN_ID)
    with pytest.raises(InputError, match="nonce was used before"):
        keys.sign_in(text, _sign(text), DOMAIN, CHAIN_ID)


Change = Callable[[str, Clock], str]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text, _: text.replace(DOMAIN, "evil.example", 1), "is for evil.example"),
        (lambda text, _: text.replace(f"URI: https://{DOMAIN}", "URI: https://evil.example"), "URI is at evil.example"),
        (lambda text, _: text.replace("Chain ID: 31337", "Chain ID: 1"), "is for chain 1, this site is on 31337"),
        (lambda text, clock: text + f"\nExpiration Time: {_time(clock.now)}", "expired 0 s ago"),
        (lambda text, clock: text + f"\nNot Before: {_time(clock.now + 90)}", "good only in 90 s"),
        (lambda text, clock: text.replace(_time(clock.now), _time(clock.now - 700)), "expired 100 s ago"),
        (lambda text, clock: text.replace(_time(clock.now), _time(clock.now + 90)), "good only in 90 s"),
        (lambda text, _: text.replace("Nonce: 0", "Nonce: 1"), "was not given out here"),
        (lambda text, _: text.replace("Version: 1", "Version: 2"), "not written as EIP-4361"),
        (lambda text, _: text + "\n", "not written as EIP-4361"),
        (lambda text, _: text.replace("\n", "\r\n"), "not written as EIP-4361"),
        (lambda text, _: text.replace("household's", "househöld's"), "not written as EIP-4361"),
        (lambda text, _: text.replace(WALLET.address, WALLET.address.lower()), "no EIP-55 checksum"),
        (lambda text, clock: text.replace(_time(clock.now), "2026-13-01T00:00:00Z"), "is no time"),
        (lambda text, _: text + "x" * 5_000, "at most 4096"),
    ],
)
def test_sign_in__message_changed_before_signing__is_refused_naming_it(
    keys: SiteKeys, clock: Clock, change: Change, problem: str
) -> None:
    text = change(_message(keys, clock), clock)
    with pytest.raises(InputError, match=problem):
        keys.sign_in(text, _sign(text), DOMAIN, CHAIN_ID)


def test_sign_in__signed_by_another_wallet_or_by_none__is_refused_and_keeps_the_nonce(
    keys: SiteKeys, clock: Clock
) -> None:
    text = _message(keys, clock)
    other = Account.from_key("0x" + "43" * 32).sign_message(encode_defunct(text=text)).signature
    for signature in (bytes(other), b"", bytes(65), bytes(64) + b"\x1b", b"\xff" * 65, b"x" * 10_000):
        with pytest.raises(InputError, match=r"signed it|no signature of a wallet"):
            keys.sign_in(text, signature, DOMAIN, CHAIN_ID)
    keys.sign_in(text, _sign(text), DOMAIN, CHAIN_ID)


def test_sign_in__nonce_after_its_time_or_of_another_process__is_refused(
    keys: SiteKeys, clock: Clock, tmp_path: Path
) -> None:
    old = keys.issue_nonce()
    clock.now += NONCE_S
    file = ApiKeyFile(tmp_path / "others.sqlite", clock)
    for nonce, problem in ((old, "ended 0 s ago"), (SiteKeys(file, clock).issue_nonce(), "not given out here")):
        text = _message(keys, clock, nonce)
        with pytest.raises(InputError, match=problem):
            keys.sign_in(text, _sign(text), DOMAIN, CHAIN_ID)
    file.close()


def test_parse_sign_in__example_of_the_eip__is_read() -> None:
    message = parse_sign_in(EXAMPLE)
    assert (message.domain, message.uri, message.chain_id) == ("example.com", "https://example.com/login", 1)
    assert (message.nonce, message.issued_at) == ("32891756", 1_633_019_124)


@given(st.text(max_size=200), st.integers(0, len(EXAMPLE)))
def test_parse_sign_in__anything_inserted__is_read_or_refused(inserted: str, at: int) -> None:
    with contextlib.suppress(InputError):
        parse_sign_in(EXAMPLE[:at] + inserted + EXAMPLE[at:])
