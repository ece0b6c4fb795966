"""Assets, their rating and portfolios: on pages in Debian's Chromium and by the API, over a plant's real chain."""

from __future__ import annotations

import csv
import io
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, expect

from gridwitness.api.portal.app import create_portal_app
from gridwitness.api.portal.limits import RequestRates
from gridwitness.api.portal.pages import asset_wording
from gridwitness.chain.client import Chain
from gridwitness.service.portal import SitePortal
from gridwitness.service.sign_in import SiteKeys
from gridwitness.store.api_keys import ApiKeyFile
from tests.asset_scene import asset_world, opened_site
from tests.asset_world import AUSTRIA, DAY, EUR, FRANCE, GERMANY, PLANT, AssetWorld, wallet
from tests.web.conftest import SHOTS, Served, Visit, free_port, visiting
from tests.web.places import barriers, overflow_px

MAX_PAGE_BYTES = 60_000
SCREENS = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1440, "height": 900}}
UNLIMITED = RequestRates(per_key=10**9, per_address=10**9, sign_ins_per_address=10**9)
REVENUE = 1_363_200  # 8,000 Wh at the price between the two ticks with the green premium, and 640 Wh at the grid's


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AssetWorld]:
    with asset_world(tmp_path_factory.mktemp("assets")) as made:
        yield made


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiKeyFile]:
    file = ApiKeyFile(tmp_path_factory.mktemp("keys") / "keys.sqlite")
    yield file
    file.close()


@contextmanager
def served_by(portal: SitePortal, key_file: ApiKeyFile) -> Iterator[Served]:
    """A portal over HTTP, from a thread of this process."""
    app, port = create_portal_app(portal, SiteKeys(key_file), is_secure_cookie=False, rates=UNLIMITED), free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < until
        time.sleep(0.02)
    yield Served(f"http://127.0.0.1:{port}")
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def served(world: AssetWorld, key_file: ApiKeyFile) -> Iterator[Served]:
    with served_by(world.portal, key_file) as site:
        yield site


@pytest.fixture(scope="module")
def closed(world: AssetWorld, key_file: ApiKeyFile) -> Iterator[Served]:
    """The same where data are their owners'."""
    with opened_site(world, is_open_data=False) as portal, served_by(portal, key_file) as site:
        yield site


@pytest.fixture(scope="module")
def paths(world: AssetWorld) -> dict[str, str]:
    return {
        "assets": "/assets",
        "asset": f"/assets/{world.plant.address}",
        "bond": f"/assets/{world.bond.address}",
        "portfolio": f"/portfolio/{world.second.address}",
        "portfolio-empty": f"/portfolio/{wallet(0xDEAD)}",
        "portfolio-form": "/portfolio",
    }


PLACES = ("assets", "asset", "bond", "portfolio", "portfolio-empty", "portfolio-form")


# --- every page ---


@pytest.mark.parametrize("name", PLACES)
def test_page__phone_and_desktop_light_and_dark__fits_has_no_barrier_and_is_pictured(
    name: str, paths: dict[str, str], served: Served, chromium: Browser
) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    loaded: dict[str, int] = {}
    for scheme, screen in (("light", "desktop"), ("dark", "phone")):
        with visiting(served, chromium, color_scheme=scheme) as visitor:
            visitor.page.set_viewport_size(SCREENS[screen])
            visitor.page.on("requestfinished", lambda one: loaded.update({one.url: one.sizes()["responseBodySize"]}))
            page = visitor.go(paths[name])
            expect(page.locator("h1")).to_be_visible()
            assert overflow_px(page) == 0
            page.screenshot(path=SHOTS / f"{name}-{screen}-{scheme}.png", full_page=True)
            assert barriers(page) == []
    assert all(url.startswith(served.url) for url in loaded)
    assert 5_000 < sum(loaded.values()) <= MAX_PAGE_BYTES, loaded


