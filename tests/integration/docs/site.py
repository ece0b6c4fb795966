"""The built site, as files: its pages with what they link to and what can be linked to."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

_ELSEWHERE = ("http:", "https:", "mailto:", "data:")


@dataclass
class HtmlPage(HTMLParser):
    """One page."""

    path: Path
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what it refers to."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(values["href"])
        elif "src" in values:
            self.loaded.append(values["src"])


@dataclass(frozen=True)
class Site:
    """A folder that MkDocs made."""

    folder: Path

    @cached_property
    def pages(self) -> dict[Path, HtmlPage]:
        """Every page, but the one for addresses that do not exist, whose links are those of a server's root."""
        return {path: HtmlPage(path) for path in sorted(self.folder.rglob("*.html")) if path.name != "404.html"}

    def page(self, name: str) -> HtmlPage:
        """A page by its place in the site."""
        return self.pages[self.folder / name]

    def external(self) -> set[str]:
        """Links that lead elsewhere."""
        return {link for page in self.pages.values() for link in page.links if link.startswith(_ELSEWHERE)}

    def broken(self) -> list[str]:
        """Links within the site to a file or a place that is not there."""
        return [
            f"{page.path.relative_to(self.folder)}: {link}"
            for page in self.pages.values()
            for link in (*page.links, *page.loaded)
            if not link.startswith(_ELSEWHERE) and not self._leads_somewhere(page, link)
        ]

    def _leads_somewhere(self, page: HtmlPage, link: str) -> bool:
        target, anchor = urldefrag(unquote(link))
        path = (page.path.parent / target).resolve() if target else page.path
        if path.is_dir():
            path /= "index.html"
        if not path.is_file():
            return False
        return not anchor or path.suffix != ".html" or anchor in self.pages[path].anchors
