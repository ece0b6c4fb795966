"""A site whose data are not open: an owner's wallet signs in, and sees its own household alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from playwright.sync_api import Browser, Page, Route, expect

from gridwitness.encoding.keys import SECP256K1_ORDER
from gridwitness.service.demo.meters import secret_of
from tests.web.conftest import DAY, Served, copied, serving
from tests.web.places import barriers

SEED = 1
WALLET = """window.ethereum = { request: async ({ method, params }) =>
  method === "eth_requestAccounts" ? [await ownAddress()] : await ownSignature(params[0]) };"""


@pytest.fixture(scope="module")
def closed(finished_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The village's site, each household its owner's alone."""
    with serving(copied(finished_demo, tmp_path_factory.mktemp("closed"), is_open_data=False)) as site:
        yield site


@pytest.fixture
def owner() -> LocalAccount:
    """Owner of the village's first home."""
    secret = secret_of(SEED, "home", 0, SECP256K1_ORDER)
    return Account.from_key(secret.to_bytes(32, "big"))


@pytest.fixture
def stranger(closed: Served, chromium: Browser) -> Iterator[Page]:
    """Anybody's page of the closed site."""
    with chromium.new_context() as context:
        yield context.new_page()


def sign_in(page: Page, closed: Served, owner: LocalAccount) -> None:
    """As with a wallet in the browser, which gives its address in small letters."""
    page.expose_function("ownAddress", lambda: owner.address.lower())
    page.expose_function(
        "ownSignature",
        lambda message: "0x" + owner.sign_message(encode_defunct(hexstr=message)).signature.hex().removeprefix("0x"),
    )
    page.add_init_script(WALLET)
    page.goto(closed.url + "/sign-in")
    page.get_by_role("button", name="Sign in with wallet").click()
    page.wait_for_url("**/community")


def device_of(page: Page, closed: Served, owner: LocalAccount) -> str:
    items = page.request.get(closed.url + "/v1/devices?limit=100").json()["items"]
    return next(one["device_id"] for one in items if one["owner"].lower() == owner.address.lower())


def test_community__nobody_signed_in__sums_but_no_home(closed: Served, stranger: Page) -> None:
    stranger.goto(closed.url + "/community")

    expect(stranger.get_by_text("Homes are not for everybody to see")).to_be_visible()
    expect(stranger.locator("#homes-table")).to_have_count(0)
    assert barriers(stranger) == []


def test_home__nobody_signed_in__is_not_shown(closed: Served, stranger: Page, owner: LocalAccount) -> None:
    answer = stranger.goto(f"{closed.url}/homes/{device_of(stranger, closed, owner)}?day={DAY}")

    assert answer is not None and answer.status == 404
    expect(stranger.get_by_role("alert")).to_contain_text("its owner’s alone to see")


def test_sign_in__owner_with_a_wallet__sees_own_home_alone_until_signing_out(
    closed: Served, stranger: Page, owner: LocalAccount
) -> None:
    sign_in(stranger, closed, owner)

    expect(stranger.locator("#homes-table tbody tr")).to_have_count(1)
    stranger.locator("#homes-table a").click()
    expect(stranger.locator("#readings tbody tr").first).to_be_visible()
    stranger.get_by_role("button", name="Sign out").click()
    stranger.wait_for_url(closed.url + "/")
    stranger.goto(closed.url + "/community")
    expect(stranger.locator("#homes-table")).to_have_count(0)


def test_sign_out__pressed_before_the_pages_other_scripts_came__signs_out(
    closed: Served, stranger: Page, owner: LocalAccount
) -> None:
    sign_in(stranger, closed, owner)
    held: list[Route] = []
    stranger.route(re.compile(r"/(?!frame)[^/]+\.js"), lambda route: held.append(route))

    stranger.goto(closed.url + "/market", wait_until="commit")
    stranger.get_by_role("button", name="Sign out").click()
    stranger.wait_for_url(closed.url + "/", wait_until="commit")

    assert held, "no other script was asked for"
    stranger.unroute_all(behavior="ignoreErrors")
    stranger.goto(closed.url + "/community")
    expect(stranger.locator("#homes-table")).to_have_count(0)


def test_sign_in__browser_without_a_wallet__says_so(closed: Served, stranger: Page) -> None:
    stranger.goto(closed.url + "/sign-in")

    stranger.get_by_role("button", name="Sign in with wallet").click()

    expect(stranger.locator("#sign-in-says")).to_contain_text("there is no wallet in this browser")
