"""The household's tutorial, in a browser at the demo's page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.integration.docs.blocks import DOCS
from tests.integration.docs.visitor import Visitor
from tests.integration.docs.walk import Walk
from tests.integration.docs.walks import HOUSEHOLD
from tests.portal_scene import finished_demo

__all__ = ["finished_demo"]


@pytest.fixture
def at_home(walk: Walk, finished_demo: Path) -> Iterator[Walk]:
    """A reader who has made the demo, with a browser."""
    out = walk.folder / "out" / "demo"
    shutil.copytree(finished_demo, out, ignore=shutil.ignore_patterns("site.sqlite*", "keys.sqlite*", "demo.pid"))
    for settings in out.rglob("*.toml"):
        settings.write_text(settings.read_text().replace(str(finished_demo), str(out)))
    path = shutil.which("chromium")
    assert path is not None, "there is no Chromium; on Debian and Ubuntu: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        walk.visitor = Visitor(page, walk.folder, walk.typed)
        yield walk
        browser.close()


def test_follow__households_tutorial__shows_what_it_says(at_home: Walk) -> None:
    for page in HOUSEHOLD:
        at_home.follow(DOCS / page)
