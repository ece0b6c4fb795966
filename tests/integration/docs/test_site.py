"""The documentation as a web site: built without a warning, whole, complete, and fit for people."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pkgutil
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import typer
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gridwitness.cli import build_app
from gridwitness.cli.relay import RelaySettings
from gridwitness.cli.settings import OracleSettings, Peer
from gridwitness.cli.site_settings import SiteSettings
from gridwitness.cli.worker import WorkerSettings
from tests.integration.docs.blocks import ROOT
from tests.integration.docs.site import Site
from tests.web.places import barriers, overflow_px

SHOTS = ROOT / "out" / "docs"
ABIS = ROOT / "oracle/gridwitness/chain/abi"
SCREENS = {"desk": (1440, 900), "phone": (390, 844)}
LOOKED_AT = ("index.html", "tutorials/operator.html", "reference/contracts/IDataAttestation.html", "gas.html")
PACKAGES = ("gridwitness.client", "gridwitness.encoding", "gridwitness.market")
FRONT_DOORS = ("gridwitness.scoring", "gridwitness.scoring.streaming")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return Site(folder)


def test_link__every_page__leads_somewhere(site: Site) -> None:
    assert len(site.pages) >= 50
    assert site.broken() == []


def test_link__to_elsewhere__is_https(site: Site) -> None:
    """Nothing is asked of the network here. A page on the reader's own machine has no certificate."""
    allowed = ("https://", "http://127.0.0.1:")
    assert {link for link in site.external() if not link.startswith(allowed)} == set()


def test_load__every_page__takes_nothing_from_elsewhere(site: Site) -> None:
    elsewhere = {loaded for page in site.pages.values() for loaded in page.loaded if loaded.startswith(("http", "//"))}
    assert elsewhere == set()


def test_refer__functions_events_and_errors_of_the_abis__have_an_entry(site: Site) -> None:
    pages = [page for path, page in site.pages.items() if path.parent.name == "contracts"]
    entries = set.union(*(page.anchors for page in pages))
    interfaces = [path for path in ABIS.glob("I*.json") if (ROOT / f"contracts/interfaces/{path.stem}.sol").exists()]
    items = [item for path in interfaces for item in json.loads(path.read_text(encoding="utf-8"))]
    wanted = {f"{item['type']}-{item['name']}" for item in items if item["type"] in ("function", "event", "error")}
    assert len(wanted) > 150
    # Shares are an ERC-20, whose own documentation stands in the standards.
    standards = json.loads((ABIS / "EuroToken.json").read_text(encoding="utf-8"))
    of_standards = {f"{item['type']}-{item['name']}" for item in standards if "name" in item}
    assert wanted - of_standards - {"function-supportsInterface"} - entries == set()


def public_names(module: str) -> Iterator[str]:
    """A module's own public functions and classes with their public methods, or what it says it has."""
    found = importlib.import_module(module)
    listed = getattr(found, "__all__", None)
    for name, value in vars(found).items():
        is_own = getattr(value, "__module__", "") == module and not name.startswith("_")
        if not (inspect.isfunction(value) or inspect.isclass(value)) or not (name in listed if listed else is_own):
            continue
        yield f"{module}.{name}"
        if inspect.isclass(value) and value.__module__ == module:
            own = (one for one in vars(value) if not one.startswith("_") and inspect.isfunction(vars(value)[one]))
            yield from (f"{module}.{name}.{method}" for method in own)


def test_refer__public_python__has_an_entry(site: Site) -> None:
    modules = [
        f"{package}.{one.name}"
        for package in PACKAGES
        for one in pkgutil.iter_modules(importlib.import_module(package).__path__)
    ]
    wanted = {name for module in (*PACKAGES, *modules, *FRONT_DOORS) for name in public_names(module)}
    entries = set.union(*(page.anchors for path, page in site.pages.items() if path.parent.name == "python"))
    assert len(wanted) > 200
    assert wanted - entries == set()


