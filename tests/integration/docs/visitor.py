"""A person with a browser, who does what a page says in hidden comments after the sentences that say it.

<!-- browser: open URL -->      <!-- browser: click NAME OF A LINK -->    <!-- browser: press NAME OF A BUTTON -->
<!-- browser: see TEXT -->      <!-- browser: paste FILE -->              <!-- browser: picture NAME -->
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.integration.docs.blocks import ROOT

PICTURES = ROOT / "out" / "docs"


class Visitor:
    """At one page of a browser; files are those of a folder, and addresses are turned into those that are meant."""

    def __init__(self, page: Page, folder: Path, typed: Callable[[str], str]) -> None:
        self._page = page
        self._folder = folder
        self._typed = typed

    def do(self, deed: str, what: str) -> None:
        """One step. Raises AssertionError or Playwright's TimeoutError if it cannot be done."""
        deeds: dict[str, Callable[[str], object]] = {
            "open": lambda url: self._page.goto(self._typed(url)),
            "click": lambda name: self._page.get_by_role("link", name=name, exact=True).first.click(),
            "press": lambda name: self._page.get_by_role("button", name=name, exact=True).click(),
            "see": lambda text: expect(self._page.get_by_text(text).first).to_be_visible(timeout=30_000),
            "paste": lambda path: self._page.locator("#proof").fill((self._folder / path).read_text(encoding="utf-8")),
            "picture": self._picture,
        }
        assert deed in deeds, f"a visitor cannot {deed}"
        deeds[deed](what)

    def _picture(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        self._page.wait_for_load_state("networkidle")
        self._page.screenshot(path=PICTURES / f"{name}.png")
