"""Links that lead out of docs/ into the repository, which a site cannot follow: pages, files, or a name in code."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s:]+)(#[^)\s]*)?\)")
_PICTURE = re.compile(r"(!\[[^\]]*\]\()(docs/[^)]+)\)")
_FENCE = re.compile(r"(^```.*?^```[^\n]*$)", flags=re.MULTILINE | re.DOTALL)


def relinked(text: str, source: Path, page: str, pages: Mapping[str, str], root: Path) -> str:
    """Markdown of `source` for its place `page` in the site. `pages` are sources outside of docs/ by where they go."""

    def link(found: re.Match[str]) -> str:
        label, target, anchor = found[1], found[2], found[3] or ""
        path = os.path.relpath((source.parent / target).resolve(), root)
        if path in pages:
            goal = pages[path]
        elif path.startswith("docs/"):
            goal = path.removeprefix("docs/")
        else:
            name = label.strip("`")
            return f"`{path}`" if name in (path, target) else f"{label} (`{path}`)"
        return f"[{label}]({posixpath.relpath(goal, posixpath.dirname(page) or '.')}{anchor})"

    def picture(found: re.Match[str]) -> str:
        goal = found[2].removeprefix("docs/")
        return f"{found[1]}{posixpath.relpath(goal, posixpath.dirname(page) or '.')})"

    pieces = _FENCE.split(text)
    pieces[::2] = [_PICTURE.sub(picture, _LINK.sub(link, piece)) for piece in pieces[::2]]
    return "".join(pieces)


def section(text: str, heading: str) -> str:
    """A section's own text by its heading, without it. Raises KeyError if there is none."""
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        if title.strip() == heading:
            return body.strip() + "\n"
    raise KeyError(f"no section is called {heading}")
