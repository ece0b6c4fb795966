"""A village's finished day, served as a person would serve it, and a real browser looking at it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from gridwitness.chain.anvil import free_port
from tests.portal_scene import finished_demo

__all__ = ["finished_demo", "free_port"]

ROOT = Path(__file__).resolve().parents[2]
DAY = "2016-08-13"
SHOTS = ROOT / "out" / "web"
SERVE_TIMEOUT_S = 180
# A busy machine is no fault of the page.
expect.set_options(timeout=30_000)


@dataclass(frozen=True)
class Village:
    """A demo that has ended."""

    out: Path

    @cached_property
    def summary(self) -> dict[str, Any]:
        return json.loads((self.out / "summary.json").read_text())

    @cached_property
    def proof(self) -> dict[str, Any]:
        return json.loads((self.out / "proof.json").read_text())


@dataclass(frozen=True)
class Served:
    """The site of the village."""

    url: str

    @cached_property
    def rpc_url(self) -> str:
        return self.api("/v1/site")["rpc_url"]

    def api(self, path: str) -> Any:
        answer = httpx.get(self.url + path)
        assert answer.status_code == 200, answer.text
        return answer.json()


@dataclass
class Visit:
    """A page in the browser, and all that went wrong in it."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page


def copied(demo: Path, folder: Path, *, is_open_data: bool = True) -> Village:
    """A demo in a folder of its own, which `gridwitness serve` claims; its data open to all, or to owners alone."""
    out = folder / "demo"
    shutil.copytree(demo, out, ignore=shutil.ignore_patterns("site.sqlite*", "keys.sqlite*", "demo.pid"))
    for settings in out.rglob("*.toml"):
        text = settings.read_text().replace(str(demo), str(out))
        settings.write_text(text if is_open_data else text.replace("open_data = true", "open_data = false"))
    return Village(out)


@pytest.fixture(scope="module")
def finished_village(finished_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Village:
    """One day of the bundled village, as the demo leaves it."""
    return copied(finished_demo, tmp_path_factory.mktemp("village"))


@contextmanager
def serving(finished_village: Village) -> Iterator[Served]:
    """`gridwitness serve` over a village, with a chain of its own."""
    port = free_port()
    log, site = finished_village.out / "serve.log", Served(f"http://127.0.0.1:{port}")
    command = (sys.executable, "-m", "gridwitness", "serve", "--data", str(finished_village.out), "--port", str(port))
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            until = time.monotonic() + SERVE_TIMEOUT_S
            while b"Ctrl-C ends it" not in log.read_bytes():
                assert process.poll() is None and time.monotonic() < until, log.read_text()
                time.sleep(0.1)
            yield site
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


@pytest.fixture(scope="module")
def served(finished_village: Village) -> Iterator[Served]:
    """The village's site, open to all."""
    with serving(finished_village) as site:
        yield site


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium. Of this module alone: while it is up, no other test of the process can run a loop."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path is not None, "there is no Chromium; on Debian and Ubuntu: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(served: Served, chromium: Browser) -> Iterator[Visit]:
    """A visitor at a desk. Whatever the console complains of fails the test."""
    with visiting(served, chromium) as visitor:
        yield visitor


@contextmanager
def visiting(served: Served, chromium: Browser, **context: Any) -> Iterator[Visit]:
    with chromium.new_context(viewport={"width": 1440, "height": 900}, **context) as session:
        visitor = Visit(session.new_page(), served.url)

        def note(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                visitor.problems.append(f"{message.text} at {message.location}")

        visitor.page.on("console", note)
        visitor.page.on("pageerror", lambda error: visitor.problems.append(str(error)))
        yield visitor
        assert visitor.problems == []
