"""The blocks of code of a Markdown page, and what its hidden comments say of them.

A comment of one line right before a block, which readers do not see, says what is special about it:

    <!-- block: not run, REASON -->     it cannot run here, for one of the few reasons of REASONS
    <!-- block: fails -->               it ends with an exit code other than 0, as the page says
    <!-- browser: click NAME -->        what a sentence says to do in a browser, and other such steps (visitor.py)

A title with a dot and no space is the name of the file that a reader saves the block as. The title "another terminal"
(or a third one) is a terminal of its own, in which the block goes on running.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sybil import Document
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
# Why a block may be left out, each with what it is about. Nothing else is a reason.
REASONS = {
    "public network": "it wants a public chain, a domain or an account there",
    "system service": "it wants systemd, and the rights to change the machine",
    "sets up": "it installs what runs these tests",
    "tested elsewhere": "a test of its own runs or checks it, and is named",
    "picture": "it is drawn or shown, and does nothing",
}
_INFO = re.compile(r"(?P<info>[^\n]*)\n")
_COMMENT = re.compile(r"<!-- block: (?P<words>[^\n]*?) -->\n+\Z")
STEP = re.compile(r"<!-- browser: (\w+) (.+?) -->")
_TITLE = re.compile(r'title="(?P<title>[^"]*)"')


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: Path
    line: int
    language: str
    title: str
    source: str
    comment: str
    step: tuple[str, str] | None = None

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.page.name}:{self.line}"

    @property
    def file_name(self) -> str:
        """The file a reader saves it as; empty if it is none."""
        return self.title if "." in self.title and " " not in self.title else ""

    @property
    def reason(self) -> str:
        """Why it is not run; empty if it is."""
        return self.comment.removeprefix("not run, ") if self.comment.startswith("not run") else ""


def pages() -> list[Path]:
    """Every page of the site that is written by hand. Of README.md, test_readme.py sees to what it shows."""
    return sorted(DOCS.rglob("*.md"))


def blocks_of(page: Path) -> list[Block]:
    """The page's blocks, and its steps in a browser, in order."""
    return sorted([*_found(page), *_steps(page)], key=lambda block: block.line)


def _steps(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for step in STEP.finditer(text):
        line = text.count("\n", 0, step.start()) + 1
        yield Block(page, line, "browser", "", step[0], "", step=(step[1], step[2]))


def _found(page: Path) -> Iterator[Block]:
    document = Document.parse(str(page))
    for region in RawFencedCodeBlockLexer(_INFO)(document):
        before = document.text[: region.start]
        info = region.lexemes["info"].strip()
        title = _TITLE.search(info)
        comment = _COMMENT.search(before)
        yield Block(
            page=page,
            line=before.count("\n") + 1,
            language=info.partition(" ")[0],
            title=title["title"] if title else "",
            source=str(region.lexemes["source"]),
            comment=comment["words"] if comment else "",
        )