def test_page__without_scripts__the_same_figures(
    paths: dict[str, str], served: Served, chromium: Browser, world: AssetWorld
) -> None:
    with visiting(served, chromium, java_script_enabled=False) as visitor:
        page = visitor.go(paths["asset"])
        expect(page.locator("#rating-parts tbody tr")).to_have_count(5)
        expect(page.locator("svg.histogram rect")).to_have_count(2)
        page = visitor.go("/portfolio")
        page.get_by_role("textbox", name="Wallet").fill(world.second.address.lower())
        page.get_by_role("button", name="Show its shares").click()
        assert page.url == f"{served.url}/portfolio/{world.second.address}"


# --- what the figures say ---


def test_assets__of_the_factory__each_in_short_and_the_broken_one_with_its_reason(
    served: Served, visit: Visit, world: AssetWorld
) -> None:
    items = served.api("/v1/assets")["items"]
    hostile = [world.broken.address, world.garbled]
    assert [one["address"] for one in items] == [
        world.plant.address, world.thief.address, world.bond.address, *hostile,
    ]  # fmt: skip

    page = visit.go("/assets")

    expect(page.locator("h1")).to_have_text("5 assets in shares")
    expect(page.locator("nav [aria-current]")).to_have_text("Assets")
    rows = page.locator("#assets-table tbody tr")
    expect(rows.nth(0)).to_contain_text("Roof One")
    expect(rows.nth(0)).to_contain_text(f"{items[0]['rating']['band']} · {items[0]['rating']['points']} of 100")
    expect(rows.nth(0)).to_contain_text("12.00 tEUR")
    expect(rows.nth(2)).to_contain_text("withheld")
    expect(rows.nth(2)).to_contain_text("100.00 tEUR")
    expect(rows.nth(3)).to_contain_text("it cannot be read: RevertWithoutReason")
    expect(rows.nth(4)).to_contain_text("cannot be decoded")


def test_asset__plant_paid_for_a_day__production_dividend_and_proof_agree(
    served: Served, visit: Visit, world: AssetWorld
) -> None:
    asset = served.api(f"/v1/assets/{world.plant.address}")
    proof = world.plant.proof()
    assert (asset["sold_wh"], asset["attested_wh"], asset["revenue"]) == (
        proof.sold_wh,
        proof.attested_wh,
        proof.revenue,
    )
    assert proof.revenue == REVENUE
    assert asset["days"] == [{"day": DAY, "read_wh": 8_640, "sold_wh": 8_000, "metered_wh": 8_640, "is_paid": True}]
    (dividend,) = asset["dividends"]
    assert (dividend["cash"], dividend["first_day"], dividend["last_day"]) == (REVENUE, DAY, DAY)
    assert dividend["per_share_millionths"] == proof.dividend_index * 1_000_000 >> 40
    assert asset["plants"][0]["funded_through"] == DAY

    page = visit.go(f"/assets/{world.plant.address}")

    expect(page.locator("#days tbody tr")).to_have_count(1)
    expect(page.locator("#days tbody tr")).to_contain_text("8.64 kWh")
    expect(page.locator("#dividends-table tbody tr")).to_contain_text("1.36 tEUR")
    expect(page.locator("#holders")).to_have_text("10")
    expect(page.locator("section[aria-labelledby=production] figcaption")).to_have_text(
        "8.64 kWh fed in by attested readings and 8.00 kWh sold, over 1 day."
    )
    expect(page.locator("main")).to_contain_text(f"block {asset['block_number']}")


def test_asset__market_of_a_strangers_making__shows_no_plant_and_no_day(
    served: Served, visit: Visit, world: AssetWorld
) -> None:
    assert world.thief.proof().plants == 1

    asset = served.api(f"/v1/assets/{world.thief.address}")

    assert (asset["plants"], asset["days"], asset["market"]) == ([], [], "")
    rating = asset["brief"]["rating"]
    assert [one["points"] for one in rating["parts"]] == [None] * 5
    page = visit.go(f"/assets/{world.thief.address}")
    expect(page.locator("main")).to_contain_text("earns nothing in the energy market")
    expect(page.locator(f"a[href*='{PLANT.device_id.hex()}']")).to_have_count(0)