def command_names(command: Any, path: str) -> Iterator[str]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from command_names(inner, f"{path} {name}")


def test_refer__commands__have_an_entry(site: Site) -> None:
    scripts = [path.stem for path in (ROOT / "scripts").glob("*.py") if not path.name.startswith("_")]
    names = {*command_names(typer.main.get_command(build_app()), "gridwitness")}
    for script in scripts:
        names |= {*command_names(importlib.import_module(f"scripts.{script}").cli, f"ape run {script}")}
    assert len(names) > 30
    assert {name.replace(" ", "-") for name in names} - site.page("reference/commands.html").anchors == set()


def test_refer__settings__have_an_entry(site: Site) -> None:
    models = {
        "oracle": OracleSettings,
        "peer": Peer,
        "relay": RelaySettings,
        "worker": WorkerSettings,
        "site": SiteSettings,
    }
    wanted = {f"{place}-{name}" for place, model in models.items() for name in model.model_fields}
    assert wanted - site.page("reference/settings.html").anchors == set()


def test_refer__routes__have_an_entry(site: Site) -> None:
    paths = json.loads((ROOT / "docs/openapi.json").read_text(encoding="utf-8"))["paths"]
    wanted = {operation["operationId"] for methods in paths.values() for operation in methods.values()}
    assert wanted - site.page("reference/http.html").anchors == set()


def test_show__gas__is_what_was_measured(site: Site) -> None:
    text = (site.folder / "gas.html").read_text(encoding="utf-8")
    calls = json.loads((ROOT / "tests/gas/gas.json").read_text(encoding="utf-8"))["calls"]
    rows = {key: f"<code>{key}</code></td>\n<td>{spent['gas']:,}</td>" for key, spent in calls.items()}
    assert [key for key, row in rows.items() if row not in text] == []
    assert "…</td>" not in text


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    path = shutil.which("chromium")
    assert path is not None, "there is no Chromium; on Debian and Ubuntu: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def requested() -> list[str]:
    """What pages asked for that is not theirs."""
    return []


@pytest.fixture(params=SCREENS)
def page(request: pytest.FixtureRequest, chromium: Browser, site: Site, requested: list[str]) -> Iterator[Page]:
    """A page of a screen's size, of a reader without a network."""
    width, height = SCREENS[request.param]
    with chromium.new_context(viewport={"width": width, "height": height}) as context:
        opened = context.new_page()
        opened.on("request", lambda one: requested.append(one.url) if not one.url.startswith("file:") else None)
        yield opened


@pytest.mark.parametrize("name", LOOKED_AT)
def test_look__page__has_no_barrier_fits_and_asks_nobody(
    page: Page, site: Site, requested: list[str], name: str
) -> None:
    page.goto((site.folder / name).as_uri())
    SHOTS.mkdir(parents=True, exist_ok=True)
    width = page.viewport_size["width"] if page.viewport_size else 0
    page.screenshot(path=SHOTS / f"{name.replace('/', '-').removesuffix('.html')}-{width}.png")
    assert overflow_px(page) <= 0
    assert barriers(page) == []
    assert requested == []


def test_search__served__finds_an_error_of_a_contract(chromium: Browser, site: Site) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(site.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with chromium.new_context(viewport={"width": 1440, "height": 900}) as context:
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
            page.keyboard.press("/")
            page.keyboard.type("ChallengesOpen")
            expect(page.get_by_role("heading", name="IStreamBonds").first).to_be_visible()
        server.shutdown()


def test_draw__specification__shows_its_state_machines(page: Page, site: Site, requested: list[str]) -> None:
    page.goto((site.folder / "specification.html").as_uri())
    wanted = (ROOT / "SPEC.md").read_text(encoding="utf-8").count("```mermaid")
    expect(page.locator("div.mermaid")).to_have_count(wanted)
    assert requested == []
