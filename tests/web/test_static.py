"""Static files: vendored libraries are those of npm, and nothing is inline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gridwitness.api.portal.pages import STATIC_DIR

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = STATIC_DIR.parent / "templates"
VENDORED = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "htmx.LICENSE": "htmx.org/LICENSE",
    "sse.min.js": "htmx-ext-sse/dist/sse.min.js",
    "sse.LICENSE": "htmx-ext-sse/LICENSE",
    "uPlot.iife.min.js": "uplot/dist/uPlot.iife.min.js",
    "uPlot.min.css": "uplot/dist/uPlot.min.css",
    "uPlot.LICENSE": "uplot/LICENSE",
    "noble-hashes/sha2.js": "@noble/hashes/sha2.js",
    "noble-hashes/sha3.js": "@noble/hashes/sha3.js",
    "noble-hashes/utils.js": "@noble/hashes/utils.js",
    "noble-hashes/_md.js": "@noble/hashes/_md.js",
    "noble-hashes/_u64.js": "@noble/hashes/_u64.js",
    "noble-hashes/LICENSE": "@noble/hashes/LICENSE",
}


def test_vendored_files__pinned_npm_packages__the_same_to_the_byte() -> None:
    for name, source in VENDORED.items():
        there = (ROOT / "node_modules" / source).read_bytes()
        assert (STATIC_DIR / "vendor" / name).read_bytes() == there, f"{name} is not {source}"


def test_vendor_folder__all_its_files__are_compared() -> None:
    vendor = STATIC_DIR / "vendor"

    assert {path.relative_to(vendor).as_posix() for path in vendor.rglob("*") if path.is_file()} == VENDORED.keys()


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.j2")), ids=lambda path: path.name)
def test_template__scripts_and_styles__are_in_files(template: Path) -> None:
    text = template.read_text(encoding="utf-8")

    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert not re.search(r"<style|\sstyle=|\son\w+=|\| *safe", text)