def test_asset__rating__parts_from_what_was_attested(served: Served, visit: Visit, world: AssetWorld) -> None:
    rating = served.api(f"/v1/assets/{world.plant.address}")["brief"]["rating"]
    # 94 of 96 slots; 40 Wh beside the 540 of 16 slots; 1 of 94 flagged, which is just above normal; paid within a day
    assert [one["points"] for one in rating["parts"]] == [97, 92, 99, 100, None]
    assert (rating["points"], rating["band"], rating["known_weight"]) == (97, "A", 90)

    page = visit.go(f"/assets/{world.plant.address}")

    expect(page.locator("#rating-points")).to_have_text("A 97 of 100")
    shown = page.locator("#rating-parts tbody tr").all_inner_texts()
    assert "not known" in shown[4] and "94 of 96 quarter hours have an attested reading." in shown[0]
    page.get_by_text("How each part is reckoned").click()
    expect(page.locator("section[aria-labelledby=rating] details li")).to_have_count(5)


def test_asset__bond__redemption_value_reserve_and_hostile_names(
    served: Served, visit: Visit, world: AssetWorld
) -> None:
    asset = served.api(f"/v1/assets/{world.bond.address}")
    assert asset["brief"]["value"]["net_asset_value"] == 100 * EUR
    assert asset["brief"]["rating"]["points"] is None
    assert asset["reserve"] | {"age_s": 0, "read_at": 0, "feed": ""} == {
        "feed": "", "description": "Collateral", "decimals": 0, "reading": 9_000, "needed": 200, "read_at": 0,
        "age_s": 0, "max_age_s": 86_400, "is_fresh": True, "is_covered": True,
    }  # fmt: skip

    page = visit.go(f"/assets/{world.bond.address}")

    expect(page.locator("h1")).to_have_text("Bond <script>alert(1)</script>")
    expect(page.locator("#reserve-age")).to_contain_text("fresh")
    expect(page.locator("#worth")).to_have_text("100.00 tEUR")
    expect(page.locator("#documents-table tbody tr")).to_have_count(2)
    links = page.locator("#documents-table a").all()
    assert [one.get_attribute("href") for one in links] == ["https://example.org/prospectus.pdf"]


def test_portfolio__second_investor__shares_value_and_dividends_of_the_chain(
    served: Served, visit: Visit, world: AssetWorld
) -> None:
    portfolio = served.api(f"/v1/portfolios/{world.second.address}")
    (holding,) = portfolio["holdings"]
    assert holding["shares"] == world.plant.balance_of(world.second.address) == 1_100
    assert holding["value"] == 1_100 * 12 * EUR
    assert holding["claimable"] == world.plant.claimable(world.second.address) == 0
    assert holding["claimed"] == sum(one["cash"] for one in holding["dividends"]) == 1_000 * REVENUE // 10_000 - 1

    page = visit.go(f"/portfolio/{world.second.address}")

    expect(page.locator("h1")).to_have_text("Shares of 1 asset")
    expect(page.locator("dl.key")).to_contain_text("13,200.00 tEUR")
    expect(page.locator("tfoot")).to_contain_text("0.13 tEUR")
    with page.expect_download() as download:
        page.get_by_role("link", name="Statement as CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert [row["kind"] for row in rows][:1] == ["opening"] and rows[-1]["kind"] == "closing"
    assert {"minted"} <= {row["kind"] for row in rows}


def test_portfolio__two_assets_of_one_token__sums_of_both(served: Served, world: AssetWorld) -> None:
    portfolio = served.api(f"/v1/portfolios/{world.first.address}")

    (total,) = portfolio["totals"]
    assert [one["asset"]["symbol"] for one in portfolio["holdings"]] == ["ROOF1", "BND"]
    assert total["value"] == 900 * 12 * EUR + 100 * 100 * EUR
    assert total["claimable"] == sum(one.claimable(world.first.address) for one in (world.plant, world.bond))


def test_statement__pdf_and_days__whole_days_that_are_over(served: Served, world: AssetWorld) -> None:
    address = f"{served.url}/v1/assets/{world.plant.address}/statements/{world.second.address}"
    answer = httpx.get(address, params={"type": "pdf"})

    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"%PDF-") and answer.headers["content-type"] == "application/pdf"
    assert ".pdf" in answer.headers["content-disposition"]
    for days in ({"last_day": DAY + 400}, {"first_day": DAY, "last_day": DAY - 1}):
        refused = httpx.get(address, params=days)
        assert refused.status_code == 400, refused.text
        assert refused.headers["content-type"] == "application/problem+json"


