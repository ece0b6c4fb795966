"""Pages that a reader follows one after the other, in one place and with one chain. Any other is a walk of its own."""

from __future__ import annotations

from pathlib import Path

from tests.integration.docs.blocks import DOCS, ROOT, blocks_of, pages

OPERATOR = ("tutorials/operator.md", "tutorials/integrator.md", "how-to/add-a-metric.md", "how-to/add-a-device-kind.md")
MANUALS = ("operator.md", "operator-reference.md")
DEPLOYER = ("tutorials/deployer.md", "how-to/add-a-zone.md")
HOUSEHOLD = ("tutorials/household.md",)
# Pages whose blocks tests of their own run, each in the scene it needs.
ELSEWHERE = {
    "api.md": "tests/integration/portal_api/test_document.py",
    "integrator.md": "tests/integration/test_readme.py",
    "how-to/assets.md": "tests/integration/assets/test_page.py",
}


def others() -> list[Path]:
    """Pages with blocks that no walk above has, and no test of its own."""
    known = {DOCS / name for name in (*OPERATOR, *MANUALS, *DEPLOYER, *HOUSEHOLD, *ELSEWHERE)}
    return [page for page in pages() if page not in known and blocks_of(page)]


def names_page(test: str, name: str) -> bool:
    """Whether a test file is there and speaks of a page."""
    path = ROOT / test
    return path.is_file() and Path(name).name in path.read_text(encoding="utf-8")
