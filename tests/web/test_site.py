"""What a person sees of a village's finished day, in Debian's Chromium."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser, expect

from gridwitness.api.portal.pages import wording
from tests.web.conftest import DAY, SHOTS, Served, Village, Visit, visiting
from tests.web.places import barriers, overflow_px, places

MAX_PAGE_BYTES = 60_000
SCREENS = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1440, "height": 900}}
# Contrast depends on the colours, the rest on the layout: both of each are looked at.
SEARCHED_FOR_BARRIERS = (("desktop", "light"), ("phone", "dark"))
PLACES = (
    "now", "community", "home", "market", "fleet", "device", "scores", "trails", "trail", "chain", "batch", "verify",
    "sign-in",
)  # fmt: skip


@pytest.fixture(scope="module")
def paths(served: Served) -> dict[str, str]:
    return places(served.api)


# --- every page ---


@pytest.mark.parametrize("name", PLACES)
def test_page__phone_and_desktop_light_and_dark__fits_has_no_barrier_and_is_pictured(
    name: str, paths: dict[str, str], served: Served, chromium: Browser
) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        with visiting(served, chromium, color_scheme=scheme) as visitor:
            for screen, size in SCREENS.items():
                visitor.page.set_viewport_size(size)
                page = visitor.go(paths[name])
                expect(page.locator("h1")).to_be_visible()
                assert overflow_px(page) == 0
                page.screenshot(path=SHOTS / f"{name}-{screen}-{scheme}.png", full_page=True)
                if (screen, scheme) in SEARCHED_FOR_BARRIERS:
                    assert barriers(page) == []


def test_page__wall_screen__fits_and_is_larger(served: Served, chromium: Browser) -> None:
    with visiting(served, chromium) as visitor:
        page = visitor.go("/")
        small = page.locator("h1").bounding_box()
        page.set_viewport_size({"width": 3840, "height": 2160})
        large = page.locator("h1").bounding_box()

        assert small is not None and large is not None and large["height"] > 1.3 * small["height"]
        assert overflow_px(page) == 0


@pytest.mark.parametrize("name", PLACES)
def test_page__all_it_loads__is_at_most_60_kb_compressed(name: str, paths: dict[str, str], visit: Visit) -> None:
    loaded: dict[str, int] = {}
    visit.page.on("requestfinished", lambda one: loaded.update({one.url: one.sizes()["responseBodySize"]}))

    visit.go(paths[name])
    visit.page.wait_for_load_state("load")
    visit.page.wait_for_timeout(200)

    assert 5_000 < sum(loaded.values()) <= MAX_PAGE_BYTES, loaded


def test_page__address_of_nothing__says_so_on_a_page(served: Served, chromium: Browser) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        answer = page.goto(served.url + "/devices/0x" + "00" * 32)

        assert answer is not None and answer.status == 404
        expect(page.locator("h1")).to_have_text("This cannot be shown")
        expect(page.get_by_role("alert")).to_contain_text("not here")
        page.goto(served.url + "/market?day=<script>alert(1)</script>")
        expect(page.get_by_role("alert")).to_contain_text("is not a date")
        answer = page.goto(served.url + "/comunity")
        assert answer is not None and answer.status == 404
        expect(page.get_by_role("alert")).to_contain_text("no page at this address")
        answer = page.goto(served.url + "/v1/comunity")
        assert answer is not None and answer.status == 404
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "address",
    [
        "/market?slot=137438953471", "/market?slot=137438953472", "/market?slot=-1", "/market?zone=99", "/market?day=0",
        "/community?day=9999-12-31", "/community?day=1970-01-02", "/homes/%00", "/homes/0x12", "/scores?cursor=%00%ff",
        "/fleet?cursor=x", "/fleet?kind=%3Cscript%3E&status=%22", "/trail?device=x&counter=1", "/batches/0x00/1",
        "/trail/0x12/99999999999999999999", "/verify?device=x", f"/verify?device={'00' * 32}&day=99999999999",
        "/static/x/../../wording.py", "/static/x/%2e%2e/wording.py", "/static/x/vendor/none.js",
    ],
)  # fmt: skip
def test_page__address_a_stranger_makes_up__is_no_fault_of_ours(address: str, served: Served) -> None:
    answer = httpx.get(served.url + address)

    assert answer.status_code < 500
    assert "<script>" not in answer.text


@pytest.mark.parametrize("name", PLACES)
def test_page__policy__allows_nothing_inline_and_only_verify_connects_elsewhere(
    name: str, paths: dict[str, str], served: Served
) -> None:
    answer = httpx.get(served.url + paths[name])
    policy = dict(part.split(None, 1) for part in answer.headers["content-security-policy"].split("; "))

    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["default-src"] == "'none'"
    anywhere = {"http:", "https:"} <= set(policy["connect-src"].split())
    assert anywhere == (name == "verify")


# --- what the figures say ---


def test_now__finished_day__figures_of_the_api_and_live(
    served: Served, finished_village: Village, visit: Visit
) -> None:
    now = served.api("/v1/now")

    page = visit.go("/")

    expect(page.locator("#accepted")).to_have_text(wording.grouped(now["accepted_per_s"], 1))
    expect(page.locator("#rejected")).to_have_text(wording.grouped(now["rejected_per_s"], 1))
    expect(page.locator(".lede")).to_contain_text(f"{wording.grouped(finished_village.summary['readings_accepted'])}")
    slot = served.api("/v1/now")["last_clearing"]["slot_start"]
    assert page.locator("#last-clearing + p time").get_attribute("datetime") is not None
    assert f"slot={slot}" in (page.get_by_text("See how it was cleared").get_attribute("href") or "")
    expect(page.locator("#live")).to_have_attribute("data-state", "on")
    expect(page.locator("ol.feed li").first).to_be_visible()


def test_now__event_of_the_stream__figures_are_fetched_again(visit: Visit) -> None:
    event = 'retry: 60000\n\nid: 1\nevent: batch\ndata: {"kind": "batch"}\n\n'
    visit.page.route("**/v1/events", lambda route: route.fulfill(body=event, content_type="text/event-stream"))

    with visit.page.expect_response("**/now/figures") as fetched:
        visit.go("/")

    assert fetched.value.status == 200
    # A stream that ends, as this one does after its event, is an error that htmx logs and the page tells.
    expect(visit.page.locator("#live")).to_contain_text("not live")
    visit.problems.clear()


def test_now__figures_are_new__keyboard_stays_where_it_was(visit: Visit) -> None:
    page = visit.go("/")
    page.get_by_text("See how it was cleared").focus()
    page.evaluate("document.querySelector('#last-clearing-book').dataset.old = 'yes'")

    page.evaluate("htmx.ajax('GET', '/now/figures', '#figures')")

    expect(page.locator("#last-clearing-book:not([data-old])")).to_be_focused()


def test_community__finished_day__sums_and_bills_of_summary_and_api(
    served: Served, finished_village: Village, visit: Visit
) -> None:
    summary, day = finished_village.summary, served.api("/v1/community")[0]

    page = visit.go(f"/community?day={DAY}")

    saved = round((summary["grid_only_bills_eur"] - summary["bills_eur"]) * 1_000_000)
    expect(page.locator("h1")).to_have_text(f"{wording.better(saved)} than with the grid alone")
    expect(page.locator("#bills")).to_have_text(wording.euros(round(summary["bills_eur"] * 1_000_000)))
    expect(page.locator("#self-sufficiency")).to_have_text(wording.percent(day["self_sufficiency_bps"]))
    expect(page.locator("#homes-table tbody tr")).to_have_count(len(day["homes"]))
    expect(page.locator(".notice")).to_contain_text(f"{summary['schedules_held']} bills held")
    for home in day["homes"]:
        row = page.locator("#homes-table tr").filter(has=page.get_by_role("link", name=home["device_name"], exact=True))
        expect(row).to_contain_text(wording.kwh(home["import_wh"]))
        expect(row).to_contain_text("held" if home["bill"] is None else wording.euros(home["bill"]))


def test_home__settled_bill__lines_add_up_to_what_the_api_says(served: Served, visit: Visit) -> None:
    home = next(one for one in served.api("/v1/community")[0]["homes"] if one["status"] == "final")
    bill = served.api(f"/v1/bills/{home['device_id']}/{served.api('/v1/community')[0]['day']}")

    page = visit.go(f"/homes/{home['device_id']}?day={DAY}")

    assert sum(line["amount"] for line in bill["lines"]) == bill["total"]
    amounts = page.locator("#bill tbody td:last-child").all_inner_texts()
    assert amounts == [wording.euros(line["amount"]) for line in bill["lines"]]
    expect(page.locator("#bill tfoot td").last).to_have_text(wording.euros(bill["total"]))
    expect(page.locator("#readings tbody tr")).to_have_count(96)
    expect(page.locator("#readings tbody tr th").first).to_have_text("00:00")
    expect(page.locator("figure canvas").first).to_be_visible()


def test_home__held_bill__says_in_words_why(served: Served, finished_village: Village, visit: Visit) -> None:
    frozen = next(one for one in finished_village.summary["flagged_devices"] if one["reason"].startswith("stuck"))

    page = visit.go(f"/homes/{frozen['device_id']}?day={DAY}")

    expect(page.locator("h1")).to_have_text(frozen["meter"])
    stuck = re.match(r"stuck at -?\d+ Wh", frozen["reason"])
    assert stuck is not None
    expect(page.locator(".notice")).to_contain_text(stuck.group())
    expect(page.locator("#bill-h")).to_contain_text("held")


def test_market__finished_day__volume_price_and_crossing(
    served: Served, finished_village: Village, visit: Visit
) -> None:
    page = visit.go(f"/market?day={DAY}")

    expect(page.locator("h1")).to_have_text(
        f"{wording.kwh(finished_village.summary['traded_wh'])} traded between neighbours"
    )
    clearings = served.api("/v1/zones/1/clearings?limit=100")["items"]
    page.get_by_text("As a table").click()
    shown = page.locator("#clearings tbody tr").count()
    assert 0 < shown <= len(clearings)
    busiest = max(clearings, key=lambda one: one["volume_wh"])
    expect(page.locator("#book figure + p")).to_have_text(
        f"They cross at {wording.cents(busiest['price_per_kwh'])}, "
        f"where {wording.kwh(busiest['volume_wh'])} change hands."
    )
    page.get_by_text("Order book, sums per price").click()
    expect(page.locator("#order-book tbody tr").first).to_be_visible()
    page.locator("#slot").select_option(str(clearings[40]["slot_start"]))
    page.locator("#book").get_by_role("button", name="Show").click()
    expect(page.locator("#slot")).to_have_value(str(clearings[40]["slot_start"]))


def test_fleet__kind_chosen__rows_change_without_leaving_the_page(served: Served, visit: Visit) -> None:
    devices = served.api("/v1/devices?limit=100")["items"]
    page = visit.go("/fleet")
    expect(page.locator("#devices tbody tr")).to_have_count(len(devices))
    page.evaluate("window.same = true")

    page.locator("#kind").select_option("feeder")

    feeders = [one for one in devices if one["kind"] == "feeder"]
    expect(page.locator("#devices tbody tr")).to_have_count(len(feeders))
    assert page.evaluate("window.same") and "kind=feeder" in page.url


def test_device__any__identity_and_keys_of_the_registry(served: Served, visit: Visit) -> None:
    device = served.api("/v1/devices?limit=1")["items"][0]

    page = visit.go(f"/devices/{device['device_id']}")

    expect(page.locator("#main")).to_contain_text(device["did"])
    expect(page.locator("section[aria-labelledby=keys] tbody tr")).to_have_count(len(device["keys"]))
    expect(page.get_by_text("The key was never rotated.")).to_be_visible()


def test_scores__finished_day__flagged_held_and_why(served: Served, finished_village: Village, visit: Visit) -> None:
    scores = served.api("/v1/scores")

    page = visit.go("/scores")

    total = wording.grouped(sum(scores["counts"]))
    expect(page.locator("h1")).to_have_text(f"{wording.count(scores['flagged'], 'reading')} of {total} flagged")
    held = [one for one in finished_village.summary["flagged_devices"] if one["held"]]
    for one in held:
        row = page.locator("#held-table tbody tr").filter(has_text=one["meter"])
        expect(row).to_contain_text(re.sub(r" for \d+ slots| about \d+ %.*", "", one["reason"]))
    first = page.locator("article.flagged").first.inner_text()
    page.get_by_role("button", name="Older ones").or_(page.get_by_role("link", name="Older ones")).click()
    expect(page.locator("article.flagged").first).not_to_have_text(first)


def test_trail__attested_reading__each_step_with_its_time(paths: dict[str, str], visit: Visit) -> None:
    page = visit.go(paths["trail"])

    names = [name.lower() for name in page.locator("ol.way li strong").all_inner_texts()]
    assert names == ["signed", "accepted", "scored", "batched", "co-signed", "mined", "final"]
    assert page.locator("ol.way li.waits").count() == 0


def test_chain__finished_day__batches_and_transactions_of_the_api(served: Served, visit: Visit) -> None:
    chain, streams = served.api("/v1/chain"), served.api("/v1/streams")

    page = visit.go("/chain")

    expect(page.locator("h1")).to_contain_text(f"Block {wording.grouped(chain['head_number'])}")
    for stream in streams:
        expect(page.get_by_role("heading", name=f"{stream['name'].capitalize()}:")).to_contain_text(
            wording.count(stream["seq"], "batch", "batches")
        )
    shown = page.locator("section[aria-labelledby=transactions] tbody tr")
    expect(shown).to_have_count(len(chain["transactions"]))


# --- hands on the keyboard, eyes on the colours ---


def test_keyboard__from_the_top__skip_link_then_every_page_each_seen(visit: Visit) -> None:
    page = visit.go("/")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"

    page = visit.go("/market")
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        outline, name = page.evaluate(
            "(() => { const one = document.activeElement, style = getComputedStyle(one);"
            " return [style.outlineStyle, one.textContent.trim() || one.id] })()"
        )
        assert outline != "none", name
        seen.append(name)
        if name == "API":
            break
    assert [name for name in seen if name in ("Now", "Market", "Verify", "Show", "As a table", "API")] == [
        "Now", "Market", "Verify", "As a table", "Show", "API",
    ]  # fmt: skip


def test_theme__chosen_by_hand__stays_on_the_next_page(visit: Visit) -> None:
    page = visit.go("/market")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)

    page.locator("#theme").select_option("dark")
    dark = page.evaluate(paper)
    page = visit.go("/fleet")

    assert dark != light
    assert page.evaluate(paper) == dark