def test_statement__asset_made_today__says_to_come_back_tomorrow(served: Served, world: AssetWorld) -> None:
    address = f"{served.url}/v1/assets/{world.bond.address}/statements/{world.first.address}"
    for kind in ("csv", "pdf"):
        refused = httpx.get(address, params={"type": kind})
        assert refused.status_code == 400, refused.text
        assert refused.json()["detail"] == "no whole day of this asset is over yet"
        assert refused.json()["hint"] == "come back after midnight UTC"


# --- who may see what ---


def test_asset__closed_site__few_holders_of_a_country_are_put_together(
    served: Served, closed: Served, world: AssetWorld
) -> None:
    groups = served.api(f"/v1/assets/{world.plant.address}")["holder_groups"]
    assert [(one["country"], one["investors"], one["shares"]) for one in groups] == [
        (GERMANY, 5, 4_900), (FRANCE, 4, 4_100), (AUSTRIA, 1, 1_000),
    ]  # fmt: skip

    pooled = closed.api(f"/v1/assets/{world.plant.address}")["holder_groups"]

    # One Austrian would be told by what is left: the four of France are not told apart from them.
    assert [(one["country"], one["investors"], one["shares"]) for one in pooled] == [
        (GERMANY, 5, 4_900),
        (None, 5, 5_100),
    ]
    text = httpx.get(f"{closed.url}/assets/{world.plant.address}").text.lower()
    assert not any(one[2:].lower() in text for one, _ in world.investors)


def test_portfolio__closed_site__is_its_owners_alone(closed: Served, world: AssetWorld, key_file: ApiKeyFile) -> None:
    paths = (
        f"/v1/portfolios/{world.second.address}",
        f"/v1/assets/{world.plant.address}/statements/{world.second.address}",
        f"/portfolio/{world.second.address}",
    )
    own = key_file.create("own", ["read"], world.second.address.lower())
    other = key_file.create("other", ["read"], world.first.address.lower())
    for path in paths:
        assert httpx.get(closed.url + path).status_code == 404
        assert httpx.get(closed.url + path, headers={"authorization": f"Bearer {other}"}).status_code == 404
        assert httpx.get(closed.url + path, headers={"authorization": f"Bearer {own}"}).status_code == 200
    led = httpx.get(f"{closed.url}/portfolio", headers={"authorization": f"Bearer {own}"})
    assert (led.status_code, led.headers["location"]) == (303, f"/portfolio/{world.second.address}")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/assets/0x12", 400),
        ("/assets/0x" + "zz" * 20, 400),
        ("/assets/" + "00" * 20, 400),
        ("/assets/0x" + "00" * 20, 404),
        ("/portfolio?account=%3Cscript%3E", 400),
        ("/portfolio/0xF39fd6e51aad88F6F4ce6aB8827279cffFb92266", 400),  # one letter too large
        ("/v1/assets/0x12", 400),
        ("/v1/assets/0x" + "00" * 20, 404),
        ("/v1/portfolios/0x" + "0" * 39, 400),
        ("/v1/portfolios/%00", 400),
        ("/v1/assets/0x" + "00" * 20 + "/statements/0x" + "00" * 20, 404),
        ("/v1/assets/0x" + "00" * 20 + "/statements/0x" + "00" * 20 + "?type=exe", 422),
    ],
)
def test_address__none_or_of_nothing__is_a_clear_refusal(path: str, status: int, served: Served) -> None:
    answer = httpx.get(served.url + path)

    assert answer.status_code == status
    assert "<script>" not in answer.text.lower().replace("<script src=", "")
    if path.startswith("/v1/"):
        assert answer.headers["content-type"] == "application/problem+json"


def test_asset__that_cannot_be_read__says_why(served: Served, world: AssetWorld) -> None:
    answer = httpx.get(f"{served.url}/v1/assets/{world.broken.address}")

    assert answer.status_code == 400
    assert "it cannot be read: RevertWithoutReason" in answer.json()["detail"]


def test_asset__asked_again__etag_holds_until_the_chain_moves(served: Served, world: AssetWorld) -> None:
    for path in ("/v1/assets", f"/v1/assets/{world.plant.address}", f"/v1/portfolios/{world.first.address}"):
        first = httpx.get(served.url + path)
        again = httpx.get(served.url + path, headers={"if-none-match": first.headers["etag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


# --- a chain without any ---


@pytest.mark.parametrize(
    ("factory_block", "words"), [(None, "has no AssetFactory"), (10**6, "Nobody has had one made")]
)
def test_assets__none_there__pages_say_so(
    world: AssetWorld, key_file: ApiKeyFile, tmp_path: Path, factory_block: int | None, words: str
) -> None:
    contracts = dict(world.chain.manifest.contracts)
    factory = contracts.pop("AssetFactory")
    if factory_block is not None:
        contracts["AssetFactory"] = replace(factory, block=factory_block)
    shutil.copy(world.folder / "oracle.sqlite", tmp_path)
    chain = Chain(world.anvil.url, replace(world.chain.manifest, contracts=contracts))
    bare = AssetWorld(chain, world.anvil, tmp_path)

    with opened_site(bare, is_open_data=True) as portal, served_by(portal, key_file) as site:
        listed = site.api("/v1/assets")
        assert (listed["has_factory"], listed["items"]) == (factory_block is not None, [])
        assert words in httpx.get(site.url + "/assets").text
        assert site.api(f"/v1/portfolios/{world.second.address}")["holdings"] == []
        assert "never had shares" in httpx.get(f"{site.url}/portfolio/{world.second.address}").text
        assert httpx.get(f"{site.url}/assets/{world.plant.address}").status_code == 404


# --- the chain moves, and back ---


def test_reorganisation__dividend_taken_back__all_figures_are_of_the_new_block(
    served: Served, world: AssetWorld, visit: Visit
) -> None:
    path = f"/v1/assets/{world.bond.address}"
    before = served.api(path)
    snapshot = world.anvil.node.rpc("evm_snapshot")
    world.fund_bond(20 * EUR)
    refresh(world)
    paid = served.api(path)
    assert [one["cash"] for one in paid["dividends"]] == [20 * EUR, 10 * EUR]
    assert paid["block_hash"] != before["block_hash"]

    world.anvil.node.rpc("evm_revert", snapshot)
    world.chain._nonces.clear()  # what was sent is gone
    world.wait_until(world.now + 60)
    refresh(world)

    after = served.api(path)
    head = world.chain.head()
    assert (after["block_number"], after["block_hash"]) == (head.number, "0x" + head.hash.hex())
    assert [one["cash"] for one in after["dividends"]] == [10 * EUR]
    assert after["unclaimed_cash"] == 10 * EUR
    page = visit.go(f"/assets/{world.bond.address}")
    expect(page.locator("#dividends-table tbody tr")).to_have_count(1)
    expect(page.locator("#yield")).to_have_text(asset_wording.fixed(5, 2) + " % in 1 day")


def refresh(world: AssetWorld) -> None:
    """Look at the chain again, at once."""
    world.portal.assets()._due_at = 0.0
    world.portal.refresh()
